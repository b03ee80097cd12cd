//! The file of services, as `parseServiceFile` in `fe-connect.c` reads it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Variable, not_usable};
use crate::model::connection_string::check_word;
use crate::model::error::Result;

/// Where Debian's libpq looks beside the home directory.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";
const SYSTEM_FILE: &str = "pg_service.conf";

/// Words and their values.
type Words = Vec<(String, String)>;

/// Those of a service. A file that is named is the only one.
pub fn read(name: &str, said: Option<String>, of_user: Option<PathBuf>, variable: Variable) -> Result<Words> {
    let system = variable("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_DIRECTORY.to_owned());
    let system = Path::new(&system).join(SYSTEM_FILE);
    let first = said.map(PathBuf::from).or(of_user.filter(|file| file.is_file()));
    for file in first.iter().chain([&system]) {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                if let Some(words) = section(name, &text).map_err(|what| not_usable(&wrong_line(file, &what)))? {
                    return Ok(words);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && Some(file) != first.as_ref() => {}
            Err(error) => return Err(not_usable(&format!("service file {}: {error}", file.display()))),
        }
    }
    let files: Vec<String> = first.iter().chain([&system]).map(|file| file.display().to_string()).collect();
    Err(not_usable(&format!("service \"{name}\" is not in {}", files.join(", nor in "))))
}

fn wrong_line(file: &Path, (line, what): &(usize, String)) -> String {
    format!("{}:{line}: {what}", file.display())
}

/// `None` where there is no such service. The number of a line that cannot be read, and why.
fn section(name: &str, text: &str) -> std::result::Result<Option<Words>, (usize, String)> {
    let mut words: Option<Words> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if words.is_some() {
                break;
            }
            words = header.strip_prefix(name).is_some_and(|rest| rest.starts_with(']')).then(Vec::new);
            continue;
        }
        let Some(words) = &mut words else { continue };
        // The line may hold a password.
        let (word, value) = line.split_once('=').ok_or((number, "a line without =".to_owned()))?;
        if ["service", "servicefile"].contains(&word) {
            return Err((number, format!("{word} within a service")));
        }
        check_word(word, false).map_err(|wrong| (number, wrong.to_string()))?;
        // The first value counts.
        if !words.iter().any(|(known, _)| known == word) {
            words.push((word.to_owned(), value.to_owned()));
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_what_stands_below_its_name() {
        let text = "# all\n[other]\nhost=a\n\n[shop]\n  host=b  \nport=5433\nhost=c\n[last]\nuser=x\n";
        let pair = |word: &str, value: &str| (word.to_owned(), value.to_owned());
        assert_eq!(section("shop", text), Ok(Some(vec![pair("host", "b"), pair("port", "5433")])));
        assert_eq!(section("sho", text), Ok(None));
        assert_eq!(section("a", "[a]\nhost\n"), Err((2, "a line without =".to_owned())));
        assert_eq!(section("a", "[a]\nservice=b\n"), Err((2, "service within a service".to_owned())));
        let unknown = section("a", "[a]\nhst=b\n").unwrap_err();
        assert_eq!(unknown.1, "hst, which libpq does not know; the nearest known word is host");
    }
}
