//! What a program of PostgreSQL said, as an error of ours.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::model::error::{Code, Error};

/// The last of it tells most.
const MAX_SAID: u64 = 64 << 10;

/// Of these a message has the first lines, and of each its beginning: a command may be any text.
const MAX_LINES: usize = 8;
const MAX_LINE: usize = 240;

/// What went wrong, with what, and at which statement.
const TOLD: [&str; 9] =
    ["error: ", "detail: ", "hint: ", "ERROR: ", "DETAIL: ", "HINT: ", "CONTEXT: ", "from TOC entry ", "Command was: "];

pub fn last(said: &mut File) -> String {
    let mut text = Vec::new();
    let length = said.metadata().map_or(0, |metadata| metadata.len());
    let _ = said.seek(SeekFrom::Start(length.saturating_sub(MAX_SAID)));
    let _ = said.take(MAX_SAID).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// As `pg_dump` says of subscriptions that the role may not read.
pub fn left_out(said: &mut File) -> Vec<String> {
    let text = last(said);
    let warnings = text.lines().filter_map(|line| line.split_once("warning: ").map(|(_, warning)| warning));
    warnings.filter(|warning| warning.contains("not dumped")).map(str::to_owned).collect()
}

pub fn failure(program: &str, said: &mut File, status: &str) -> Error {
    let told = told(program, &last(said)).unwrap_or_else(|| status.to_owned());
    Error::new(Code::Dump, format!("{program} failed: {told}"))
        .hint("the server's log says more; then run the same command again")
}

/// What a server refused, by its SQLSTATE: its words may be in any language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    pub state: String,
    pub message: String,
}

/// The errors in what `psql` says with `VERBOSITY=verbose`: `ERROR:  42710: role "clerk" already exists`, where libpq puts the
/// same two spaces behind the severity in every language (`pqBuildErrorMessage3` in fe-protocol3.c).
pub fn errors(text: &str) -> Vec<ServerError> {
    let error = |line: &str| {
        let (state, message) = line.split_once(":  ")?.1.split_once(": ")?;
        let is_state = state.len() == 5 && state.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        // Success, warning, no data.
        let is_error = is_state && !["00", "01", "02"].contains(&&state[..2]);
        is_error.then(|| ServerError { state: state.to_owned(), message: message.trim_end().to_owned() })
    };
    text.lines().filter_map(error).collect()
}

/// `None` where it was silent.
fn told(program: &str, text: &str) -> Option<String> {
    let is_told = |line: &&str| TOLD.iter().any(|word| line.contains(word));
    let word = |line: &str| -> String {
        let line = line.strip_prefix(&format!("{program}: ")).unwrap_or(line).trim();
        let short: String = line.chars().take(MAX_LINE).collect();
        if short.len() < line.len() { short + "…" } else { short }
    };
    let told: Vec<String> = text.lines().filter(is_told).take(MAX_LINES).map(word).collect();
    if told.is_empty() { text.lines().last().map(word) } else { Some(told.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_any_language() {
        let text = "psql:<stdin>:12: NOTICE:  00000: schon da\n\
            psql:<stdin>:14: FEHLER:  42710: Rolle »clerk« existiert bereits\n\
            LOCATION:  CreateRole, user.c:342\n\
            psql:<stdin>:15: FEHLER:  42501: keine Berechtigung\n";
        let found: Vec<_> = errors(text).into_iter().map(|error| (error.state, error.message)).collect();
        let expected = [("42710", "Rolle »clerk« existiert bereits"), ("42501", "keine Berechtigung")];
        assert_eq!(found, expected.map(|(state, message)| (state.to_owned(), message.to_owned())));
    }

    #[test]
    fn what_went_wrong_and_with_what() {
        let text = "pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 218; 1259 16390 TABLE t clerk\n\
            pg_restore: error: could not execute query: ERROR:  role \"clerk\" does not exist\n\
            DETAIL:  it was dropped\n\
            Command was: ALTER TABLE public.t OWNER TO clerk;\n\n";
        let expected = "from TOC entry 218; 1259 16390 TABLE t clerk; error: could not execute query: ERROR:  role \"clerk\" \
            does not exist; DETAIL:  it was dropped; Command was: ALTER TABLE public.t OWNER TO clerk;";
        assert_eq!(told("pg_restore", text).unwrap(), expected);
        assert_eq!(told("pg_dump", "pg_dump: what\npg_dump: ever\n").unwrap(), "ever");
        assert_eq!(told("pg_dump", ""), None);
        let many = format!("pg_dump: error: {}\n", "ä".repeat(1000)).repeat(100);
        assert!(told("pg_dump", &many).unwrap().chars().count() < MAX_LINES * (MAX_LINE + 4));
    }
}
