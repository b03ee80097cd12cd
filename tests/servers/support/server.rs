//! One PostgreSQL server: made by initdb or taken over from a restore, started on a unix socket only, stopped
//! with the value.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;

use super::account::account;
use super::clock::Clock;
use super::majors::Installation;
use super::scratch::Scratch;
use super::wait::wait_for;
use super::{Outcome, process};

/// The port names the socket file; nothing listens on TCP.
pub const PORT: u16 = 5432;
/// What a failing trial shows of the server's log.
const LOG_TAIL_LINES: usize = 25;

/// Settings of every test server. fsync is off: a machine does not crash in a test, and pgcairn's own
/// durability is tested by other means.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "''"),
    ("fsync", "off"),
    ("shared_buffers", "'32MB'"),
    ("max_connections", "40"),
    ("max_prepared_transactions", "20"),
    ("wal_level", "replica"),
    ("wal_keep_size", "'1GB'"),
    ("track_commit_timestamp", "on"),
    ("timezone", "'UTC'"),
    ("log_line_prefix", "'%m [%p] '"),
    ("jit", "off"),
];

pub struct Builder {
    install: &'static Installation,
    checksums: bool,
    initdb: Vec<String>,
    settings: Vec<(String, String)>,
    clock: Option<Clock>,
}

impl Builder {
    /// Page checksums are on unless a scenario wants them off.
    pub fn checksums(mut self, on: bool) -> Self {
        self.checksums = on;
        self
    }

    pub fn segment_mib(self, size: u32) -> Self {
        self.initdb(&format!("--wal-segsize={size}"))
    }

    pub fn initdb(mut self, argument: &str) -> Self {
        self.initdb.push(argument.to_owned());
        self
    }

    /// A line of postgresql.conf; the value is written as it is, quotes included.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// By which the server lives, and what it calls.
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Makes the data directory, without a start.
    pub fn create(self) -> Outcome<Server> {
        let scratch = Scratch::new()?;
        let data = scratch.join("data");
        let mut initdb = account().command(self.install.program("initdb"));
        initdb.arg("-D").arg(&data).args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        initdb.arg("--no-sync").args(&self.initdb);
        // initdb of 18 has them on by default, those before know no option to say no.
        match (self.checksums, self.install.major) {
            (true, _) => initdb.arg("--data-checksums"),
            (false, 18..) => initdb.arg("--no-data-checksums"),
            (false, _) => &mut initdb,
        };
        run(&mut initdb)?;
        let mut server = Server::at(self.install, scratch, data)?;
        server.clock = self.clock;
        for (name, value) in SETTINGS.iter().map(|(n, v)| (n.to_string(), v.to_string())).chain(self.settings) {
            server.append_setting(&name, &value)?;
        }
        Ok(server)
    }

    pub fn start(self) -> Outcome<Server> {
        let server = self.create()?;
        server.start()?;
        Ok(server)
    }
}

pub struct Server {
    pub install: &'static Installation,
    data: PathBuf,
    socket_dir: PathBuf,
    log: PathBuf,
    /// Settings given on the command line, which beat every file.
    overrides: Vec<(String, String)>,
    clock: Option<Clock>,
    postmaster: Mutex<Option<Child>>,
    scratch: Scratch,
}

/// How to end a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    Fast,
    Immediate,
    /// SIGKILL of the postmaster, as the kernel would do it.
    Kill,
}

impl Server {
    pub fn builder(install: &'static Installation) -> Builder {
        Builder { install, checksums: true, initdb: Vec::new(), settings: Vec::new(), clock: None }
    }

    fn at(install: &'static Installation, scratch: Scratch, data: PathBuf) -> Outcome<Server> {
        let (socket_dir, log) = (scratch.join("s"), scratch.join("log"));
        account().make_dir(&socket_dir)?;
        let overrides = vec![("unix_socket_directories".to_owned(), socket_dir.display().to_string())];
        Ok(Server { install, data, socket_dir, log, overrides, clock: None, postmaster: Mutex::new(None), scratch })
    }

    /// A server on a data directory that something else made (a restore). It stays apart from its origin: own
    /// socket, no TCP, no archiving.
    pub fn adopt(install: &'static Installation, data: &Path) -> Outcome<Server> {
        let mut server = Server::at(install, Scratch::new()?, data.to_owned())?;
        for (name, value) in [("listen_addresses", ""), ("archive_mode", "off"), ("fsync", "off")] {
            server.overrides.push((name.to_owned(), value.to_owned()));
        }
        Ok(server)
    }

    /// The same with nothing on its command line: its own files say where it is reached.
    pub fn adopt_bare(install: &'static Installation, data: &Path, socket_dir: &Path) -> Outcome<Server> {
        let mut server = Server::at(install, Scratch::new()?, data.to_owned())?;
        (server.socket_dir, server.overrides) = (socket_dir.to_owned(), Vec::new());
        Ok(server)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Room beside the data directory, owned by the account.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// What the configuration of pgcairn gives as `connection`.
    pub fn connection(&self) -> String {
        format!("host={} port={PORT} user=postgres dbname=postgres", self.socket_dir.display())
    }

    /// Adds a line to postgresql.conf; the last one wins. Needs `reload` or a restart.
    pub fn append_setting(&self, name: &str, value: &str) -> Outcome {
        let path = self.data.join("postgresql.conf");
        let text = fs::read_to_string(&path)?;
        Ok(account().write(&path, format!("{text}{name} = {value}\n"), 0o600)?)
    }

    /// A setting on the command line of the next start, which beats every file.
    pub fn override_setting(&mut self, name: &str, value: &str) {
        self.overrides.push((name.to_owned(), value.to_owned()));
    }

    /// A program of this installation, pointed at this server by its environment.
    pub fn program(&self, name: &str) -> Command {
        let mut command = account().command(self.install.program(name));
        command.env("PGHOST", &self.socket_dir).env("PGPORT", PORT.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        command
    }

    /// Starts the server and waits until it accepts connections, or says why it does not.
    pub fn start(&self) -> Outcome {
        self.launch()?;
        self.wait_ready()
    }

    /// Starts the postmaster and returns at once: for recoveries that may end otherwise than ready.
    pub fn launch(&self) -> Outcome {
        let _ = fs::remove_file(self.data.join("postmaster.pid"));
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(&self.data).arg("-p").arg(PORT.to_string());
        for (name, value) in &self.overrides {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        if let Some(clock) = &self.clock {
            clock.set(&mut command);
        }
        // Its own group: an interrupt at the terminal reaches this program, which stops servers in order.
        let child = command.stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?;
        process::register(child.id());
        *self.postmaster() = Some(child);
        Ok(())
    }

    /// Waits until the server accepts connections, read-only ones of a recovery included.
    pub fn wait_ready(&self) -> Outcome {
        wait_for("the server to accept connections", || {
            if let Some(status) = self.exited()? {
                return Err(format!("the server ended with {status}\n{}", self.log_tail()).into());
            }
            Ok(self.client().is_ok().then_some(()))
        })
    }

    /// Waits until the server ends by itself; returns how.
    pub fn wait_exit(&self) -> Outcome<ExitStatus> {
        wait_for("the server to end", || self.exited())
    }

    fn postmaster(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// How the server ended, when it has.
    pub fn exited(&self) -> Outcome<Option<ExitStatus>> {
        let mut guard = self.postmaster();
        let Some(child) = guard.as_mut() else { return Ok(Some(ExitStatus::from_raw(0))) };
        let status = child.try_wait()?;
        if status.is_some() {
            process::unregister(child.id());
            *guard = None;
        }
        Ok(status)
    }

    pub fn pid(&self) -> Option<i32> {
        self.postmaster().as_ref().map(|child| child.id().cast_signed())
    }

    /// Ends the server; nothing of it is left when this returns.
    pub fn stop(&self, how: Shutdown) -> Outcome {
        let Some(pid) = self.pid() else { return Ok(()) };
        let children = process::children(pid);
        let signal = match how {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Kill => Signal::KILL,
        };
        process::signal(pid, signal);
        self.wait_exit()?;
        // Orphans notice the postmaster's death by themselves; a restart must not meet them.
        wait_for("orphaned backends to end", || Ok((!children.iter().any(|c| process::alive(*c))).then_some(())))
    }

    pub fn restart(&self) -> Outcome {
        self.stop(Shutdown::Fast)?;
        self.start()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Waits until the log holds a text.
    pub fn wait_log(&self, text: &str) -> Outcome {
        wait_for(&format!("{text:?} in the server's log"), || Ok(self.log().contains(text).then_some(())))
            .map_err(|_| format!("{text:?} is not in the server's log:\n{}", self.log_tail()).into())
    }

    /// A value of pg_controldata by its label, `"Latest checkpoint's TimeLineID"`.
    pub fn control(&self, label: &str) -> Outcome<String> {
        let text = run(account().command(self.install.program("pg_controldata")).arg(&self.data))?;
        let value = text.lines().find_map(|l| l.strip_prefix(label)?.strip_prefix(':'));
        value.map(|v| v.trim().to_owned()).ok_or_else(|| format!("pg_controldata says nothing of {label:?}").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the server in {}:\n{}", self.data.display(), self.log_tail());
        }
        if let Some(pid) = self.pid() {
            process::signal(pid, Signal::QUIT);
            let ended = wait_for("the server to end", || self.exited());
            if ended.is_err() {
                process::signal(pid, Signal::KILL);
                std::thread::sleep(Duration::from_millis(100));
                let _ = self.exited();
            }
        }
    }
}

/// Runs a command to its end; its standard output, or an error with all that it said.
pub fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}\n{stdout}{stderr}", output.status).into())
}
