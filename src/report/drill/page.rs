//! The result as one page for a browser.

use super::{Check, Database, Drill, Of, Span, Table};
use crate::model::drill::Outcome;
use crate::report::html::{self, escaped};
use crate::report::text::{bytes, count, grouped, seconds, utc, utc_and_local, whole_second};

const STYLE: &str = include_str!("page.css");

pub fn page(drill: &Drill) -> String {
    let title = title(drill);
    let verdict = if drill.passed { "passed" } else { "failed" };
    let content = format!(
        "{}{}<footer>pgcairn {}, {}</footer>\n",
        part(drill),
        drill.newest_dump.iter().map(|dump| part(dump)).collect::<String>(),
        env!("CARGO_PKG_VERSION"),
        utc(whole_second(drill.started)),
    );
    html::page(&format!("{title}: {verdict}"), STYLE, &content)
}

fn title(drill: &Drill) -> String {
    let cluster = drill.cluster.as_deref().unwrap_or("a cluster");
    match drill.of {
        Of::Backup => format!("Drill of {cluster}"),
        Of::Dump => format!("Drill of {cluster}, a dump"),
    }
}

fn part(drill: &Drill) -> String {
    let verdict = drill.verdict();
    format!(
        "<header><h1>{}</h1><p class=\"verdict {verdict}\">{verdict}</p></header>\n{}{}{}{}",
        escaped(&title(drill)),
        facts(drill),
        time_line(drill),
        checks(&drill.checks),
        drill.databases.iter().map(database).collect::<String>(),
    )
}

fn facts(drill: &Drill) -> String {
    let mut rows = vec![
        ("Repository", escaped(&drill.repository)),
        ("Began", escaped(&utc_and_local(whole_second(drill.started)))),
    ];
    if let Some(restored) = &drill.restored {
        rows.push(("Backup", format!("<code>{}</code>", escaped(restored.backup.as_str()))));
        rows.push(("Target", escaped(&restored.target)));
        rows.extend(restored.target_time.map(|time| ("Moment", escaped(&utc_and_local(time)))));
        rows.extend(restored.last_commit.map(|time| ("Last commit", escaped(&utc_and_local(time)))));
        rows.push(("PostgreSQL", escaped(&restored.postgresql)));
        rows.push((
            "Restored",
            format!("{} of data, {} of WAL", bytes(restored.data_bytes), bytes(restored.wal_bytes)),
        ));
    }
    if let Some(loaded) = &drill.loaded {
        rows.push(("Dump", format!("<code>{}</code>", escaped(loaded.dump.as_str()))));
        rows.push(("Made", escaped(&utc_and_local(whole_second(loaded.finished)))));
        let into = loaded.postgresql.iter().map(|version| format!(", loaded into {version}")).collect::<String>();
        rows.push(("PostgreSQL", escaped(&format!("{}{into}", loaded.dumped_major))));
        let (data, stored) = (bytes(loaded.data_bytes), bytes(loaded.stored_bytes));
        rows.push(("Has", format!("{}, {data}, stored as {stored}", count(loaded.databases, "database"))));
    }
    if let Some(stop) = drill.recovery.as_ref().and_then(|recovery| recovery.stop.as_ref()) {
        rows.push(("The log says", escaped(&stop.words)));
    }
    rows.extend(drill.recorded.as_ref().map(|key| ("Recorded as", format!("<code>{}</code>", escaped(key)))));
    let row = |(name, value): &(&str, String)| format!("<dt>{name}</dt><dd>{value}</dd>\n");
    format!("<dl>\n{}</dl>\n", rows.iter().map(row).collect::<String>())
}

/// Bars below each other on one scale.
fn time_line(drill: &Drill) -> String {
    let whole = drill.seconds.max(f64::EPSILON);
    let bar = |phase: &Span| {
        let (left, width) = (100.0 * phase.from_seconds / whole, 100.0 * phase.seconds / whole);
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"lane\"><i style=\"left:{left:.2}%;width:{width:.2}%\"></i></td></tr>\n",
            escaped(&phase.name),
            seconds(phase.seconds)
        )
    };
    let bars: String = drill.phases.iter().map(bar).collect();
    format!(
        "<section><h2>Time</h2>\n<table class=\"time\">\n{bars}<tr class=\"sum\"><th scope=\"row\">altogether</th>\
         <td class=\"number\">{}</td><td></td></tr>\n</table>\n</section>\n",
        seconds(drill.seconds)
    )
}

fn checks(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let (class, words) = match check.outcome {
            Outcome::Passed => ("passed", "passed"),
            Outcome::Failed => ("failed", "failed"),
            Outcome::NotChecked => ("not", "not checked"),
        };
        let (name, details) = (escaped(&check.name), escaped(&check.details));
        format!("<tr><td class=\"outcome {class}\">{words}</td><th scope=\"row\">{name}</th><td>{details}</td></tr>\n")
    };
    let rows: String = checks.iter().map(row).collect();
    format!(
        "<section><h2>Checks</h2>\n<table>\n<thead><tr><th>Outcome</th><th>Check</th><th>Found</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )
}

fn database(database: &Database) -> String {
    if database.tables.is_empty() {
        return String::new();
    }
    let number = |rows: Option<u64>, otherwise: &str| rows.map_or_else(|| otherwise.to_owned(), grouped);
    let row = |table: &Table| {
        format!(
            "<tr><th scope=\"row\">{}.{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
            escaped(&table.schema),
            escaped(&table.name),
            number(table.rows, "not readable"),
            number(table.live_rows, "–"),
            table.bytes.map_or_else(|| "–".to_owned(), bytes)
        )
    };
    let rows: String = database.tables.iter().map(row).collect();
    let (name, tables) = (escaped(&database.name), count(database.tables.len() as u64, "table"));
    format!(
        "<section><h2>{name}</h2>\n<p class=\"sub\">{tables}</p>\n<table>\n<thead><tr><th>Table</th><th class=\"number\">Rows</th>\
         <th class=\"number\">Live, estimated</th><th class=\"number\">Size</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )
}
