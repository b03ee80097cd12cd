//! Between object_store and HTTP: bounds each request in time and number, turns every answer but success
//! into an [`Answer`], and notes the store's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
    ReqwestConnector,
};
use tokio::sync::Semaphore;

use super::digested::{Digested, describe};
use super::failure::{Answer, Silence};
use super::lock::Signer;
use super::patience::Patience;
use super::settings::{DEFAULT_CONCURRENCY, S3Settings};
use super::stream::{Streamed, Streaming};

/// Most bytes of a refusal that are looked through for its code.
const MAX_REFUSAL: usize = 64 << 10;
/// Longest code of a refusal.
const MAX_CODE: usize = 64;

/// What the store's answers told beside their content.
#[derive(Debug)]
pub(super) struct Observed {
    /// Seconds that the store's clock is ahead; `i64::MIN` while unknown.
    ahead: AtomicI64,
}

impl Observed {
    pub fn new() -> Arc<Observed> {
        Arc::new(Observed { ahead: AtomicI64::new(i64::MIN) })
    }

    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        let seconds = self.ahead.load(Ordering::Relaxed);
        (seconds != i64::MIN).then(|| SignedDuration::from_secs(seconds))
    }

    fn note(&self, response: &HttpResponse) {
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        if let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            self.ahead.store(theirs.timestamp().as_second() - Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }
}

/// As an extension of a request: what is sent instead of its body, as if the way had changed it.
#[derive(Debug, Clone)]
pub(super) struct ChangedOnTheWay(pub Vec<u8>);

#[derive(Debug, Clone)]
pub(super) struct Connector {
    patience: Patience,
    observed: Arc<Observed>,
    requests: Arc<Semaphore>,
    /// The last one; those before it may be for services that tell credentials.
    made: Arc<Mutex<Option<HttpClient>>>,
    /// Known once the store's client is built.
    signer: Arc<OnceLock<Signer>>,
    streaming: Arc<Streaming>,
}

impl Connector {
    pub fn new(settings: &S3Settings, patience: Patience, observed: Arc<Observed>) -> Connector {
        let requests = Arc::new(Semaphore::new(settings.concurrency.unwrap_or(DEFAULT_CONCURRENCY)));
        let streaming = Arc::new(Streaming::new(settings, patience.connect));
        Connector { patience, observed, requests, made: Arc::default(), signer: Arc::default(), streaming }
    }

    pub fn sign_with(&self, signer: Signer) {
        let _ = self.signer.set(signer);
    }

    /// The client of the store, once that is built.
    pub fn made(&self) -> Option<HttpClient> {
        self.made.lock().ok()?.take()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let below = ReqwestConnector::default().connect(options)?;
        let (patience, observed, requests) = (self.patience, self.observed.clone(), self.requests.clone());
        let (signer, streaming) = (self.signer.clone(), self.streaming.clone());
        let client = HttpClient::new(Bounded { below, patience, observed, requests, signer, streaming });
        if let Ok(mut made) = self.made.lock() {
            *made = Some(client.clone());
        }
        Ok(client)
    }
}

#[derive(Debug)]
struct Bounded {
    below: HttpClient,
    patience: Patience,
    observed: Arc<Observed>,
    requests: Arc<Semaphore>,
    signer: Arc<OnceLock<Signer>>,
    streaming: Arc<Streaming>,
}

#[async_trait]
impl HttpService for Bounded {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(ChangedOnTheWay(body)) = request.extensions_mut().remove() {
            *request.body_mut() = HttpRequestBody::from(body);
        }
        let streamed: Option<Streamed> = request.extensions_mut().remove();
        let digested: Option<Digested> = request.extensions_mut().remove();
        self.sign_again(&mut request, digested, streamed.as_ref()).await?;
        let _one = self.requests.acquire().await;
        let size = streamed.as_ref().map_or(request.body().content_length() as u64, |streamed| streamed.size);
        let allowed = self.patience.for_body(size);
        let send = async {
            match &streamed {
                Some(streamed) => self.streaming.send(request, streamed).await,
                None => self.below.execute(request).await,
            }
        };
        let response = match tokio::time::timeout(allowed, send).await {
            Ok(response) => response?,
            Err(_) => return Err(silence(format!("no answer within {} s", allowed.as_secs_f64()))),
        };
        self.observed.note(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let refusal = tokio::time::timeout(self.patience.answer, beginning(response)).await.unwrap_or_default();
        Err(HttpError::new(HttpErrorKind::Unknown, Answer { status, code: code(&refusal) }))
    }
}

impl Bounded {
    /// Where it is not as object_store made and signed it.
    async fn sign_again(
        &self,
        request: &mut HttpRequest,
        digested: Option<Digested>,
        streamed: Option<&Streamed>,
    ) -> Result<(), HttpError> {
        let failed = |error| HttpError::new(HttpErrorKind::Request, error);
        let Some(signer) = self.signer.get() else { return Ok(()) };
        if let Some(digested) = digested {
            let sha256 = digested.sha256;
            digested.put_into(request)?;
            signer.sign(request, Some(&sha256.0)).await.map_err(failed)?;
        }
        if let Some(streamed) = streamed {
            describe(request, streamed.size, streamed.sha256)?;
            signer.sign(request, Some(&streamed.sha256.0)).await.map_err(failed)?;
        }
        match request.extensions_mut().remove() {
            Some(locked) => signer.lock(request, locked).await.map_err(failed),
            None => Ok(()),
        }
    }
}

fn silence(reason: String) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Silence(reason))
}

async fn beginning(response: HttpResponse) -> Vec<u8> {
    let mut body = response.into_body().bytes_stream();
    let mut beginning = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        beginning.extend_from_slice(&part[..part.len().min(MAX_REFUSAL - beginning.len())]);
        if beginning.len() == MAX_REFUSAL {
            break;
        }
    }
    beginning
}

/// `<Code>` of the XML of a refusal: a name, nothing that could quote the request.
fn code(refusal: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(refusal);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_name = !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_name() {
        let xml = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        assert_eq!(code(xml("NoSuchKey").as_bytes()).as_deref(), Some("NoSuchKey"));
        for wrong in ["", "AKIA/secret", "a b", &"a".repeat(65)] {
            assert_eq!(code(xml(wrong).as_bytes()), None, "{wrong}");
        }
        assert_eq!(code(b"<html>503</html>"), None);
        assert_eq!(code(b"\xff<Code>SlowDown</Code>").as_deref(), Some("SlowDown"));
    }
}
