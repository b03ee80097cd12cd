//! The one question that is asked: the passphrase of a protected identity file.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use rustix::io::retry_on_intr;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

/// What Ctrl-C sends.
const CONTROL_C: u8 = 3;

/// Longer than any passphrase.
const MAX_PASSPHRASE: usize = 4096;

/// `None` where there is no terminal, or where the answer was Ctrl-C.
pub fn passphrase(identity: &Path) -> Option<SecretString> {
    let terminal = io::stdin();
    if !terminal.is_terminal() {
        return None;
    }
    let _ = write!(io::stderr(), "passphrase for {}: ", identity.display());
    let before = tcgetattr(&terminal).ok()?;
    tcsetattr(&terminal, OptionalActions::Flush, &silent(&before)).ok()?;
    let answer = read_line();
    let restored = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = writeln!(io::stderr());
    answer.filter(|_| restored.is_ok())
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
