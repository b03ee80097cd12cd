//! Every key that a configuration may hold. Parsing, the schema and the hints for unknown keys all
//! stand on this one table.

/// The form of a value, as the schema describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Path,
    Paths,
    Recipients,
    Url,
    Duration,
    Rate,
    Size,
    Integer(i64, i64),
    Boolean,
    Choice(&'static [&'static str]),
    /// A table with the place where the access key is.
    Credentials,
    /// A table with the path of the file that holds the value.
    File,
    PublicKeys,
    /// The table `[retention]` once more.
    Retention,
    /// A table with the keys of [`DUMP_RETENTION_KEYS`].
    DumpRetention,
    Patterns,
    /// A URL that may be a secret, or a table with its place.
    Address,
    Words,
    /// Tables with the keys of [`CHECK_KEYS`].
    Checks,
}

/// One key: where it stands, what it takes, what it means.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table it stands in; empty for the top.
    pub section: &'static str,
    pub name: &'static str,
    pub form: Form,
    pub required: bool,
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

pub const MAX_JOBS: i64 = 256;
pub const MAX_COMPRESSION: i64 = 19;
pub const MAX_CONCURRENCY: i64 = 256;
/// Of any kind in `[retention]`.
pub const MAX_KEPT: i64 = 9999;

const fn optional(section: &'static str, name: &'static str, form: Form, meaning: &'static str) -> Key {
    Key { section, name, form, required: false, default: None, meaning }
}

const fn required(section: &'static str, name: &'static str, form: Form, meaning: &'static str) -> Key {
    Key { section, name, form, required: true, default: None, meaning }
}

impl Key {
    const fn or(self, default: &'static str) -> Key {
        Key { default: Some(default), ..self }
    }

    /// As people write it: `backup.jobs`.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }
}

/// The key that says where an access key is found.
pub(super) const CREDENTIALS: &str = "credentials";

pub(super) const CREDENTIAL_PLACES: &str = "where the access key is: file (with profile), environment, web_identity, instance, credential or command, one of them";

/// What `keep` may be.
const PERIODS: &[&str] = &["daily", "weekly", "monthly", "yearly"];

/// What must hold in a drill, written `[[drill.check]]`.
pub(super) const CHECK: &str = "check";
pub(super) const CHECK_SECTION: &str = "drill.check";
pub(super) const CHECK_KEYS: [&str; 3] = ["name", "database", "sql"];

/// What is kept of dumps, written `[dump.retention]`.
pub(super) const DUMP_RETENTION_SECTION: &str = "dump.retention";
pub(super) const DUMP_RETENTION_KEYS: [&str; 6] = ["within", "daily", "weekly", "monthly", "yearly", "minimum"];

/// Written `[[…]]`.
pub(super) const ARRAY_SECTION: &str = "repository";

pub const KEYS: &[Key] = &[
    optional("", "name", Form::Text, "under which the backups are kept in the repository").or("the file's stem"),
    optional("", "state_dir", Form::Path, "small files of this host, such as how the last runs ended")
        .or("STATE_DIRECTORY, else /var/lib/pgcairn"),
    optional("postgres", "data_dir", Form::Path, "the data directory; its owner is who pgcairn runs as")
        .or("none, with a connection alone: then there are dumps"),
    optional("postgres", "connection", Form::Text, "how the server is reached, a libpq connection string")
        .or(super::DEFAULT_CONNECTION),
    optional("encryption", "recipients", Form::Recipients, "public age keys; two are advised: operations and escrow"),
    optional("signing", "key", Form::File, "what signs backups; made by init, and never leaves the host")
        .or("beside this file, with the ending .signing.pem"),
    optional("signing", "trusted", Form::PublicKeys, "public keys of the hosts whose backups are restored here"),
    required("repository", "name", Form::Text, "what the repository is called in reports"),
    required("repository", "url", Form::Url, "where it lies: file:///var/backups/pgcairn, s3://bucket/prefix"),
    optional("repository", "id", Form::Text, "the repository id that must be found there"),
    optional("repository", "required", Form::Boolean, "whether archiving and backups succeed only with it").or("true"),
    optional("repository", "keep", Form::Choice(PERIODS), "one backup of each period is copied to it, with its WAL")
        .or("every backup and all WAL"),
    optional("repository", "price", Form::Text, "of one GiB stored for a month, such as \"0.023 USD\"; for status"),
    optional(
        "repository",
        "retention",
        Form::Retention,
        "its own, with the keys of [retention]; those it does not say have their defaults",
    )
    .or("[retention]"),
    optional("repository", "endpoint", Form::Text, "of an S3-compatible store, https://host:port").or("Amazon's"),
    optional("repository", "region", Form::Text, "that requests are signed for").or("AWS_REGION, else us-east-1"),
    optional("repository", "path_style", Form::Boolean, "the bucket in the path, not in the host name")
        .or("true with an endpoint"),
    optional("repository", "storage_class", Form::Text, "asked for with every object").or("the bucket's"),
    optional("repository", "sse", Form::Choice(&["AES256", "aws:kms"]), "encryption that the store adds"),
    optional("repository", "kms_key_id", Form::Text, "the key of sse = \"aws:kms\""),
    optional("repository", "object_lock", Form::Choice(&["governance", "compliance"]), "how every object is locked"),
    optional("repository", "object_lock_for", Form::Duration, "how long from its creation on nobody can delete it")
        .or("as long as [retention] keeps a backup"),
    optional("repository", "ca_file", Form::Path, "PEM certificates that are trusted instead of the system's"),
    optional("repository", "proxy", Form::Text, "http://host:port through which the store is reached"),
    optional("repository", "concurrency", Form::Integer(1, MAX_CONCURRENCY), "requests at once").or("16"),
    optional("repository", CREDENTIALS, Form::Credentials, CREDENTIAL_PLACES)
        .or("environment, then web_identity, then instance"),
    optional("objectives", "rpo", Form::Duration, "most data, in time, that a disaster may cost; measured by check"),
    optional("objectives", "rto", Form::Duration, "longest time until the data can be used; measured by drill"),
    optional("backup", "jobs", Form::Integer(1, MAX_JOBS), "workers").or("one for each core"),
    optional("backup", "compression", Form::Integer(1, MAX_COMPRESSION), "zstd level").or("3"),
    optional("backup", "max_rate", Form::Rate, "most bytes a second read from the data directory").or("unlimited"),
    optional("backup", "include", Form::Paths, "files and directories captured with every backup"),
    optional("retention", "recovery_window", Form::Duration, "how far back every moment can be restored").or("7d"),
    optional("retention", "daily", Form::Integer(0, MAX_KEPT), "of how many days the last backup is kept").or("0"),
    optional("retention", "weekly", Form::Integer(0, MAX_KEPT), "of how many weeks").or("0"),
    optional("retention", "monthly", Form::Integer(0, MAX_KEPT), "of how many months").or("0"),
    optional("retention", "yearly", Form::Integer(0, MAX_KEPT), "of how many years").or("0"),
    optional("retention", "minimum", Form::Integer(1, MAX_KEPT), "how many backups are kept whatever their age")
        .or("2"),
    optional(
        "dump",
        "databases",
        Form::Patterns,
        "which dump dumps where its command line says nothing: names, * and ?",
    )
    .or("all"),
    optional("dump", "exclude", Form::Patterns, "which it leaves out then"),
    optional("dump", "lock_timeout", Form::Duration, "how long it waits for a table that somebody else has locked")
        .or("5min"),
    optional("dump", "compression", Form::Integer(1, MAX_COMPRESSION), "zstd level of dumps").or("1"),
    optional(
        "dump",
        "retention",
        Form::DumpRetention,
        "which dumps expire keeps: within, daily, weekly, monthly, yearly, minimum",
    )
    .or("every one"),
    optional("notify", "ping", Form::Address, "told of every start, success and failure, as healthchecks.io is"),
    optional("notify", "webhook", Form::Address, "told when a command fails and when it succeeds again"),
    optional("notify", "webhook_format", Form::Choice(&["json", "slack", "ntfy"]), "of what the webhook is sent")
        .or("json"),
    optional("notify", "webhook_body", Form::Text, "a template in its place, with names such as {title} and {text}"),
    optional("notify", "command", Form::Words, "a program, told as the webhook is, with the text on standard input"),
    optional("metrics", "textfile", Form::Path, "for node_exporter, written after each command: …/pgcairn-main.prom"),
    optional("status", "wal_warning", Form::Duration, "how long WAL may wait to be archived until status warns")
        .or("rpo of [objectives], else 5min"),
    optional("status", "wal_critical", Form::Duration, "and until that is critical").or("1h, or rpo if that is longer"),
    optional("status", "backup", Form::Duration, "how old the last backup may be").or("25h"),
    optional("status", "dump", Form::Duration, "how old the last dump may be, with [dump]").or("25h"),
    optional("status", "drill", Form::Duration, "how old the last drill of each repository may be").or("8d"),
    optional("status", "full_warning", Form::Duration, "status warns where a repository is full within that").or("7d"),
    optional("status", "full_critical", Form::Duration, "and this is critical").or("1d"),
    optional("status", "slot", Form::Size, "how much WAL a replication slot may hold that nobody reads").or("1GiB"),
    optional("status", "behind", Form::Duration, "how far behind a repository may be that is not required").or("25h"),
    optional("schedule", "backup", Form::Text, "when its timer starts it, as systemd has times: Sun 05:00; or never")
        .or("*-*-* 03:00"),
    optional("schedule", "dump", Form::Text, "likewise").or("*-*-* 01:00, with [dump]"),
    optional("schedule", "expire", Form::Text, "likewise").or("*-*-* 05:00, with [retention] or [dump.retention]"),
    optional("schedule", "copy", Form::Text, "likewise").or("hourly, with several repositories"),
    optional("schedule", "verify", Form::Text, "likewise").or("Sat *-*-* 06:00"),
    optional("schedule", "drill", Form::Text, "likewise").or("Sun *-*-* 05:00, where its key is"),
    optional("drill", "scratch", Form::Path, "where copies are made, with room for the cluster")
        .or("TMPDIR, else /tmp"),
    optional("drill", "limit", Form::Duration, "how long a drill may take altogether").or("12h"),
    optional("drill", CHECK, Form::Checks, "a statement whose answer must be true in the copy: database, sql, name"),
];

/// The names of the tables, each once, in the order of [`KEYS`].
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = KEYS.iter().map(|key| key.section).filter(|s| !s.is_empty()).collect();
    sections.dedup();
    sections
}

/// What may stand in a table; at the top the other tables too.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    match section {
        CHECK_SECTION => return CHECK_KEYS.to_vec(),
        DUMP_RETENTION_SECTION => return DUMP_RETENTION_KEYS.to_vec(),
        _ => {}
    }
    let own = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    let tables = sections().into_iter().filter(|_| section.is_empty());
    own.chain(tables).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/configuration.md");

    /// As the page says what a key takes.
    fn words(form: Form) -> String {
        match form {
            Form::Text => "text".to_owned(),
            Form::Path => "path".to_owned(),
            Form::Paths => "paths".to_owned(),
            Form::Recipients => "age recipients".to_owned(),
            Form::Url => "URL".to_owned(),
            Form::Duration => "time span".to_owned(),
            Form::Rate => "rate".to_owned(),
            Form::Size => "size".to_owned(),
            Form::Integer(least, most) => format!("{least} to {most}"),
            Form::Boolean => "`true` or `false`".to_owned(),
            Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Form::Credentials => "table".to_owned(),
            Form::File => "`{ file = … }`".to_owned(),
            Form::PublicKeys => "public keys".to_owned(),
            Form::Retention => "table as `[retention]`".to_owned(),
            Form::DumpRetention => "table".to_owned(),
            Form::Patterns => "patterns".to_owned(),
            Form::Address => "URL, or `{ file = … }`".to_owned(),
            Form::Words => "words".to_owned(),
            Form::Checks => "tables".to_owned(),
        }
    }

    #[test]
    fn the_page_has_every_key() {
        let mut lacking = Vec::new();
        for key in KEYS {
            let default = match (key.required, key.default) {
                (true, _) => "required",
                (false, None) => "",
                (false, Some(default)) => default,
            };
            let row = format!("| `{}` | {} | {default} | {} |", key.name, words(key.form), key.meaning);
            let title = match key.section {
                "" => "At the top".to_owned(),
                ARRAY_SECTION => format!("`[[{ARRAY_SECTION}]]`"),
                section => format!("`[{section}]`"),
            };
            let section = PAGE.split(&format!("\n## {title}\n")).nth(1).unwrap_or_default();
            let section = section.split("\n## ").next().unwrap_or_default();
            if !section.contains(&row) {
                lacking.push(format!("{title}: {row}"));
            }
        }
        assert!(lacking.is_empty(), "docs/configuration.md should have\n{}", lacking.join("\n"));
    }
    use crate::model::nearest::nearest;

    #[test]
    fn the_nearest_key_is_found_and_far_ones_are_not() {
        let backup = names_in("backup");
        assert_eq!(nearest("compresion", &backup), Some("compression"));
        assert_eq!(nearest("maxrate", &backup), Some("max_rate"));
        assert_eq!(nearest("job", &backup), Some("jobs"));
        assert_eq!(nearest("recipient", &names_in("encryption")), Some("recipients"));
        assert_eq!(nearest("datadir", &names_in("postgres")), Some("data_dir"));
        assert_eq!(nearest("reposytory", &names_in("")), Some("repository"));
        assert_eq!(nearest("zzz", &backup), None);
    }
}
