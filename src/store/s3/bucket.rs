//! What the bucket is asked about itself.

use std::future::Future;

use aws_sdk_s3::types::{BucketVersioningStatus, DefaultRetention, ObjectLockEnabled};

use super::super::bucket::{Bucket, BucketLock, Told, Versions};
use super::super::error::Result;
use super::Inner;
use super::failure::Failure;
use super::lifecycle;

const ASK: &str = "cannot ask about the bucket of";

/// Codes that say that nothing of the kind is set.
const NO_LOCK: &str = "ObjectLockConfigurationNotFoundError";
const NO_RULES: &str = "NoSuchLifecycleConfiguration";

type Answer<T> = std::result::Result<T, Failure>;

impl Inner {
    pub(super) async fn bucket(&self) -> Result<Bucket> {
        Ok(Bucket {
            versions: self.told(|| self.versions()).await?,
            lock: self.told(|| self.lock_of_bucket()).await?,
            lifecycle: self.told(|| self.lifecycle()).await?,
        })
    }

    async fn told<T, F: Future<Output = Answer<T>>>(&self, ask: impl Fn() -> F) -> Result<Told<T>> {
        let ask = || async {
            match ask().await {
                Ok(known) => Ok(Told::Known(known)),
                Err(failure) if failure.is_reticence() => Ok(Told::NotKnown(failure.to_string())),
                Err(failure) => Err(failure),
            }
        };
        self.again(ASK, None, ask).await
    }

    async fn versions(&self) -> Answer<Versions> {
        let answer = self.sdk.client().await?.get_bucket_versioning().bucket(&self.bucket).send().await?;
        Ok(match answer.status() {
            Some(BucketVersioningStatus::Enabled) => Versions::Kept,
            Some(BucketVersioningStatus::Suspended) => Versions::Suspended,
            _ => Versions::NotKept,
        })
    }

    async fn lock_of_bucket(&self) -> Answer<BucketLock> {
        let asked = self.sdk.client().await?.get_object_lock_configuration().bucket(&self.bucket).send().await;
        let answer = match asked.map_err(Failure::from) {
            Err(failure) if failure.code() == Some(NO_LOCK) => return Ok(BucketLock::Off),
            answer => answer?,
        };
        let configuration = answer.object_lock_configuration();
        if configuration.and_then(|lock| lock.object_lock_enabled()) != Some(&ObjectLockEnabled::Enabled) {
            return Ok(BucketLock::Off);
        }
        let usual = configuration.and_then(|lock| lock.rule()?.default_retention());
        Ok(BucketLock::On { usual: usual.map(retention) })
    }

    async fn lifecycle(&self) -> Answer<Vec<super::super::bucket::Rule>> {
        let asked = self.sdk.client().await?.get_bucket_lifecycle_configuration().bucket(&self.bucket).send().await;
        match asked.map_err(Failure::from) {
            Err(failure) if failure.code() == Some(NO_RULES) => Ok(Vec::new()),
            answer => Ok(lifecycle::effects(answer?.rules(), &self.prefix)),
        }
    }
}

fn retention(retention: &DefaultRetention) -> String {
    let mode = retention.mode().map_or("no mode", |mode| mode.as_str());
    match retention.years().filter(|years| *years > 0) {
        Some(years) => format!("{mode}, {years} years"),
        None => format!("{mode}, {} days", retention.days().unwrap_or_default()),
    }
}
