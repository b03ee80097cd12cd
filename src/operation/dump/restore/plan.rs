//! Which databases a restore makes, and what is refused before anything is.

use std::path::PathBuf;

use jiff::Timestamp;

use super::archive::SchemaArchive;
use super::{Choice, Incomplete, Request, Wanted, existing, resume};
use crate::flow::stream_reader::StreamReader;
use crate::model::dump::{Contents, Part, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::selector::Selector;
use crate::model::shell_word::shell_word;
use crate::operation::Context;
use crate::postgres::{Connection, ExistingDatabase};

/// As long as a name may be (`NAMEDATALEN` less one).
const MAX_NAME: usize = 63;

pub fn wanted<'c>(
    request: &Request,
    summary: &Summary,
    contents: &'c Contents,
    streams: &StreamReader<'_>,
    server: &mut Connection,
) -> Result<Vec<Wanted<'c>>> {
    if server.in_recovery()? {
        return Err(Error::new(Code::Refused, "the server is a standby, and takes no databases of its own")
            .hint("--into a connection to its primary"));
    }
    if server.version().major() < summary.server_version / 10_000 {
        let (theirs, ours) = (server.version(), summary.server_version / 10_000);
        return Err(Error::new(Code::Refused, format!("the dump is of PostgreSQL {ours}, and the server is {theirs}"))
            .hint("--into a server of that major or a newer one"));
    }
    let (names, mut wanted) = (names(request, contents), Vec::new());
    if names.len() > 1 && (request.wish.names_some() || request.existing) {
        let message = "parts of a dump, or what goes into a database that is there, are of one database";
        return Err(Error::new(Code::Usage, message).hint("name it: --database NAME, or --database NAME=NEW"));
    }
    for (from, name) in names {
        let part = contents.databases.iter().find(|part| part.database.name == from).ok_or_else(|| {
            let there: Vec<&str> = contents.databases.iter().map(|part| part.database.name.as_str()).collect();
            Error::new(Code::NotFound, format!("the dump has no database \"{from}\""))
                .hint(format!("it has {}", there.join(", ")))
        })?;
        let is_there = server.has_database(&name)?;
        if request.existing && !is_there {
            return Err(Error::new(Code::NotFound, format!("the server has no database {name}"))
                .hint("it is made without --existing"));
        }
        let replaces = is_there && !request.existing;
        if replaces && !(request.replace && (request.agreed || request.plan)) {
            let message = format!("the server has a database {name} already");
            return Err(Error::new(Code::Refused, message).hint(format!(
                "load it beside: --database {}={}; or put it in its place, which keeps the old one under another name: --replace --yes",
                shell_word(&from),
                shell_word(&format!("{name}_restored"))
            )));
        }
        let is_named = matches!(request.dump, Selector::Prefix(_));
        if replaces && summary.schema_only && !is_named {
            let message = format!("dump {} has no rows, and would come in the place of database {name}", summary.id);
            let hint = format!(
                "use another dump: pgcairn dump list; or, if that is meant, name it: dump restore {}",
                summary.id
            );
            return Err(Error::new(Code::Refused, message).hint(hint));
        }
        if !request.existing {
            refuse_without_owner(request, part, server)?;
        }
        if wanted.iter().any(|other: &Wanted| other.name == name) {
            return Err(Error::new(Code::Usage, format!("two databases would be called {name}"))
                .hint("--database FROM=TO gives each a name of its own"));
        }
        let choice = choice(request, part, &name, streams, server)?;
        let purpose = resume::purpose(request, summary, part);
        wanted.push(Wanted { part, name, replaces, choice, purpose, unfinished: None });
    }
    Ok(wanted)
}

/// Found after hours of loading, it would cost these.
fn refuse_without_owner(request: &Request, part: &Part, server: &mut Connection) -> Result<()> {
    let owner = &part.database.owner;
    if request.owners.no_owner || request.globals || server.has_role(owner)? {
        return Ok(());
    }
    let message = format!("database {} belongs to role {owner}, which the server does not have", part.database.name);
    Err(Error::new(Code::Refused, message).hint("--globals makes the roles of the dump; or --no-owner leaves them out"))
}

fn choice(
    request: &Request,
    part: &Part,
    name: &str,
    streams: &StreamReader<'_>,
    server: &Connection,
) -> Result<Option<Choice>> {
    if request.wish.is_everything() && !request.existing {
        return Ok(None);
    }
    let schema = SchemaArchive::read(streams, part)?;
    let Some(mut there) = request.existing.then(|| ExistingDatabase::look(server, name)).transpose()? else {
        return Ok(Some(Choice { selected: schema.select(&request.wish, None)?, existing: None }));
    };
    let look = existing::Look { request, part, name };
    look.at(schema, &mut there).map(|(selected, existing)| Some(Choice { selected, existing: Some(existing) }))
}

fn names(request: &Request, contents: &Contents) -> Vec<(String, String)> {
    let all = || contents.databases.iter().map(|part| (part.database.name.clone(), part.database.name.clone()));
    if request.databases.is_empty() { all().collect() } else { request.databases.clone() }
}

/// What the old one is called from now on.
pub fn aside(name: &str, now: Timestamp) -> String {
    let suffix = format!("_before_{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let mut end = name.len().min(MAX_NAME - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

pub fn without_plan(context: &Context, request: &Request, summary: &Summary) -> String {
    let mut words = vec![format!("dump restore {} --into {}", summary.id, shell_word(request.into.text()))];
    let pair = |(from, to): &(String, String)| format!("--database {}", shell_word(&format!("{from}={to}")));
    words.extend(request.databases.iter().map(pair));
    words.extend(request.wish.schemas.iter().map(|schema| format!("--schema {}", shell_word(&schema.to_string()))));
    words.extend(request.wish.tables.iter().map(|table| format!("--table {}", shell_word(&table.to_string()))));
    let flags = [
        (request.globals, "--globals"),
        (request.owners.no_owner, "--no-owner"),
        (request.owners.no_privileges, "--no-privileges"),
        (request.wish.data_only, "--data-only"),
        (request.wish.schema_only, "--schema-only"),
        (request.existing, "--existing"),
        (request.clean, "--clean --yes"),
        (request.owners.no_tablespaces, "--no-tablespaces"),
        (request.replace, "--replace --yes"),
        (request.incomplete == Incomplete::GoneOnWith, "--resume"),
        (request.accept_unsigned, "--accept-unsigned"),
    ];
    words.extend(flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag.to_owned()));
    let path = |path: &PathBuf| shell_word(&path.to_string_lossy());
    words.extend(request.jobs.map(|jobs| format!("--jobs {jobs}")));
    words.extend(request.bindir.iter().map(|bindir| format!("--bindir {}", path(bindir))));
    words.extend(request.identity.iter().map(|file| format!("--identity {}", path(file))));
    context.command(&words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_one_has_a_name_that_fits() {
        let now = "2026-11-20T05:00:00Z".parse().unwrap();
        assert_eq!(aside("shop", now), "shop_before_20261120T050000Z");
        assert_eq!(aside(&"ä".repeat(31), now).len(), 62);
        assert!(aside(&"a".repeat(63), now).ends_with("_before_20261120T050000Z"));
    }
}
