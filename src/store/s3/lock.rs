//! Object Lock: what is created is deleted by nobody for a time. object_store has no words for it, so the headers are
//! put on its request for a new object, and the request is signed once more.

use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use object_store::HeaderValue;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;

use super::super::error::{Error, Result};
use super::Inner;
use super::failure::Failure;
use super::settings::{LockMode, ObjectLock};
use crate::model::key::Key;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
/// Amazon takes such a request only with a checksum of its body, and others only if it is announced.
const CHECKSUM: (&str, &str) = ("x-amz-sdk-checksum-algorithm", "SHA256");
/// The digest of the body that was signed, in hexadecimal digits.
const DIGEST: &str = "x-amz-content-sha256";

/// As an extension of a request: the object is locked from its creation on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Locked {
    mode: LockMode,
    until: Timestamp,
}

impl Locked {
    /// By the store's clock, where it told.
    pub fn from_now(lock: ObjectLock, clock_ahead: Option<SignedDuration>) -> Locked {
        let period = SignedDuration::try_from(lock.period).unwrap_or(SignedDuration::MAX);
        let now = Timestamp::now().saturating_add(clock_ahead.unwrap_or_default()).unwrap_or(Timestamp::MAX);
        Locked { mode: lock.mode, until: now.saturating_add(period).unwrap_or(Timestamp::MAX) }
    }

    fn headers(self) -> [(&'static str, String); 3] {
        let seconds = Timestamp::from_second(self.until.as_second()).unwrap_or(self.until);
        let mode = self.mode.word().to_uppercase();
        [(MODE, mode), (UNTIL, seconds.to_string()), (CHECKSUM.0, CHECKSUM.1.to_owned())]
    }
}

/// What a request is signed with.
#[derive(Debug)]
pub(super) struct Signer {
    pub credentials: AwsCredentialProvider,
    pub region: String,
}

impl Signer {
    /// The request with these headers too.
    pub async fn lock(&self, request: &mut HttpRequest, locked: Locked) -> object_store::Result<()> {
        for (name, value) in locked.headers() {
            let value = HeaderValue::try_from(value).map_err(unusable)?;
            request.headers_mut().insert(name, value);
        }
        let digest = request.headers().get(DIGEST).and_then(|digest| from_hexadecimal(digest.as_bytes()));
        self.sign(request, digest.as_deref()).await
    }

    /// Anew, with its headers as they are now.
    pub async fn sign(&self, request: &mut HttpRequest, digest: Option<&[u8]>) -> object_store::Result<()> {
        let credential = self.credentials.get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(request, digest)
    }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(error) }
}

fn from_hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?).ok();
    digits.chunks(2).map(byte).collect()
}

const NO_OBJECT: &str = "NoSuchKey";

/// Holds that are put at the same time, within the bound on requests.
const AT_ONCE: usize = 16;

impl Inner {
    /// Puts legal holds, or takes them off: where one is nobody deletes the object, whatever its lock.
    pub(super) async fn hold(&self, keys: &[Key], held: bool) -> Result<()> {
        let status = if held { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off };
        let hold = ObjectLockLegalHold::builder().status(status).build();
        let holds = stream::iter(keys).map(|key| self.hold_one(key, &hold)).buffer_unordered(AT_ONCE);
        holds.try_collect().await
    }

    /// The newest version, which is the only one unless somebody wrote over it, and the oldest, which is the true one.
    async fn hold_one(&self, key: &Key, hold: &ObjectLockLegalHold) -> Result<()> {
        if self.hold_version(key, None, hold).await? {
            match self.only_oldest_version(key).await {
                Ok(Some(oldest)) => drop(self.hold_version(key, Some(oldest), hold).await?),
                Ok(None) | Err(Error::NoVersions { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether it is there.
    async fn hold_version(&self, key: &Key, version: Option<String>, hold: &ObjectLockLegalHold) -> Result<bool> {
        let name = self.path_text(key.as_str());
        let ask = || async {
            let request = self.sdk.client().await?.put_object_legal_hold().bucket(&self.bucket).key(&name);
            let request = request.set_version_id(version.clone()).legal_hold(hold.clone());
            match request.send().await.map_err(Failure::from) {
                Err(failure) if failure.code() == Some(NO_OBJECT) => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        // Which of them was asked first is chance.
        self.again("cannot put or end legal holds in", None, ask).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lock_ends_by_the_clock_of_the_store() {
        let lock = ObjectLock { mode: LockMode::Compliance, period: Duration::from_secs(86400) };
        let far = SignedDuration::from_hours(1000);
        let difference = Locked::from_now(lock, Some(far)).until.duration_since(Locked::from_now(lock, None).until);
        assert!((difference - far).abs() < SignedDuration::from_mins(1));
        let [mode, until, _] = Locked { mode: lock.mode, until: "2026-12-01T03:00:00.7Z".parse().unwrap() }.headers();
        assert_eq!((mode.1.as_str(), until.1.as_str()), ("COMPLIANCE", "2026-12-01T03:00:00Z"));
    }

    #[test]
    fn digits_are_read() {
        assert_eq!(from_hexadecimal(b"00ffA1"), Some(vec![0, 255, 0xa1]));
        assert_eq!(from_hexadecimal(b"UNSIGNED-PAYLOAD"), None);
        assert_eq!(from_hexadecimal(b"0"), None);
    }
}
