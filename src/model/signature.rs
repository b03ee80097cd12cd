//! Signatures of backups: Ed25519 (RFC 8032), keys and signatures as text. What is signed is said in
//! `docs/format.md`; the secret half has no `Debug`, and no error repeats what it was given.

mod secret;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, VerifyingKey};
use serde::{Deserialize, Serialize};

pub use secret::{InvalidSigningKey, MAX_SIGNING_KEY_FILE, SigningKey};

/// What a public key begins with, and the only algorithm there is.
const ALGORITHM: &str = "ed25519:";

/// The public half of a host's key: `ed25519:` and 32 bytes in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; PUBLIC_KEY_LENGTH]);

impl PublicKey {
    /// Whether the owner of this key signed `message`. Strict: neither weak keys nor a second form of the same
    /// signature pass.
    pub fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<PublicKey, InvalidPublicKey> {
        let bytes = text.strip_prefix(ALGORITHM).and_then(decode).ok_or(InvalidPublicKey)?;
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(PublicKey(bytes)),
            _ => Err(InvalidPublicKey),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidPublicKey;
    fn try_from(text: String) -> Result<PublicKey, InvalidPublicKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

/// Somebody may have put a secret in its place, so it is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the public key of a host, ed25519: and 44 characters, as pgcairn init prints it")]
pub struct InvalidPublicKey;

/// 64 bytes, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureBytes([u8; SIGNATURE_LENGTH]);

impl TryFrom<String> for SignatureBytes {
    type Error = InvalidSignature;
    fn try_from(text: String) -> Result<SignatureBytes, InvalidSignature> {
        decode(&text).map(SignatureBytes).ok_or(InvalidSignature)
    }
}

impl From<SignatureBytes> for String {
    fn from(signature: SignatureBytes) -> String {
        STANDARD.encode(signature.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a signature of 64 bytes")]
pub struct InvalidSignature;

/// Padded and canonical, as everything writes it; exactly as many bytes as are due.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A signature with the key that it is to be checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub key: PublicKey,
    pub value: SignatureBytes,
}

/// What a signature says by itself, whoever is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    No,
    /// And it is right.
    By(PublicKey),
    Wrong(String),
}

/// What it says to somebody who trusts certain keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Standing {
    Pinned { key: PublicKey },
    Unknown { key: PublicKey },
    Unsigned,
    Wrong { reason: String },
}

impl Signed {
    pub fn standing(&self, trusted: &[PublicKey]) -> Standing {
        match self {
            Signed::No => Standing::Unsigned,
            Signed::By(key) if trusted.contains(key) => Standing::Pinned { key: *key },
            Signed::By(key) => Standing::Unknown { key: *key },
            Signed::Wrong(reason) => Standing::Wrong { reason: reason.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    #[test]
    fn public_keys_survive_a_round_trip_and_nothing_else_is_one() {
        let text = key(1).public().to_string();
        assert_eq!(text.parse(), Ok(key(1).public()));
        assert_eq!(text.len(), ALGORITHM.len() + 44);
        let unpadded = text.trim_end_matches('=');
        let rsa = text.replace(ALGORITHM, "rsa:");
        // Of small order: everybody can sign for it.
        let weak = format!("{ALGORITHM}{}", STANDARD.encode([0u8; 32]));
        for wrong in ["", "ed25519:", unpadded, &rsa, &weak, &text[8..], &format!("{text}A"), &format!(" {text}")] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(InvalidPublicKey), "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        let signature = key(1).sign(b"message");
        assert_eq!(signature.key, key(1).public());
        assert!(signature.key.verifies(b"message", &signature.value));
        assert!(!signature.key.verifies(b"massage", &signature.value));
        assert!(!key(2).public().verifies(b"message", &signature.value));
    }

    /// The group's order added to the second half gives another form of the same signature.
    #[test]
    fn there_is_no_second_form_of_a_signature() {
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let Signature { key, value: SignatureBytes(mut bytes) } = key(1).sign(b"message");
        let mut carry = 0u16;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert!(!key.verifies(b"message", &SignatureBytes(bytes)));
    }

    #[test]
    fn standing_depends_on_who_is_trusted() {
        let (ours, theirs) = (key(1).public(), key(2).public());
        assert_eq!(Signed::By(ours).standing(&[theirs, ours]), Standing::Pinned { key: ours });
        assert_eq!(Signed::By(theirs).standing(&[ours]), Standing::Unknown { key: theirs });
        assert_eq!(Signed::No.standing(&[ours]), Standing::Unsigned);
        let wrong = Signed::Wrong("why".to_owned()).standing(&[ours]);
        assert_eq!(serde_json::to_string(&wrong).unwrap(), r#"{"state":"wrong","reason":"why"}"#);
    }
}
