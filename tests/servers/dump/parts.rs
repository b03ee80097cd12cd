//! Parts of a dump into a new database: a table comes with all that is its own, and what does not is named.

use super::{LARGE, Place, SCHEMA, content_of, schema_of, script};
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::server::Server;

pub fn parts(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    server.sql("create database shop")?;
    script(server, "shop", SCHEMA)?;
    script(server, "shop", LARGE)?;
    place.dump(&["shop"], 0)?;

    let words = ["--database", "shop=one", "--table", "public.customer", "--table", "public.acc*"];
    let plan = place.restore(server, &[&words[..], &["--plan"]].concat(), 0)?.stdout;
    assert!(plan.contains("public.customer, 500 rows") && plan.contains("public.account, 200000 rows"), "{plan}");
    assert!(plan.contains("extension hstore") && plan.contains("published customer"), "{plan}");
    assert!(!Place::databases(server)?.contains(&"one".to_owned()));
    let done = place.restore(server, &[&words[..], &["--json"]].concat(), 0)?.result()?;
    assert_eq!(done["databases"][0]["rows"], 200_500, "{done}");
    for table in ["customer", "account"] {
        assert_eq!(about(server, "one", table)?, about(server, "shop", table)?);
    }
    let tables = "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'S') order by 1";
    assert_eq!(server.sql_in("one", tables)?.concat(), ["account", "customer", "customer_id_seq"]);
    // The next number is one that no row has.
    let next = "insert into customer (name) values ('next') returning id::text";
    assert_eq!(server.sql_in("one", next)?, [["501"]]);
    server.sql_in("one", "update customer set credit = 1 where id = 1")?;
    assert_eq!(server.sql_in("one", "select changed from customer where id = 1")?, [["trigger"]]);

    let quoted = ["--database", "shop=two", "--schema", "Büro*", "--no-owner", "--no-privileges"];
    place.restore(server, &quoted, 0)?.says(&["left out", "foreign key Büro №1.Täble \"x\""])?;
    assert_eq!(server.sql_in("two", "select count(*)::text from \"Büro №1\".\"Täble \"\"x\"\"\"")?, [["20"]]);
    // A partitioned table with its partitions, a table with those that inherit from it.
    let families = ["--database", "shop=three", "--table", "public.measured", "--table", "public.parent"];
    place.restore(server, &families, 0)?;
    for table in ["measured", "measured_2026_1", "parent", "child"] {
        assert_eq!(about(server, "three", table)?, about(server, "shop", table)?);
    }

    place.restore(server, &["--database", "shop=bare", "--schema-only"], 0)?;
    let bare = schema_of(server, "bare")?;
    assert_eq!(bare, schema_of(server, "shop")?);
    assert_eq!(server.sql_in("bare", "select count(*)::text from customer")?, [["0"]]);
    Ok(())
}

/// What a person sees of a table, and its rows.
pub fn about(server: &Server, database: &str, table: &str) -> Outcome<Vec<Vec<String>>> {
    let indexes = "select pg_get_indexdef(indexrelid), '' from pg_index where indrelid = '~'::regclass order by 1";
    let constraints =
        "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = '~'::regclass order by 1";
    let triggers = "select pg_get_triggerdef(oid), '' from pg_trigger where tgrelid = '~'::regclass and not tgisinternal order by 1";
    let columns = "select attname || ' ' || atttypid::regtype || ' ' || attidentity::text || attgenerated::text || attnotnull, \
        coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(col_description(attrelid, attnum), '') || coalesce(attacl::text, '') \
        from pg_attribute left join pg_attrdef d on adrelid = attrelid and adnum = attnum \
        where attrelid = '~'::regclass and attnum > 0 and not attisdropped order by attnum";
    let rest = "select relrowsecurity::text || coalesce(relacl::text, ''), coalesce(pg_get_expr(relpartbound, oid), '') || \
        (select count(*) from pg_statistic_ext where stxrelid = c.oid) || (select count(*) from pg_policy where polrelid = c.oid) \
        || (select count(*) from pg_inherits where inhrelid = c.oid) || (select count(*) from pg_rewrite where ev_class = c.oid) \
        from pg_class c where oid = '~'::regclass";
    let rows = "select count(*)::text, coalesce(sum(hashtextextended(t::text, 0)), 0)::text from ~ t";
    let mut about = Vec::new();
    for question in [indexes, constraints, triggers, columns, rest, rows] {
        about.extend(server.sql_in(database, &question.replace('~', table))?);
    }
    Ok(about)
}

/// Beside the state of `database`.
pub fn state(server: &Server, database: &str) -> Outcome<(String, Vec<Vec<String>>)> {
    Ok((schema_of(server, database)?, content_of(server, database)?))
}
