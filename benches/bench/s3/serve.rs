//! The server itself, in a process of its own: this binary once more, with the directory to serve in its environment.
//! It ends when its standard input does, and so with whoever started it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::{ACCESS_KEY, SECRET_KEY};

const THREADS: usize = 2;
/// Of one key one at a time is created: its own test for an existing object is not one step with the creation.
const TURNS: usize = 64;
/// What is read of an object at once; by itself the server reads 4 KiB, which costs more than all the rest.
const PART: usize = 256 << 10;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

struct State {
    root: PathBuf,
    service: S3Service,
    turns: [Mutex<()>; TURNS],
}

pub fn run(root: &Path) -> Result<(), Failure> {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).map_err(|error| format!("{error:?}"))?);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let turns = std::array::from_fn(|_| Mutex::default());
    let state = Arc::new(State { root: root.to_owned(), service: builder.build(), turns });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    runtime.spawn(serve(listener, state));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let _ = socket.set_nodelay(true);
        let state = state.clone();
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { state.answer(request).await }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let _one = if method == Method::PUT { Some(self.turn(&path).lock().await) } else { None };
        let answer = self.service.call(request.map(s3s::Body::from)).await.map_err(|error| format!("{error:?}"))?;
        let object = self.root.join(path.trim_start_matches('/'));
        let (head, body) = answer.into_parts();
        if method == Method::GET && head.status == StatusCode::OK && object.is_file() {
            return Ok(Response::from_parts(head, file(std::fs::File::open(object)?)));
        }
        let body = body.map_err(|error| -> Failure { error.to_string().into() }).boxed_unsync();
        Ok(Response::from_parts(head, body))
    }

    fn turn(&self, path: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        &self.turns[(hasher.finish() % TURNS as u64) as usize]
    }
}

/// All of it, out of the page cache.
fn file(file: std::fs::File) -> Body {
    let next = |mut file: std::fs::File| async move {
        let mut part = vec![0; PART];
        match file.read(&mut part) {
            Ok(0) => None,
            Ok(length) => {
                part.truncate(length);
                Some((Ok(Frame::data(Bytes::from(part))), file))
            }
            Err(error) => Some((Err(Failure::from(error)), file)),
        }
    };
    StreamBody::new(stream::unfold(file, next).boxed()).boxed_unsync()
}
