//! What is refused of `[notify]`, and why somebody was not told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use pgcairn::model::error::Code;
use serde_json::{Value, json};

use crate::cases::{Case, case};
use crate::place::Place;
use crate::table::Refusal;

fn check(place: &Place, lines: &str) -> Refusal {
    place.configure(&format!("[notify]\n{lines}\n"));
    place.refused(&["config", "check"])
}

/// What `notify test` says of the one that is told. The code has an exit status of its own, which a warning leaves out.
fn not_told(place: &Place, lines: &str) -> Refusal {
    place.configure(&format!("[notify]\n{lines}\n"));
    let output = place.pgcairn(&["notify", "test", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    warning(place, &said["sent"][0]["error"])
}

fn warning(place: &Place, error: &Value) -> Refusal {
    let code = Code::ALL.iter().find(|code| error["code"] == code.name()).unwrap();
    let stdout = json!({ "error": error }).to_string();
    Refusal::of(&stdout, i32::from(code.exit_status()), &place.names()).unwrap()
}

/// The warning that a run of `verify` ends with.
fn warned(place: &Place, more: &str) -> Refusal {
    warned_by(place, &["verify"], &format!("{more}[notify]\ncommand = [\"true\"]\n"))
}

fn warned_by(place: &Place, words: &[&str], lines: &str) -> Refusal {
    place.configure(lines);
    let output = place.pgcairn(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, warning) = said.split_once("warning: ").unwrap_or_else(|| panic!("no warning: {said}"));
    let (message, hint) = warning.trim_end().split_once("\nhint: ").unwrap();
    self::warning(place, &json!({ "code": "io", "message": message, "hint": hint }))
}

/// A service that says of everything that it was not found.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let lines = BufReader::new(socket.try_clone().unwrap()).lines();
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let _ = socket.write_all(b"HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

pub const ALL: &[Case] = &[
    case("a ping that is no URL", |place| check(place, "ping = \"hc-ping.com\"")),
    case("a webhook with a place that is none", |place| check(place, "webhook = { path = \"/url\" }")),
    case("a name in the URL of a ping that is not known", |place| check(place, "ping = \"https://h/{cluster}\"")),
    case("a form of webhooks that is not known", |place| {
        check(place, "webhook = \"https://h/\"\nwebhook_format = \"teams\"")
    }),
    case("a webhook with two forms", |place| {
        check(place, "webhook = \"https://h/\"\nwebhook_format = \"slack\"\nwebhook_body = \"{text}\"")
    }),
    case("the form of no webhook", |place| check(place, "webhook_format = \"slack\"")),
    case("a template with a name that is not known", |place| {
        check(place, "command = [\"mail\", \"-s\", \"{subject}\"]")
    }),
    case("a test where nobody is told", |place| {
        place.configure("");
        place.refused(&["notify", "test"])
    }),
    case("nobody listens to a ping", |place| not_told(place, "ping = \"http://127.0.0.1:1/\"")),
    case("a webhook refuses", |place| {
        let address = refusing();
        let refusal = not_told(place, &format!("webhook = \"http://{address}/\""));
        Refusal { message: refusal.message.replace(&address, "hooks.example.org"), ..refusal }
    }),
    case("the file with a URL is not there", |place| {
        not_told(place, &format!("webhook = {{ file = {:?} }}", place.path("url")))
    }),
    case("the file with a URL is a pipe", |place| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::RGRP | rustix::fs::Mode::ROTH;
        rustix::fs::mknodat(rustix::fs::CWD, place.path("url"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        not_told(place, &format!("webhook = {{ file = {:?} }}", place.path("url")))
    }),
    case("the program that tells people fails", |place| not_told(place, "command = [\"false\"]")),
    case("the state directory cannot be made", |place| {
        place.write("state", "");
        warned(place, &format!("state_dir = {:?}\n", place.path("state")))
    }),
    case("the file of metrics cannot be written", |place| {
        warned_by(place, &["metrics"], &format!("[metrics]\ntextfile = {:?}\n", place.path("absent/pgcairn.prom")))
    }),
    case("what is remembered of runs is damaged", |place| {
        std::fs::create_dir_all(place.path("state")).unwrap();
        place.write("state/main.last-runs.json", "{");
        warned(place, &format!("state_dir = {:?}\n", place.path("state")))
    }),
];
