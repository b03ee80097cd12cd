//! A data directory under restore. Nothing is written outside of it and its tablespaces: every path is
//! opened beneath its root without following a symbolic link. `pg_control` comes last, because a
//! directory without it cannot be started.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::error::{SinkError, error};
use crate::model::path::RelPath;

/// Where PostgreSQL keeps its control file, and where it waits until everything else is durable.
pub const CONTROL_FILE: &str = "global/pg_control";
const WAITING_CONTROL_FILE: &str = "global/pg_control.pgcairn";

const TABLESPACES: &[u8] = b"pg_tblspc";

type Result<T> = std::result::Result<T, SinkError>;

/// The root of the target and the roots of its tablespaces, opened before the first write so that
/// `syncfs` reports every write error since.
#[derive(Debug)]
pub struct TargetDirectory {
    path: PathBuf,
    root: OwnedFd,
    /// By the name of the link in `pg_tblspc`.
    tablespaces: BTreeMap<Vec<u8>, OwnedFd>,
    /// What its owner may not write to in the end, such as a server's private key: closed when all is written.
    closed: Mutex<BTreeMap<RelPath, u32>>,
}

/// What a restore itself needs of files and directories until it ends.
const OPEN_FILE: u32 = 0o600;
const OPEN_DIRECTORY: u32 = 0o700;

impl TargetDirectory {
    /// Opens an existing directory.
    pub fn open(path: &Path) -> Result<TargetDirectory> {
        let root = open_root(path)?;
        Ok(TargetDirectory { path: path.to_owned(), root, tablespaces: BTreeMap::new(), closed: Mutex::default() })
    }

    /// Files below `pg_tblspc/<name>/` go to `location`, and the link is made to point there.
    pub fn tablespace(&mut self, name: &[u8], location: &Path) -> Result<()> {
        let link = [TABLESPACES, b"/", name].concat();
        let fail = |source| error("link", &link.escape_ascii(), source);
        self.tablespaces.insert(name.to_vec(), open_root(location)?);
        let parent = self.open_directory_at(&self.root, Path::new("pg_tblspc")).map_err(fail)?;
        let name = std::ffi::OsStr::new(std::str::from_utf8(name).unwrap_or_default());
        match fs::symlinkat(location, &parent, name) {
            Err(Errno::EXIST) if self.links_to(&parent, Path::new(name), location) => Ok(()),
            other => other.map_err(|e| fail(e.into())),
        }
    }

    fn links_to(&self, parent: &OwnedFd, name: &Path, location: &Path) -> bool {
        use std::os::unix::ffi::OsStrExt;
        fs::readlinkat(parent, name, Vec::new()).is_ok_and(|found| found.to_bytes() == location.as_os_str().as_bytes())
    }

    /// The root that holds `path`, and the path below it.
    fn resolve<'a>(&'a self, path: &'a RelPath) -> (&'a OwnedFd, PathBuf) {
        let mut parts = path.parts();
        if let (Some(TABLESPACES), Some(name)) = (parts.next(), parts.next())
            && let Some(root) = self.tablespaces.get(name)
        {
            use std::os::unix::ffi::OsStrExt;
            let below: PathBuf = parts.map(std::ffi::OsStr::from_bytes).collect();
            return (root, if below.as_os_str().is_empty() { PathBuf::from(".") } else { below });
        }
        (&self.root, path.as_path().to_owned())
    }

    /// Makes a directory, or sets the mode of one that is there.
    pub fn directory(&self, path: &RelPath, mode: u32) -> Result<()> {
        let (root, below) = self.resolve(path);
        let fail = |e: io::Error| error("create", path, e);
        let parent = below.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(name) = below.file_name() {
            let parent = self.open_directory_at(root, parent).map_err(fail)?;
            match fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(fail(e.into())),
            }
        }
        let directory = self.open_directory_at(root, &below).map_err(fail)?;
        let open = self.keep_open(path, mode, OPEN_DIRECTORY);
        fs::fchmod(&directory, Mode::from_raw_mode(open)).map_err(|e| fail(e.into()))
    }

    /// The mode until everything is written.
    fn keep_open(&self, path: &RelPath, mode: u32, needed: u32) -> u32 {
        if mode & needed != needed {
            self.closed.lock().unwrap_or_else(|e| e.into_inner()).insert(path.clone(), mode);
        }
        mode | needed
    }

    /// Gives back the modes that were in the way, children before parents.
    fn close(&self) -> Result<()> {
        let closed = self.closed.lock().unwrap_or_else(|e| e.into_inner());
        closed.iter().rev().try_for_each(|(path, mode)| {
            let (root, below) = self.resolve(path);
            let opened = open_beneath(root, &below, OFlags::RDONLY | OFlags::NOCTTY);
            let closed = opened.and_then(|fd| fs::fchmod(&fd, Mode::from_raw_mode(*mode)));
            closed.map_err(|e| error("set the mode of", path, e.into()))
        })
    }

    fn open_directory_at(&self, root: &OwnedFd, below: &Path) -> io::Result<OwnedFd> {
        Ok(open_beneath(root, below, OFlags::RDONLY | OFlags::DIRECTORY)?)
    }

    /// Opens a file for writing, creates it where it is not there, and gives it its size and mode.
    pub fn file(&self, path: &RelPath, size: u64, mode: u32) -> Result<TargetFile> {
        let fail = |e: io::Error| error("create", path, e);
        let waiting = waiting_name(path);
        let (root, below) = self.resolve(&waiting);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOCTTY;
        let file = File::from(open_beneath(root, &below, flags).map_err(|e| fail(e.into()))?);
        let known = file.metadata().map_err(fail)?.len();
        if known != size {
            file.set_len(size).map_err(fail)?;
        }
        let open = self.keep_open(path, mode, OPEN_FILE);
        fs::fchmod(&file, Mode::from_raw_mode(open)).map_err(|e| fail(e.into()))?;
        Ok(TargetFile { path: path.clone(), file })
    }

    /// Everything written so far is durable, on every file system involved.
    pub fn sync(&self) -> Result<()> {
        let sync = |root: &OwnedFd| fs::syncfs(root).map_err(|e| error("sync", &self.path.display(), e.into()));
        sync(&self.root)?;
        self.tablespaces.values().try_for_each(sync)
    }

    /// Puts the control file in place: the directory can be started from here on, so all else must be
    /// durable before, and nothing may follow.
    pub fn commit(&self) -> Result<()> {
        let fail = |source| error("rename", &CONTROL_FILE, source);
        self.close()?;
        self.sync()?;
        let waiting = File::from(
            open_beneath(&self.root, Path::new(WAITING_CONTROL_FILE), OFlags::RDWR).map_err(|e| fail(e.into()))?,
        );
        waiting.sync_all().map_err(fail)?;
        fs::renameat(&self.root, WAITING_CONTROL_FILE, &self.root, CONTROL_FILE).map_err(|e| fail(e.into()))?;
        let global = self.open_directory_at(&self.root, Path::new("global")).map_err(fail)?;
        fs::fsync(&global).map_err(|e| fail(e.into()))
    }

    /// The control file as it waits for [`TargetDirectory::commit`].
    pub fn read_waiting_control_file(&self) -> Result<Vec<u8>> {
        let fail = |source| error("read", &CONTROL_FILE, source);
        let mut file = File::from(
            open_beneath(&self.root, Path::new(WAITING_CONTROL_FILE), OFlags::RDONLY).map_err(|e| fail(e.into()))?,
        );
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

/// The control file's bytes wait under another name.
fn waiting_name(path: &RelPath) -> RelPath {
    let waiting = (path.as_bytes() == CONTROL_FILE.as_bytes()).then(|| RelPath::new(WAITING_CONTROL_FILE).ok());
    waiting.flatten().unwrap_or_else(|| path.clone())
}

fn open_root(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map_err(|e| error("open", &path.display(), e.into()))
}

/// Never leaves `root`, follows no symbolic link. Step by step: `openat2(2)`, which does the same at once, is not there
/// in every sandbox. systemd's `RestrictSUIDSGID=`, which a `DynamicUser=` brings along, answers it with ENOSYS.
fn open_beneath(root: &OwnedFd, below: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o600) } else { Mode::empty() };
    let mut names: Vec<_> = below.components().collect();
    let last = names.pop().unwrap_or(Component::CurDir);
    let mut above: Option<OwnedFd> = None;
    for name in names.into_iter().map(beneath) {
        above = Some(fs::openat(above.as_ref().unwrap_or(root), name?, step, Mode::empty())?);
    }
    fs::openat(above.as_ref().unwrap_or(root), beneath(last)?, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)
}

fn beneath(name: Component<'_>) -> rustix::io::Result<&OsStr> {
    match name {
        Component::Normal(_) | Component::CurDir => Ok(name.as_os_str()),
        _ => Err(Errno::XDEV),
    }
}

/// A file under restore.
#[derive(Debug)]
pub struct TargetFile {
    path: RelPath,
    file: File,
}

impl TargetFile {
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| error("write", &self.path, e))
    }

    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| error("read back", &self.path, e))
    }
}
