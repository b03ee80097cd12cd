//! A server of our own, cut off from everything outside of its directory: a generated configuration, a private socket
//! (and 127.0.0.1 where a port is asked for), no archiving, no workers, slots, commands or libraries of the origin's,
//! never as root.
//!
//! ```text
//! let room = Room::make(&scratch.join("server"))?;            // configuration, log, socket
//! let launch = Launch { origin: Origin::Restored, … };        // of a restored copy: operation::restore::StoppedCopy
//! let mut server = ScratchServer::launch(launch)?;
//! let log = server.wait_for_end(End::Paused, LONGEST_SILENCE, interrupt)?;   // a RecoveryLog: what is proven
//! server.session("app")?                                      // a superuser's, with no setting of the database's own
//! server.stop()?                                              // or leave_running(), which gives the pid
//! ```
//!
//! A server that ends, is silent for too long or is interrupted ends every wait with an error that has its last words;
//! dropped, it is killed. The configuration is never the origin's, with whose `data_directory` a restored copy could
//! start the origin instead.

mod postmaster;
mod room;
mod settings;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::postgres::Client;
use ::postgres::error::SqlState;

use super::Installation;
use super::failure::Failure;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::plan::settings_file::Setting;
use crate::model::recovery_log::{RecoveryLog, words};
use crate::model::shell_word::shell_word;
use postmaster::Postmaster;

pub use room::{MAX_ROOM, Room};
pub use settings::Origin;

/// Names the socket where nothing listens on a network.
const SOCKET_PORT: u16 = 5432;
/// Whom `initdb` makes where it is not told another name, and the databases to begin with: the first may be gone.
pub const USUAL_SUPERUSER: &str = "postgres";
const DATABASES: [&str; 2] = ["postgres", "template1"];

/// For sessions of a superuser. A database and a role may have settings of their own, which beat the command line; those
/// of a session beat them. Without this `search_path` a function that somebody has put into a schema of the database
/// could be what one of our names means, and would run as the superuser.
/// Event triggers are the origin's code; damage is to be seen, in every page of a table.
const SESSION_OPTIONS: &str = "-c search_path=pg_catalog -c role=none -c session_preload_libraries= -c local_preload_libraries= \
     -c ignore_checksum_failure=off -c zero_damaged_pages=off -c ignore_system_indexes=off -c enable_indexonlyscan=off \
     -c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 \
     -c default_transaction_read_only=off -c client_encoding=UTF8";
const SESSION_OPTIONS_17: &str = " -c event_triggers=off -c transaction_timeout=0";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// How long a server may be without a line in its log. Recovery writes one for each segment, and from 15 on every 10 s.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// What recovery is to end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At its target. A server that cannot take sessions there does not pause (`recoveryPausesHere`): the log says so.
    Paused,
    Promoted,
}

/// What is started, and how.
pub struct Launch<'a> {
    pub installation: &'a Installation,
    /// Absolute, like the room.
    pub data: &'a Path,
    pub room: Room,
    pub origin: Origin,
    /// Who is asked for in sessions: the cluster's first superuser.
    pub superuser: String,
    /// On 127.0.0.1, with the passwords of the roles.
    pub port: Option<u16>,
    /// Beside those of every such server, which they beat.
    pub settings: Vec<Setting>,
}

pub struct ScratchServer {
    postmaster: Postmaster,
    major: u32,
    data: PathBuf,
    room: Room,
    port: u16,
    superuser: String,
    /// Where its log begins: an earlier server in the same room has written before.
    log_from: u64,
    left: bool,
}

impl ScratchServer {
    /// Starts, and waits until it answers.
    pub fn start(launch: Launch<'_>, silence: Duration, interrupt: &Interrupt) -> Result<ScratchServer> {
        let mut server = ScratchServer::launch(launch)?;
        server.wait_for("to answer", silence, interrupt, |server| Ok(server.answers()))?;
        Ok(server)
    }

    /// Starts, and returns at once.
    pub fn launch(launch: Launch<'_>) -> Result<ScratchServer> {
        refuse_root()?;
        refuse_slots(launch.data)?;
        let room = launch.room.clone();
        let cannot =
            |error: io::Error| Error::new(Code::Io, format!("no server in {}: {error}", room.path().display()));
        room.write(launch.data, launch.port.is_some()).map_err(cannot)?;
        let log_from = fs::metadata(room.log()).map_or(0, |log| log.len());
        let mut command = launch.installation.command("postgres");
        command.arg("-D").arg(launch.data).args(launch.arguments());
        let postmaster = Postmaster::spawn(command, &room.log()).map_err(cannot)?;
        Ok(ScratchServer {
            postmaster,
            major: launch.installation.major(),
            data: launch.data.to_owned(),
            room,
            port: launch.port.unwrap_or(SOCKET_PORT),
            superuser: launch.superuser,
            log_from,
            left: false,
        })
    }

    pub fn room(&self) -> &Room {
        &self.room
    }

    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// As libpq and the configuration of pgcairn take it.
    pub fn connection(&self) -> String {
        self.connection_in(DATABASES[0])
    }

    fn connection_in(&self, database: &str) -> String {
        let host = quoted(&self.room.socket_directory().to_string_lossy());
        format!("host={host} port={} user={} dbname={database}", self.port, quoted(&self.superuser))
    }

    /// The same for what loads into any server, with a database that is not the usual one, and the settings of our own
    /// sessions.
    pub fn loading_connection(&self) -> String {
        format!("{} options={}", self.connection_in(DATABASES[1]), quoted(&session_options(self.major)))
    }

    /// Another superuser than `initdb` made, from now on.
    pub fn act_as(&mut self, superuser: String) {
        self.superuser = superuser;
    }

    /// The same for a program of PostgreSQL.
    pub fn client_arguments(&self) -> Vec<std::ffi::OsString> {
        let socket = self.room.socket_directory().as_os_str().to_owned();
        vec![
            "--host".into(),
            socket,
            "--port".into(),
            self.port.to_string().into(),
            "--username".into(),
            self.superuser.clone().into(),
        ]
    }

    /// The same for a person, as words of a shell.
    pub fn psql_words(&self) -> String {
        let host = shell_word(&self.room.socket_directory().to_string_lossy());
        format!("-h {host} -p {} -U {}", self.port, shell_word(&self.superuser))
    }

    /// A session in a database that every cluster has: the usual one may be gone, or closed.
    pub fn client(&self) -> Result<Client> {
        match self.connect(DATABASES[0]) {
            Err(error) if is_no_database(&error) => self.session(DATABASES[1]),
            connected => connected.map_err(|error| self.unreachable(&error)),
        }
    }

    /// The one that [`ScratchServer::client`] is in.
    pub fn database(&self) -> &'static str {
        let gone = self.connect(DATABASES[0]).is_err_and(|error| is_no_database(&error));
        DATABASES[usize::from(gone)]
    }

    pub fn session(&self, database: &str) -> Result<Client> {
        self.connect(database).map_err(|error| self.unreachable(&error))
    }

    pub(super) fn connect(&self, database: &str) -> std::result::Result<Client, ::postgres::Error> {
        self.address(&self.superuser, database).options(&session_options(self.major)).connect(::postgres::NoTls)
    }

    /// A session of another role, with the settings that it and the database have.
    pub fn session_of(&self, role: &str, database: &str) -> Result<Client> {
        self.address(role, database).connect(::postgres::NoTls).map_err(|error| self.unreachable(&error))
    }

    fn address(&self, role: &str, database: &str) -> ::postgres::Config {
        let mut config = ::postgres::Config::new();
        config.host_path(self.room.socket_directory()).port(self.port).user(role).dbname(database);
        config.connect_timeout(CONNECT_TIMEOUT);
        config
    }

    fn unreachable(&self, error: &::postgres::Error) -> Error {
        let message = format!("the server in {} cannot be reached: {}", self.room.path().display(), Failure(error));
        // Invalid authorization: no such role, or one that may not log in.
        let is_refused = error.code().is_some_and(|state| state.code().starts_with("28"));
        Error::new(if is_refused { Code::Permission } else { Code::Unreachable }, message)
    }

    /// A statement of a session failed.
    pub(super) fn said(&self, error: &::postgres::Error) -> Error {
        Error::new(Code::Io, format!("the server in {} says: {}", self.room.path().display(), Failure(error)))
    }

    /// Until recovery has come to its end, however far that is. What the log proves by then is for the caller to judge.
    pub fn wait_for_end(&mut self, end: End, silence: Duration, interrupt: &Interrupt) -> Result<RecoveryLog> {
        let (mut seen, mut log) = (0, RecoveryLog::default());
        let what = if end == End::Paused { "to its target" } else { "to the end of recovery" };
        self.wait_for(what, silence, interrupt, |server| {
            let length = server.log_length();
            if length != seen {
                (seen, log) = (length, server.recovery_log());
            }
            let is_expected = log.complete || (end == End::Paused && log.paused);
            Ok(is_expected && server.answers() && server.is_at_rest(log.complete)?)
        })?;
        Ok(self.recovery_log())
    }

    /// The log runs ahead of what a session sees. Who is not let in now never will be.
    fn is_at_rest(&self, promoted: bool) -> Result<bool> {
        let query = if promoted {
            "SELECT NOT pg_is_in_recovery()"
        } else {
            "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        };
        let asked = match self.client() {
            Err(error) if error.code == Code::Permission => return Err(error),
            client => client.ok().and_then(|mut client| client.query_one(query, &[]).ok()?.try_get(0).ok()),
        };
        Ok(asked == Some(true))
    }

    fn answers(&self) -> bool {
        self.postmaster.answers(&self.data)
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        let from = usize::try_from(self.log_from).unwrap_or(usize::MAX);
        let log = fs::read(self.room.log()).unwrap_or_default();
        String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned()
    }

    pub fn recovery_log(&self) -> RecoveryLog {
        RecoveryLog::parse(&self.log())
    }

    fn log_length(&self) -> u64 {
        fs::metadata(self.room.log()).map_or(0, |log| log.len())
    }

    /// The data directory is left as after a planned stop.
    pub fn stop(mut self) -> Result<()> {
        match self.postmaster.stop() {
            true => Ok(()),
            false => {
                let room = self.room.path().display();
                Err(Error::new(Code::Io, format!("the server in {room} did not stop in order and was killed")))
            }
        }
    }

    /// It goes on after us, until somebody stops it.
    pub fn leave_running(mut self) -> u32 {
        self.left = true;
        self.pid()
    }

    fn wait_for(
        &mut self,
        what: &str,
        silence: Duration,
        interrupt: &Interrupt,
        mut done: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let mut heard = (self.log_length(), Instant::now());
        while !done(self)? {
            interrupt.check()?;
            if let Some(status) = self.postmaster.ended() {
                return Err(self.failed(&format!("ended with {status} before it came {what}")));
            }
            if heard.0 != self.log_length() {
                heard = (self.log_length(), Instant::now());
            }
            if heard.1.elapsed() > silence {
                return Err(self.failed(&format!("did not come {what} and is silent for {} s", silence.as_secs())));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// With the last words of its log, which may be gone soon.
    fn failed(&self, how: &str) -> Error {
        let log = self.log();
        let last = words::last(&log).unwrap_or_else(|| "its log is empty".to_owned());
        Error::new(Code::Io, format!("the server in {} {how}: {last}", self.room.path().display()))
    }
}

impl Drop for ScratchServer {
    /// Immediate shutdown: nothing here is to be kept.
    fn drop(&mut self) {
        if !self.left {
            self.postmaster.quit();
            self.room.tidy();
        }
    }
}

impl Launch<'_> {
    /// What its command line says; the last of a name wins.
    fn arguments(&self) -> Vec<OsString> {
        let listen = if self.port.is_some() { "127.0.0.1" } else { "" };
        let mut settings = settings::settings(self.origin, self.installation.major());
        settings.extend([
            ("listen_addresses", listen.to_owned()),
            ("port", self.port.unwrap_or(SOCKET_PORT).to_string()),
            ("unix_socket_directories", self.room.socket_setting()),
        ]);
        settings.extend(self.settings.iter().cloned());
        let mut arguments = vec!["-c".into(), assignment("config_file", &self.room.main_file())];
        arguments.extend(settings.iter().flat_map(|(name, value)| ["-c".into(), format!("{name}={value}").into()]));
        arguments
    }
}

pub(super) fn session_options(major: u32) -> String {
    let of_17 = if major >= 17 { SESSION_OPTIONS_17 } else { "" };
    format!("{SESSION_OPTIONS}{of_17}")
}

fn assignment(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(format!("{name}="));
    word.push(path);
    word
}

/// A value of a connection string.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn is_no_database(error: &::postgres::Error) -> bool {
    let states = [&SqlState::INVALID_CATALOG_NAME, &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
    error.code().is_some_and(|state| states.contains(&state))
}

/// PostgreSQL refuses too; here it is told before anything is written.
fn refuse_root() -> Result<()> {
    match rustix::process::geteuid().is_root() {
        true => Err(Error::new(Code::Permission, "PostgreSQL does not run as root")
            .hint("run pgcairn as the owner of the data directory")),
        false => Ok(()),
    }
}

/// A slot that came along would hold back WAL for nobody, and a logical one could be read from by mistake. A restore
/// leaves them out.
fn refuse_slots(data: &Path) -> Result<()> {
    let slot = fs::read_dir(data.join("pg_replslot")).ok().and_then(|mut entries| entries.next()?.ok());
    match slot {
        None => Ok(()),
        Some(slot) => {
            let (data, name) = (data.display(), slot.file_name().to_string_lossy().into_owned());
            Err(Error::new(Code::Refused, format!("{data} holds replication slot {name}, which no restored copy has")))
        }
    }
}
