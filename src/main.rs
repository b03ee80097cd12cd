//! Arguments in, exit status out.

fn main() -> std::process::ExitCode {
    pgcairn::cli::main()
}
