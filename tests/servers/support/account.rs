//! Who runs the servers: oneself, or `postgres` when the tests run as root (PostgreSQL refuses root).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use nix::unistd::{User, geteuid};

#[derive(Debug)]
pub struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
    /// Whether processes must change to this user.
    switch: bool,
}

pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The account of servers and of pgcairn beside them.
pub fn account() -> &'static Account {
    static ACCOUNT: OnceLock<Account> = OnceLock::new();
    ACCOUNT.get_or_init(|| {
        let found = if is_root() { User::from_name("postgres") } else { User::from_uid(geteuid()) };
        let user = found.ok().flatten().expect("no user to run servers as: `scripts/packages test` creates postgres");
        Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch: is_root() }
    })
}

impl Account {
    /// A command that runs as this account, with an environment of its own.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let mut command = Command::new(program);
        let beside = program.parent().map_or(String::new(), |dir| format!("{}:", dir.display()));
        command.env_clear().env("PATH", format!("{beside}/usr/local/bin:/usr/bin:/bin")).env("LC_ALL", "C");
        command.env("HOME", "/nonexistent").env("TZ", "UTC").env("RUST_BACKTRACE", "1").current_dir("/tmp");
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives one file or directory to the account.
    pub fn own(&self, path: &Path) -> std::io::Result<()> {
        if self.switch { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Makes a directory of the account, not readable by others, as PostgreSQL wants its own.
    pub fn make_dir(&self, path: &Path) -> std::io::Result<()> {
        fs::create_dir(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        self.own(path)
    }

    /// Writes a file of the account.
    pub fn write(&self, path: &Path, content: impl AsRef<[u8]>, mode: u32) -> std::io::Result<()> {
        fs::write(path, content)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        self.own(path)
    }
}
