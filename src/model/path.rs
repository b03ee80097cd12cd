//! Paths as PostgreSQL's files have them: bytes, not text. A path that is plain text is a JSON string,
//! any other one is `{"hex":"…"}`, so that every name survives a manifest without loss.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Linux's `PATH_MAX` without the final NUL, and its `NAME_MAX`.
pub const MAX_PATH: usize = 4095;
pub const MAX_NAME: usize = 255;

const HEX_KEY: &str = "hex";

/// Any path as the operating system knows it: no NUL, not empty, at most [`MAX_PATH`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawPath(Box<[u8]>);

/// A path below a directory: parts that are neither empty, `.` nor `..`, without NUL. It cannot lead
/// outside of the directory unless a symbolic link on the way does.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(RawPath);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a usable path: {reason}", .bytes.escape_ascii())]
pub struct InvalidPath {
    bytes: Vec<u8>,
    reason: &'static str,
}

impl RawPath {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<RawPath, InvalidPath> {
        let bytes = bytes.into();
        match raw_defect(&bytes) {
            None => Ok(RawPath(bytes.into_boxed_slice())),
            Some(reason) => Err(InvalidPath { bytes, reason }),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    pub fn is_absolute(&self) -> bool {
        self.0.first() == Some(&b'/')
    }

    /// The path as text, if a reader could type it: UTF-8 without control characters.
    fn as_plain_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().filter(|text| !text.chars().any(char::is_control))
    }
}

fn raw_defect(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("it is empty"),
        _ if bytes.len() > MAX_PATH => Some("it is too long"),
        _ if bytes.contains(&0) => Some("it holds a NUL"),
        _ => None,
    }
}

impl RelPath {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<RelPath, InvalidPath> {
        let raw = RawPath::new(bytes)?;
        match raw.0.split(|b| *b == b'/').find_map(part_defect) {
            None => Ok(RelPath(raw)),
            Some(reason) => Err(InvalidPath { bytes: raw.0.into_vec(), reason }),
        }
    }

    /// This path with one more part.
    pub fn join(&self, name: &[u8]) -> Result<RelPath, InvalidPath> {
        RelPath::new([self.as_bytes(), b"/", name].concat())
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub fn as_path(&self) -> &Path {
        self.0.as_path()
    }

    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.as_bytes().split(|b| *b == b'/')
    }

    pub fn file_name(&self) -> &[u8] {
        let bytes = self.as_bytes();
        bytes.iter().rposition(|b| *b == b'/').map_or(bytes, |slash| &bytes[slash + 1..])
    }

    /// The directory that holds it; `None` directly below the root.
    pub fn parent(&self) -> Option<RelPath> {
        let slash = self.as_bytes().iter().rposition(|b| *b == b'/')?;
        Some(RelPath(RawPath(self.as_bytes()[..slash].into())))
    }
}

fn part_defect(part: &[u8]) -> Option<&'static str> {
    match part {
        b"" => Some("it is absolute or has an empty part"),
        b"." | b".." => Some("it holds a . or .. part"),
        _ if part.len() > MAX_NAME => Some("a part of it is too long"),
        _ => None,
    }
}

impl fmt::Display for RawPath {
    /// As text where it is text; any other byte as `\xHH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_plain_text() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.as_plain_text() {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(HEX_KEY, &to_hex(&self.0))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawPath::new(deserializer.deserialize_any(PathVisitor)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RelPath::new(deserializer.deserialize_any(PathVisitor)?).map_err(D::Error::custom)
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a path, or {{\"{HEX_KEY}\": its bytes}}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u8>, A::Error> {
        let Some((key, digits)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::missing_field(HEX_KEY));
        };
        if key != HEX_KEY || map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(format!("expected the one key \"{HEX_KEY}\"")));
        }
        from_hex(&digits).ok_or_else(|| A::Error::custom("not pairs of lower-case hexadecimal digits"))
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

impl fmt::Debug for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_json() {
        for name in [
            b"base/5/1259".as_slice(),
            b"a =[#\\b",
            "gr\u{fc}n".as_bytes(),
            b"latin-\xfc",
            b"new\nline",
            b"tab\t",
            b"{\"hex\":\"00\"}",
            b"-rf ~ $(x)",
        ] {
            let path = RelPath::new(name).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path, "{json}");
        }
    }

    #[test]
    fn text_stays_readable_and_the_rest_is_hex() {
        let json = |name: &[u8]| serde_json::to_string(&RelPath::new(name).unwrap()).unwrap();
        assert_eq!(json(b"base/5/1259"), "\"base/5/1259\"");
        assert_eq!(json(b"a\xff"), "{\"hex\":\"61ff\"}");
    }

    #[test]
    fn nothing_leads_outside() {
        let long = vec![b'a'; MAX_NAME + 1];
        for bad in [
            b"".as_slice(),
            b"/",
            b"/etc/passwd",
            b"..",
            b"a/../b",
            b"a/..",
            b"./a",
            b"a//b",
            b"a/",
            b"a\0b",
            &long,
            &b"a/".repeat(MAX_PATH),
        ] {
            assert!(RelPath::new(bad).is_err(), "{}", bad.escape_ascii());
        }
        for bad in
            ["\"../x\"", "{\"hex\":\"2e2e\"}", "{\"hex\":\"6\"}", "{\"hex\":\"6G\"}", "{}", "{\"x\":\"61\"}", "1"]
        {
            assert!(serde_json::from_str::<RelPath>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<RelPath>("{\"hex\":\"61\",\"hex\":\"62\"}").is_err());
    }

    #[test]
    fn parts_and_parents() {
        let path = RelPath::new(*b"base/5/1259").unwrap();
        assert_eq!(path.file_name(), b"1259");
        assert_eq!(path.parent().unwrap().as_bytes(), b"base/5");
        assert_eq!(path.parts().count(), 3);
        assert_eq!(RelPath::new(*b"base").unwrap().parent(), None);
        let base = RelPath::new(*b"base").unwrap();
        assert!(base.join(b"..").is_err());
        assert_eq!(base.join(b"5").unwrap().as_bytes(), b"base/5");
    }
}
