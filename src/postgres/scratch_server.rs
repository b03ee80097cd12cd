//! A server of our own that is thrown away: on a data directory that nobody else uses, with a generated
//! configuration, reachable through a private socket only, never as root, gone with its value.
//!
//! The configuration lies beside the data directory, which keeps its own files untouched; with the
//! origin's `config_file` a restored copy could start the origin instead.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use ::postgres::Client;
use rustix::process::{Pid, Signal, kill_process};

use super::Installation;
use super::failure::Failure;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::plan::settings_file::line;

/// Names the socket; nothing listens on a network.
const PORT: u16 = 5432;
/// A socket's path has at most this many bytes (`UNIXSOCK_PATH_BUFLEN`), its name among them.
pub const MAX_ROOM: usize = 107 - "/.s.PGSQL.5432".len();

/// Only the operating system's user that started it comes through the socket's directory.
const HBA: &str = "local all all trust\n";

/// `jit` is off because it breaks where memory may not be both written and executed; shared memory lies
/// in files because /dev/shm is small in containers; logical replication would eat the origin's slots.
const SETTINGS: [(&str, &str); 11] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("archive_mode", "off"),
    ("shared_buffers", "64MB"),
    ("dynamic_shared_memory_type", "mmap"),
    ("max_logical_replication_workers", "0"),
    ("jit", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
];

/// Recovery of much WAL takes as long as it takes; this is for a server that does not even answer.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

pub struct ScratchServer {
    postmaster: Child,
    room: PathBuf,
}

impl ScratchServer {
    /// Starts and waits until it answers. `room` is an empty directory of at most [`MAX_ROOM`] bytes, for
    /// configuration, socket and log; of `settings` the last one wins.
    pub fn start(
        installation: &Installation,
        data: &Path,
        room: &Path,
        settings: &[(&str, &str)],
        interrupt: &Interrupt,
    ) -> Result<ScratchServer> {
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("no server in {}: {error}", room.display()));
        write_configuration(data, room, settings).map_err(cannot)?;
        let log = OpenOptions::new().create(true).append(true).open(log(room)).map_err(cannot)?;
        let mut command = installation.command("postgres");
        command.arg("-D").arg(data).arg("-c").arg(assignment("config_file", &room.join("postgresql.conf")));
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone().map_err(cannot)?).stderr(log);
        // Its own group: an interrupt at the terminal reaches us, and we stop it in order.
        let postmaster = command.process_group(0).spawn().map_err(cannot)?;
        let mut server = ScratchServer { postmaster, room: room.to_owned() };
        server.wait_for("to answer", interrupt, |server| server.client().is_ok())?;
        Ok(server)
    }

    /// As libpq and the configuration of pgcairn take it.
    pub fn connection(&self) -> String {
        let host = self.room.to_string_lossy().replace('\\', r"\\").replace('\'', r"\'");
        format!("host='{host}' port={PORT} user=postgres dbname=postgres")
    }

    /// A session for whatever statements the scratch server was made for.
    pub fn client(&self) -> Result<Client> {
        let mut config = ::postgres::Config::new();
        config.host_path(&self.room).port(PORT).user("postgres").dbname("postgres");
        config.connect(::postgres::NoTls).map_err(|error| {
            let message = format!("the server in {} cannot be reached: {}", self.room.display(), Failure(&error));
            Error::new(Code::Unreachable, message)
        })
    }

    /// Until recovery has ended and the server takes writes.
    pub fn wait_for_promotion(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.wait_for("to end recovery", interrupt, |server| {
            let asked = server.client().ok().and_then(|mut client| {
                client.query_one("SELECT pg_is_in_recovery()", &[]).ok()?.try_get::<_, bool>(0).ok()
            });
            asked == Some(false)
        })
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log(&self.room)).unwrap_or_default()).into_owned()
    }

    /// Fast shutdown: the data directory is left as after a planned stop.
    pub fn stop(mut self) -> Result<()> {
        self.signal(Signal::INT);
        match self.ended_within(STOP_TIMEOUT) {
            Some(_) => Ok(()),
            None => Err(Error::new(Code::Io, format!("the server in {} did not stop", self.room.display()))),
        }
    }

    fn wait_for(&mut self, what: &str, interrupt: &Interrupt, done: impl Fn(&Self) -> bool) -> Result<()> {
        let since = Instant::now();
        while !done(self) {
            interrupt.check()?;
            if let Some(status) = self.ended() {
                return Err(self.failed(&format!("ended with {status} before it came {what}")));
            }
            if since.elapsed() > START_TIMEOUT {
                return Err(self.failed(&format!("took longer than {} s {what}", START_TIMEOUT.as_secs())));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// With the last words of its log, which may be gone soon.
    fn failed(&self, how: &str) -> Error {
        let log = self.log();
        let serious = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
        let last = log.lines().rfind(serious).or_else(|| log.lines().last()).unwrap_or("its log is empty");
        Error::new(Code::Io, format!("the server in {} {how}: {last}", self.room.display()))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.postmaster.try_wait().ok().flatten()
    }

    fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let since = Instant::now();
        loop {
            match self.ended() {
                None if since.elapsed() < limit => thread::sleep(POLL),
                ended => return ended,
            }
        }
    }

    /// The child is not yet waited for, so its pid is nobody else's.
    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.postmaster), signal);
    }
}

impl Drop for ScratchServer {
    /// Immediate shutdown: nothing here is to be kept. The postmaster ends after all its children.
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::QUIT);
        }
        if self.ended_within(STOP_TIMEOUT).is_none() {
            self.signal(Signal::KILL);
            let _ = self.postmaster.wait();
        }
    }
}

fn log(room: &Path) -> PathBuf {
    room.join("log")
}

fn write_configuration(data: &Path, room: &Path, settings: &[(&str, &str)]) -> std::io::Result<()> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    fs::write(room.join("pg_hba.conf"), HBA)?;
    fs::write(room.join("pg_ident.conf"), "")?;
    let mut text = String::from("# A scratch server of pgcairn.\n");
    text += &line("data_directory", &path(data));
    text += &line("hba_file", &path(&room.join("pg_hba.conf")));
    text += &line("ident_file", &path(&room.join("pg_ident.conf")));
    text += &line("unix_socket_directories", &format!("\"{}\"", path(room)));
    text += &line("port", &PORT.to_string());
    SETTINGS.iter().chain(settings).for_each(|(name, value)| text += &line(name, value));
    fs::write(room.join("postgresql.conf"), text)
}

fn assignment(name: &str, path: &Path) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(format!("{name}="));
    word.push(path);
    word
}
