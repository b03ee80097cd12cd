//! What a program of PostgreSQL said, as an error of ours.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::model::error::{Code, Error};

/// The last of it tells most.
const MAX_SAID: u64 = 64 << 10;

pub fn last(said: &mut File) -> String {
    let mut text = Vec::new();
    let length = said.metadata().map_or(0, |metadata| metadata.len());
    let _ = said.seek(SeekFrom::Start(length.saturating_sub(MAX_SAID)));
    let _ = said.take(MAX_SAID).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

pub fn failure(program: &str, said: &mut File, status: &str) -> Error {
    let text = last(said);
    let is_told = |line: &&str| ["error: ", "detail: ", "hint: ", "ERROR: "].iter().any(|word| line.contains(word));
    let word = |line: &str| line.strip_prefix(&format!("{program}: ")).unwrap_or(line).trim().to_owned();
    let told = text.lines().filter(is_told).map(word).collect::<Vec<_>>().join("; ");
    let told = if told.is_empty() { text.lines().last().unwrap_or(status).to_owned() } else { told };
    Error::new(Code::Dump, format!("{program} failed: {told}"))
        .hint("the server's log says more; then run the same command again")
}
