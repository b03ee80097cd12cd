//! The text of drop-ins.

use std::path::{Path, PathBuf};

use super::credentials::Credential;
use crate::model::schedule::Calendar;

/// What each of ours begins with.
pub const WRITTEN_BY: &str = "# Written by \"pgcairn schedule install\"";

/// Where a program that came with a drill's copy, or a job, may not look; what is there must be named.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// One drop-in under construction.
pub struct DropIn(String);

impl DropIn {
    pub fn new(section: &str, configuration: &Path) -> DropIn {
        let from = format!("{WRITTEN_BY} from {}.\n", configuration.display());
        DropIn(from + &format!("# Change that and run it again, or \"systemctl edit\" the unit.\n\n[{section}]\n"))
    }

    pub fn set(&mut self, setting: &str, value: &str) {
        self.0 += &format!("{setting}={value}\n");
    }

    /// Those that are not there make no unit fail: the program says what is missing.
    pub fn paths(&mut self, setting: &str, paths: &[PathBuf]) {
        paths.iter().for_each(|path| self.set(setting, &format!("-{}", word(path))));
    }

    pub fn credentials<'c>(&mut self, credentials: impl IntoIterator<Item = &'c Credential>) {
        for Credential { name, path, encrypted, .. } in credentials {
            let setting = if *encrypted { "LoadCredentialEncrypted" } else { "LoadCredential" };
            self.set(setting, &format!("{name}:{}", word(path)));
        }
    }

    /// What the sandbox hides is shown where something of ours lies there.
    pub fn uncover(&mut self, paths: &[PathBuf]) {
        let any_below = |places: &[&str]| paths.iter().any(|path| places.iter().any(|place| path.starts_with(place)));
        if any_below(&HOMES) {
            self.set("ProtectHome", "read-only");
        }
        if any_below(&TEMPORARY) {
            self.set("PrivateTmp", "no");
        }
    }

    pub fn calendar(&mut self, calendar: &Calendar) {
        // Empty first: else the usual time counts as well.
        self.set("OnCalendar", "");
        self.set("OnCalendar", calendar.as_str());
    }

    pub fn text(self) -> String {
        self.0
    }
}

/// A path as a setting takes it: no specifier begins in it, and it is one word.
pub fn word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%");
    if text.chars().all(|c| !c.is_whitespace() && !"\"'\\".contains(c)) {
        return text;
    }
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word() {
        for (path, wanted) in [
            ("/srv/a", "/srv/a"),
            ("/srv/100%", "/srv/100%%"),
            ("/srv/my backups", "\"/srv/my backups\""),
            ("/srv/a\"b\\c\nd", "\"/srv/a\\\"b\\\\c\\nd\""),
        ] {
            assert_eq!(word(Path::new(path)), wanted);
        }
    }

    #[test]
    fn what_the_sandbox_hides_is_uncovered() {
        let uncovered = |path: &str| {
            let mut drop_in = DropIn::new("Service", Path::new("/c"));
            drop_in.uncover(&[path.into()]);
            drop_in.text().lines().skip(4).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(uncovered("/srv/home"), Vec::<String>::new());
        assert_eq!(uncovered("/home/db/data"), ["ProtectHome=read-only"]);
        assert_eq!(uncovered("/tmp"), ["PrivateTmp=no"]);
    }
}
