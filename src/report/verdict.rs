//! The verdict in words: what is wrong, and what to do about it.

use serde::Serialize;

use super::text::{age, bytes, count, wrapped};
use crate::model::shell_word::shell_word;
use crate::model::verdict::{self, Behind, Damage, Judged, Level, Reason};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub level: Level,
    /// What is wrong before what is only not done yet, the worst first.
    pub reasons: Vec<Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Stable: programs go by it.
    pub reason: &'static str,
    pub level: Level,
    /// Left out where it is about all of them, or about this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    pub message: String,
    /// A command; what follows `   #` is for a person.
    pub remedy: String,
    /// Nothing has broken: it was not done yet.
    pub advice: bool,
}

/// More do not fit on one screen.
const SHOWN: usize = 4;

const INDENT: &str = "  ";

impl Verdict {
    /// `named` says that commands must name the repository they are about.
    pub fn of(judged: &[Judged], named: bool) -> Verdict {
        let told = |it: &Judged| Told {
            reason: it.reason.name(),
            level: it.level,
            repository: it.repository.clone(),
            message: message(&it.reason),
            remedy: remedy(&it.reason, it.repository.as_deref().filter(|_| named)),
            advice: it.reason.is_advice(),
        };
        Verdict { level: verdict::level(judged), reasons: judged.iter().map(told).collect() }
    }

    /// Something is wrong, not only undone.
    pub fn is_flawed(&self) -> bool {
        self.reasons.iter().any(|told| !told.advice)
    }

    pub fn lines(&self) -> String {
        let heading = match self.reasons.is_empty() {
            true => format!("verdict: {}\n", self.level.word()),
            false => format!("verdict: {}, {}\n", self.level.word(), count(self.reasons.len() as u64, "reason")),
        };
        let shown: String = self.reasons.iter().take(SHOWN).map(Told::lines).collect();
        let more = match self.reasons.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("{INDENT}and {more} more, with --json\n"),
        };
        heading + &shown + &more
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let more = self.reasons.len().saturating_sub(1);
        match self.reasons.first() {
            None => "nothing is wrong".to_owned(),
            Some(worst) if more == 0 => worst.subject(),
            Some(worst) => format!("{}, and {more} more", worst.subject()),
        }
    }
}

impl Told {
    /// With what it is about.
    pub fn subject(&self) -> String {
        match &self.repository {
            Some(repository) => format!("{repository}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// Without what is for a person alone.
    pub fn command(&self) -> String {
        self.remedy.split("   #").next().unwrap_or_default().to_owned()
    }

    fn lines(&self) -> String {
        let message = format!("{INDENT}{}: {}", self.level.word(), self.subject());
        format!("{}\n{INDENT}    {}\n", wrapped(&message, INDENT.len() + 2), self.remedy)
    }
}

fn message(reason: &Reason) -> String {
    match reason {
        Reason::ServerUnreachable => "PostgreSQL does not answer".to_owned(),
        Reason::ServerUnknown => "PostgreSQL could not be asked".to_owned(),
        Reason::WalWaits { files: 1, seconds } => format!("1 WAL file waits, for {}", age(*seconds)),
        Reason::WalWaits { files, seconds } => format!("{files} WAL files wait, the oldest for {}", age(*seconds)),
        Reason::ArchivingOff => "archive_mode is off: no WAL is archived".to_owned(),
        Reason::ArchiverFails { segment } => format!("archive_command fails for {segment}"),
        Reason::SlotHoldsWal(slot) => {
            format!("slot \"{}\" is not read and holds {} of WAL", slot.name, bytes(slot.held_bytes))
        }
        Reason::RunFailed { command } => format!("the last \"{command}\" has failed"),
        Reason::NoBackup => "there is no backup".to_owned(),
        Reason::BackupOld { seconds } => format!("the last backup is {} old", age(*seconds)),
        Reason::NoDump => "there is no dump".to_owned(),
        Reason::DumpOld { seconds } => format!("the last dump is {} old", age(*seconds)),
        Reason::Unanswered => "no answer in time".to_owned(),
        Reason::Unreadable { message } => format!("cannot be read: {message}"),
        Reason::OtherCluster => "the newest backup is of another cluster than the one that runs".to_owned(),
        Reason::BackupsUnreadable { backups } => format!("{} UNREADABLE", count(*backups, "backup")),
        Reason::BackupsUntrusted { backups } => format!("{} NOT TRUSTED", count(*backups, "backup")),
        Reason::DumpsUnreadable { dumps } => format!("{} UNREADABLE", count(*dumps, "dump")),
        Reason::PagesFlagged { pages } => format!("the last backup has {}", count(*pages, "damaged page")),
        Reason::NothingRestorable => "NOTHING can be restored".to_owned(),
        Reason::HoleInWal => "WAL is missing between backups".to_owned(),
        Reason::HoleAfterBackup { seconds } => {
            format!("WAL is missing after the last backup: for {} nothing newer can be restored", age(*seconds))
        }
        Reason::WalMissing(wal) => format!(
            "{} that archive_command took {} not there; the last came {} ago",
            count(wal.files, "WAL file"),
            if wal.files == 1 { "is" } else { "are" },
            age(wal.seconds)
        ),
        Reason::TimelinesUnreadable { timelines } => {
            format!("the descent of {} is missing or damaged", count(*timelines, "timeline"))
        }
        Reason::WindowShort { seconds, promised } => {
            format!("reaches {} back, not {}", age(*seconds), age(*promised))
        }
        Reason::NothingStored => "nothing is stored".to_owned(),
        Reason::FullSoon { days: 0 } => "full within a day".to_owned(),
        Reason::FullSoon { days } => format!("full in {}", count(*days, "day")),
        Reason::Behind(behind) => format!("BEHIND by {}", lag(behind)),
        Reason::VerifyFailed(damage) => format!("verify found DAMAGE, {} ago", age(damage.seconds)),
        Reason::DrillFailed { seconds } => format!("the last drill FAILED, {} ago", age(*seconds)),
        Reason::DrillOld { seconds } => format!("the last drill was {} ago", age(*seconds)),
        Reason::DrillNever => "no drill has proven that it can be restored".to_owned(),
        Reason::DumpDrillFailed { seconds } => format!("the last drill of a dump FAILED, {} ago", age(*seconds)),
        Reason::DumpDrillOld { seconds } => format!("the last drill of a dump was {} ago", age(*seconds)),
        Reason::DumpDrillNever => "no drill has proven that a dump can be loaded".to_owned(),
        Reason::KeyNeverChecked { .. } => "no key was shown to open the backups on another host".to_owned(),
        Reason::SheetNeverMade => "no recovery sheet was made".to_owned(),
        Reason::SheetOutdated => "the recovery sheet is out of date".to_owned(),
    }
}

/// Of what `copy --all` would bring.
pub fn lag(behind: &Behind) -> String {
    let since = behind.seconds.map(|old| format!(", the oldest for {}", age(old))).unwrap_or_default();
    format!("{} and {}{since}", count(behind.backups, "backup"), count(behind.wal_files, "WAL file"))
}

fn remedy(reason: &Reason, repository: Option<&str>) -> String {
    let of = |command: &str, option: &str| {
        repository.map_or_else(|| command.to_owned(), |name| format!("{command} {option} {}", shell_word(name)))
    };
    match reason {
        Reason::ServerUnreachable => {
            "pgcairn check   # then start it; where it is lost: pgcairn help incident".to_owned()
        }
        Reason::ServerUnknown | Reason::WalWaits { .. } | Reason::ArchiverFails { .. } => "pgcairn check".to_owned(),
        Reason::Unreadable { .. } | Reason::WalMissing(_) => "pgcairn check".to_owned(),
        Reason::ArchivingOff => "pgcairn init   # prints the settings; then restart PostgreSQL".to_owned(),
        Reason::HoleAfterBackup { .. } => "pgcairn backup   # a recovery passes no hole".to_owned(),
        Reason::TimelinesUnreadable { .. } => of("pgcairn wal list", "--repository"),
        Reason::SlotHoldsWal(slot) => {
            let sql = format!("SELECT pg_drop_replication_slot('{}')", slot.name.replace('\'', "''"));
            format!("psql -c {}   # if its reader is gone for good", shell_word(&sql))
        }
        Reason::RunFailed { command } => format!("pgcairn {command}"),
        Reason::NoBackup | Reason::BackupOld { .. } | Reason::OtherCluster => "pgcairn backup".to_owned(),
        Reason::NothingRestorable | Reason::NothingStored => "pgcairn backup".to_owned(),
        Reason::NoDump | Reason::DumpOld { .. } => "pgcairn dump".to_owned(),
        Reason::Unanswered => "pgcairn status --wait 60s".to_owned(),
        Reason::VerifyFailed(Damage { needs_key: true, .. }) => {
            of("pgcairn verify", "--repository") + "   # with the key"
        }
        Reason::VerifyFailed(_) => of("pgcairn verify", "--repository"),
        Reason::BackupsUnreadable { .. } | Reason::DumpsUnreadable { .. } => of("pgcairn verify", "--repository"),
        Reason::BackupsUntrusted { .. } => of("pgcairn list", "--repository"),
        Reason::WindowShort { .. } => of("pgcairn list", "--repository"),
        Reason::PagesFlagged { .. } => of("pgcairn show latest", "--repository"),
        Reason::HoleInWal => of("pgcairn wal list --gaps", "--repository"),
        Reason::FullSoon { .. } => of("pgcairn expire --dry-run", "--repository") + "   # or more space",
        Reason::Behind(_) => of("pgcairn copy --all", "--to"),
        // Elsewhere nothing is configured, so it must say where the backups are.
        Reason::KeyNeverChecked { url } => {
            format!("pgcairn key check --identity FILE --repository {}   # elsewhere", shell_word(url))
        }
        Reason::SheetNeverMade | Reason::SheetOutdated => "pgcairn recovery-sheet".to_owned(),
        Reason::DrillFailed { .. } | Reason::DrillOld { .. } | Reason::DrillNever => {
            of("pgcairn drill", "--repository") + "   # with the key"
        }
        Reason::DumpDrillFailed { .. } | Reason::DumpDrillOld { .. } | Reason::DumpDrillNever => {
            of("pgcairn drill --dump", "--repository") + "   # with the key"
        }
    }
}
