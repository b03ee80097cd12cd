//! pgcairn beside a server: its binary, a configuration file, an identity, a repository, and what a run of it
//! gave back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use age::secrecy::ExposeSecret;
use pgcairn::model::signature::SigningKey;

use super::Outcome;
use super::account::account;
use super::clock::Clock;
use super::scratch::{self, Scratch};
use super::server::Server;

/// The built binary, in a place that the account of the servers can reach.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let copy = scratch::root().join("pgcairn");
        fs::copy(env!("CARGO_BIN_EXE_pgcairn"), &copy).expect("the binary can be copied");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("the binary can be made executable");
        copy
    })
}

/// One configured use of pgcairn: files below a scratch directory of its own.
pub struct Site {
    scratch: Scratch,
    data: PathBuf,
    connection: String,
    repository: PathBuf,
    pub recipient: Option<String>,
    /// Of the repository, where the configuration names it.
    repository_id: Option<String>,
    /// What the configuration says of the repository in place of the URL of a directory.
    place: Option<String>,
    /// The configuration names no data directory.
    is_remote: bool,
    /// Lines added to the configuration, whole tables included.
    extra: String,
    pub clock: Option<Clock>,
}

impl Site {
    /// Writes the configuration and a fresh identity; the repository is not made, `init` does that.
    pub fn new(server: &Server) -> Outcome<Site> {
        Site::with(server, true)
    }

    pub fn unencrypted(server: &Server) -> Outcome<Site> {
        Site::with(server, false)
    }

    fn with(server: &Server, encrypted: bool) -> Outcome<Site> {
        let scratch = Scratch::new()?;
        let identity = age::x25519::Identity::generate();
        account().write(&scratch.join("identity"), format!("{}\n", identity.to_string().expose_secret()), 0o600)?;
        let recipient = encrypted.then(|| identity.to_public().to_string());
        let (data, connection) = (server.data().to_owned(), server.connection());
        let repository = scratch.join("repo");
        let site = Site {
            scratch,
            data,
            connection,
            repository,
            recipient,
            repository_id: None,
            place: None,
            is_remote: false,
            extra: String::new(),
            clock: None,
        };
        site.write_config()?;
        Ok(site)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// The data directory that the configuration names.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where the configuration says that the server's socket is.
    pub fn socket_dir(&self) -> &Path {
        let host = self.connection.split(' ').find_map(|word| word.strip_prefix("host="));
        Path::new(host.unwrap_or_default())
    }

    pub fn config(&self) -> PathBuf {
        self.path("main.toml")
    }

    /// Not this machine's, which others look into.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub fn identity(&self) -> PathBuf {
        self.path("identity")
    }

    /// Where `init` puts the key that signs.
    pub fn signing_key(&self) -> PathBuf {
        self.path("main.signing.pem")
    }

    /// Its public half.
    pub fn public_key(&self) -> Outcome<String> {
        Ok(self.key_that_signs()?.public().to_string())
    }

    pub fn key_that_signs(&self) -> Outcome<SigningKey> {
        Ok(SigningKey::from_pem(&fs::read(self.signing_key())?)?)
    }

    pub fn repository(&self) -> PathBuf {
        self.repository.clone()
    }

    /// Adds lines to the end of the configuration.
    pub fn configure(&mut self, lines: &str) -> Outcome {
        self.extra.push_str(lines);
        self.write_config()
    }

    /// Makes the configuration say these lines of its repository, the url among them.
    pub fn move_to(&mut self, lines: &str) -> Outcome {
        self.place = Some(lines.to_owned());
        self.write_config()
    }

    /// Makes the configuration name another data directory or server.
    pub fn point_at(&mut self, server: &Server) -> Outcome {
        (self.data, self.connection) = (server.data().to_owned(), server.connection());
        self.write_config()
    }

    /// Changes the server of the configuration alone.
    pub fn connect_to(&mut self, server: &Server) -> Outcome {
        self.connection = server.connection();
        self.write_config()
    }

    /// The same, by a connection string.
    pub fn connect(&mut self, connection: &str) -> Outcome {
        self.connection = connection.to_owned();
        self.write_config()
    }

    /// The same of a server whose files are not at hand.
    pub fn connect_only(&mut self, connection: &str) -> Outcome {
        self.is_remote = true;
        self.connect(connection)
    }

    /// Changes what follows host and port of the connection.
    pub fn connect_as(&mut self, who: &str) -> Outcome {
        let place = self.connection.split(" user=").next().unwrap_or_default();
        self.connection = format!("{place} {who}");
        self.write_config()
    }

    /// Changes the data directory of the configuration alone.
    pub fn set_data(&mut self, data: &Path) -> Outcome {
        self.data = data.to_owned();
        self.write_config()
    }

    /// Makes the configuration name another site's repository, with that site's identity.
    pub fn share_repository(&mut self, other: &Site) -> Outcome {
        self.repository = other.repository();
        self.recipient.clone_from(&other.recipient);
        account().write(&self.identity(), fs::read(other.identity())?, 0o600)?;
        self.write_config()
    }

    /// Makes the configuration name the repository by its id.
    pub fn identify(&mut self, id: &str) -> Outcome {
        self.repository_id = Some(id.to_owned());
        self.write_config()
    }

    fn write_config(&self) -> Outcome {
        let recipients = self.recipient.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join(", ");
        let id = self.repository_id.iter().map(|id| format!("id = {id:?}\n")).collect::<String>();
        let local = || format!("url = \"file://{}\"\n", self.repository().display());
        let place = self.place.clone().unwrap_or_else(local);
        let data = if self.is_remote { String::new() } else { format!("data_dir = {:?}\n", self.data) };
        let text = format!(
            "name = \"main\"\nstate_dir = {:?}\n[postgres]\n{data}connection = {:?}\n[encryption]\nrecipients = [{recipients}]\n\
             [[repository]]\nname = \"local\"\n{place}{id}{}",
            self.state_dir(),
            self.connection,
            self.extra
        );
        Ok(account().write(&self.config(), text, 0o644)?)
    }

    /// A second site with a copy of this one's repository, by hard links: objects are never written to, and a
    /// test that damages one replaces the file (`damage::*`).
    pub fn fork(&self) -> Outcome<Site> {
        let scratch = Scratch::new()?;
        let mut copy = account().command("/bin/cp");
        super::server::run(copy.arg("-al").arg(self.repository()).arg(scratch.join("repo")))?;
        account().write(&scratch.join("identity"), fs::read(self.identity())?, 0o600)?;
        let site = Site {
            repository: scratch.join("repo"),
            scratch,
            data: self.data.clone(),
            connection: self.connection.clone(),
            recipient: self.recipient.clone(),
            repository_id: self.repository_id.clone(),
            place: self.place.clone(),
            is_remote: self.is_remote,
            extra: self.extra.clone(),
            clock: self.clock.clone(),
        };
        site.write_config()?;
        Ok(site)
    }

    /// pgcairn with this site's configuration, as the owner of the server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = account().command(binary());
        command.arg("--config").arg(self.config()).args(arguments);
        if let Some(clock) = &self.clock {
            clock.set(&mut command);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome<Run> {
        Run::of(&mut self.command(arguments))
    }

    /// The same, with the identity at hand: what reads database content needs it.
    pub fn run_with_identity(&self, arguments: &[&str]) -> Outcome<Run> {
        let mut command = self.command(arguments);
        Run::of(command.env("PGCAIRN_IDENTITY", self.identity()))
    }

    /// Makes the repository.
    pub fn init(&self) -> Outcome {
        let arguments: &[&str] = if self.recipient.is_some() { &["init"] } else { &["init", "--no-encryption"] };
        self.run(arguments)?.ok().map(drop)
    }

    /// As a line of postgresql.conf wants it, quotes included.
    pub fn archive_command(&self) -> String {
        format!("'{} --config {} wal push %p'", binary().display(), self.config().display())
    }

    pub fn restore_command(&self) -> String {
        format!("'{}'", self.fetch_command("wal fetch %f %p"))
    }

    /// Straight from the repository, as the value of restore_command; `words` begin with `wal fetch`.
    pub fn fetch_command(&self, words: &str) -> String {
        let (program, config, identity) = (binary().display(), self.config(), self.identity());
        format!("PGCAIRN_IDENTITY={} {program} --config {} {words}", identity.display(), config.display())
    }

    /// Makes a running server archive here; archive_mode must have been on at its start.
    pub fn archive_from(&self, server: &Server) -> Outcome {
        server.append_setting("archive_command", &self.archive_command())?;
        server.reload()
    }

    /// Files of the repository whose path below it contains a text, sorted.
    pub fn objects(&self, containing: &str) -> Outcome<Vec<PathBuf>> {
        let root = self.repository();
        let mut found = Vec::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                if path.is_dir() {
                    dirs.push(path);
                } else if name.contains(containing) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The one object whose path contains a text.
    pub fn object(&self, containing: &str) -> Outcome<PathBuf> {
        let found = self.objects(containing)?;
        match <[PathBuf; 1]>::try_from(found) {
            Ok([path]) => Ok(path),
            Err(found) => Err(format!("{} objects contain {containing:?}: {found:?}", found.len()).into()),
        }
    }
}

/// What a run of pgcairn gave back.
#[derive(Debug, Clone)]
pub struct Run {
    command: String,
    /// 128 and the signal's number when one ended it, as a shell says it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Outcome<Run> {
        let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        Ok(Run::from_output(command, &output))
    }

    pub fn from_output(command: &Command, output: &Output) -> Run {
        use std::os::unix::process::ExitStatusExt;
        let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let command = format!("pgcairn {}", words.join(" "));
        Run { command, status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// All that the run said, for a failing test.
    pub fn report(&self) -> String {
        format!("{} ended with {}\n{}{}", self.command, self.status, self.stdout, self.stderr)
    }

    pub fn ok(self) -> Outcome<Run> {
        self.status_is(0)
    }

    pub fn status_is(self, status: i32) -> Outcome<Run> {
        if self.status == status { Ok(self) } else { Err(format!("{}\nexpected: {status}", self.report()).into()) }
    }

    /// The run failed with a status that `accept` takes.
    pub fn status_in(self, range: std::ops::RangeInclusive<i32>) -> Outcome<Run> {
        if range.contains(&self.status) {
            return Ok(self);
        }
        Err(format!("{}\nexpected: {range:?}", self.report()).into())
    }

    /// Standard output or standard error contains every one of the texts.
    pub fn says(self, texts: &[&str]) -> Outcome<Run> {
        let missing = texts.iter().find(|t| !self.stdout.contains(**t) && !self.stderr.contains(**t));
        match missing {
            None => Ok(self),
            Some(text) => Err(format!("{}\nexpected to contain: {text:?}", self.report()).into()),
        }
    }

    /// The last line of standard output, which is the result of long work.
    pub fn result(&self) -> Outcome<serde_json::Value> {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|e| format!("{}\nnot JSON: {e}", self.report()).into())
    }

    /// Standard output as one JSON object.
    pub fn json(&self) -> Outcome<serde_json::Value> {
        serde_json::from_str(&self.stdout).map_err(|e| format!("{}\nnot JSON: {e}", self.report()).into())
    }
}
