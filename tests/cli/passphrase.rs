//! The passphrase of a protected identity file: asked for on a terminal, and only there.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use age::secrecy::{ExposeSecret, SecretString};

use super::support::{Place, Run};

/// Where the identity opened, the next thing to be missed is the repository.
const OPENED: Option<i32> = Some(7);
const IDENTITY: Option<i32> = Some(9);
const INTERRUPTED: Option<i32> = Some(130);

fn with_protected_identity() -> Place {
    let place = Place::new();
    let mut recipient = age::scrypt::Recipient::new(SecretString::from("right"));
    recipient.set_work_factor(2);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut writer = encryptor.wrap_output(std::fs::File::create(place.path("key.age")).unwrap()).unwrap();
    writer.write_all(age::x25519::Identity::generate().to_string().expose_secret().as_bytes()).unwrap();
    writer.finish().unwrap();
    place
}

const QUESTION: &str = "passphrase for key.age: ";
const RESTORE: &str = "restore --target-dir new --to latest --identity key.age --repository file:///no/such/repository";

/// Runs it on a terminal of its own where `answer` is typed.
fn on_a_terminal(place: &Place, answer: &str) -> Option<Run> {
    let line = format!("{} {RESTORE}", env!("CARGO_BIN_EXE_pgcairn"));
    let mut script = Command::new("script");
    script.current_dir(place.path("")).args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut child = match script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: script cannot be run: {error}");
            return None;
        }
    };
    let mut stdout = child.stdout.take().unwrap();
    // What is typed ahead of the question is thrown away.
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(QUESTION) {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer.as_bytes()).unwrap();
    stdout.read_to_end(&mut said).unwrap();
    let status = child.wait().unwrap();
    Some(Run { status: status.code(), stdout: String::from_utf8_lossy(&said).into_owned(), stderr: String::new() })
}

#[test]
fn it_is_asked_for_on_a_terminal_and_not_echoed() {
    for (answer, status) in [("wrung\n", IDENTITY), ("rig\x03", INTERRUPTED), ("right\n", OPENED)] {
        let place = with_protected_identity();
        let Some(run) = on_a_terminal(&place, answer) else { return };
        assert_eq!(run.status, status, "{answer:?}: {run}");
        let after = run.stdout.split_once(QUESTION).unwrap().1;
        assert!(!after.contains("rig") && !after.contains("wrung"), "{run}");
    }
}

#[test]
fn elsewhere_it_is_not_asked_for() {
    let words: Vec<&str> = RESTORE.split(' ').collect();
    let run = with_protected_identity().run(&words);
    assert_eq!(run.status, IDENTITY, "{run}");
    assert!(!run.stderr.contains(QUESTION), "{run}");
}
