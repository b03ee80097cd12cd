//! SHA-256 of content: what the envelope, the list of objects and the commit marker name things by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256, 64 lower-case hexadecimal digits where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Sum(pub [u8; 32]);

impl Sha256Sum {
    pub fn of(content: &[u8]) -> Sha256Sum {
        Sha256Sum(Sha256::digest(content).into())
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Sum {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Sha256Sum, InvalidSha256> {
        parse(text).map(Sha256Sum).ok_or_else(|| InvalidSha256(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let lower = |b: &u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    let plain = text.len() == 64 && text.as_bytes().iter().all(lower);
    let mut digest = [0; 32];
    for (i, byte) in digest.iter_mut().enumerate().take_while(|_| plain) {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    plain.then_some(digest)
}

impl TryFrom<String> for Sha256Sum {
    type Error = InvalidSha256;
    fn try_from(text: String) -> Result<Sha256Sum, InvalidSha256> {
        text.parse()
    }
}

impl From<Sha256Sum> for String {
    fn from(digest: Sha256Sum) -> String {
        digest.to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a SHA-256 of 64 hexadecimal digits")]
pub struct InvalidSha256(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_as_sha256sum_does() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256Sum::of(b"abc").to_string(), text);
        assert_eq!(text.parse(), Ok(Sha256Sum::of(b"abc")));
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('b', "é")] {
            assert!(bad.parse::<Sha256Sum>().is_err(), "{bad}");
        }
    }
}
