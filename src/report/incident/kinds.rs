//! The kinds of incident, the most frequent first. Words in capitals are to be replaced. A runbook for each has more.

use super::{Kind, Names, Step};
use crate::model::shell_word::shell_word;

pub fn all(names: &Names) -> Vec<Kind> {
    vec![
        in_any_case(names),
        mistake(names),
        host_lost(names),
        corruption(names),
        stalled(names),
        repository_lost(names),
        key_lost(names),
        key_leaked(names),
        attack(names),
    ]
}

fn step(words: &str, command: impl Into<String>) -> Step {
    Step { words: words.to_owned(), command: Some(command.into()) }
}

fn words(words: &str) -> Step {
    Step { words: words.to_owned(), command: None }
}

impl Names {
    fn own(&self, arguments: &str) -> String {
        self.commands.spell_out(&format!("pgcairn {arguments}"))
    }

    fn key(&self) -> &'static str {
        if self.is_encrypted { " --identity FILE" } else { "" }
    }

    /// On a host where nothing is configured.
    fn elsewhere(&self) -> String {
        let url = self.repositories.last().map(|(_, url)| shell_word(url)).unwrap_or_default();
        format!("--repository {url} --cluster {}{} --trusted KEY", self.cluster, self.key())
    }

    fn data_dir(&self) -> String {
        shell_word(&self.data_dir.to_string_lossy())
    }

    fn pg_ctl(&self, arguments: &str) -> String {
        format!("/usr/lib/postgresql/{}/bin/pg_ctl {arguments}", self.major)
    }
}

fn in_any_case(names: &Names) -> Kind {
    let steps = vec![
        step("See what is wrong, and what can be restored:", names.own("status")),
        words("Delete nothing, least of all in pg_wal. Write down the time of each step."),
    ];
    Kind { title: "In any case", page: "docs/runbooks/README.md", steps }
}

fn mistake(names: &Names) -> Kind {
    let restore = format!("restore --target-dir /srv/restored --to 'TIME'{} --start", names.key());
    let table = format!(
        "restore --table DATABASE.SCHEMA.TABLE --to 'TIME'{} --into 'host=/var/run/postgresql user=postgres'",
        names.key()
    );
    let steps = vec![
        step(
            "The table of the moment before, beside the live one, with the commands to put rows back:",
            names.own(&table),
        ),
        step("Or a copy of all of it, beside the server, which runs on:", names.own(&restore)),
        words("Too late or too early: remove the copy, and choose another moment."),
        step(
            "Bring back what is missing; the restore has printed where the copy listens:",
            "pg_dump -h /srv/restored/pgcairn_server -t TABLE DATABASE | psql DATABASE",
        ),
        step("When it is done:", names.pg_ctl("-D /srv/restored stop")),
    ];
    Kind { title: "Rows deleted, or a table dropped", page: "docs/runbooks/rows-deleted.md", steps }
}

fn host_lost(names: &Names) -> Kind {
    let elsewhere = names.elsewhere();
    let restore = format!("pgcairn restore {elsewhere} --target-dir {} --to latest", names.data_dir());
    let steps = vec![
        words("Make sure that the old host does not come back and archive: take it off the net."),
        words("On a new host install pgcairn and PostgreSQL of the same major version; the recovery sheet says how."),
        step("KEY is the public key on the sheet. See what would be done, then do it:", format!("{restore} --plan")),
        step("As the user postgres:", restore),
        step("Start it, and look:", names.pg_ctl(&format!("-D {} -l /tmp/restored.log start", names.data_dir()))),
        step(
            "It archives nothing yet. When it is the server again, in psql, and restart it:",
            "psql -c 'ALTER SYSTEM RESET archive_mode' -c 'ALTER SYSTEM RESET max_logical_replication_workers' -c 'ALTER SYSTEM RESET restore_command'",
        ),
        step("With the configuration in place, and then a backup:", names.own("init")),
    ];
    Kind { title: "The host is lost", page: "docs/runbooks/host-lost.md", steps }
}

fn corruption(names: &Names) -> Kind {
    let restore = format!("restore --target-dir /srv/restored --backup latest{} --start", names.key());
    let steps = vec![
        words("Evidence first: stop the server, and copy its data directory as it is. Repair nothing in the original."),
        step("Which pages were damaged when the last backup was made:", names.own("show latest")),
        step("Whether what is stored is sound:", names.own("verify")),
        step(
            "A copy to compare with; an older backup by its id where this one has the damage too:",
            names.own(&restore),
        ),
        step("Keep the last clean one:", names.own("hold ID --reason 'before the damage'")),
    ];
    Kind { title: "Checksum errors, or rows that cannot be read", page: "docs/runbooks/corruption.md", steps }
}

fn stalled(names: &Names) -> Kind {
    let steps = vec![
        step("What archive_command says, and which slot holds WAL:", names.own("status")),
        step("Try the whole way:", names.own("check")),
        words("Never delete from pg_wal: make room beside it, or move it to a larger disk with the server stopped."),
        step("A slot whose reader is gone for good:", "psql -c \"SELECT pg_drop_replication_slot('SLOT')\""),
        step("Make room in the repository:", names.own("expire --now --yes")),
        step("When it archives again, see that it is through:", names.own("wal flush")),
    ];
    Kind { title: "Archiving has stalled, or a disk fills", page: "docs/runbooks/archiving-stalled.md", steps }
}

fn repository_lost(names: &Names) -> Kind {
    let steps = vec![
        step("Which objects are damaged or missing, and which backups they hurt:", names.own("verify")),
        step(
            "Where there is nothing any more, mend or replace its disk or bucket, then:",
            names.own("init --recreate"),
        ),
        step("The server still has all: a new backup at once:", names.own("backup")),
        step("Bring the other repositories up:", names.own("copy --all")),
        words("A restore reads from another repository what one has lost."),
    ];
    Kind { title: "A repository is lost or damaged", page: "docs/runbooks/repository-lost.md", steps }
}

fn key_lost(names: &Names) -> Kind {
    let steps = vec![
        words("The server is all that is left: do not stop it, and change nothing on its host that is not needed."),
        step("On another machine, and this time twice:", "pgcairn key generate --output FILE"),
        words("Put the recipients that it prints into the configuration in place of the old ones."),
        step("A full backup that nothing drops:", names.own("backup --hold 'first one with the new key'")),
        step(
            "Show that the new key works, where it is kept:",
            format!(
                "pgcairn key check --identity FILE --repository {}",
                names.repositories.first().map(|(_, url)| shell_word(url)).unwrap_or_default()
            ),
        ),
        step("And write it down:", names.own("recovery-sheet")),
    ];
    Kind { title: "The key is lost", page: "docs/runbooks/key-lost.md", steps }
}

fn key_leaked(names: &Names) -> Kind {
    let steps = vec![
        words("Whoever has it can read every backup that they can reach: first change who may read the repositories."),
        step(
            "A new key, made on another machine, and its recipient in place of the old one:",
            "pgcairn key generate --output FILE",
        ),
        step("From here on:", names.own("backup")),
        step(
            "What the old key opens goes with retention; when it may go, see what would:",
            names.own("expire --dry-run"),
        ),
    ];
    Kind { title: "The key has leaked", page: "docs/runbooks/key-leaked.md", steps }
}

fn attack(names: &Names) -> Kind {
    let steps = vec![
        words("Take the host off the net. Do not let it reach the repositories: take its access away there first."),
        step(
            "From a clean machine: what is there, and whether it was signed before the attack:",
            format!("pgcairn list {}", names.elsewhere().replace(names.key(), "")),
        ),
        step("Whether it is whole:", format!("pgcairn verify {}", names.elsewhere().replace(names.key(), ""))),
        step(
            "In a bucket with versions, what was overwritten or deleted is still there:",
            format!("pgcairn restore {} --oldest-versions --target-dir /srv/restored --to 'TIME'", names.elsewhere()),
        ),
        words("TIME is before the attack. New keys, a new repository, and a new host before it serves again."),
    ];
    Kind { title: "Attacked: files encrypted or deleted", page: "docs/runbooks/ransomware.md", steps }
}
