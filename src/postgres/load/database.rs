//! A database that gets its name when everything is in it.

use super::super::connection::Connection;
use super::existing::ExistingDatabase;
use super::unfinished::{Purpose, Step, Unfinished};
use crate::model::dump::{Database, Locale, quoted};
use crate::model::error::{Code, Error, Result};

/// Whose values are lists of words in quotes already (`GUC_LIST_QUOTE` in PostgreSQL's guc_tables.c).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What is not complete goes away by [`NewDatabase::drop_again`], or is left to be gone on with.
pub struct NewDatabase<'c> {
    /// Idle for as long as the database is filled, which may be hours: see [`NewDatabase::execute`].
    connection: &'c mut Connection,
    /// Until it is published.
    pub name: String,
    purpose: Purpose,
    pub step: Step,
    /// Than were dumped: nobody goes on with it.
    pub has_other_rows: bool,
}

impl<'c> NewDatabase<'c> {
    pub fn create(connection: &'c mut Connection, like: &Database, purpose: Purpose) -> Result<NewDatabase<'c>> {
        let name = format!("pgcairn_{:016x}", rand::random::<u64>());
        let major = connection.version().major();
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {}{} ALLOW_CONNECTIONS true",
            quoted(&name),
            literal(&like.encoding),
            locale(&like.locale, major)
        );
        connection.execute_all(&sql).map_err(|error| {
            let message = format!("a database like {} cannot be made: {}", like.name, error.message);
            Error::new(Code::Dump, message).hint(error.hint.unwrap_or_default())
        })?;
        let mut new = NewDatabase { connection, name, purpose, step: Step::Definitions, has_other_rows: false };
        let sql = new.comment(Step::Definitions);
        match new.execute(&sql) {
            Ok(()) => Ok(new),
            Err(error) => Err(new.drop_again(error)),
        }
    }

    /// What a run before has left.
    pub fn resume(connection: &'c mut Connection, left: Unfinished, purpose: Purpose) -> NewDatabase<'c> {
        NewDatabase { connection, name: left.name, purpose, step: left.step, has_other_rows: false }
    }

    /// What came before is complete. The session that has seen it says so: another one might find another server in its place.
    pub fn reach(&mut self, step: Step, run: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        run(&self.comment(step))?;
        self.step = step;
        Ok(())
    }

    fn comment(&self, step: Step) -> String {
        format!("COMMENT ON DATABASE {} IS {}", quoted(&self.name), literal(&self.purpose.comment(step)))
    }

    /// What is in it.
    pub fn look(&self) -> Result<ExistingDatabase> {
        ExistingDatabase::look(self.connection, &self.name)
    }

    /// By another session where something has ended the first one meanwhile.
    fn execute(&mut self, sql: &str) -> Result<()> {
        if self.connection.heartbeat().is_err() {
            let database = self.connection.reach().database().to_owned();
            *self.connection = self.connection.open_database(&database)?;
        }
        self.connection.execute_all(sql)
    }

    /// Settings, which would have been those of the sessions that fill it.
    pub fn describe(&mut self, like: &Database) -> Result<()> {
        let name = quoted(&self.name);
        for (setting, value) in like.settings.iter().filter_map(|setting| setting.split_once('=')) {
            let value = if LISTS.contains(&setting) { value.to_owned() } else { literal(value) };
            let value = if value.is_empty() { "''".to_owned() } else { value };
            let setting = setting.split('.').map(quoted).collect::<Vec<_>>().join(".");
            self.execute(&format!("ALTER DATABASE {name} SET {setting} TO {value}"))?;
        }
        Ok(())
    }

    /// What a run before may have begun to describe.
    pub fn reset(&mut self) -> Result<()> {
        self.execute(&format!("ALTER DATABASE {} RESET ALL", quoted(&self.name)))
    }

    /// Gives it its name, comment and owner. What had the name before, where that is wanted, is kept under `aside`: all at
    /// once, or nothing. Where that fails it stays as it is, complete.
    pub fn publish(&mut self, name: &str, publication: Publication<'_>) -> Result<()> {
        let Publication { aside, comment, owner } = publication;
        let rename = |from: &str, to: &str| format!("ALTER DATABASE {} RENAME TO {};", quoted(from), quoted(to));
        let away: String = aside.map(|aside| rename(name, aside)).into_iter().collect();
        let comment = comment.map_or_else(|| "NULL".to_owned(), literal);
        // The owner last: whoever has given it away may do nothing with it any more.
        let owner = owner.map(|owner| format!(" ALTER DATABASE {} OWNER TO {};", quoted(name), quoted(owner)));
        let to_name = format!(
            "{} COMMENT ON DATABASE {} IS {comment};{}",
            rename(&self.name, name),
            quoted(name),
            owner.unwrap_or_default()
        );
        // Statements that are sent together are one transaction.
        self.execute(&[away.as_str(), &to_name].concat()).map_err(|error| {
            let own = &self.name;
            let message = format!("{own} is complete, and cannot be called {name}: {}", error.message);
            let nobody = aside.map(|aside| {
                let (old, aside) = (quoted(name), quoted(aside));
                let shut = format!("ALTER DATABASE {old} ALLOW_CONNECTIONS false;");
                let end = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {};",
                    literal(name)
                );
                format!("{shut} {end} {away} ALTER DATABASE {aside} ALLOW_CONNECTIONS true; ")
            });
            let hint = format!("give it its name by hand: {}{to_name}", nobody.unwrap_or_default());
            Error::new(Code::Dump, message).hint(hint)
        })
    }

    /// Whether its server answers no more.
    pub fn is_lost(&mut self) -> bool {
        self.connection.heartbeat().is_err()
    }

    /// After a failure: it stays as it is.
    pub fn keep(self, error: Error) -> Error {
        let first = format!("what is loaded stays: --resume goes on with it; or drop it: {}", drop_of(&self.name));
        match error.hint.clone().filter(|_| error.code != Code::Interrupted) {
            Some(hint) => error.hint(format!("{first}; {hint}")),
            None => error.hint(first),
        }
    }

    /// Refused while somebody is connected to it.
    pub fn drop_unused(mut self) -> Result<()> {
        self.execute(&format!("DROP DATABASE {}", quoted(&self.name)))
    }

    /// After a failure: what is not complete goes away. Where it cannot, that is said beside it.
    pub fn drop_again(mut self, error: Error) -> Error {
        let sql = drop_of(&self.name);
        match self.execute(&sql) {
            Ok(()) => error,
            Err(_) => error.and_hint(&format!("it has left a database behind: {sql}")),
        }
    }
}

/// What a database gets with its name.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'p> {
    /// The name under which the one that is there is kept.
    pub aside: Option<&'p str>,
    pub comment: Option<&'p str>,
    pub owner: Option<&'p str>,
}

fn drop_of(name: &str) -> String {
    format!("DROP DATABASE {} WITH (FORCE)", quoted(name))
}

/// A string as a statement takes it.
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

fn locale(locale: &Locale, major: u32) -> String {
    let classes = format!(" LC_COLLATE {} LC_CTYPE {}", literal(&locale.collate), literal(&locale.ctype));
    let name = locale.name.as_deref().map(literal).unwrap_or_default();
    match locale.provider.as_str() {
        "i" if major >= 15 => format!("{classes} LOCALE_PROVIDER icu ICU_LOCALE {name}"),
        "b" if major >= 17 => format!("{classes} LOCALE_PROVIDER builtin BUILTIN_LOCALE {name}"),
        _ if major >= 15 => format!("{classes} LOCALE_PROVIDER libc"),
        _ => classes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_sql() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\b'"), r"E'a\\b'''");
        let libc = Locale { collate: "C".into(), ctype: "de_DE".into(), provider: "c".into(), name: None };
        assert_eq!(locale(&libc, 14), " LC_COLLATE 'C' LC_CTYPE 'de_DE'");
        let icu = Locale { provider: "i".into(), name: Some("de".into()), ..libc };
        assert_eq!(locale(&icu, 18), " LC_COLLATE 'C' LC_CTYPE 'de_DE' LOCALE_PROVIDER icu ICU_LOCALE 'de'");
    }
}
