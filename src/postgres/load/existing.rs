//! What a database has already: by names as an archive of `pg_dump` has them, and what hangs on it.

use std::collections::BTreeMap;

use super::super::connection::Connection;
use super::super::reach::Reach;
use crate::model::dump::selection::{Class, Object};
use crate::model::dump::{TableName, quoted};
use crate::model::error::Result;

/// Arguments as `format_function_arguments` in pg_dump.c writes them. An index and an owned sequence are parts of a table.
const OBJECTS: &str = "SELECT 'schema' AS class, '' AS schema, nspname::text AS name, tableoid AS catalog, oid, \
       NULL::text AS of_schema, NULL::text AS of_name FROM pg_namespace \
     UNION ALL SELECT 'relation', n.nspname, c.relname, c.tableoid, c.oid, o.nspname, t.relname \
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid \
       LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND c.relkind = 'S' \
         AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') \
       LEFT JOIN pg_class t ON t.oid = coalesce(i.indrelid, d.refobjid) LEFT JOIN pg_namespace o ON o.oid = t.relnamespace \
       WHERE c.relpersistence <> 't' AND c.relkind NOT IN ('c', 't') \
     UNION ALL SELECT 'type', n.nspname, y.typname, y.tableoid, y.oid, NULL, NULL \
       FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace LEFT JOIN pg_class c ON c.oid = y.typrelid \
       WHERE y.typtype <> 'c' OR c.relkind = 'c' \
     UNION ALL SELECT 'routine', n.nspname, p.proname || '(' || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE \
       coalesce((SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.at) \
         FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, at)), '') END || ')', p.tableoid, p.oid, NULL, NULL \
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'pg_catalog' \
     UNION ALL SELECT 'collation', n.nspname, l.collname, l.tableoid, l.oid, NULL, NULL \
       FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE n.nspname <> 'pg_catalog' \
     UNION ALL SELECT 'constraint', n.nspname, coalesce(c.relname, y.typname) || ' ' || k.conname, k.tableoid, k.oid, NULL, NULL \
       FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_class c ON c.oid = k.conrelid \
       LEFT JOIN pg_type y ON y.oid = k.contypid WHERE coalesce(c.relname, y.typname) IS NOT NULL \
         AND NOT (k.contype = 'f' AND k.conparentid <> 0) AND (k.conislocal OR k.contype NOT IN ('c', 'n')) \
     UNION ALL SELECT 'extension', '', extname, tableoid, oid, NULL, NULL FROM pg_extension \
     UNION ALL SELECT 'language', '', lanname, tableoid, oid, NULL, NULL FROM pg_language \
     UNION ALL SELECT 'server', '', srvname, tableoid, oid, NULL, NULL FROM pg_foreign_server \
     UNION ALL SELECT 'wrapper', '', fdwname, tableoid, oid, NULL, NULL FROM pg_foreign_data_wrapper";

/// What would have to go with these, or be without them; foreign keys are put back.
const DEPENDENTS: &str = "WITH RECURSIVE own AS (SELECT * FROM unnest($1::oid[], $2::oid[]) AS o (classid, objid) UNION \
       SELECT d.classid, d.objid FROM pg_depend d JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid \
       WHERE d.deptype IN ('a', 'i', 'P', 'S') AND NOT (d.classid = 'pg_class'::regclass AND EXISTS ( \
         SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relispartition AND c.relkind IN ('r', 'p', 'f')))) \
     SELECT DISTINCT CASE WHEN w.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, w.ev_class, 0) \
         ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END FROM pg_depend d \
       JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid \
       LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid \
     WHERE d.deptype IN ('n', 'a') AND NOT EXISTS (SELECT FROM own WHERE own.classid = d.classid AND own.objid = d.objid) \
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid \
         AND k.contype = 'f') ORDER BY 1";

/// Foreign keys to these tables, or of them where that is asked. Those of partitions are their parent's.
const FOREIGN_KEYS: &str = "SELECT k.conrelid, n.nspname::text, c.relname::text, k.conname::text, pg_get_constraintdef(k.oid), \
       obj_description(k.oid, 'pg_constraint') \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE k.oid IN (WITH RECURSIVE up AS (SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f' \
         AND (confrelid = ANY ($1) OR conrelid = ANY ($2)) UNION \
         SELECT p.oid, p.conparentid FROM pg_constraint p JOIN up ON p.oid = up.conparentid) \
       SELECT oid FROM up WHERE conparentid = 0) ORDER BY 2, 3, 4";

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveObject {
    catalog: u32,
    pub oid: u32,
    /// Whose index or sequence it is.
    pub of: Option<TableName>,
}

/// Of a table that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub oid_of_table: u32,
    pub table: TableName,
    pub name: String,
    definition: String,
    comment: Option<String>,
}

impl ForeignKey {
    pub fn drop(&self) -> String {
        format!("ALTER TABLE {} DROP CONSTRAINT {}", self.table.quoted(), quoted(&self.name))
    }

    /// Looks at every row.
    pub fn put_back(&self) -> String {
        let (table, name) = (self.table.quoted(), quoted(&self.name));
        let note = |comment: &String| {
            format!(";\nCOMMENT ON CONSTRAINT {name} ON {table} IS {}", super::database::literal(comment))
        };
        let comment: String = self.comment.iter().map(note).collect();
        format!("ALTER TABLE {table} ADD CONSTRAINT {name} {}{comment}", self.definition)
    }
}

/// A database that is looked at.
pub struct ExistingDatabase {
    connection: Connection,
    pub objects: BTreeMap<Object, LiveObject>,
}

impl ExistingDatabase {
    pub fn look(server: &Connection, name: &str) -> Result<ExistingDatabase> {
        let mut connection = server.open_database(name)?;
        let rows = connection.query(OBJECTS, &[])?;
        let mut objects = BTreeMap::new();
        for row in &rows {
            let class: String = connection.column(row, 0)?;
            let Some(class) = class_of(&class) else { continue };
            let object = Object { class, schema: connection.column(row, 1)?, name: connection.column(row, 2)? };
            let of = connection.column::<Option<String>>(row, 5)?.zip(connection.column(row, 6)?);
            let of = of.map(|(schema, name)| TableName { schema, name });
            objects.insert(
                object,
                LiveObject { catalog: connection.column(row, 3)?, oid: connection.column(row, 4)?, of },
            );
        }
        Ok(ExistingDatabase { connection, objects })
    }

    pub fn relation(&self, name: &TableName) -> Option<&LiveObject> {
        let object = Object { class: Class::Relation, schema: name.schema.clone(), name: name.name.clone() };
        self.objects.get(&object)
    }

    /// What else hangs on these.
    pub fn dependents(&mut self, objects: &[LiveObject]) -> Result<Vec<String>> {
        let catalogs: Vec<u32> = objects.iter().map(|object| object.catalog).collect();
        let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
        let rows = self.connection.query(DEPENDENTS, &[&catalogs, &oids])?;
        rows.iter().map(|row| self.connection.column(row, 0)).collect()
    }

    pub fn foreign_keys(&mut self, to: &[u32], of: &[u32]) -> Result<Vec<ForeignKey>> {
        let rows = self.connection.query(FOREIGN_KEYS, &[&to, &of])?;
        let key = |row: &::postgres::Row| {
            let get = |column| self.connection.column::<String>(row, column);
            Ok(ForeignKey {
                oid_of_table: self.connection.column(row, 0)?,
                table: TableName { schema: get(1)?, name: get(2)? },
                name: get(3)?,
                definition: get(4)?,
                comment: self.connection.column(row, 5)?,
            })
        };
        rows.iter().map(key).collect()
    }

    pub fn has_rows(&mut self, table: &TableName) -> Result<bool> {
        let row = self.connection.query_one(&format!("SELECT EXISTS (SELECT FROM ONLY {})", table.quoted()), &[])?;
        self.connection.column(&row, 0)
    }

    pub fn reach(&self) -> Reach {
        self.connection.reach()
    }
}

fn class_of(word: &str) -> Option<Class> {
    let classes = [
        ("schema", Class::Schema),
        ("relation", Class::Relation),
        ("type", Class::Type),
        ("routine", Class::Routine),
        ("collation", Class::Collation),
        ("constraint", Class::Constraint),
        ("extension", Class::Extension),
        ("language", Class::Language),
        ("server", Class::Server),
        ("wrapper", Class::Wrapper),
    ];
    classes.into_iter().find(|(name, _)| *name == word).map(|(_, class)| class)
}
