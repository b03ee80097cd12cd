//! Extensions that the dump needs and this machine has not, all of them told before the first row is loaded.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;

use super::super::check::Finding;
use super::super::extensions::is_available;
use super::chosen::Chosen;
use super::server::Made;
use crate::flow::stream_reader::StreamReader;
use crate::model::error::Result;
use crate::operation::Context;
use crate::operation::failure::cannot;
use crate::operation::scratch::{Deadline, Place};
use crate::report::text::{count, few};

/// What one package brings for every major.
const CONTRIB: [&str; 46] = [
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "xml2",
];
/// Debian's, by how the extension's name begins; `{}` is the major.
const PACKAGES: [(&str, &str); 8] = [
    ("plpython3", "postgresql-plpython3-{}"),
    ("plperl", "postgresql-plperl-{}"),
    ("pltcl", "postgresql-pltcl-{}"),
    ("postgis", "postgresql-{}-postgis-3"),
    ("vector", "postgresql-{}-pgvector"),
    ("pg_cron", "postgresql-{}-cron"),
    ("pg_partman", "postgresql-{}-partman"),
    ("pg_repack", "postgresql-{}-repack"),
];

pub fn check(context: &Context, dump: &Chosen, made: &Made, place: &Place, deadline: &Deadline) -> Result<Finding> {
    let needed = needed(context, dump, made, place, deadline)?;
    let mut lacking = Vec::new();
    for extension in &needed {
        if !is_available(&made.server, extension)? {
            lacking.push(in_words(extension, made.installation.major()));
        }
    }
    Ok(match (needed.len() as u64, lacking.as_slice()) {
        (0, _) => Finding::passed("the dump needs none"),
        (number, []) => Finding::passed(format!("{} of the dump can be had here", count(number, "extension"))),
        (_, lacking) => Finding::failed(format!("this machine lacks {}", few(lacking))),
    })
}

/// By all databases, as the archives of their schemas tell.
fn needed(
    context: &Context,
    dump: &Chosen,
    made: &Made,
    place: &Place,
    deadline: &Deadline,
) -> Result<BTreeSet<String>> {
    let (opener, reader) = (dump.opened.opener(context)?, dump.opened.repository.reader());
    let (keys, id) = (&dump.opened.keys, &dump.summary.id);
    let streams = StreamReader { reader: &reader, keys, dump: id, objects: &dump.objects, opener: &opener };
    let archive = place.output_of("schema");
    let mut needed = BTreeSet::new();
    for part in &dump.contents.databases {
        deadline.interrupt().check()?;
        let failed = |error| cannot("write", archive.display(), error);
        let mut file = File::create(&archive).map_err(failed)?;
        streams.read(&part.schema, |bytes| file.write_all(bytes).map_err(failed))?;
        needed.extend(made.programs.extensions_in(&archive, &place.output_of("pg_restore"), deadline.interrupt())?);
    }
    Ok(needed)
}

fn in_words(extension: &str, major: u32) -> String {
    let known = PACKAGES.iter().find(|(begin, _)| extension.starts_with(begin));
    let package = known.map(|(_, package)| package.replace("{}", &major.to_string()));
    match package.or_else(|| CONTRIB.contains(&extension).then(|| "postgresql-contrib".to_owned())) {
        Some(package) => format!("{extension}, which the package {package} brings"),
        None => format!("{extension}: apt-cache search postgresql-{major}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_where_they_are_known() {
        assert_eq!(in_words("hstore", 18), "hstore, which the package postgresql-contrib brings");
        let plpython = "hstore_plpython3u, which the package postgresql-plpython3-17 brings";
        assert_ne!(in_words("hstore_plpython3u", 17), plpython);
        assert_eq!(in_words("plpython3u", 17), "plpython3u, which the package postgresql-plpython3-17 brings");
        assert_eq!(in_words("own", 15), "own: apt-cache search postgresql-15");
        assert!(CONTRIB.is_sorted());
    }
}
