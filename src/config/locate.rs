//! Which file: a path, or the bare name of a file in `/etc/pgcairn`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::model::shell_word::shell_word;

pub const CONFIG_DIRECTORY: &str = "/etc/pgcairn";
pub const ENVIRONMENT_VARIABLE: &str = "PGCAIRN_CONFIG";
pub(super) const DEFAULT_NAME: &str = "main";
const EXTENSION: &str = "toml";

/// Flag before environment before `main`. What holds a slash or ends in `.toml` is a path, all else a name.
pub fn locate(flag: Option<&OsStr>, environment: Option<OsString>) -> PathBuf {
    let environment = environment.filter(|value| !value.is_empty());
    let choice = flag.map(OsStr::to_owned).or(environment).unwrap_or_else(|| DEFAULT_NAME.into());
    if is_path(&choice) { choice.into() } else { Path::new(CONFIG_DIRECTORY).join(choice).with_added_extension() }
}

fn is_path(choice: &OsStr) -> bool {
    choice.as_encoded_bytes().contains(&b'/') || Path::new(choice).extension().is_some_and(|e| e == EXTENSION)
}

trait AddedExtension {
    fn with_added_extension(self) -> PathBuf;
}

impl AddedExtension for PathBuf {
    /// Unlike `with_extension` it keeps the dots that a cluster name may hold.
    fn with_added_extension(self) -> PathBuf {
        let mut whole = self.into_os_string();
        whole.push(".");
        whole.push(EXTENSION);
        whole.into()
    }
}

/// The bare name that leads to `file`, if one does.
pub(super) fn short_name(file: &Path) -> Option<&str> {
    let in_place =
        file.parent() == Some(Path::new(CONFIG_DIRECTORY)) && file.extension().is_some_and(|e| e == EXTENSION);
    if in_place { file.file_stem()?.to_str() } else { None }
}

/// What `-c` takes to lead to `file`, as a shell word.
pub(super) fn argument(file: &Path) -> String {
    match short_name(file) {
        Some(name) => name.to_owned(),
        None => shell_word(&file.to_string_lossy()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_in_etc_and_paths_are_taken_as_they_are() {
        let at = |flag: Option<&str>, env: Option<&str>| locate(flag.map(OsStr::new), env.map(OsString::from));
        assert_eq!(at(None, None), Path::new("/etc/pgcairn/main.toml"));
        assert_eq!(at(None, Some("")), Path::new("/etc/pgcairn/main.toml"));
        assert_eq!(at(None, Some("b")), Path::new("/etc/pgcairn/b.toml"));
        assert_eq!(at(Some("a.v2"), Some("b")), Path::new("/etc/pgcairn/a.v2.toml"));
        assert_eq!(at(Some("./a"), None), Path::new("./a"));
        assert_eq!(at(Some("a.toml"), None), Path::new("a.toml"));
    }

    #[test]
    fn a_file_in_etc_has_a_short_name() {
        assert_eq!(short_name(Path::new("/etc/pgcairn/a.v2.toml")), Some("a.v2"));
        assert_eq!(short_name(Path::new("/etc/other/a.toml")), None);
    }
}
