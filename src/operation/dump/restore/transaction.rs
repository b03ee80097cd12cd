//! Into a database that is there: everything in one transaction, which commits where every table has its rows.

use super::archive::{self, Selected};
use super::existing::Existing;
use super::load::differing;
use super::{Wanted, Work};
use crate::model::dump::TableName;
use crate::model::error::{Code, Error, Result};
use crate::postgres::{LoadTransaction, literal};

impl Work<'_> {
    pub(super) fn load_existing(&self, wanted: &Wanted<'_>, selected: &Selected, existing: &Existing) -> Result<()> {
        let interrupt = &self.context.interrupt;
        let (name, rows) = (&wanted.name, selected.rows_of(wanted.part));
        let mut transaction = LoadTransaction::begin(self.programs, &self.reach, name, self.owners, interrupt)?;
        if let Err(error) = self.load(&mut transaction, wanted, selected, existing) {
            transaction.give_up();
            return Err(unchanged(self.about_roles(error), name));
        }
        let expected = rows.expected();
        let committed = transaction.commit(&expected, interrupt);
        let (counted, is_committed) = committed.map_err(|error| match error.code {
            // Nobody knows whether it had committed when the server went away.
            Code::Unreachable | Code::Interrupted => {
                error.hint(format!("all of it is in {name}, or nothing has changed there: look which it is"))
            }
            _ => unchanged(self.about_roles(error), name),
        })?;
        differing(expected.iter().zip(&counted).map(|((table, rows), counted)| (table, *rows, *counted)))
            .map_err(|error| unchanged(error, name))?;
        match is_committed {
            true => Ok(()),
            false => Err(unchanged(Error::new(Code::Dump, "the server did not take all of it"), name)),
        }
    }

    fn load(
        &self,
        transaction: &mut LoadTransaction<'_>,
        wanted: &Wanted<'_>,
        selected: &Selected,
        existing: &Existing,
    ) -> Result<()> {
        let interrupt = &self.context.interrupt;
        let ((list, privileges), archive) = (selected.lists()?, selected.archive.path());
        transaction.run(&existing.before, interrupt)?;
        if selected.makes_objects() {
            transaction.archive(archive, list.path(), Some("pre-data"), interrupt)?;
            transaction.run(&no_default_privileges(&selected.selection.relations), interrupt)?;
            transaction.archive(archive, privileges.path(), None, interrupt)?;
        }
        let rows = selected.rows_of(wanted.part);
        if let Some(rest) = rows.rest {
            let list = archive::rows_list(self.streams, rest, &selected.selection)?;
            transaction.stream(list.path(), interrupt, |hand_out| self.streams.read_while(rest, hand_out))?;
        }
        for table in &rows.large {
            for stream in &table.streams {
                let encoding = &wanted.part.database.encoding;
                transaction.rows(table, encoding, interrupt, |hand_out| self.streams.read(stream, hand_out))?;
            }
        }
        if selected.makes_objects() {
            transaction.archive(archive, list.path(), Some("post-data"), interrupt)?;
        }
        if let Some(list) = selected.attachments()? {
            transaction.archive(archive, list.path(), None, interrupt)?;
        }
        transaction.run(&existing.after, interrupt)
    }
}

/// What `ALTER DEFAULT PRIVILEGES` of the database gives to whatever is made there, and the dump does not.
fn no_default_privileges(relations: &[TableName]) -> Vec<String> {
    if relations.is_empty() {
        return Vec::new();
    }
    let names = relations.iter().map(|name| format!("{}::regclass", literal(&name.quoted()))).collect::<Vec<_>>();
    let revoke = format!(
        "DO $pgcairn$ DECLARE given record; BEGIN FOR given IN SELECT DISTINCT c.oid::regclass AS relation, \
         CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, coalesce(quote_ident(r.rolname), 'PUBLIC') AS role \
         FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
         WHERE c.oid = ANY (ARRAY[{}]::oid[]) AND a.grantee <> c.relowner LOOP \
         EXECUTE format('REVOKE ALL ON %s %s FROM %s', given.kind, given.relation, given.role); END LOOP; END $pgcairn$",
        names.join(", ")
    );
    vec![revoke]
}

/// Where nothing better can be told.
fn unchanged(error: Error, name: &str) -> Error {
    error.and_hint(&format!("nothing has changed in {name}"))
}
