//! A backup of a real server, and people who are told of it, or cannot be told: the backup is the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "notify::broken", run: broken }, Scenario { name: "notify::told", run: told }]
}

fn site(server: &Server, notify: &str) -> Outcome<Site> {
    let mut site = Site::new(server)?;
    site.init()?;
    site.archive_from(server)?;
    let state = site.path("state");
    site.configure(&format!("[notify]\n{notify}\n"))?;
    site.begin_with(&format!("state_dir = {state:?}\n"))?;
    Ok(site)
}

/// Nothing that is told works: a backup, its exit status and its JSON are what they are without.
fn broken(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?;
    let mut site = site(
        &server,
        &format!(
            "ping = \"http://{address}/hush\"\nwebhook = {{ file = \"/nonexistent/hush\" }}\ncommand = [\"false\"]"
        ),
    )?;
    let run = site.run(&["backup", "--json"])?.ok()?;
    assert_eq!(run.result()?["result"], "backup", "{}", run.report());
    let warning = format!("warning: not notified by ping to {address}: no answer within 5 s\n");
    assert_eq!(run.stderr.matches(&warning).count(), 2, "{}", run.report());
    assert!(!run.stderr.contains(&format!("{address}/")), "{}", run.report());
    assert_eq!(site.run(&["list", "--json"])?.ok()?.json()?["backups"].as_array().map(Vec::len), Some(1));
    // A failure stays that failure.
    site.configure("[retention]\n")?;
    take_away(&site)?;
    let run = site.run(&["expire", "--json"])?.status_is(7)?;
    assert_eq!(run.json()?["error"]["code"], "not-a-repository", "{}", run.report());
    run.says(&[
        "not notified by command false: it ended with exit status: 1\n",
        "not notified by webhook: its URL in ",
    ])?;
    Ok(())
}

/// The repository is none any more, until it is put back.
fn take_away(site: &Site) -> Outcome {
    Ok(std::fs::rename(site.repository().join("pgcairn.json"), site.path("away"))?)
}

fn put_back(site: &Site) -> Outcome {
    Ok(std::fs::rename(site.path("away"), site.repository().join("pgcairn.json"))?)
}

/// What came to a service, as `path: body`.
fn listen() -> Outcome<(String, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heard);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = hear(socket, &shared);
        }
    });
    Ok((address, heard))
}

fn hear(mut socket: TcpStream, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        lines.push(std::mem::take(&mut line).trim_end().to_ascii_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok());
    let mut body = String::new();
    reader.take(length.unwrap_or(0)).read_to_string(&mut body).ok()?;
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    heard.lock().ok()?.push(format!("{path}: {body}"));
    socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").ok()
}

/// A backup that fails twice and then succeeds; what expiry does is another matter.
fn told(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let (address, heard) = listen()?;
    let mut site = site(
        &server,
        &format!("ping = \"http://{address}/ping\"\nwebhook = \"http://{address}/webhook\"\nwebhook_format = \"ntfy\""),
    )?;
    site.configure("[retention]\n")?;
    let come = || std::mem::take(&mut *heard.lock().unwrap_or_else(|e| e.into_inner()));
    take_away(&site)?;
    site.run(&["backup"])?.status_is(7)?;
    let first = come();
    let has = |lines: &[String], path: &str, text: &str| lines.iter().any(|l| l.starts_with(path) && l.contains(text));
    assert!(first.len() == 3 && first[0] == "/ping/start: ", "{first:?}");
    assert!(has(&first, "/ping/fail: error: ", "exit status 7"), "{first:?}");
    assert!(has(&first, "/webhook: error: ", "\nhint: "), "{first:?}");
    site.run(&["backup"])?.status_is(7)?;
    let second = come();
    assert!(second.len() == 2 && !has(&second, "/webhook", ""), "{second:?}");
    put_back(&site)?;
    site.run(&["expire"])?.ok()?;
    assert_eq!(come(), Vec::<String>::new(), "it has not failed, and the ping is of backups");
    site.run(&["backup"])?.ok()?;
    let third = come();
    assert!(
        has(&third, "/ping: ", "ended well") && has(&third, "/webhook: ", "it had failed 2 times since"),
        "{third:?}"
    );
    Ok(())
}
