//! What is swept: the words of each command, and the status that says it is done.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Backup,
    Push,
    Fetch,
    /// Of a segment that is not there.
    Miss,
    Expire,
    Copy,
    Restore,
}

impl Work {
    pub const ALL: [Work; 7] =
        [Work::Backup, Work::Push, Work::Fetch, Work::Miss, Work::Expire, Work::Copy, Work::Restore];

    /// `segment` with its path where it is pushed; `target` is a directory, or a file, that is to be made.
    pub fn words<'a>(self, segment: &'a str, path: &'a str, newest: &'a str, target: &'a str) -> Vec<&'a str> {
        match self {
            Work::Backup => vec!["backup", "--json"],
            Work::Push => vec!["wal", "push", path],
            Work::Fetch => vec!["wal", "fetch", segment, target],
            Work::Miss => vec!["wal", "fetch", "0000000100000000000000F0", target],
            Work::Expire => vec!["expire", "--yes"],
            Work::Copy => vec!["copy", "--all", "--to", "other"],
            Work::Restore => vec!["restore", "--target-dir", target, "--backup", newest, "--action", "promote"],
        }
    }

    pub fn success(self) -> i32 {
        if self == Work::Miss { 1 } else { 0 }
    }

    /// Added to the configuration.
    pub fn lines(self, other: &str) -> String {
        match self {
            Work::Expire => "[retention]\nrecovery_window = \"1s\"\nminimum = 1\n".to_owned(),
            Work::Copy => format!("[[repository]]\nname = \"other\"\n{other}"),
            _ => String::new(),
        }
    }
}
