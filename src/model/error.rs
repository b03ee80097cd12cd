//! What a person or a script is told when something does not work: a fact with both values, and the
//! next command. Inner rooms have their own error types; operations turn them into this one.

use std::fmt;

use super::key::Key;

pub type Result<T> = std::result::Result<T, Error>;

/// A refusal or failure as the user meets it.
///
/// `message` is a lower-case fact without a full stop; `hint` is the exact next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
    /// What cannot be used, where it is one object of the repository: another copy of it may do.
    pub object: Option<Box<Key>>,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), hint: None, object: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Behind the one that it has.
    pub fn and_hint(self, more: &str) -> Self {
        match self.hint.clone() {
            Some(hint) => self.hint(format!("{hint}; {more}")),
            None => self.hint(more),
        }
    }

    pub fn about(mut self, object: &Key) -> Self {
        self.object = Some(Box::new(object.clone()));
        self
    }

    pub fn exit_status(&self) -> u8 {
        self.code.exit_status()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Declares every code once, with its stable name, exit status and meaning; `docs/errors.md` is held
/// against this table by a test.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal;)+) => {
        /// The stable name of a refusal or failure. Names never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// Exit status of every command except `wal push` and `wal fetch`, which speak to PostgreSQL.
            pub fn exit_status(self) -> u8 {
                match self { $(Code::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// An input or output operation failed and no better code applies.
    Io = "io", 1;
    /// A bug in pgcairn: a state that its own code rules out.
    Internal = "internal", 1;
    /// The server refused a statement, or the backup can no longer be completed.
    BackupSession = "backup-session", 1;
    /// Tables could not be loaded into the live server, which has none of them.
    TableLoad = "table-load", 1;
    /// A dump cannot be made or loaded; the message is the server's or that of its program.
    Dump = "dump", 1;
    /// The arguments are not usable.
    Usage = "usage", 2;
    /// The configuration file is absent or not readable as TOML.
    Config = "config", 2;
    /// The configuration holds a key that pgcairn does not know.
    ConfigUnknownKey = "config-unknown-key", 2;
    /// The configuration holds a value that cannot be used.
    ConfigValue = "config-value", 2;
    /// The configuration holds a secret key.
    ConfigSecret = "config-secret", 2;
    /// Done, but the result has a defect that must be looked at.
    Flagged = "flagged", 3;
    /// Refused before anything changed.
    Refused = "refused", 4;
    /// No recipient is configured and encryption was not declined aloud.
    NoRecipients = "no-recipients", 4;
    /// The repository was written by a newer pgcairn.
    RepositoryTooNew = "repository-too-new", 4;
    /// The target directory holds files.
    TargetNotEmpty = "target-not-empty", 4;
    /// A server is running on the target directory.
    PostmasterRunning = "postmaster-running", 4;
    /// The cluster is another one than expected (system identifier, data directory).
    ForeignCluster = "foreign-cluster", 4;
    /// Too little disk space for what would be written.
    DiskSpace = "disk-space", 4;
    /// None of the trusted keys has signed the backup.
    Untrusted = "untrusted", 4;
    /// The server does not prove that it is the one that was meant, or speaks no TLS where it must.
    UntrustedServer = "untrusted-server", 4;
    /// A setting of the server does not allow what was asked.
    ServerSetting = "server-setting", 4;
    /// What was asked for does not exist, and the repository proved it.
    NotFound = "not-found", 5;
    /// The object exists with other content.
    Conflict = "conflict", 6;
    /// The store or the server cannot be reached.
    Unreachable = "unreachable", 7;
    /// No repository lies at this place (its marker is missing).
    NotARepository = "not-a-repository", 7;
    /// The operating system, the store or the database role does not permit it.
    Permission = "permission", 8;
    /// The command runs as a user that is neither root nor the owner of the data directory.
    ThirdUser = "third-user", 8;
    /// The identity is missing, unreadable or does not open the object.
    Identity = "identity", 9;
    /// The key that signs backups is missing, unreadable or none.
    SigningKey = "signing-key", 9;
    /// A restore that was tried did not prove what it should.
    DrillFailed = "drill-failed", 10;
    /// A stored object is not what it must be.
    Damaged = "damaged", 10;
    /// WAL does not arrive in the repository.
    ArchiveStalled = "archive-stalled", 12;
    /// The WAL between backup and target has a hole or a break.
    WalGap = "wal-gap", 12;
    /// The target cannot be reached with what the repository holds.
    TargetUnreachable = "target-unreachable", 12;
    /// Ended by SIGINT or SIGTERM.
    Interrupted = "interrupted", 130;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn display_puts_the_hint_on_its_own_line() {
        let error = Error::new(Code::NotFound, "backup x not found").hint("pgcairn list");
        assert_eq!(error.to_string(), "backup x not found\nhint: pgcairn list");
    }
}
