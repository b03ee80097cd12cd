//! The one question that is asked: the passphrase of a protected identity file.

use std::io::{self, IsTerminal};
use std::path::Path;

use rustix::io::retry_on_intr;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

use crate::report::output::to_stderr;

/// What Ctrl-C sends.
const CONTROL_C: u8 = 3;

/// Longer than any passphrase.
const MAX_PASSPHRASE: usize = 4096;

/// What a person answered.
pub enum Answer {
    Passphrase(SecretString),
    /// Ctrl-C, Ctrl-D.
    Cancelled,
    /// There is nobody to ask.
    NoTerminal,
}

pub fn passphrase(identity: &Path) -> Answer {
    let terminal = io::stdin();
    let Some(before) = tcgetattr(&terminal).ok().filter(|_| terminal.is_terminal()) else { return Answer::NoTerminal };
    if tcsetattr(&terminal, OptionalActions::Flush, &silent(&before)).is_err() {
        return Answer::NoTerminal;
    }
    to_stderr(&format!("passphrase for {}: ", identity.display()));
    let answer = read_line();
    // Nothing is left to do about a terminal that will not be set back.
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    to_stderr("\n");
    answer.map_or(Answer::Cancelled, Answer::Passphrase)
}

/// No echo, and Ctrl-C as an end of line: a signal would leave the terminal without echo.
fn silent(usual: &Termios) -> Termios {
    let mut silent = usual.clone();
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    silent.special_codes[SpecialCodeIndex::VEOL] = CONTROL_C;
    silent
}

/// One read is one line, as long as the terminal is not raw.
fn read_line() -> Option<SecretString> {
    let mut line = SecretBox::new(Box::new(vec![0u8; MAX_PASSPHRASE]));
    let length = retry_on_intr(|| rustix::io::read(io::stdin(), line.expose_secret_mut().as_mut_slice())).ok()?;
    let line = line.expose_secret().get(..length)?;
    let cancelled = line.is_empty() || line.contains(&CONTROL_C);
    let text = str::from_utf8(line).ok().filter(|_| !cancelled)?;
    Some(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}
