//! Commands in hints. They are written as `pgcairn list`; whoever named a configuration or a repository must name it
//! again, so that is put in when a hint is said.

/// What leads a command to the same configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// `pgcairn`, with the configuration where it is not the default one.
    pub program: String,
    /// ` --repository URL`, where no file says it.
    pub place: String,
    /// ` --repository NAME`, where a configured one was chosen.
    pub chosen: String,
    /// ` --trusted KEY`, likewise.
    pub trust: String,
}

/// The commands that take `--repository`.
const READING: [&str; 11] = [
    "list",
    "show",
    "status",
    "verify",
    "restore",
    "drill",
    "wal list",
    "wal fetch",
    "dump list",
    "dump show",
    "dump restore",
];
/// Those of them that look at signatures.
const TRUSTING: [&str; 9] =
    ["list", "show", "status", "verify", "restore", "drill", "dump list", "dump show", "dump restore"];
/// The commands that take the name of a repository, and nothing else to find it.
const CHOOSING: [&str; 4] = ["expire", "hold", "release", "undelete"];
/// Those that read the configuration file. Any other does not care which it is.
const CONFIGURED: [&str; 18] = [
    "init",
    "check",
    "backup",
    "dump",
    "wal flush",
    "config check",
    "notify test",
    "schedule install",
    "schedule print",
    "schedule status",
    "metrics",
    "config show",
    "expire",
    "hold",
    "release",
    "undelete",
    "copy",
    "recovery-sheet",
];

const BARE: &str = "pgcairn ";

impl CommandLine {
    /// Every bare command in `hint` finds what this one found.
    pub fn spell_out(&self, hint: &str) -> String {
        let (mut said, mut rest) = (String::new(), hint);
        while let Some(at) = rest.find(BARE) {
            let (before, words) = (&rest[..at], &rest[at + BARE.len()..]);
            said.push_str(before);
            let reads = READING.iter().find(|command| begins_with(words, command));
            let command = reads.or_else(|| CONFIGURED.iter().find(|command| begins_with(words, command)));
            let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || "/-_.".contains(c));
            rest = match command.filter(|_| is_word) {
                Some(command) => {
                    let place = if reads.is_some() { &self.place } else { "" };
                    let chosen = if reads.is_some() || CHOOSING.contains(command) { &self.chosen } else { "" };
                    let trust = if TRUSTING.contains(command) { &self.trust } else { "" };
                    said.extend([&self.program, " ", command, place, chosen, trust]);
                    &words[command.len()..]
                }
                None => {
                    said.push_str(BARE);
                    words
                }
            };
        }
        said + rest
    }
}

fn begins_with(words: &str, command: &str) -> bool {
    let rest = words.strip_prefix(command);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_finds_the_same_configuration() {
        let filed = CommandLine { program: "pgcairn -c b".to_owned(), ..CommandLine::default() };
        let place = " --repository file:///r".to_owned();
        let trust = " --trusted k".to_owned();
        let unfiled = CommandLine { program: "pgcairn".to_owned(), place, trust, ..CommandLine::default() };
        for (hint, with_file, with_url) in [
            ("pgcairn list", "pgcairn -c b list", "pgcairn list --repository file:///r --trusted k"),
            (
                "go on: pgcairn wal list --gaps, or pgcairn check",
                "go on: pgcairn -c b wal list --gaps, or pgcairn -c b check",
                "go on: pgcairn wal list --repository file:///r --gaps, or pgcairn check",
            ),
            ("`pgcairn key generate`", "`pgcairn key generate`", "`pgcairn key generate`"),
            ("pgcairn dump", "pgcairn -c b dump", "pgcairn dump"),
            ("pgcairn dump list", "pgcairn -c b dump list", "pgcairn dump list --repository file:///r --trusted k"),
            ("pgcairn -c a list", "pgcairn -c a list", "pgcairn -c a list"),
            ("/opt/pgcairn list", "/opt/pgcairn list", "/opt/pgcairn list"),
            ("the pgcairn listing of pgcairn ", "the pgcairn listing of pgcairn ", "the pgcairn listing of pgcairn "),
        ] {
            assert_eq!(filed.spell_out(hint), with_file);
            assert_eq!(unfiled.spell_out(hint), with_url);
        }
        let chosen = CommandLine { chosen: " --repository b".to_owned(), ..filed };
        assert_eq!(chosen.spell_out("pgcairn undelete 2026"), "pgcairn -c b undelete --repository b 2026");
    }
}
