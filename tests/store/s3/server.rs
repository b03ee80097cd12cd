//! An S3 server in this process, with what it lacks made up for, every request noted, and answers that can be
//! broken on their way.

#[path = "plot.rs"]
pub mod plot;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use pgcairn::store::{Credentials, Patience, S3Backend, S3Settings};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;

use plot::Plots;

pub const BUCKET: &str = "backups";
pub const ACCESS_KEY: &str = "AKIDOFTHETESTS";
pub const SECRET_KEY: &str = "hush-hush-secret";
/// By which a container is known where it asks for a key.
pub const CONTAINER_TOKEN: &str = "token-of-the-container";
pub const REGION: &str = "eu-test-1";

/// Whether an action such as `s3:PutObject` is permitted.
type Permits = Box<dyn Fn(&str) -> bool + Send>;
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

/// What happens to a request instead of, or after, what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status and code; nothing is done.
    Refuse(u16, &'static str),
    /// Nothing is done, and called done.
    Pretended,
    /// Nothing is done, and nothing answered.
    Silent,
    /// The connection is closed; nothing is done.
    Closed,
    /// It is done, and then the connection is closed.
    AnswerLost,
    /// It is done, and answered with this status.
    DoneBut(u16),
    /// Half of the body comes, then the connection is closed.
    BodyCut,
    /// It is done, but nothing is read or told for a while before: of an answer's body after the first half.
    #[allow(dead_code)] // only trials on whole processes stall
    Stalls(Duration),
}

/// The first requests of this method that name this meet faults, one each.
#[derive(Debug)]
struct Ambush {
    method: &'static str,
    name: String,
    faults: VecDeque<Fault>,
}

struct State {
    /// Connections that were made to it.
    connections: AtomicUsize,
    root: PathBuf,
    service: S3Service,
    requests: Mutex<Vec<String>>,
    /// Of the last PUT, those that begin with `x-amz-`.
    headers: Mutex<Vec<(String, String)>>,
    ambushes: Mutex<Vec<Ambush>>,
    plots: Plots,
    /// Its own test for an existing object is not one step with the creation.
    creating: tokio::sync::Mutex<()>,
    /// Methods that the credentials may not use.
    denied: Mutex<Vec<&'static str>>,
    /// A policy of the credentials, and what it refused.
    permits: Mutex<Option<Permits>>,
    refused: Mutex<std::collections::BTreeSet<&'static str>>,
    /// Instead of when an object was stored, this is said of it.
    stored: Mutex<Option<&'static str>>,
}

pub struct S3Server {
    pub endpoint: String,
    pub directory: TempDir,
    state: Arc<State>,
    _runtime: tokio::runtime::Runtime,
}

impl S3Server {
    /// With one empty bucket.
    pub fn start() -> S3Server {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("buckets");
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let state = Arc::new(State {
            connections: AtomicUsize::new(0),
            root,
            service: builder.build(),
            requests: Mutex::default(),
            headers: Mutex::default(),
            ambushes: Mutex::default(),
            plots: Plots::default(),
            creating: tokio::sync::Mutex::default(),
            denied: Mutex::default(),
            permits: Mutex::default(),
            refused: Mutex::default(),
            stored: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, state.clone()));
        S3Server { endpoint, directory, state, _runtime: runtime }
    }

    pub fn settings(&self, prefix: &str) -> S3Settings {
        S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: Some(REGION.to_owned()),
            credentials: Credentials::File { path: self.credentials(), profile: None },
            ..S3Settings::default()
        }
    }

    /// The file with the access key.
    pub fn credentials(&self) -> PathBuf {
        credentials(self.directory.path(), SECRET_KEY)
    }

    /// A client that gives up soon.
    pub fn backend(&self, prefix: &str) -> Arc<S3Backend> {
        Arc::new(S3Backend::open_with(&self.settings(prefix), hasty(), None).unwrap())
    }

    /// The requests since the last time, as `METHOD bucket/key?query`.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }

    /// The connections since the last time.
    #[allow(dead_code)] // only trials on whole processes ask
    pub fn connections(&self) -> usize {
        self.state.connections.swap(0, Ordering::Relaxed)
    }

    /// What the last PUT said of itself.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.state.headers.lock().unwrap();
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Of everything in the bucket.
    pub fn sizes(&self) -> Vec<u64> {
        let mut places = vec![self.state.root.join(BUCKET)];
        let mut sizes = Vec::new();
        while let Some(place) = places.pop() {
            for entry in std::fs::read_dir(place).unwrap().flatten() {
                match entry.metadata().unwrap() {
                    found if found.is_dir() => places.push(entry.path()),
                    found => sizes.push(found.len()),
                }
            }
        }
        sizes
    }

    pub fn ambush(&self, method: &'static str, name: &str, faults: &[Fault]) {
        let faults = faults.iter().copied().collect();
        self.state.ambushes.lock().unwrap().push(Ambush { method, name: name.to_owned(), faults });
    }

    /// Faults by the number of a request, whatever it is.
    #[allow(dead_code)] // only trials on whole processes count requests
    pub fn plots(&self) -> &Plots {
        &self.state.plots
    }

    /// What was laid and not met goes away.
    pub fn clear(&self) {
        self.state.ambushes.lock().unwrap().clear();
        self.state.denied.lock().unwrap().clear();
    }

    /// From here on, only what this permits.
    pub fn permit(&self, permits: impl Fn(&str) -> bool + Send + 'static) {
        *self.state.permits.lock().unwrap() = Some(Box::new(permits));
    }

    /// What was asked for and not permitted, since the last time.
    pub fn refused(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.state.refused.lock().unwrap()).into_iter().collect()
    }

    /// Every object was stored then, by this store's clock; `None` for the truth.
    #[allow(dead_code)] // only retention asks
    pub fn say_stored(&self, time: Option<&'static str>) {
        *self.state.stored.lock().unwrap() = time;
    }

    pub fn deny(&self, method: &'static str) {
        self.state.denied.lock().unwrap().push(method);
    }
}

/// Another one in every run, so that nothing else looks like it.
pub fn session_token() -> &'static str {
    static TOKEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TOKEN.get_or_init(|| format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()))
}

/// Made for the owner alone, as everything that holds a key.
pub fn credentials(directory: &Path, secret: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join("credentials");
    if !path.exists() {
        let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

pub fn hasty() -> Patience {
    Patience {
        attempts: 4,
        total: Duration::from_secs(20),
        connect: Duration::from_secs(5),
        answer: Duration::from_millis(1500),
        first_pause: Duration::from_millis(5),
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        state.connections.fetch_add(1, Ordering::Relaxed);
        let state = state.clone();
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { state.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(connection);
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let name = uri.path_and_query().map_or("", |path| path.as_str()).trim_start_matches('/').to_owned();
        self.requests.lock().unwrap().push(format!("{method} {name}"));
        if let Some(answer) = metadata(&name, request.headers()) {
            return Ok(answer);
        }
        if method == Method::PUT {
            let amazon = request.headers().iter().filter(|(name, _)| name.as_str().starts_with("x-amz-"));
            let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            *self.headers.lock().unwrap() = amazon.map(|(name, value)| (name.to_string(), text(value))).collect();
        }
        if self.forbids(&method, &name, request.headers().contains_key("x-amz-object-lock-mode")) {
            return Ok(refusal(&method, 403, "AccessDenied"));
        }
        let fault = self.fault(&method, &name).or_else(|| self.plots.meets(request.headers(), &name));
        match fault {
            Some(Fault::Refuse(status, code)) => return Ok(refusal(&method, status, code)),
            Some(Fault::Pretended) => return Ok(pretence()),
            Some(Fault::Closed) => return Err("closed".into()),
            Some(Fault::Silent) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return Err("silent".into());
            }
            Some(Fault::Stalls(pause)) if method != Method::GET => tokio::time::sleep(pause).await,
            _ => {}
        }
        if let Some(refusal) = self.made_up_for(&method, uri.path()) {
            return Ok(refusal);
        }
        let _one = if method == Method::PUT { Some(self.creating.lock().await) } else { None };
        let mut answer = self.service.call(request.map(s3s::Body::from)).await.map_err(|error| format!("{error:?}"))?;
        let stored = *self.stored.lock().unwrap();
        if let (Some(time), Some(said)) = (stored, answer.headers_mut().get_mut("last-modified")) {
            *said = hyper::header::HeaderValue::from_static(time);
        }
        match fault {
            Some(Fault::AnswerLost) => Err("lost".into()),
            Some(Fault::DoneBut(status)) => Ok(refusal(&method, status, "InternalError")),
            Some(Fault::BodyCut) => Ok(cut(answer).await),
            Some(Fault::Stalls(pause)) if method == Method::GET => Ok(stalled(answer, pause).await),
            _ => Ok(answer.map(|body| body.map_err(|error| -> Failure { error.to_string().into() }).boxed_unsync())),
        }
    }

    fn forbids(&self, method: &Method, name: &str, locks: bool) -> bool {
        let permits = self.permits.lock().unwrap();
        let Some(permits) = permits.as_ref() else { return false };
        let refused = actions(method, name, locks).into_iter().find(|action| !permits(action));
        refused.map(|action| self.refused.lock().unwrap().insert(action)).is_some()
    }

    fn fault(&self, method: &Method, name: &str) -> Option<Fault> {
        let mut ambushes = self.ambushes.lock().unwrap();
        let meets = |a: &&mut Ambush| a.method == method.as_str() && name.contains(&a.name) && !a.faults.is_empty();
        ambushes.iter_mut().find(meets).and_then(|ambush| ambush.faults.pop_front())
    }

    /// It has no permissions, does not know a bucket from a key when it misses one, and takes directories for objects.
    fn made_up_for(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        if self.denied.lock().unwrap().iter().any(|denied| *denied == method.as_str()) {
            return Some(refusal(method, 403, "AccessDenied"));
        }
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        if !self.root.join(bucket).is_dir() {
            return Some(refusal(method, 404, "NoSuchBucket"));
        }
        let is_directory = !key.is_empty() && self.root.join(bucket).join(key).is_dir();
        (is_directory && method != Method::PUT).then(|| refusal(method, 404, "NoSuchKey"))
    }
}

/// The actions that Amazon's policies call a request.
fn actions(method: &Method, name: &str, locks: bool) -> Vec<&'static str> {
    let (path, query) = name.split_once('?').unwrap_or((name, ""));
    let has = |parameter: &str| query.split('&').any(|pair| pair.split('=').next() == Some(parameter));
    let is_bucket = path.split_once('/').is_none_or(|(_, key)| key.is_empty());
    match *method {
        Method::GET if is_bucket && has("versioning") => vec!["s3:GetBucketVersioning"],
        Method::GET if is_bucket && has("object-lock") => vec!["s3:GetBucketObjectLockConfiguration"],
        Method::GET if is_bucket && has("lifecycle") => vec!["s3:GetLifecycleConfiguration"],
        Method::GET if is_bucket && has("versions") => vec!["s3:ListBucketVersions"],
        Method::GET | Method::HEAD if is_bucket => vec!["s3:ListBucket"],
        Method::GET | Method::HEAD if has("versionId") => vec!["s3:GetObjectVersion"],
        Method::GET | Method::HEAD => vec!["s3:GetObject"],
        Method::PUT if has("legal-hold") => vec!["s3:PutObjectLegalHold"],
        Method::PUT if locks => vec!["s3:PutObject", "s3:PutObjectRetention"],
        Method::PUT => vec!["s3:PutObject"],
        Method::DELETE if has("versionId") => vec!["s3:DeleteObjectVersion"],
        Method::DELETE => vec!["s3:DeleteObject"],
        _ => vec!["unknown"],
    }
}

/// What the machines of a cloud are told about themselves, the key of their role among it; a container that shows its
/// token likewise.
fn metadata(name: &str, headers: &hyper::HeaderMap) -> Option<Response<Body>> {
    let asked = name.strip_prefix("latest/")?;
    if asked == "container" && headers.get("authorization").is_none_or(|shown| shown != CONTAINER_TOKEN) {
        return Some(refusal(&Method::GET, 401, "Unauthorized"));
    }
    let text = match asked {
        "api/token" => "token".to_owned(),
        "meta-data/iam/security-credentials/" => "role".to_owned(),
        _ => format!(
            "{{\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\",\"Token\":\"{}\",\
             \"Expiration\":\"2100-01-01T00:00:00Z\"}}",
            session_token()
        ),
    };
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync();
    Some(Response::new(body))
}

/// Success with nothing in it.
fn pretence() -> Response<Body> {
    let body = Full::default().map_err(|never: Infallible| match never {}).boxed_unsync();
    Response::builder().header("etag", "\"0\"").body(body).unwrap()
}

/// With a message that quotes what no log may show, as real stores do.
fn refusal(method: &Method, status: u16, code: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{SECRET_KEY}</Message>\
         <AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId></Error>"
    );
    let text = if method == Method::HEAD { String::new() } else { text };
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync();
    Response::builder().status(StatusCode::from_u16(status).unwrap()).header("etag", "\"0\"").body(body).unwrap()
}

/// The length is promised and not kept.
async fn cut(answer: Response<s3s::Body>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let parts: Vec<Result<Frame<Bytes>, Failure>> = vec![Ok(Frame::data(half)), Err("cut".into())];
    Response::from_parts(head, StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync())
}

async fn stalled(answer: Response<s3s::Body>, pause: Duration) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let halves = [whole.slice(..whole.len() / 2), whole.slice(whole.len() / 2..)];
    let parts = futures_util::StreamExt::then(futures_util::stream::iter(halves), move |half| async move {
        tokio::time::sleep(pause / 2).await;
        Ok::<_, Failure>(Frame::data(half))
    });
    Response::from_parts(head, StreamBody::new(parts).boxed_unsync())
}
