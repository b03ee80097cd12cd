//! What a store on S3 needs to know to be reached. Names where secrets are, and holds none.

use std::path::PathBuf;
use std::time::Duration;

/// Most requests in flight at once, unless configured.
pub const DEFAULT_CONCURRENCY: usize = 16;

/// The region that is signed for where none is told: what most stores but Amazon's take.
pub(super) const USUAL_REGION: &str = "us-east-1";

/// A bucket, a place in it, and how both are reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct S3Settings {
    pub bucket: String,
    /// Of every key, without a slash at either end; empty for the whole bucket.
    pub prefix: String,
    /// `https://host:port`; none for Amazon's own.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Whether the bucket is a part of the path or of the host name.
    pub path_style: Option<bool>,
    pub storage_class: Option<String>,
    pub encryption: Option<ServerSideEncryption>,
    /// Of every object from its creation on.
    pub lock: Option<ObjectLock>,
    /// PEM certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<String>,
    pub concurrency: Option<usize>,
    /// Of every object the oldest version is read, and nothing is written.
    pub oldest_versions: bool,
    pub credentials: Credentials,
}

/// For how long the store lets nobody delete what was created, and who is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectLock {
    pub mode: LockMode,
    pub period: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// But those who have a permission of their own for it.
    Governance,
    /// Not even the owner of the account.
    Compliance,
}

impl LockMode {
    pub fn word(self) -> &'static str {
        match self {
            LockMode::Governance => "governance",
            LockMode::Compliance => "compliance",
        }
    }
}

/// What the store is asked to encrypt with, beside our own encryption.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerSideEncryption {
    Aes256,
    Kms { key_id: String },
}

/// Where the access key is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Credentials {
    /// Environment, then web identity, then instance: what is there first.
    #[default]
    Usual,
    Environment,
    WebIdentity,
    Instance,
    /// The ini form that other tools share.
    File {
        path: PathBuf,
        profile: Option<String>,
    },
    /// A systemd credential in that form.
    Credential(String),
    /// A program that prints what the AWS tools call a credential process's answer.
    Command(Vec<String>),
}

impl S3Settings {
    pub fn url(&self) -> String {
        match self.prefix.is_empty() {
            true => format!("s3://{}", self.bucket),
            false => format!("s3://{}/{}", self.bucket, self.prefix),
        }
    }

    /// Stores of one's own rarely have a host name for each bucket.
    pub(super) fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// The endpoint as it is asked: with the bucket in its host name, unless it is in the path.
    pub(super) fn bucket_endpoint(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        match (self.is_path_style(), endpoint.split_once("://")) {
            (false, Some((scheme, host))) => Some(format!("{scheme}://{}.{host}", self.bucket)),
            _ => Some(endpoint.clone()),
        }
    }

    /// What is not said here is taken from `other`, where that is about the same bucket.
    pub fn or(self, other: &S3Settings) -> S3Settings {
        if self.bucket != other.bucket {
            return self;
        }
        let usual = self.credentials == Credentials::Usual;
        let other = other.clone();
        S3Settings {
            endpoint: self.endpoint.or(other.endpoint),
            region: self.region.or(other.region),
            path_style: self.path_style.or(other.path_style),
            storage_class: self.storage_class.or(other.storage_class),
            encryption: self.encryption.or(other.encryption),
            lock: self.lock.or(other.lock),
            ca_file: self.ca_file.or(other.ca_file),
            proxy: self.proxy.or(other.proxy),
            concurrency: self.concurrency.or(other.concurrency),
            oldest_versions: self.oldest_versions || other.oldest_versions,
            credentials: if usual { other.credentials } else { self.credentials },
            bucket: self.bucket,
            prefix: self.prefix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_in_path_or_host() {
        let settings = |endpoint: Option<&str>, path_style| S3Settings {
            bucket: "b".to_owned(),
            endpoint: endpoint.map(str::to_owned),
            path_style,
            ..S3Settings::default()
        };
        let own = Some("https://s3.acme.example:9000");
        assert_eq!(settings(own, None).bucket_endpoint().as_deref(), own);
        let in_host = settings(own, Some(false)).bucket_endpoint();
        assert_eq!(in_host.as_deref(), Some("https://b.s3.acme.example:9000"));
        assert_eq!(settings(None, None).bucket_endpoint(), None);
        assert!(!settings(None, None).is_path_style() && settings(None, Some(true)).is_path_style());
    }

    #[test]
    fn another_bucket_takes_nothing_over() {
        let configured = S3Settings {
            bucket: "b".to_owned(),
            region: Some("r".to_owned()),
            credentials: Credentials::Environment,
            ..S3Settings::default()
        };
        let given = |bucket: &str| S3Settings { bucket: bucket.to_owned(), ..S3Settings::default() }.or(&configured);
        assert_eq!(given("b"), configured);
        assert_eq!((given("c").region, given("c").credentials), (None, Credentials::Usual));
    }
}
