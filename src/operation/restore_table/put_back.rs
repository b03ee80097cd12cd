//! How rows get from the schema beside the live tables into these: statements for a person to look at and to run.

use ::postgres::Client;

use super::family::{Family, Wanted};
use super::live::Live;
use crate::model::error::Result;
use crate::model::table_name::quoted;
use crate::operation::scratch::said;
use crate::postgres::ScratchServer;

/// Columns that can be written, and whether they are of the primary key.
const COLUMNS: &str = "SELECT a.attname::text, coalesce(a.attnum = ANY(i.indkey), false) FROM pg_attribute a \
     LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum";

/// One for each table that was asked for.
pub fn statements(server: &ScratchServer, family: &Family, live: &Live) -> Result<Vec<String>> {
    let mut session = server.session(&family.database)?;
    family.wanted.iter().map(|wanted| statement(&mut session, family, wanted, live)).collect()
}

fn statement(session: &mut Client, family: &Family, wanted: &Wanted, live: &Live) -> Result<String> {
    if !live.has(&wanted.name) {
        return Ok(moves(family, wanted, &live.schema));
    }
    let rows = session.query(COLUMNS, &[&wanted.oid]).map_err(said)?;
    let column = |row: &::postgres::Row| {
        let name: String = row.try_get(0).map_err(said)?;
        Ok((quoted(&name), row.try_get::<_, bool>(1).map_err(said)?))
    };
    let columns = rows.iter().map(column).collect::<Result<Vec<(String, bool)>>>()?;
    let (there, brought) = (wanted.name.in_database(), format!("{}.{}", live.schema, quoted(&wanted.name.name)));
    Ok(insert(&there, &brought, &columns))
}

/// Rows whose key is missing; without a key those that are missing as a whole.
fn insert(there: &str, brought: &str, columns: &[(String, bool)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    let key: Vec<String> =
        columns.iter().filter(|(_, is_key)| *is_key).map(|(name, _)| format!("t.{name} = r.{name}")).collect();
    let insert = format!("INSERT INTO {there} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM");
    match key.is_empty() {
        true => format!("{insert} (SELECT {names} FROM {brought} EXCEPT ALL SELECT {names} FROM {there}) r"),
        false => format!("{insert} {brought} r WHERE NOT EXISTS (SELECT FROM {there} t WHERE {})", key.join(" AND ")),
    }
}

/// A table that is not there any more goes where it was, as a whole.
fn moves(family: &Family, wanted: &Wanted, schema: &str) -> String {
    let of_it = family.members.iter().filter(|member| wanted.family.contains(&member.oid));
    let statement = |member: &super::family::Member| {
        format!("ALTER TABLE {schema}.{} SET SCHEMA {}", quoted(&member.name), quoted(&member.schema))
    };
    of_it.map(statement).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rows_are_found_by_their_key() {
        let columns = [("id".to_owned(), true), ("\"Total\"".to_owned(), false)];
        assert_eq!(
            insert("public.orders", "restored_x.orders", &columns),
            "INSERT INTO public.orders (id, \"Total\") OVERRIDING SYSTEM VALUE SELECT id, \"Total\" FROM \
             restored_x.orders r WHERE NOT EXISTS (SELECT FROM public.orders t WHERE t.id = r.id)"
        );
        assert_eq!(
            insert("a.b", "restored_x.b", &[("n".to_owned(), false)]),
            "INSERT INTO a.b (n) OVERRIDING SYSTEM VALUE SELECT n FROM \
             (SELECT n FROM restored_x.b EXCEPT ALL SELECT n FROM a.b) r"
        );
    }
}
