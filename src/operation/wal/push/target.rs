//! Which file PostgreSQL hands over, and whether it belongs to the configured cluster.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::wal_name::WalName;
use crate::operation::failure;
use crate::source::data_directory::DataDirectory;

const LOOK: &str = "look at the file: only the server itself puts files into pg_wal";
const RELATIVE: &str = "PostgreSQL gives %p relative to its data directory and runs archive_command there";

/// A file of the configured cluster's pg_wal.
pub struct Pushed {
    pub name: WalName,
    pub path: PathBuf,
    pub file: File,
    pub size: u64,
    pub control: ControlFile,
}

impl Pushed {
    /// Refuses a file that does not lie in the configured data directory: a copied configuration would
    /// otherwise let a clone archive into the origin's history.
    pub fn locate(config: &Config, path: &Path) -> Result<Pushed> {
        let name = wal_name(path)?;
        let data_dir = &config.postgres()?.data_dir;
        same_directory(data_dir, path)?;
        let control = DataDirectory::open(data_dir)?.control_file().clone();
        let (file, size) = open(path)?;
        Ok(Pushed { name, path: path.to_owned(), file, size, control })
    }
}

impl Pushed {
    /// The `.history` files of the configured cluster, oldest timeline first: parents before children.
    pub fn histories(config: &Config) -> Result<Vec<Pushed>> {
        let data_dir = &config.postgres()?.data_dir;
        let control = DataDirectory::open(data_dir)?.control_file().clone();
        let pg_wal = data_dir.join("pg_wal");
        let entries = std::fs::read_dir(&pg_wal).map_err(|e| cannot("list", &pg_wal, e))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| cannot("list", &pg_wal, e))?.file_name();
            names.extend(name.to_str().and_then(|name| name.parse::<WalName>().ok()));
        }
        names.retain(|name| matches!(name, WalName::History(_)));
        names.sort();
        let pushed = |name: WalName| {
            let path = pg_wal.join(name.to_string());
            let (file, size) = open(&path)?;
            Ok(Pushed { name, path, file, size, control: control.clone() })
        };
        names.into_iter().map(pushed).collect()
    }
}

fn wal_name(path: &Path) -> Result<WalName> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|e: crate::model::wal_name::InvalidWalName| {
        Error::new(Code::Usage, e.to_string()).hint("archive_command = 'pgcairn wal push %p'")
    })
}

fn same_directory(data_dir: &Path, path: &Path) -> Result<()> {
    let configured = data_dir.join("pg_wal");
    let given = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let identity = |directory: &Path| -> Result<(u64, u64)> {
        let metadata = std::fs::metadata(directory).map_err(|e| cannot("read", directory, e))?;
        Ok((metadata.dev(), metadata.ino()))
    };
    if identity(&configured)? == identity(given)? {
        return Ok(());
    }
    let given = std::fs::canonicalize(given).unwrap_or_else(|_| given.to_owned());
    Err(Error::new(
        Code::ForeignCluster,
        format!("{} lies in {}, not in the configured {}", path.display(), given.display(), configured.display()),
    )
    .hint("a copy of the cluster needs a configuration of its own, with another name: pgcairn config schema"))
}

fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).map_err(|e| cannot("open", path, e))?;
    let metadata: Metadata = file.metadata().map_err(|e| cannot("read", path, e))?;
    if !metadata.is_file() {
        return Err(Error::new(Code::Usage, format!("{} is not a file", path.display())).hint(LOOK));
    }
    Ok((file, metadata.len()))
}

fn cannot(action: &str, path: &Path, error: std::io::Error) -> Error {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    let ours = failure::cannot(action, path.display(), error);
    match missing {
        true => Error { code: Code::NotFound, ..ours }.hint(RELATIVE),
        false => ours.hint(LOOK),
    }
}
