//! In the copy, which is ours: the tables are moved into a schema of their own, and what would tie them to live tables or
//! act there is taken off. Everything in one transaction.

use ::postgres::Transaction;

use super::family::Family;
use crate::model::error::{Error, Result};
use crate::operation::restore::StoppedCopy;
use crate::operation::scratch::{Deadline, NO_EVENT_TRIGGERS, said};
use crate::postgres::ScratchServer;

/// Each asks for statements, and what they leave out in words, of the tables in `$1`. The order matters: a partition
/// cannot leave its table while keys refer to it, and what it had of that table becomes its own when it leaves.
const STEPS: &[&str] = &[
    // Keys that refer to tables above ours. They are other tables'.
    "WITH RECURSIVE above AS (SELECT inhparent AS oid FROM pg_inherits WHERE inhrelid = ANY($1) \
     UNION SELECT i.inhparent FROM pg_inherits i JOIN above a ON i.inhrelid = a.oid) \
     SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), NULL FROM pg_constraint \
     WHERE contype = 'f' AND conparentid = 0 AND confrelid IN (SELECT oid FROM above) AND confrelid <> ALL($1)",
    "SELECT CASE p.relkind WHEN 'p' THEN format('ALTER TABLE %s DETACH PARTITION %s', p.oid::regclass, i.inhrelid::regclass) \
     ELSE format('ALTER TABLE %s NO INHERIT %s', i.inhrelid::regclass, p.oid::regclass) END, \
     format('%s as a part of %s', i.inhrelid::regclass, p.oid::regclass) \
     FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = ANY($1) AND p.oid <> ALL($1)",
    "SELECT CASE p.relkind WHEN 'p' THEN format('ALTER TABLE %s DETACH PARTITION %s', p.oid::regclass, c.oid::regclass) \
     ELSE format('ALTER FOREIGN TABLE %s NO INHERIT %s', c.oid::regclass, p.oid::regclass) END, NULL \
     FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid \
     WHERE p.oid = ANY($1) AND c.relkind = 'f'",
    "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
     format('foreign key %I of %s', conname, conrelid::regclass) FROM pg_constraint \
     WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY($1) ORDER BY 2",
    "SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), \
     format('trigger %I of %s', tgname, tgrelid::regclass) FROM pg_trigger \
     WHERE NOT tgisinternal AND tgparentid = 0 AND tgrelid = ANY($1) ORDER BY 2",
    "SELECT format('DROP RULE %I ON %s', rulename, ev_class::regclass), \
     format('rule %I of %s', rulename, ev_class::regclass) FROM pg_rewrite WHERE ev_class = ANY($1) ORDER BY 2",
    "SELECT format('DROP POLICY %I ON %s', polname, polrelid::regclass), \
     format('policy %I of %s', polname, polrelid::regclass) FROM pg_policy WHERE polrelid = ANY($1) ORDER BY 2",
    "SELECT format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', oid::regclass), \
     format('row level security of %s', oid::regclass) FROM pg_class \
     WHERE (relrowsecurity OR relforcerowsecurity) AND oid = ANY($1) ORDER BY 2",
    "SELECT format('DROP STATISTICS %I.%I', n.nspname, s.stxname), \
     format('statistics %I.%I of %s', n.nspname, s.stxname, s.stxrelid::regclass) \
     FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = ANY($1) ORDER BY 2",
    // The dump leaves them out.
    "SELECT 'SELECT', format('publication %I of %s', p.pubname, r.prrelid::regclass) \
     FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = ANY($1) ORDER BY 2",
    "SELECT format('ALTER EXTENSION %I DROP TABLE %s', e.extname, d.objid::regclass), \
     format('%s as a part of extension %I', d.objid::regclass, e.extname) \
     FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' \
     AND d.objid = ANY($1)",
];

const MOVE: &str = "SELECT format('ALTER TABLE %s SET SCHEMA %I', oid::regclass, $2::text), NULL \
     FROM pg_class WHERE oid = ANY($1)";

/// What was left out, in words.
pub fn run(
    copy: &StoppedCopy,
    server: &ScratchServer,
    family: &Family,
    schema: &str,
    deadline: &Deadline,
) -> Result<Vec<String>> {
    let mut session = server.session(&family.database)?;
    deadline.watch(&session);
    if copy.installation.major() < 17 {
        session.batch_execute(NO_EVENT_TRIGGERS).map_err(said)?;
    }
    let mut transaction = session.transaction().map_err(said)?;
    transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).map_err(said)?;
    let (oids, mut left_out) = (family.oids(), Vec::new());
    for question in STEPS {
        left_out.extend(carry_out(&mut transaction, question, &[&oids])?);
    }
    carry_out(&mut transaction, MOVE, &[&oids, &schema])?;
    transaction.commit().map_err(said)?;
    Ok(left_out)
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    question: &str,
    parameters: &[&(dyn ::postgres::types::ToSql + Sync)],
) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for row in transaction.query(question, parameters).map_err(said)? {
        let statement: String = row.try_get(0).map_err(said)?;
        transaction.batch_execute(&statement).map_err(|error| {
            let Error { code, message, .. } = said(error);
            Error::new(code, format!("{message}, at {statement}")).hint(
                "take the table out of a whole copy by hand: pgcairn restore --target-dir DIR --to latest --start",
            )
        })?;
        left_out.extend(row.try_get::<_, Option<String>>(1).map_err(said)?);
    }
    Ok(left_out)
}
