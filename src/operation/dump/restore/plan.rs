//! Which databases a restore makes, and what is refused before anything is.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Request, Wanted};
use crate::model::dump::{Contents, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::operation::Context;
use crate::postgres::{Connection, there_is};

/// As long as a name may be (`NAMEDATALEN` less one).
const MAX_NAME: usize = 63;

pub fn wanted<'c>(
    request: &Request,
    summary: &Summary,
    contents: &'c Contents,
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
    let mut wanted = Vec::new();
    for (from, name) in names(request, contents) {
        let part = contents.databases.iter().find(|part| part.database.name == from).ok_or_else(|| {
            let there: Vec<&str> = contents.databases.iter().map(|part| part.database.name.as_str()).collect();
            Error::new(Code::NotFound, format!("the dump has no database \"{from}\""))
                .hint(format!("it has {}", there.join(", ")))
        })?;
        let replaces = there_is(server, &name)?;
        if replaces && !(request.replace && request.agreed) && !request.plan {
            let message = format!("the server has a database {name} already");
            return Err(Error::new(Code::Refused, message).hint(format!(
                "load it beside: --database {}={}; or put it in its place, which keeps the old one under another name: --replace --yes",
                shell_word(&from),
                shell_word(&format!("{name}_restored"))
            )));
        }
        if wanted.iter().any(|other: &Wanted| other.name == name) {
            return Err(Error::new(Code::Usage, format!("two databases would be called {name}"))
                .hint("--database FROM=TO gives each a name of its own"));
        }
        wanted.push(Wanted { part, name, replaces });
    }
    Ok(wanted)
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
    let mut words = vec![format!("dump restore {} --into {}", summary.id, shell_word(&request.into))];
    let pair = |(from, to): &(String, String)| format!("--database {}", shell_word(&format!("{from}={to}")));
    words.extend(request.databases.iter().map(pair));
    let flags = [
        (request.globals, "--globals"),
        (request.owners.no_owner, "--no-owner"),
        (request.owners.no_privileges, "--no-privileges"),
        (request.replace, "--replace --yes"),
        (request.accept_unsigned, "--accept-unsigned"),
    ];
    words.extend(flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag.to_owned()));
    let path = |path: &PathBuf| shell_word(&path.to_string_lossy());
    words.extend(request.jobs.map(|jobs| format!("--jobs {jobs}")));
    words.extend(request.bindir.iter().map(|bindir| format!("--bindir {}", path(bindir))));
    words.extend(request.identity.iter().map(|file| format!("--identity {}", path(file))));
    context.command(&words.join(" "))
}

/// Without statistics the first queries are slow.
pub fn then(wanted: &[Wanted<'_>], into: &str) -> String {
    let name = wanted.first().map(|wanted| wanted.name.as_str()).unwrap_or_default();
    let connection = format!("{into} dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'"));
    match wanted.len() {
        1 => format!("vacuumdb --analyze-in-stages --dbname={}", shell_word(&connection)),
        _ => format!("vacuumdb --all --analyze-in-stages --maintenance-db={}", shell_word(into)),
    }
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
