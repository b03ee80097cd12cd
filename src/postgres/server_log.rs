//! The end of the server's own log, where it is a file that can be found: a collector says where it writes, and a
//! postmaster's standard error may be a file.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// As much of it is read: an error of `archive_command` comes again every minute.
const TAIL: u64 = 64 * 1024;

/// Where the collector writes down what it writes to (`LOG_METAINFO_DATAFILE`).
const CURRENT_LOGFILES: &str = "current_logfiles";

/// `None` where there is none, or it cannot be read.
pub fn tail(data_dir: &Path) -> Option<String> {
    let mut file = File::open(collected(data_dir).or_else(|| standard_error(data_dir))?).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `stderr log/postgresql-2026-11-20.log`; the other formats wrap what the command said.
fn collected(data_dir: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(data_dir.join(CURRENT_LOGFILES)).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("stderr "))?;
    // An absolute one stays what it is.
    Some(data_dir.join(name)).filter(|path| path.is_file())
}

/// What the postmaster was started with, for whoever may look at it.
fn standard_error(data_dir: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(data_dir.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    Some(PathBuf::from(format!("/proc/{pid}/fd/2"))).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_s_file_is_read_from_its_end() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(tail(data.path()), None);
        fs::create_dir(data.path().join("log")).unwrap();
        let long = "x".repeat(2 * TAIL as usize);
        fs::write(data.path().join("log/a.log"), format!("{long}end\n")).unwrap();
        fs::write(data.path().join(CURRENT_LOGFILES), "csvlog log/a.csv\nstderr log/a.log\n").unwrap();
        let read = tail(data.path()).unwrap();
        assert!(read.len() == TAIL as usize && read.ends_with("xend\n"));
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let data = tempfile::tempdir().unwrap();
        // Of a process that is there, with a terminal or a pipe; or of none.
        for pid in ["1", "0", "x"] {
            fs::write(data.path().join("postmaster.pid"), format!("{pid}\n")).unwrap();
            let read = tail(data.path());
            assert!(read.is_none() || pid == "1", "{pid}");
        }
    }
}
