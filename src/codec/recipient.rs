//! Public keys. X25519 only: a passphrase recipient must be alone in a header and so could carry no
//! envelope.

use age::secrecy::SecretString;
use age::x25519;

pub use age::x25519::Recipient;

/// Bounds the header: each recipient takes about 100 bytes of it.
pub const MAX_RECIPIENTS: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The text itself is not repeated: it opens backups.
    #[error("a secret key stands where a recipient (age1…) belongs")]
    SecretKey,
    #[error("\"{0}\" is an SSH key; only age recipients (age1…) are supported")]
    Ssh(String),
    #[error("\"{text}\" is not an age X25519 recipient: {reason}")]
    Invalid { text: String, reason: &'static str },
}

/// Reads `age1…`.
pub fn parse_recipient(text: &str) -> Result<Recipient, RecipientError> {
    let text = text.trim();
    if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") {
        return Err(RecipientError::SecretKey);
    }
    if text.starts_with("ssh-") {
        return Err(RecipientError::Ssh(text.to_owned()));
    }
    text.parse().map_err(|reason| RecipientError::Invalid { text: text.to_owned(), reason })
}

/// A new identity as text (`AGE-SECRET-KEY-1…`) and the recipient that belongs to it.
pub fn generate_identity() -> (SecretString, Recipient) {
    let identity = x25519::Identity::generate();
    (identity.to_string(), identity.to_public())
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    #[test]
    fn recipients_are_read_and_secrets_never_repeated() {
        let (secret, recipient) = generate_identity();
        assert_eq!(parse_recipient(&format!(" {recipient}\n")), Ok(recipient));
        for text in [secret.expose_secret().to_owned(), secret.expose_secret().to_lowercase()] {
            assert_eq!(parse_recipient(&text), Err(RecipientError::SecretKey));
        }
        assert!(matches!(parse_recipient("ssh-ed25519 AAAA"), Err(RecipientError::Ssh(_))));
        assert!(matches!(parse_recipient("age1xyz"), Err(RecipientError::Invalid { .. })));
    }
}
