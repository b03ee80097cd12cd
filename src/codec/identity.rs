//! Secret keys, as `age-keygen` writes them: a list of X25519 identities, plain or protected with a
//! passphrase (`age -p`), binary or armored. Nothing here has `Debug`, no error repeats a line.

use std::io::Read;
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, scrypt, x25519};
use secrecy::{ExposeSecret, SecretBox};

use super::recipient::Recipient;

/// Longest identity file.
pub const MAX_IDENTITY_FILE: usize = 1 << 20;

/// Greatest scrypt work factor, which bounds time (minutes) and memory (4 GiB); `age -p` uses 18.
const MAX_WORK_FACTOR: u8 = 22;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("line {0} is not an age X25519 identity (AGE-SECRET-KEY-1…)")]
    Line(usize),
    #[error("line {0} is an identity of an age plugin; only X25519 identities (AGE-SECRET-KEY-1…) are supported")]
    Plugin(usize),
    #[error("it holds no identity")]
    Empty,
    #[error("it is longer than {MAX_IDENTITY_FILE} bytes")]
    TooLong,
    #[error("it is protected with a passphrase and none was given")]
    PassphraseNeeded,
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    #[error("its passphrase protection asks for more work (2^{0}) than the {MAX_WORK_FACTOR} allowed")]
    ExcessiveWork(u8),
    #[error("it is encrypted to another key; only protection with a passphrase is supported")]
    NotByPassphrase,
    #[error("its protection with a passphrase is damaged: {0}")]
    Damaged(String),
}

/// The identities of one file, shared by all that open objects.
#[derive(Clone)]
pub struct Identities(Arc<Vec<x25519::Identity>>);

impl Identities {
    /// `passphrase` is asked at most once, and only where the file needs one.
    pub fn parse(file: &[u8], passphrase: impl FnOnce() -> Option<SecretString>) -> Result<Identities, IdentityError> {
        if file.len() > MAX_IDENTITY_FILE {
            return Err(IdentityError::TooLong);
        }
        if is_age_file(file) {
            let plain = unprotect(file, passphrase)?;
            return list(plain.expose_secret());
        }
        list(file)
    }

    /// The recipients that belong to the identities.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.0.iter().map(x25519::Identity::to_public).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

fn is_age_file(file: &[u8]) -> bool {
    let start = file.trim_ascii_start();
    start.starts_with(b"age-encryption.org/") || start.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

fn unprotect(
    file: &[u8],
    passphrase: impl FnOnce() -> Option<SecretString>,
) -> Result<SecretBox<Vec<u8>>, IdentityError> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file)).map_err(decrypt_error)?;
    if !decryptor.is_scrypt() {
        return Err(IdentityError::NotByPassphrase);
    }
    let mut key = scrypt::Identity::new(passphrase().ok_or(IdentityError::PassphraseNeeded)?);
    key.set_max_work_factor(MAX_WORK_FACTOR);
    let reader = decryptor.decrypt(std::iter::once(&key as &dyn age::Identity)).map_err(decrypt_error)?;
    // With room for all of it, the buffer is never moved and leaves no copy behind.
    let mut plain = SecretBox::new(Box::new(Vec::with_capacity(file.len())));
    let read = reader.take(file.len() as u64).read_to_end(secrecy::ExposeSecretMut::expose_secret_mut(&mut plain));
    read.map_err(|e| IdentityError::Damaged(e.to_string()))?;
    Ok(plain)
}

fn decrypt_error(error: DecryptError) -> IdentityError {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            IdentityError::WrongPassphrase
        }
        DecryptError::ExcessiveWork { required, .. } => IdentityError::ExcessiveWork(required),
        other => IdentityError::Damaged(other.to_string()),
    }
}

fn list(file: &[u8]) -> Result<Identities, IdentityError> {
    let lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    let kept = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    let identities = kept.map(|(i, line)| identity(line, i + 1)).collect::<Result<Vec<_>, _>>()?;
    if identities.is_empty() { Err(IdentityError::Empty) } else { Ok(Identities(Arc::new(identities))) }
}

fn identity(line: &[u8], number: usize) -> Result<x25519::Identity, IdentityError> {
    if line.starts_with(b"AGE-PLUGIN-") {
        return Err(IdentityError::Plugin(number));
    }
    let parsed = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
    parsed.ok_or(IdentityError::Line(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::generate_identity;
    use age::armor::{ArmoredWriter, Format};
    use std::io::Write;

    fn none() -> Option<SecretString> {
        None
    }

    /// As `age -p` does it, with a work factor for tests.
    fn protect(plain: &str, passphrase: &str, format: Format) -> Vec<u8> {
        let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(2);
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let output = ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
        let mut writer = encryptor.wrap_output(output).unwrap();
        writer.write_all(plain.as_bytes()).unwrap();
        writer.finish().unwrap().finish().unwrap()
    }

    fn error(file: &[u8], passphrase: Option<&str>) -> Option<IdentityError> {
        Identities::parse(file, || passphrase.map(|p| SecretString::from(p.to_owned()))).err()
    }

    #[test]
    fn files_of_age_keygen_are_read() {
        let (one, two) = (generate_identity(), generate_identity());
        let secrets = (one.0.expose_secret(), two.0.expose_secret());
        let file = format!("# created: today\n# public key: {}\n{}\r\n\n{}", one.1, secrets.0, secrets.1);
        assert_eq!(Identities::parse(file.as_bytes(), none).ok().unwrap().recipients(), [one.1, two.1]);
    }

    #[test]
    fn protected_files_ask_for_the_passphrase() {
        let (secret, recipient) = generate_identity();
        for format in [Format::Binary, Format::AsciiArmor] {
            let file = protect(secret.expose_secret(), "right", format);
            let right = || Some(SecretString::from("right".to_owned()));
            assert_eq!(Identities::parse(&file, right).ok().unwrap().recipients(), std::slice::from_ref(&recipient));
            assert_eq!(error(&file, Some("wrong")), Some(IdentityError::WrongPassphrase));
            assert_eq!(error(&file, None), Some(IdentityError::PassphraseNeeded));
            assert!(matches!(error(&file[..file.len() - 40], Some("right")), Some(IdentityError::Damaged(_))));
        }
    }

    #[test]
    fn what_is_no_identity_is_named_by_line_only() {
        assert_eq!(error(b"", None), Some(IdentityError::Empty));
        assert_eq!(error(b"# only a comment\n", None), Some(IdentityError::Empty));
        assert_eq!(error(b"\nAGE-SECRET-KEY-1QQQ\n", None), Some(IdentityError::Line(2)));
        assert_eq!(error(b"\xff\xfe", None), Some(IdentityError::Line(1)));
        assert_eq!(error(b"AGE-PLUGIN-YUBIKEY-1QQQ", None), Some(IdentityError::Plugin(1)));
        assert_eq!(error(&vec![b'#'; MAX_IDENTITY_FILE + 1], None), Some(IdentityError::TooLong));
        let mut sealed = Vec::new();
        let recipient = generate_identity().1;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        encryptor.wrap_output(&mut sealed).unwrap().finish().unwrap();
        assert_eq!(error(&sealed, Some("any")), Some(IdentityError::NotByPassphrase));
    }
}
