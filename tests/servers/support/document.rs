//! Documents whose commands are run: every fenced block of `sh`, in order, as one script.

use std::path::Path;
use std::process::Command;

use super::Outcome;
use super::account::account;
use super::server::run;

/// The `sh` blocks of a document.
pub fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap_or_default()).collect()
}

/// Runs blocks as the account, in `directory`; ends at the first command that fails.
pub fn run_commands(blocks: &[&str], directory: &Path, environment: &[(&str, &str)]) -> Outcome<String> {
    let script = directory.join("commands.sh");
    account().write(&script, format!("set -eu\n{}\n", blocks.join("\n")), 0o600)?;
    let mut command: Command = account().command("/bin/bash");
    command.arg(&script).current_dir(directory).envs(environment.iter().copied());
    run(&mut command)
}
