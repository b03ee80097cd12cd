//! The client of aws-sdk-s3, for what object_store has no words for. It signs and reads answers; its requests go
//! through the same HTTP layer, with the same access key, and it never asks twice by itself either.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{ConnectorError, SdkError};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequestBody};

use super::client;
use super::failure::{Failure, Silence};
use super::patience::Patience;
use super::settings::S3Settings;

/// Longest answer that is read: a page of a listing has a thousand keys.
const MAX_ANSWER: usize = 16 << 20;

/// Not quoted: an answer may hold what a request did.
const NOT_UNDERSTOOD: &str = "what the store answers is not what was asked for";

/// Everything but the access key, which may change.
pub(super) struct Sdk {
    config: Config,
    credentials: AwsCredentialProvider,
}

impl Sdk {
    pub fn new(settings: &S3Settings, patience: Patience, http: HttpClient, store: &AmazonS3) -> Sdk {
        let connector = SharedHttpConnector::new(Through { http, patience });
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(client::region(settings)))
            .force_path_style(settings.is_path_style())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Sdk { config: config.build(), credentials: store.credentials().clone() }
    }

    /// With the access key of this moment.
    pub async fn client(&self) -> Result<Client, Failure> {
        let key = self.credentials.get_credential().await?;
        let key = Credentials::new(&key.key_id, &key.secret_key, key.token.clone(), None, "pgcairn");
        Ok(Client::from_conf(self.config.to_builder().credentials_provider(key).build()))
    }
}

/// A request of the SDK on the way that those of object_store go.
struct Through {
    http: HttpClient,
    patience: Patience,
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Through")
    }
}

impl HttpConnector for Through {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, patience) = (self.http.clone(), self.patience);
        HttpConnectorFuture::new(async move {
            send(http, patience, request).await.map_err(|error| ConnectorError::other(Box::new(error), None))
        })
    }
}

async fn send(http: HttpClient, patience: Patience, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let strange = || HttpError::new(HttpErrorKind::Request, Silence("the request cannot be sent".to_owned()));
    let (head, body) = request.try_into_http1x().map_err(|_| strange())?.into_parts();
    // Small, and in memory: content of objects is sent by object_store.
    let body = Bytes::copy_from_slice(body.bytes().ok_or_else(strange)?);
    let mut sent = object_store::client::HttpRequest::new(HttpRequestBody::from(body));
    (*sent.method_mut(), *sent.uri_mut(), *sent.headers_mut()) = (head.method, head.uri, head.headers);
    let (head, body) = http.execute(sent).await?.into_parts();
    let mut answer = Vec::new();
    let mut stream = body.bytes_stream();
    let silent = || HttpError::new(HttpErrorKind::Timeout, Silence("the answer did not come whole".to_owned()));
    while let Some(part) = tokio::time::timeout(patience.answer, stream.next()).await.map_err(|_| silent())? {
        answer.extend_from_slice(&part?);
        if answer.len() > MAX_ANSWER {
            return Err(HttpError::new(HttpErrorKind::Decode, Silence(NOT_UNDERSTOOD.to_owned())));
        }
    }
    let mut response = HttpResponse::new(head.status.into(), SdkBody::from(answer));
    for (name, value) in &head.headers {
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.to_string(), value.to_owned());
        }
    }
    Ok(response)
}

impl<E, R> From<SdkError<E, R>> for Failure
where
    E: StdError + 'static,
    R: fmt::Debug + 'static,
{
    fn from(error: SdkError<E, R>) -> Failure {
        match error {
            SdkError::DispatchFailure(_) => Failure::of(&error),
            _ => Failure::Other(NOT_UNDERSTOOD.to_owned()),
        }
    }
}
