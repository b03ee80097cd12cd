//! Whose work a command does. As root every command becomes the owner of what it works on, for good and
//! before the first thread; any third user is refused.
//!
//! Who the owner is: of the data directory, for commands on this host's cluster; of the target directory,
//! for `restore`; of the repository, for what only reads it. Where none of them exists yet, the owner of
//! the directory it will lie in, and last the user `postgres`. Root itself is never an owner: PostgreSQL
//! does not run as root.

use std::ffi::{CString, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
use rustix::fs::{Dir, DirEntry as Entry, Mode, OFlags};
use rustix::process::umask;

use super::exit::Protocol;
use crate::model::error::{Code, Error, Result};
use crate::model::readers::READERS_GROUP;
use crate::model::shell_word::shell_word;
use crate::operation::signing_key;

/// Who owns a cluster where nothing else tells: the user of every packaged PostgreSQL.
const USUAL_OWNER: &str = "postgres";

/// Who called sudo, and who is there when nobody else is.
const SUDO_CALLER: &str = "SUDO_USER";
const LAST_RESORT: &str = "nobody";

const NOTHING_FOR_OTHERS: Mode = Mode::RWXO;

/// Directories made below one of another group are of that group too.
const SET_GROUP: u32 = 0o2000;

const DATA_MODE: u32 = 0o700;
const REPOSITORY_MODE: u32 = 0o750;

/// What a command works on.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// Must belong to whoever runs the command, where they exist.
    pub owned: Vec<PathBuf>,
    /// Tell the owner only when root asks and nothing above does.
    pub read: Vec<PathBuf>,
    /// Data directories that root makes for the owner, where the owner could not.
    pub data: Vec<PathBuf>,
    /// Repositories that root makes for the owner, likewise.
    pub repositories: Vec<PathBuf>,
    /// The key that root makes for the owner, likewise.
    pub signing_key: Option<PathBuf>,
    /// Where small files of this host are, made likewise, but no command fails for want of it.
    pub state: Option<PathBuf>,
    /// Where root finds no owner: it writes nothing on this host, so root may go on.
    pub only_reads: bool,
}

/// PostgreSQL runs `archive_command` with the umask of its data directory, which leaves nothing to a group: whoever may
/// read a local repository may read the WAL in it too. What must be its owner's alone is made so by name.
pub fn let_readers_read(protocol: Protocol) {
    if protocol == Protocol::Push {
        umask(NOTHING_FOR_OTHERS);
    }
}

pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Becomes the owner, or makes sure to be it. Nothing that stays open may have been opened before, but
/// for configuration and key.
pub fn assume(belongings: &Belongings) -> Result<()> {
    let me = geteuid();
    if !me.is_root() {
        return belongings.owned.iter().try_for_each(|path| refuse_third_user(me, path));
    }
    let Some(owner) = belongings.owner()? else { return Ok(()) };
    belongings.make_directories(&owner)?;
    owner.become_for_good()
}

/// Root becomes somebody who may start a server that belongs to nobody; others stay who they are.
pub fn assume_stand_in() -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let caller = std::env::var(SUDO_CALLER).ok();
    let names = [Some(USUAL_OWNER), caller.as_deref(), Some(LAST_RESORT)];
    let users = names.into_iter().flatten().filter_map(|name| User::from_name(name).ok().flatten());
    match users.into_iter().find(|user| !user.uid.is_root()) {
        Some(user) => Owner { uid: user.uid, gid: user.gid, name: Some(user.name) }.become_for_good(),
        None => Err(Error::new(Code::Permission, "PostgreSQL does not run as root, and no other user was found")
            .hint(format!("su USER -c '{}'", own_command_line()))),
    }
}

fn refuse_third_user(me: Uid, path: &Path) -> Result<()> {
    // Whoever may not even look there is a stranger; the directory that keeps it closed tells whose it is.
    let seen = match path.metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            path.ancestors().find_map(|dir| dir.metadata().ok())
        }
        metadata => metadata.ok(),
    };
    let Some(metadata) = seen else { return Ok(()) };
    let owner = Uid::from_raw(metadata.uid());
    if owner == me {
        return Ok(());
    }
    let message = format!("{} belongs to {}, and this is {}", path.display(), name(owner), name(me));
    let hint = match User::from_uid(owner).ok().flatten() {
        Some(user) if !owner.is_root() => format!("sudo -u {} {}", user.name, own_command_line()),
        _ => format!("sudo {}", own_command_line()),
    };
    Err(Error::new(Code::ThirdUser, message).hint(hint))
}

fn name(uid: Uid) -> String {
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| format!("user {uid}"), |user| format!("{} ({uid})", user.name))
}

/// What was typed, as a shell takes it again.
fn own_command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word: OsString| shell_word(&word.to_string_lossy()));
    std::iter::once("pgcairn".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    uid: Uid,
    gid: Gid,
    /// Some users exist by number only, in containers for instance.
    name: Option<String>,
}

impl Belongings {
    fn owner(&self) -> Result<Option<Owner>> {
        let existing = self.owned.iter().find_map(|path| Owner::of(path));
        let above = || self.owned.iter().find_map(|path| path.ancestors().skip(1).find_map(Owner::of));
        let reading = || self.read.iter().find_map(|path| Owner::of(path));
        if let Some(owner) = existing.or_else(reading).or_else(above) {
            return Ok(Some(owner));
        }
        match User::from_name(USUAL_OWNER).ok().flatten() {
            _ if self.only_reads => Ok(None),
            Some(user) => Ok(Some(Owner { uid: user.uid, gid: user.gid, name: Some(user.name) })),
            None => Err(self.nobody_to_be()),
        }
    }

    fn nobody_to_be(&self) -> Error {
        let place = self.owned.first().map(|path| path.display().to_string()).unwrap_or_default();
        let message =
            format!("root cannot own {place}: PostgreSQL does not run as root, and there is no user {USUAL_OWNER}");
        Error::new(Code::Permission, message).hint(format!("install -d -m 0700 -o USER {}", shell_word(&place)))
    }

    fn make_directories(&self, owner: &Owner) -> Result<()> {
        for path in &self.data {
            owner.make_directory(path, DATA_MODE, owner.gid)?;
        }
        for path in &self.repositories {
            let readers = Group::from_name(READERS_GROUP).ok().flatten();
            let mode = REPOSITORY_MODE | if readers.is_some() { SET_GROUP } else { 0 };
            owner.make_directory(path, mode, readers.map_or(owner.gid, |group| group.gid))?;
        }
        if let Some(path) = &self.state {
            let _ = owner.make_directory(path, DATA_MODE, owner.gid);
        }
        if let Some(file) = &self.signing_key
            && !file.parent().is_some_and(|directory| owner.may_write(directory))
        {
            signing_key::create(file, Some((owner.uid.as_raw(), owner.gid.as_raw())))?;
        }
        Ok(())
    }
}

impl Owner {
    /// `None` where nothing is there, or where it is root's.
    fn of(path: &Path) -> Option<Owner> {
        let uid = Uid::from_raw(path.metadata().ok()?.uid());
        if uid.is_root() {
            return None;
        }
        let user = User::from_uid(uid).ok().flatten();
        let gid = user
            .as_ref()
            .map_or_else(|| path.metadata().map(|m| Gid::from_raw(m.gid())).ok(), |user| Some(user.gid))?;
        Some(Owner { uid, gid, name: user.map(|user| user.name) })
    }

    /// Only what the owner could not make: else a refusal that follows would leave it behind for nothing.
    /// An empty directory that root made before is handed over.
    fn make_directory(&self, path: &Path, mode: u32, group: Gid) -> Result<()> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Error::new(Code::Io, format!("{} cannot be {what}: {error}", path.display()))
                .hint("choose a directory on a file system that root may write to")
        };
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.exists()).collect();
        let Some(parent) = missing.last().and_then(|dir| dir.parent()) else {
            return self.hand_over(path, mode, group).map_err(|error| failed("given to its owner", &error));
        };
        if self.may_write(parent) {
            return Ok(());
        }
        for directory in missing.iter().rev() {
            DirBuilder::new().mode(mode).create(directory).map_err(|error| failed("created", &error))?;
            chown(directory, Some(self.uid.as_raw()), Some(group.as_raw()))
                .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(mode)))
                .map_err(|error| failed("given to its owner", &error))?;
        }
        Ok(())
    }

    /// By its descriptor, so that it is the directory that was looked at.
    fn hand_over(&self, path: &Path, mode: u32, group: Gid) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(directory) = rustix::fs::open(path, flags, Mode::empty()) else { return Ok(()) };
        let is_root_s = rustix::fs::fstat(&directory)?.st_uid == 0;
        let is_itself = |entry: Entry| matches!(entry.file_name().to_bytes(), b"." | b"..");
        let is_empty = Dir::read_from(&directory)?.all(|entry| entry.is_ok_and(is_itself));
        if is_root_s && is_empty {
            fchown(&directory, Some(self.uid.as_raw()), Some(group.as_raw()))?;
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    fn may_write(&self, directory: &Path) -> bool {
        let Ok(metadata) = directory.metadata() else { return false };
        let write_and_enter = match () {
            () if metadata.uid() == self.uid.as_raw() => 0o300,
            () if metadata.gid() == self.gid.as_raw() => 0o030,
            () => 0o003,
        };
        metadata.mode() & write_and_enter == write_and_enter
    }

    /// Groups first, the user last: after it the right to change anything is gone.
    fn become_for_good(&self) -> Result<()> {
        let failed = |error: nix::Error| {
            Error::new(Code::Permission, format!("root may not become {}: {error}", name(self.uid)))
                .hint(format!("run it as that user in the first place: {}", own_command_line()))
        };
        match self.name.as_ref().and_then(|name| CString::new(name.as_bytes()).ok()) {
            Some(name) => initgroups(&name, self.gid),
            None => setgroups(&[self.gid]),
        }
        .map_err(failed)?;
        setgid(self.gid).map_err(failed)?;
        setuid(self.uid).map_err(failed)?;
        if geteuid() != self.uid || setuid(Uid::from_raw(0)).is_ok() {
            return Err(Error::new(Code::Internal, "root could not be given up"));
        }
        leave_forbidden_directory();
        Ok(())
    }
}

/// The servers that are started later refuse to run in a directory that they cannot enter.
fn leave_forbidden_directory() {
    if std::fs::metadata("./.").is_err() {
        let _ = std::env::set_current_dir("/");
    }
}
