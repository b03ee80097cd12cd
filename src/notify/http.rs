//! One request to a service, and once more where that may help.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, redirect};
use tokio::runtime::Builder;

use super::address::Endpoint;
use super::error::{NotifyError, What};

/// Requests for one message, the first one included.
const ATTEMPTS: u32 = 2;
const CONNECT: Duration = Duration::from_secs(3);
/// For an answer, the connection included.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// All attempts, and the pauses between them.
pub(super) const LONGEST: Duration = Duration::from_millis(
    ATTEMPTS as u64 * ANSWER.as_millis() as u64 + (ATTEMPTS - 1) as u64 * PAUSE.as_millis() as u64,
);

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub content_type: &'static str,
    /// Beside that.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Sends it; success is an answer that says so. Redirects are not followed: they would take the message, and parts of
/// the URL, to somebody that nobody has configured.
pub fn post(endpoint: &Endpoint, post: &Post) -> Result<(), NotifyError> {
    let failed = |reason: String| NotifyError::new(What::Service, reason);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(error.to_string()))?;
    let sent = runtime.block_on(send(endpoint, post));
    // A name server that does not answer keeps a thread, which is not waited for.
    runtime.shutdown_background();
    sent.map_err(|refusal| failed(refusal.reason))
}

/// Why it was not taken, and whether it may be next time.
struct Refusal {
    reason: String,
    may_pass: bool,
}

async fn send(endpoint: &Endpoint, post: &Post) -> Result<(), Refusal> {
    let client = client(endpoint).map_err(|error| Refusal { reason: innermost(&error), may_pass: false })?;
    let mut attempt = 1;
    loop {
        match once(&client, endpoint, post).await {
            Err(refusal) if refusal.may_pass && attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
            ended => return ended,
        }
        attempt += 1;
    }
}

fn client(endpoint: &Endpoint) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("pgcairn/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    // Without TLS there is nothing to read authorities for.
    let builder = if endpoint.is_plain() { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(reqwest::Error::without_url)
}

async fn once(client: &Client, endpoint: &Endpoint, post: &Post) -> Result<(), Refusal> {
    let request = client.post(endpoint.url().clone()).headers(headers(post)).body(post.body.clone());
    let answer = request.send().await.map_err(|error| {
        let error = error.without_url();
        let reason = match error.is_timeout() {
            true => format!("no answer within {} s", ANSWER.as_secs()),
            false => innermost(&error),
        };
        Refusal { reason, may_pass: !error.is_builder() }
    })?;
    let status = answer.status();
    let more = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let refusal = Refusal { reason: format!("it answers {}{more}", status.as_u16()), may_pass };
    if status.is_success() { Ok(()) } else { Err(refusal) }
}

/// What is no header, such as a name with a line feed in it, is left out.
fn headers(post: &Post) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(post.content_type))]);
    for (name, value) in &post.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// The last cause says it shortest: `Connection refused (os error 111)`.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
