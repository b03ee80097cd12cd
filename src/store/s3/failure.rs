//! What went wrong, by the types of errors and by the status and code of the store's answer. Texts are not
//! looked at, and not handed on: a store quotes requests in them, access keys included.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};

use object_store::client::{HttpError, HttpErrorKind};

use super::super::error::Error;
use crate::model::key::Key;

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Such as `NoSuchKey`; answers to HEAD have none.
    pub code: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "the store answers {} {code}", self.status),
            None => write!(f, "the store answers {}", self.status),
        }
    }
}

impl StdError for Answer {}

/// No credentials could be had; the reason names places and no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoCredentials(pub String);

/// No answer, or none that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Silence(pub String);

/// What an operation failed with, as far as it matters for what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    Answer(Answer),
    NoCredentials(NoCredentials),
    /// The request surely did not reach the store.
    NotConnected(String),
    /// It may have.
    NoAnswer(String),
    /// What came is not what was asked for; asking again gives the same.
    Other(String),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Failure {
        Failure::of(&error)
    }
}

impl Failure {
    /// By what lies deepest in an error of a library that says something of its own.
    pub fn of(error: &(dyn StdError + 'static)) -> Failure {
        let mut next = Some(error);
        let mut transport = None;
        while let Some(cause) = next {
            if let Some(answer) = cause.downcast_ref::<Answer>() {
                return Failure::Answer(answer.clone());
            }
            if let Some(missing) = cause.downcast_ref::<NoCredentials>() {
                return Failure::NoCredentials(missing.clone());
            }
            if let Some(http) = cause.downcast_ref::<HttpError>() {
                transport = Some((http.kind(), innermost(http)));
            }
            next = cause.source();
        }
        match transport {
            Some((HttpErrorKind::Connect, reason)) => Failure::NotConnected(reason),
            Some((_, reason)) => Failure::NoAnswer(reason),
            None => Failure::Other(innermost(error)),
        }
    }
}

/// The last cause says it shortest: `Connection refused (os error 111)`.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

impl Failure {
    pub fn code(&self) -> Option<&str> {
        match self {
            Failure::Answer(answer) => answer.code.as_deref(),
            _ => None,
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Failure::Answer(answer) => Some(answer.status),
            _ => None,
        }
    }

    /// `If-None-Match` found the object there.
    pub fn exists(&self) -> bool {
        self.status() == Some(412)
    }

    /// Two creates met, and the store wants one of them again; nothing was done (409
    /// `ConditionalRequestConflict`, or whatever else a store calls it).
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// Asking again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Answer(Answer { status: 408 | 409 | 429 | 500 | 502..=504, .. }) => true,
            Failure::Answer(_) => matches!(self.code(), Some("RequestTimeout" | "SlowDown" | "BadDigest")),
            Failure::NotConnected(_) | Failure::NoAnswer(_) => true,
            Failure::NoCredentials(_) | Failure::Other(_) => false,
        }
    }

    /// The request may have been carried out all the same.
    pub fn may_be_done(&self) -> bool {
        match self {
            Failure::NoAnswer(_) => true,
            Failure::Answer(answer) => answer.status >= 500 || answer.status == 408,
            _ => false,
        }
    }

    /// The store lacks the call, takes it for another one, or does not answer it to these credentials.
    pub fn is_reticence(&self) -> bool {
        match self {
            Failure::Answer(answer) => {
                matches!(answer.status, 400 | 403 | 404 | 405 | 501)
                    && !matches!(self.kind(), Kind::NoBucket | Kind::OtherRegion)
            }
            Failure::Other(_) => true,
            _ => false,
        }
    }

    fn kind(&self) -> Kind {
        match (self.status(), self.code()) {
            (_, Some("NoSuchBucket")) => Kind::NoBucket,
            (_, Some("QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded")) | (Some(507), _) => {
                Kind::Full
            }
            (_, Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired")) | (Some(401 | 403), _) => Kind::Denied,
            (Some(301 | 307 | 308), _) | (_, Some("AuthorizationHeaderMalformed")) => Kind::OtherRegion,
            (Some(404), _) => Kind::Missing,
            (Some(501), _) => Kind::Unsupported,
            (Some(408 | 409 | 429 | 500..), _) => Kind::Unreachable,
            (Some(_), _) => Kind::Other,
            (None, _) => match self {
                Failure::NoCredentials(_) => Kind::Denied,
                Failure::NotConnected(_) | Failure::NoAnswer(_) => Kind::Unreachable,
                _ => Kind::Other,
            },
        }
    }

    /// As callers of the store know it. `key` is what was worked on; a listing has none.
    pub fn into_error(self, action: &'static str, url: &str, key: Option<&Key>) -> Error {
        let place = key.map_or_else(|| url.to_owned(), |key| format!("{url}/{key}"));
        let error = |kind: ErrorKind| io::Error::new(kind, Silence(self.to_string()));
        match (self.kind(), key) {
            (Kind::NoBucket, _) => {
                Error::NotARepository { url: url.to_owned(), reason: "the store has no such bucket" }
            }
            (Kind::Missing, Some(key)) => Error::NotFound { key: key.clone() },
            // A listing of nothing is empty, so a miss is the bucket's or that of a wrong endpoint.
            (Kind::Missing, None) => Error::Unreachable { action, place, source: error(ErrorKind::NotFound) },
            (Kind::Full, _) => Error::NoSpace { action, place, source: error(ErrorKind::QuotaExceeded) },
            (Kind::Denied, _) => Error::Permission { action, place, source: error(ErrorKind::PermissionDenied) },
            (Kind::OtherRegion, _) => Error::OtherRegion { url: url.to_owned() },
            (Kind::Unsupported, _) => Error::Io { action, place, source: error(ErrorKind::Unsupported) },
            (Kind::Unreachable, _) => Error::Unreachable { action, place, source: error(ErrorKind::NotConnected) },
            (Kind::Other, _) => Error::Io { action, place, source: error(ErrorKind::Other) },
        }
    }
}

enum Kind {
    NoBucket,
    Missing,
    Full,
    Denied,
    OtherRegion,
    Unsupported,
    Unreachable,
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Answer(answer) => answer.fmt(f),
            Failure::NoCredentials(missing) => missing.fmt(f),
            Failure::NotConnected(reason) | Failure::NoAnswer(reason) | Failure::Other(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str) -> Failure {
        Failure::Answer(Answer { status, code: Some(code.to_owned()).filter(|code| !code.is_empty()) })
    }

    fn error(failure: Failure) -> Error {
        failure.into_error("cannot read", "s3://b", Some(&Key::marker()))
    }

    #[test]
    fn a_miss_is_a_missing_key_and_nothing_else() {
        assert!(error(answer(404, "NoSuchKey")).is_not_found());
        assert!(error(answer(404, "")).is_not_found());
        assert!(matches!(error(answer(404, "NoSuchBucket")), Error::NotARepository { .. }));
        for (status, code) in [(403, "AccessDenied"), (403, ""), (401, ""), (400, "ExpiredToken")] {
            assert!(matches!(error(answer(status, code)), Error::Permission { .. }), "{status} {code}");
        }
        for (status, code) in [(503, "SlowDown"), (500, ""), (429, ""), (409, "ConditionalRequestConflict")] {
            assert!(matches!(error(answer(status, code)), Error::Unreachable { .. }), "{status} {code}");
        }
        for (status, code) in [(507, ""), (507, "XMinioStorageFull"), (403, "QuotaExceeded")] {
            assert!(matches!(error(answer(status, code)), Error::NoSpace { .. }), "{status} {code}");
        }
        assert!(matches!(error(answer(301, "PermanentRedirect")), Error::OtherRegion { .. }));
        assert!(matches!(error(answer(400, "InvalidArgument")), Error::Io { .. }));
        let nowhere = answer(404, "").into_error("cannot list", "s3://b", None);
        assert!(matches!(nowhere, Error::Unreachable { .. }), "{nowhere}");
    }

    #[test]
    fn what_may_be_done_is_told_from_what_is_not() {
        assert!(answer(503, "SlowDown").may_be_done() && answer(500, "InternalError").may_be_done());
        assert!(!answer(403, "AccessDenied").may_be_done() && !answer(403, "AccessDenied").may_pass());
        assert!(!answer(409, "").may_be_done() && answer(409, "").may_pass());
        assert!(Failure::NoAnswer(String::new()).may_be_done());
        assert!(!Failure::NotConnected(String::new()).may_be_done());
        assert!(!answer(507, "").may_pass() && !answer(501, "").may_pass());
    }
}
