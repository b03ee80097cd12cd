//! A body that is too large for a buffer, sent part by part. The bodies of object_store's requests are in memory, so
//! its request for an empty object becomes that of the large one: other length, other digest, signed again, and sent
//! past its HTTP client. Nothing else goes that way.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody};
use tokio::sync::mpsc::Receiver;

use super::failure::Silence;
use super::settings::S3Settings;
use crate::model::sha256::Sha256Sum;

/// Most of an answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// As an extension of a request: the body that it really has.
#[derive(Debug, Clone)]
pub(super) struct Streamed {
    pub size: u64,
    pub sha256: Sha256Sum,
    parts: Arc<Mutex<Option<Receiver<io::Result<Bytes>>>>>,
}

impl Streamed {
    pub fn new(size: u64, sha256: Sha256Sum, parts: Receiver<io::Result<Bytes>>) -> Streamed {
        Streamed { size, sha256, parts: Arc::new(Mutex::new(Some(parts))) }
    }

    fn take(&self) -> Option<reqwest::Body> {
        let parts = self.parts.lock().ok()?.take()?;
        let next = |mut parts: Receiver<io::Result<Bytes>>| async { parts.recv().await.map(|part| (part, parts)) };
        Some(reqwest::Body::wrap_stream(stream::unfold(parts, next)))
    }
}

/// Made when the first such body is sent.
#[derive(Debug)]
pub(super) struct Streaming {
    settings: S3Settings,
    connect: Duration,
    client: OnceLock<reqwest::Client>,
}

impl Streaming {
    pub fn new(settings: &S3Settings, connect: Duration) -> Streaming {
        Streaming { settings: settings.clone(), connect, client: OnceLock::new() }
    }

    pub async fn send(&self, request: HttpRequest, body: &Streamed) -> Result<HttpResponse, HttpError> {
        let body = body.take().ok_or_else(|| error(HttpErrorKind::Request, "its body was sent already".to_owned()))?;
        let (head, _) = request.into_parts();
        let url = head.uri.to_string();
        let request = self.client()?.request(head.method, url).headers(head.headers).body(body);
        let mut answer = request.send().await.map_err(failed)?;
        let mut text = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            text.extend_from_slice(&part[..part.len().min(MAX_ANSWER - text.len())]);
        }
        let mut response = HttpResponse::new(HttpResponseBody::from(Bytes::from(text)));
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    /// With the authorities and the proxy that object_store's has.
    fn client(&self) -> Result<reqwest::Client, HttpError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let unusable = |what: &str| error(HttpErrorKind::Request, format!("{what} cannot be used"));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("pgcairn/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect);
        if let Some(proxy) = &self.settings.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| unusable("the proxy"))?);
        }
        if let Some(file) = &self.settings.ca_file {
            let pem = std::fs::read(file).map_err(|_| unusable("ca_file"))?;
            let trusted = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| unusable("ca_file"))?;
            builder = builder.tls_certs_only(trusted);
        } else if self.settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(failed)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

fn error(kind: HttpErrorKind, reason: String) -> HttpError {
    HttpError::new(kind, Silence(reason))
}

/// Without the URL, in which nothing secret stands, but which nobody asked for.
fn failed(failure: reqwest::Error) -> HttpError {
    let kind = match &failure {
        failure if failure.is_connect() => HttpErrorKind::Connect,
        failure if failure.is_timeout() => HttpErrorKind::Timeout,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, failure.without_url())
}
