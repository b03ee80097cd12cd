//! What tables rely on that does not come with them: types, functions, collations and whatever else lies in other schemas.

use super::family::Family;
use crate::model::error::Result;
use crate::operation::scratch::said;
use crate::postgres::ScratchServer;

/// Something outside of the tables.
pub struct Need {
    /// `type public.mood`, `function public.f(integer) of extension x`.
    pub words: String,
    /// Arguments of `pg_get_object_address`, as SQL.
    pub address: String,
}

/// All that a table consists of, followed by what depends on it for its life, and from there what that depends on. What
/// `initdb` made is there on every server (`FirstNormalObjectId`).
const OUTSIDE: &str = "WITH RECURSIVE own AS ( \
     SELECT 'pg_class'::regclass::oid AS classid, unnest($1::oid[]) AS objid UNION \
     SELECT d.classid, d.objid FROM pg_depend d JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid \
     WHERE d.deptype IN ('a', 'i') AND d.classid IN ('pg_class'::regclass, 'pg_type'::regclass, 'pg_attrdef'::regclass, \
     'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass)), \
     outside AS (SELECT DISTINCT d.refclassid, d.refobjid FROM pg_depend d JOIN own o USING (classid, objid) \
     WHERE d.refobjid >= 16384 AND d.deptype NOT IN ('e', 'x') AND d.refclassid <> 'pg_namespace'::regclass \
     AND NOT EXISTS (SELECT FROM own WHERE own.classid = d.refclassid AND own.objid = d.refobjid)) \
     SELECT pg_describe_object(o.refclassid, o.refobjid, 0) || coalesce(' of extension ' || x.extname, ''), \
     format('%L, %L::pg_catalog.text[], %L::pg_catalog.text[]', a.type, a.object_names, a.object_args) \
     FROM outside o CROSS JOIN LATERAL pg_identify_object_as_address(o.refclassid, o.refobjid, 0) a \
     LEFT JOIN pg_depend e ON e.classid = o.refclassid AND e.objid = o.refobjid AND e.deptype = 'e' \
     LEFT JOIN pg_extension x ON x.oid = e.refobjid \
     WHERE a.type IS NOT NULL ORDER BY 1";

pub fn outside(server: &ScratchServer, family: &Family) -> Result<Vec<Need>> {
    let mut session = server.session(&family.database)?;
    let rows = session.query(OUTSIDE, &[&family.oids()]).map_err(said)?;
    let need = |row: &::postgres::Row| {
        Ok(Need { words: row.try_get(0).map_err(said)?, address: row.try_get(1).map_err(said)? })
    };
    rows.iter().map(need).collect()
}
