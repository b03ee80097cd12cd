//! How dumps look to a person and to a program.

use insta::assert_snapshot;
use pgcairn::model::signature::{SigningKey, Standing};
use pgcairn::report::Report;
use pgcairn::report::dump::Dump;
use pgcairn::report::dump_list::{List, Row, Show, ShownDatabase, ShownTable};
use pgcairn::report::dump_restore::{DumpRestore, RestoredDatabase};

/// Text and next command; without local times, which are those of the machine.
fn read<R: Report>(report: &R) -> String {
    let next = report.next().map(|next| format!("next: {next}\n")).unwrap_or_default();
    let universal = |line: &str| line.split_once("Z (20").map_or(line.to_owned(), |(utc, _)| format!("{utc}Z")) + "\n";
    report.human().lines().map(universal).collect::<String>() + &next
}

fn row() -> Row {
    let at = |text: &str| text.parse().unwrap();
    Row {
        id: "20261120T040000Z-dump-3mqz".parse().unwrap(),
        cluster: "main".to_owned(),
        started: at("2026-11-20T04:00:00Z"),
        finished: at("2026-11-20T04:02:11Z"),
        server_version: 180_001,
        schema_only: false,
        databases: ["crm", "odd\nname", "shop", "test1", "test2"].map(str::to_owned).to_vec(),
        database_count: 7,
        tables: 41,
        rows: 1_202_113,
        data_bytes: 200 << 20,
        stored_bytes: 40 << 20,
        labels: [("reason".to_owned(), "before the migration".to_owned())].into(),
        signature: Standing::Unsigned,
    }
}

#[test]
fn a_dump() {
    let Row { id, cluster, started, finished, .. } = row();
    let mut dump = Dump {
        id,
        cluster,
        repositories: vec!["file:///var/backups/pgcairn".to_owned(), "s3://bucket/main".to_owned()],
        started,
        finished,
        seconds: 131.4,
        schema_only: false,
        databases: 2,
        tables: 41,
        rows: 1_202_113,
        data_bytes: 200 << 20,
        stored_bytes: 40 << 20,
        signed_by: Some(SigningKey::from_seed([1; 32]).public()),
        next: "pgcairn dump show 20261120T040000Z-dump-3mqz".to_owned(),
    };
    assert_snapshot!(read(&dump));
    assert_snapshot!(serde_json::to_string_pretty(&dump).unwrap());
    dump.schema_only = true;
    assert!(read(&dump).contains("schema alone of 2 databases"));
}

#[test]
fn dumps_in_a_list() {
    let next = "pgcairn dump show latest".to_owned();
    let mut list = List { repository: "file:///var/backups/pgcairn".to_owned(), dumps: vec![row()], next };
    assert_snapshot!(read(&list));
    assert_snapshot!(serde_json::to_string_pretty(&list).unwrap());
    list.dumps.clear();
    assert_snapshot!(read(&list));
}

#[test]
fn one_dump() {
    let table = |table: &str, rows| ShownTable { table: table.to_owned(), rows };
    let shop = ShownDatabase {
        name: "shop".to_owned(),
        owner: "clerk".to_owned(),
        encoding: "UTF8".to_owned(),
        tables: vec![table("public.account", 1_200_000), table("public.odd\u{1b}[31m", 3)],
    };
    let next = "pgcairn dump restore latest --into 'host=/run/postgresql' --plan".to_owned();
    let (repository, contents) = ("file:///var/backups/pgcairn".to_owned(), Some(vec![shop]));
    let mut show = Show { repository, dump: row(), contents, next };
    assert_snapshot!(read(&show));
    assert_snapshot!(serde_json::to_string_pretty(&show).unwrap());
    show.contents = None;
    assert!(read(&show).contains("only the key tells"));
}

#[test]
fn databases_out_of_a_dump() {
    let database = RestoredDatabase {
        from: "shop".to_owned(),
        name: "shop_restored".to_owned(),
        tables: 40,
        rows: 1_202_112,
        data_bytes: 190 << 20,
        kept_as: None,
        seconds: 61.0,
    };
    let old = RestoredDatabase {
        kept_as: Some("crm_before_20261120T050000Z".to_owned()),
        name: "crm".to_owned(),
        ..database.clone()
    };
    let mut restored = DumpRestore {
        dump: row().id,
        planned: false,
        server: "18.1".to_owned(),
        globals: true,
        databases: vec![database, old],
        seconds: 63.2,
        next: "vacuumdb --all --analyze-in-stages --maintenance-db='host=/run/postgresql'".to_owned(),
    };
    assert_snapshot!(read(&restored));
    assert_snapshot!(serde_json::to_string_pretty(&restored).unwrap());
    restored.planned = true;
    assert_snapshot!(read(&restored));
}
