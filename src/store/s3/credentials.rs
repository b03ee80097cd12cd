//! Where the access key comes from. It is read when the store is first asked, and shown to nobody: nothing here
//! has a Debug that tells it, and no message quotes what was read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider};
use tokio::sync::Mutex;

use super::command::{self, Answered};
use super::failure::{Failure, NoCredentials};
use super::settings::Credentials;
use super::shared_file;

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// How often an instance's own services are asked.
const ATTEMPTS: u32 = 2;

type Found<T> = std::result::Result<T, NoCredentials>;

/// How the access key is had: by ourselves, or by what the crate knows of instances and web identities.
pub(super) enum Source {
    Given(AwsCredentialProvider),
    Fetched(Vec<(AmazonS3ConfigKey, String)>),
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn wanting(reason: impl Into<String>) -> NoCredentials {
    NoCredentials(reason.into())
}

pub(super) fn source(wanted: &Credentials) -> Found<Source> {
    let given = |credential| Ok(Source::Given(Arc::new(Given(Arc::new(credential)))));
    match wanted {
        Credentials::Usual => match (environment(), web_identity()) {
            (Ok(credential), _) => given(credential),
            (_, Ok(fetched)) => Ok(Source::Fetched(fetched)),
            _ => Ok(Source::Fetched(instance())),
        },
        Credentials::Environment => given(environment()?),
        Credentials::WebIdentity => web_identity().map(Source::Fetched),
        Credentials::Instance => Ok(Source::Fetched(instance())),
        Credentials::File { path, profile } => given(shared_file::read(path, profile.as_deref())?),
        Credentials::Credential(name) => given(shared_file::read(&credential_file(name)?, None)?),
        Credentials::Command(words) => Ok(Source::Given(Arc::new(Commanded::new(words.clone())))),
    }
}

fn environment() -> Found<AwsCredential> {
    let required = |name| variable(name).ok_or_else(|| wanting(format!("{name} is not set")));
    Ok(AwsCredential {
        key_id: required("AWS_ACCESS_KEY_ID")?,
        secret_key: required("AWS_SECRET_ACCESS_KEY")?,
        token: variable("AWS_SESSION_TOKEN"),
    })
}

fn web_identity() -> Found<Vec<(AmazonS3ConfigKey, String)>> {
    use AmazonS3ConfigKey as K;
    let required = |key, name| Ok((key, variable(name).ok_or_else(|| wanting(format!("{name} is not set")))?));
    let mut keys =
        vec![required(K::WebIdentityTokenFile, "AWS_WEB_IDENTITY_TOKEN_FILE")?, required(K::RoleArn, "AWS_ROLE_ARN")?];
    let optional = [(K::RoleSessionName, "AWS_ROLE_SESSION_NAME"), (K::StsEndpoint, "AWS_ENDPOINT_URL_STS")];
    keys.extend(optional.into_iter().filter_map(|(key, name)| Some((key, variable(name)?))));
    Ok(keys)
}

/// Of a container where its variables are set, else of the machine.
fn instance() -> Vec<(AmazonS3ConfigKey, String)> {
    use AmazonS3ConfigKey as K;
    let variables = [
        (K::ContainerCredentialsRelativeUri, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (K::ContainerCredentialsFullUri, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        (K::ContainerAuthorizationTokenFile, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        (K::MetadataEndpoint, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    ];
    variables.into_iter().filter_map(|(key, name)| Some((key, variable(name)?))).collect()
}

fn credential_file(name: &str) -> Found<PathBuf> {
    let directory = variable(CREDENTIALS_DIRECTORY).ok_or_else(|| {
        wanting(format!("the systemd credential {name} was not handed over: {CREDENTIALS_DIRECTORY} is not set"))
    })?;
    Ok(Path::new(&directory).join(name))
}

/// Read once.
struct Given(Arc<AwsCredential>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

#[async_trait]
impl CredentialProvider for Given {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(self.0.clone())
    }
}

/// Asked again shortly before what it told expires.
struct Commanded {
    words: Vec<String>,
    last: Mutex<Option<Answered>>,
}

impl Commanded {
    fn new(words: Vec<String>) -> Commanded {
        Commanded { words, last: Mutex::new(None) }
    }
}

impl fmt::Debug for Commanded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commanded")
    }
}

#[async_trait]
impl CredentialProvider for Commanded {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        if let Some(answered) = last.as_ref().filter(|answered| answered.is_fresh()) {
            return Ok(answered.credential.clone());
        }
        let words = self.words.clone();
        let asked = tokio::task::spawn_blocking(move || command::ask(&words)).await;
        let answered = asked.unwrap_or_else(|_| Err(wanting("the credential command panicked"))).map_err(generic)?;
        Ok(last.insert(answered).credential.clone())
    }
}

fn generic(missing: NoCredentials) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(missing) }
}

/// What the crate fetches, with its failures told from those of the store.
struct Fetched(AwsCredentialProvider);

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetched")
    }
}

#[async_trait]
impl CredentialProvider for Fetched {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut attempt = 1;
        loop {
            let failure = match self.0.get_credential().await {
                Ok(credential) => return Ok(credential),
                Err(error) => Failure::from(error),
            };
            if attempt == ATTEMPTS || !failure.may_pass() {
                return Err(generic(wanting(format!("no credentials from the instance or web identity: {failure}"))));
            }
            attempt += 1;
        }
    }
}

impl Source {
    /// The builder with these credentials.
    pub fn give(self, builder: AmazonS3Builder) -> object_store::Result<AmazonS3Builder> {
        let provider = match self {
            Source::Given(provider) => provider,
            Source::Fetched(keys) => {
                let with = |builder: AmazonS3Builder, (key, value)| builder.with_config(key, value);
                let fetching = keys.into_iter().fold(builder.clone(), with).build()?;
                Arc::new(Fetched(fetching.credentials().clone()))
            }
        };
        Ok(builder.with_credentials(provider))
    }
}
