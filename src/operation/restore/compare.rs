//! What the origin had and this machine has not, in words: each a warning with what to do about it.

use super::StoppedCopy;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::postgres::{ChangedCollation, Installation, ScratchServer, Surroundings, minor_of, surroundings};
use crate::report::text::{NAMED, few};

/// Before the copy is started: WAL of a later minor may hold what an earlier one cannot replay.
pub fn older_minor(backup: &Summary, installation: &Installation) -> Option<Error> {
    let (origin, here) = (backup.postgresql.minor(), minor_of(&installation.version)?);
    let (major, version) = (backup.postgresql.major(), &installation.version);
    (here < origin).then(|| {
        warning(format!("the backup is of PostgreSQL {major}.{origin}, and {version} is here to start it")).hint(
            format!("apt-get install postgresql-{major}, for {major}.{origin} or later, before you rely on the copy"),
        )
    })
}

impl StoppedCopy {
    /// What is not as at the origin, once a server on the copy answers.
    pub fn compare(&self, server: &ScratchServer) -> Result<Vec<Error>> {
        let found = surroundings(server, self.installation.major(), self.environment.as_ref())?;
        let psql = |database: &str| format!("psql {} -d {}", server.psql_words(), shell_word(database));
        Ok(found.iter().flat_map(|database| in_words(database, &psql(&database.database))).collect())
    }

    /// Libraries that the origin loads into every process, and the copy does not.
    pub fn left_out_libraries(&self) -> Option<&str> {
        let libraries = self.environment.as_ref()?.shared_preload_libraries.trim();
        (self.preload.is_empty() && !libraries.is_empty()).then_some(libraries)
    }
}

fn in_words(found: &Surroundings, psql: &str) -> Vec<Error> {
    let database = &found.database;
    let closed = found.closed.iter().map(|said| {
        warning(format!("database \"{database}\" does not open here: {said}"))
            .hint("what it names has to be installed on this machine, such as a locale: locale -a")
    });
    let lacking = found.lacking.iter().map(|extension| {
        let (name, version) = (&extension.name, &extension.version);
        warning(format!("database \"{database}\" has extension {name} {version}, which is not installed here"))
            .hint(format!("install {name} before you use what needs it; everything else can be read"))
    });
    closed.chain(lacking).chain(found.collations.iter().map(|changed| collation(database, changed, psql))).collect()
}

/// An index is sorted as its collation was when it was built: with another one, searches miss rows that are there.
fn collation(database: &str, changed: &ChangedCollation, psql: &str) -> Error {
    let ChangedCollation { name, recorded, here, indexes } = changed;
    let what = name.as_ref().map_or_else(|| "its collation".to_owned(), |name| format!("collation {name}"));
    let named = few(indexes);
    let sql = match indexes.len() <= NAMED {
        true => indexes.iter().map(|index| format!("REINDEX INDEX {index}")).collect::<Vec<_>>().join("; "),
        false => format!("REINDEX DATABASE {}", quoted(database)),
    };
    warning(format!("in database \"{database}\" {what} is of version {here} here, and {recorded} built {named}")).hint(
        format!("do not trust them before the copy is open and they are built anew: {psql} -c {}", shell_word(&sql)),
    )
}

/// `quote_ident`
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn warning(message: String) -> Error {
    Error::new(Code::Flagged, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_indexes_are_named_and_many_are_counted() {
        let changed = |number: usize| ChangedCollation {
            name: None,
            recorded: "2.36".into(),
            here: "2.41".into(),
            indexes: (1..=number).map(|i| format!("public.i{i}")).collect(),
        };
        let few = collation("my app", &changed(2), "psql");
        assert_eq!(
            few.message,
            "in database \"my app\" its collation is of version 2.41 here, and 2.36 built public.i1, public.i2"
        );
        let hint = few.hint.unwrap_or_default();
        assert!(hint.ends_with("psql -c 'REINDEX INDEX public.i1; REINDEX INDEX public.i2'"), "{hint}");
        let many = collation("my app", &changed(7), "psql");
        assert!(many.message.ends_with("public.i5 and 2 others"), "{many}");
        assert!(many.hint.unwrap_or_default().ends_with("-c 'REINDEX DATABASE \"my app\"'"));
    }
}
