//! What a copy finds on this machine, asked of a server on it: databases that do not open, extensions that are not
//! installed, libraries that sort otherwise than those that its indexes were built with.

use std::collections::BTreeMap;

use ::postgres::Client;

use super::environment::Environment;
use super::failure::Failure;
use super::{Extension, ScratchServer};
use crate::model::error::Result;

/// One database of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    pub database: String,
    /// What the server said, where it does not open.
    pub closed: Option<String>,
    /// Not installed here.
    pub lacking: Vec<Extension>,
    /// Of another version here, and used by an index.
    pub collations: Vec<ChangedCollation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedCollation {
    /// As SQL takes it; `None` for the database's own.
    pub name: Option<String>,
    pub recorded: String,
    pub here: String,
    /// As SQL takes them.
    pub indexes: Vec<String>,
}

/// Without the collation of databases before 15, which kept no version of it.
const DATABASES: &str =
    "SELECT oid, datname::text, NULL::text, NULL::text FROM pg_database WHERE datallowconn ORDER BY datname";
const DATABASES_15: &str = "SELECT oid, datname::text, datcollversion, pg_database_collation_actual_version(oid) \
     FROM pg_database WHERE datallowconn ORDER BY datname";

const LACKING: &str = "SELECT extname::text, extversion FROM pg_extension \
     WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = extname) ORDER BY 1";

/// Every index with each collation that orders it. The default one, `DEFAULT_COLLATION_OID`, has no version of its own.
const ORDERED: &str = "SELECT format('%I.%I', space.nspname, index.relname), ordered.oid = 100, \
     format('%I.%I', owner.nspname, ordered.collname), ordered.collversion, \
     CASE WHEN ordered.collversion IS NOT NULL THEN pg_collation_actual_version(ordered.oid) END \
     FROM pg_index, LATERAL (SELECT DISTINCT used FROM unnest(indcollation::oid[]) AS used) AS each, \
     pg_collation AS ordered, pg_class AS index, pg_namespace AS space, pg_namespace AS owner \
     WHERE ordered.oid = used AND index.oid = indexrelid AND index.relkind = 'i' \
     AND space.oid = index.relnamespace AND owner.oid = ordered.collnamespace ORDER BY 1";

/// Asks every database of a server that answers. `origin` is what the backup recorded of its own.
pub fn surroundings(server: &ScratchServer, major: u32, origin: Option<&Environment>) -> Result<Vec<Surroundings>> {
    let query = if major < 15 { DATABASES } else { DATABASES_15 };
    let mut client = server.client()?;
    let rows = client.query(query, &[]).map_err(|error| server.said(&error))?;
    drop(client);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let get = |column: usize| row.try_get::<_, Option<String>>(column).ok().flatten();
        let (oid, database) = (row.try_get::<_, u32>(0).unwrap_or(0), get(1).unwrap_or_default());
        let known = origin.and_then(|origin| origin.databases.iter().find(|database| database.oid == oid));
        let recorded = [known.and_then(|database| database.collation_version.clone()), get(2)];
        let changed = get(3).and_then(|here| Some((recorded.into_iter().flatten().find(|was| *was != here)?, here)));
        found.push(look(server, database, changed));
    }
    Ok(found)
}

fn look(server: &ScratchServer, database: String, own: Option<(String, String)>) -> Surroundings {
    let looked = server.connect(&database).and_then(|mut client| {
        let lacking = lacking(&mut client)?;
        Ok((lacking, collations(&mut client, own)?))
    });
    match looked {
        Ok((lacking, collations)) => Surroundings { database, closed: None, lacking, collations },
        Err(error) => Surroundings { database, closed: Some(Failure(&error).to_string()), ..Surroundings::default() },
    }
}

fn lacking(client: &mut Client) -> std::result::Result<Vec<Extension>, ::postgres::Error> {
    let rows = client.query(LACKING, &[])?;
    rows.iter().map(|row| Ok(Extension { name: row.try_get(0)?, version: row.try_get(1)? })).collect()
}

fn collations(
    client: &mut Client,
    own: Option<(String, String)>,
) -> std::result::Result<Vec<ChangedCollation>, ::postgres::Error> {
    let mut changed: BTreeMap<Option<String>, ChangedCollation> = BTreeMap::new();
    for row in client.query(ORDERED, &[])? {
        let (index, is_own): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let versions: (Option<String>, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
        let versions = if is_own { own.clone() } else { versions.0.zip(versions.1) };
        let Some((recorded, here)) = versions.filter(|(recorded, here)| recorded != here) else { continue };
        let name = (!is_own).then(|| row.try_get(2)).transpose()?;
        let collation = ChangedCollation { name: name.clone(), recorded, here, indexes: Vec::new() };
        changed.entry(name).or_insert(collation).indexes.push(index);
    }
    Ok(changed.into_values().collect())
}
