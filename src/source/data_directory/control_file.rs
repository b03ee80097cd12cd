//! Reading pg_control under a running server, which writes it in place: a read may be torn.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, openat};

use super::super::error::{Error, Result};
use super::FILE_FLAGS;
use crate::model::control_file::{CONTROL_FILE_SIZE, ControlFile, InvalidControlFile};

/// As patient as PostgreSQL's own readers (`get_controlfile_by_exact_path`).
const TRIES: u32 = 10;
const WAIT: Duration = Duration::from_millis(10);

const PATH: &str = "global/pg_control";

pub(super) fn read(data: &OwnedFd, data_path: &Path) -> Result<(ControlFile, Vec<u8>)> {
    let path = data_path.join(PATH);
    until_whole(&path, || read_once(data, &path))
}

/// Reads until the checksum holds.
pub(super) fn until_whole(path: &Path, mut read: impl FnMut() -> Result<Vec<u8>>) -> Result<(ControlFile, Vec<u8>)> {
    let mut tries = 1;
    loop {
        let bytes = read()?;
        match ControlFile::parse(&bytes) {
            Ok(control_file) => return Ok((control_file, bytes)),
            Err(InvalidControlFile::Checksum { .. }) if tries < TRIES => {
                tries += 1;
                sleep(WAIT);
            }
            Err(reason) => return Err(Error::ControlFile { path: path.to_owned(), reason }),
        }
    }
}

fn read_once(data: &OwnedFd, path: &Path) -> Result<Vec<u8>> {
    let fd = openat(data, PATH, FILE_FLAGS, Mode::empty()).map_err(|e| Error::io("open", path, e))?;
    let mut bytes = Vec::with_capacity(CONTROL_FILE_SIZE + 1);
    let limit = CONTROL_FILE_SIZE as u64 + 1;
    File::from(fd).take(limit).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    match bytes.len() {
        CONTROL_FILE_SIZE => Ok(bytes),
        found => Err(Error::ControlFileSize { path: path.to_owned(), found }),
    }
}
