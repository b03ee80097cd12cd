//! A service on this machine that is sent notifications: it notes every request, and answers as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// To another place.
    Redirect(String),
    /// The connection stays open, and nothing comes.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method, path and query.
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// For the next requests; those after them are answered with 200.
    answers: VecDeque<Answer>,
    silent: Vec<TcpStream>,
}

pub struct Service {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Service {
    pub fn answering(answers: impl IntoIterator<Item = Answer>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { answers: answers.into_iter().collect(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(socket, &shared));
            }
        });
        Service { address, state }
    }

    pub fn new() -> Service {
        Service::answering([])
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    /// What has come since this was asked last.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(socket: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let mut heading = String::new();
    reader.read_line(&mut heading).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut request = Request { line: heading.trim_end().replace(" HTTP/1.1", ""), headers, body: String::new() };
    let length = request.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_string(&mut request.body).ok()?;
    let mut state = state.lock().ok()?;
    state.requests.push(request);
    let head = match state.answers.pop_front().unwrap_or(Answer::Status(200)) {
        Answer::Status(status) => format!("{status} X"),
        Answer::Redirect(to) => format!("302 X\r\nLocation: {to}"),
        Answer::Nothing => {
            state.silent.push(socket);
            return None;
        }
    };
    (&socket).write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()
}
