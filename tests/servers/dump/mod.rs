//! `dump` and `dump restore`: what comes back is what was there, at one moment, or nothing is.

mod by_hand;
mod consistency;
mod damage;
mod existing;
mod kept;
mod meanwhile;
mod parts;
mod remote;
mod resumed;
mod sources;
mod target;
mod tls;
mod trouble;
mod verified;
mod waits;
mod whole;

use serde_json::Value;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, run};
use crate::support::site::{Run, Site};
use crate::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "dump::whole", run: whole::whole },
        Scenario { name: "dump::repositories", run: whole::repositories },
        Scenario { name: "dump::consistent", run: consistency::consistent },
        Scenario { name: "dump::emptied", run: consistency::emptied },
        Scenario { name: "dump::fails", run: consistency::fails },
        Scenario { name: "dump::existing", run: existing::objects },
        Scenario { name: "dump::leftovers", run: sources::leftovers },
        Scenario { name: "dump::limited", run: sources::limited },
        Scenario { name: "dump::overtaken", run: waits::overtaken },
        Scenario { name: "dump::parts", run: parts::parts },
        Scenario { name: "dump::rows", run: existing::rows },
        Scenario { name: "dump::standby", run: sources::standby },
        Scenario { name: "dump::waits", run: waits::waits },
        Scenario { name: "dump::damage", run: damage::damage },
        Scenario { name: "dump::killed", run: damage::killed },
        Scenario { name: "dump::newest_damaged", run: damage::newest },
        Scenario { name: "dump::kept", run: kept::kept },
        Scenario { name: "dump::verified", run: verified::verified },
        Scenario { name: "dump::encoding", run: meanwhile::encoding },
        Scenario { name: "dump::audited", run: meanwhile::audited },
        Scenario { name: "dump::swapped", run: meanwhile::swapped },
        Scenario { name: "dump::relabelled", run: meanwhile::relabelled },
        Scenario { name: "dump::waiter", run: meanwhile::waiter },
        Scenario { name: "dump::tls", run: tls::tls },
        Scenario { name: "dump::ways_in", run: tls::ways_in },
        Scenario { name: "dump::remote", run: remote::remote },
        Scenario { name: "dump::globals", run: target::globals },
        Scenario { name: "dump::settings", run: target::settings },
        Scenario { name: "dump::tablespaces", run: target::tablespaces },
        Scenario { name: "dump::too_new", run: target::too_new },
        Scenario { name: "dump::resumed", run: resumed::killed_at_each_step },
        Scenario { name: "dump::resumed_late", run: resumed::killed_at_the_end },
        Scenario { name: "dump::crashed", run: resumed::crashed },
        Scenario { name: "dump::lost", run: resumed::lost },
        Scenario { name: "dump::full_disk", run: trouble::full_disk },
        Scenario { name: "dump::owner", run: trouble::without_owner },
        Scenario { name: "dump::by_hand", run: by_hand::by_hand },
    ]
}

const SCHEMA: &str = include_str!("../../../fixtures/schema/rich.sql");

/// More than what is left to `pg_dump`, and enough for two streams.
const LARGE: &str = "create table account as select n as id, 100 as amount, repeat(md5(n::text), 20) as filler \
     from generate_series(1, 200000) n; alter table account add primary key (id)";

/// A server, a repository and what dumps it.
struct Place {
    server: Server,
    site: Site,
}

impl Place {
    fn new(install: &'static Installation) -> Outcome<Place> {
        let server = Server::builder(install).start()?;
        let site = Site::new(&server)?;
        site.init()?;
        Ok(Place { server, site })
    }

    fn bindir(&self) -> String {
        self.server.install.bin().display().to_string()
    }

    fn dump(&self, words: &[&str], status: i32) -> Outcome<Run> {
        let bindir = self.bindir();
        self.site.run(&[&["dump", "--bindir", &bindir], words].concat())?.status_is(status)
    }

    fn restore(&self, into: &Server, words: &[&str], status: i32) -> Outcome<Run> {
        self.restore_any(into, words)?.status_is(status)
    }

    /// Whatever comes of it.
    fn restore_any(&self, into: &Server, words: &[&str]) -> Outcome<Run> {
        let (bindir, connection) = (self.bindir(), into.connection());
        let all = [&["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir], words].concat();
        self.site.run_with_identity(&all)
    }

    /// Beside what there is: the databases of the server.
    fn databases(server: &Server) -> Outcome<Vec<String>> {
        let rows = server.sql("select datname from pg_database where not datistemplate order by 1")?;
        Ok(rows.into_iter().map(|row| row.concat()).collect())
    }

    fn dumps(&self) -> Outcome<Vec<Value>> {
        let list = self.site.run(&["dump", "list", "--json"])?.ok()?.json()?;
        Ok(list["dumps"].as_array().cloned().unwrap_or_default())
    }
}

fn script(server: &Server, database: &str, text: &str) -> Outcome {
    let file = server.scratch().join("script.sql");
    account().write(&file, text, 0o644)?;
    // By the environment: an argument may look like a connection string.
    let mut psql = server.program("psql");
    run(psql.env("PGDATABASE", database).args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file)).map(drop)
}

/// As `pg_dump` tells of it; what differs from run to run is left out.
fn schema_of(server: &Server, database: &str) -> Outcome<String> {
    let text = run(server.program("pg_dump").env("PGDATABASE", database).arg("--schema-only"))?;
    let differs = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
    Ok(text.lines().filter(differs).collect::<Vec<_>>().join("\n"))
}

/// Every table's rows, whatever their order, and what else has content.
fn content_of(server: &Server, database: &str) -> Outcome<Vec<Vec<String>>> {
    let tables = server.sql_in(
        database,
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1",
    )?;
    let mut content = Vec::new();
    for table in tables.concat() {
        let sum = format!(
            "select '{}', count(*)::text, coalesce(sum(hashtextextended(t::text, 0)), 0)::text from only {table} t",
            table.replace('\'', "''")
        );
        content.extend(server.sql_in(database, &sum)?);
    }
    content.extend(server.sql_in(database, "select sequencename, last_value::text from pg_sequences order by 1")?);
    content
        .extend(server.sql_in(database, "select oid::text, md5(lo_get(oid)) from pg_largeobject_metadata order by 1")?);
    Ok(content)
}
