//! What `init` and `check` say of the repository's encryption and of who can open it.

use crate::config::Config;
use crate::model::key::Encryption;
use crate::report::check::Finding;
use crate::report::text::count;

pub fn encryption(config: &Config, encryption: Encryption) -> Vec<Finding> {
    let number = config.recipients.len() as u64;
    let pass = || Finding::pass("encryption", format!("age, {}", count(number, "recipient")));
    match (encryption, number) {
        (Encryption::None, _) => vec![Finding::advice(
            "encryption",
            "none: whoever reads the repository reads the database",
            "pgcairn key generate --output FILE, and a new repository",
        )],
        (Encryption::Age, 1) => vec![pass(), lonely()],
        (Encryption::Age, _) => vec![pass()],
    }
}

fn lonely() -> Finding {
    Finding::advice(
        "recipients",
        "there is one recipient: who loses its identity loses every backup",
        "add a second recipient whose identity is kept offline, and back up again",
    )
}
