//! The secret half: a PEM file of 119 bytes, PKCS#8 (RFC 8410), so that OpenSSL reads it as well.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

use super::{PublicKey, Signature, SignatureBytes};

/// More than any key of this kind has, with room for blanks.
pub const MAX_SIGNING_KEY_FILE: usize = 1024;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// DER of everything before the key itself: version 1, Ed25519, an octet string within an octet string.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const PKCS8_LENGTH: usize = PKCS8_HEAD.len() + SECRET_KEY_LENGTH;

/// It wipes itself from memory.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: [u8; SECRET_KEY_LENGTH]) -> SigningKey {
        let seed = SecretBox::new(Box::new(seed));
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed.expose_secret()))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature { key: self.public(), value: SignatureBytes(self.0.sign(message).to_bytes()) }
    }

    pub fn to_pem(&self) -> SecretString {
        let mut der = SecretBox::new(Box::new([0; PKCS8_LENGTH]));
        let (head, seed) = der.expose_secret_mut().split_at_mut(PKCS8_HEAD.len());
        head.copy_from_slice(&PKCS8_HEAD);
        seed.copy_from_slice(self.0.as_bytes());
        let body = SecretString::from(STANDARD.encode(der.expose_secret()));
        SecretString::from(format!("{BEGIN}\n{}\n{END}\n", body.expose_secret()))
    }

    /// What [`SigningKey::to_pem`] or `openssl genpkey -algorithm ed25519` wrote.
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, InvalidSigningKey> {
        let text = std::str::from_utf8(pem).map_err(|_| InvalidSigningKey)?;
        let body = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(InvalidSigningKey)?;
        // One byte more than is due, so that a longer one does not fit.
        let mut der = SecretBox::new(Box::new([0; PKCS8_LENGTH + 1]));
        let decoded = STANDARD.decode_slice(body.trim(), der.expose_secret_mut());
        let (head, seed) = der.expose_secret().split_at(PKCS8_HEAD.len());
        match (decoded, seed.first_chunk()) {
            (Ok(PKCS8_LENGTH), Some(seed)) if head == PKCS8_HEAD => Ok(SigningKey::from_seed(*seed)),
            _ => Err(InvalidSigningKey),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no Ed25519 private key in PEM (PKCS#8)")]
pub struct InvalidSigningKey;

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm ed25519`, its public half with `openssl pkey -pubout`.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
                           MC4CAQAwBQYDK2VwBCIEILKy9rRm9mEx4ySGFP60Ivg8v2iVwB3kg74q+z9bKEtA\n\
                           -----END PRIVATE KEY-----\n";
    const OPENSSL_PUBLIC: &str = "ed25519:r8eKCBr4ktyzHX7mbVgNXVquoRj86FpuoKYMNwuB9u8=";

    #[test]
    fn a_key_survives_its_file() {
        let key = SigningKey::from_seed([7; 32]);
        let pem = key.to_pem();
        assert_eq!(pem.expose_secret().len(), 119);
        let read = SigningKey::from_pem(pem.expose_secret().as_bytes()).ok().unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(read.sign(b"x"), key.sign(b"x"));
    }

    #[test]
    fn openssl_s_keys_are_read() {
        let key = SigningKey::from_pem(OPENSSL.as_bytes()).ok().unwrap();
        assert_eq!(key.public().to_string(), OPENSSL_PUBLIC);
        assert_eq!(key.to_pem().expose_secret(), OPENSSL);
    }

    #[test]
    fn nothing_else_is_a_key() {
        let other_kind = OPENSSL.replace("K2Vw", "K2Vx");
        let public = OPENSSL.replace("PRIVATE", "PUBLIC");
        let long = OPENSSL.replace("\n-----END", "AAAA\n-----END");
        for wrong in ["", BEGIN, &OPENSSL[1..], &other_kind, &public, &long, &OPENSSL.replace("KEtA", "")] {
            assert!(SigningKey::from_pem(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(SigningKey::from_pem(b"\xff").is_err());
    }
}
