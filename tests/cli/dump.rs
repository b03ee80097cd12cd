//! How dumps look to a person and to a program.

use insta::assert_snapshot;
use pgcairn::model::signature::{SigningKey, Standing};
use pgcairn::report::Report;
use pgcairn::report::dump::Dump;
use pgcairn::report::dump_list::{List, Row, Show, ShownDatabase, ShownTable};
use pgcairn::report::dump_restore::{DumpRestore, RestoredDatabase, RestoredGlobals, RestoredTable};
use pgcairn::report::holds::{HoldRow, Holds};

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
        repositories: Vec::new(),
        holds: Holds::default(),
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
    let next = "pgcairn dump show 20261120T040000Z-dump-3mqz".to_owned();
    let mut held = Row { repositories: vec!["local".to_owned(), "offsite".to_owned()], ..row() };
    let (reason, repositories) = ("case 4711".to_owned(), vec!["offsite".to_owned()]);
    held.holds.add(HoldRow { reason, until: None, repositories });
    let repository = "file:///var/backups/pgcairn".to_owned();
    let mut list = List { repository, held_only: false, dumps: vec![row(), held], next };
    assert_snapshot!(read(&list));
    assert_snapshot!(serde_json::to_string_pretty(&list).unwrap());
    list.dumps.clear();
    list.next = "pgcairn dump".to_owned();
    assert_snapshot!(read(&list));
    list.held_only = true;
    assert!(read(&list).contains("holds no held dump"));
}

#[test]
fn one_dump() {
    let table = |table: &str, rows| ShownTable { table: table.to_owned(), rows };
    let shop = ShownDatabase {
        name: "shop".to_owned(),
        owner: "clerk".to_owned(),
        encoding: "UTF8".to_owned(),
        taken: "2026-11-20T04:00:02Z".parse().unwrap(),
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
        as_of: "2026-11-20T04:00:02Z".parse().unwrap(),
        tables: 40,
        rows: 1_202_112,
        data_bytes: 190 << 20,
        kept_as: None,
        is_new: true,
        resumed: None,
        selected: Vec::new(),
        along: Vec::new(),
        left_out: Vec::new(),
        replaced: Vec::new(),
        seconds: 61.0,
    };
    let old = RestoredDatabase {
        kept_as: Some("crm_before_20261120T050000Z".to_owned()),
        name: "crm".to_owned(),
        ..database.clone()
    };
    let mut restored = DumpRestore {
        dump: row().id,
        signature: Standing::Unsigned,
        planned: false,
        server: "18.1".to_owned(),
        schema_only: false,
        globals: Some(RestoredGlobals {
            passwords: true,
            kept_roles: vec!["postgres".to_owned(), "reader".to_owned()],
            kept_tablespaces: vec!["fast".to_owned()],
        }),
        databases: vec![database, old],
        seconds: 63.2,
        next: "vacuumdb --all --analyze-in-stages --maintenance-db='host=/run/postgresql'".to_owned(),
    };
    assert_snapshot!(read(&restored));
    assert_snapshot!(serde_json::to_string_pretty(&restored).unwrap());
    restored.schema_only = true;
    (restored.planned, restored.globals) = (true, Some(RestoredGlobals::planned(false)));
    assert_snapshot!(read(&restored));
}

#[test]
fn parts_of_a_dump() {
    let table = |table: &str, rows| RestoredTable { table: table.to_owned(), rows };
    let database = RestoredDatabase {
        from: "shop".to_owned(),
        name: "shop".to_owned(),
        as_of: "2026-11-20T04:00:02Z".parse().unwrap(),
        tables: 32,
        rows: 120,
        data_bytes: 19 << 20,
        kept_as: None,
        is_new: false,
        resumed: None,
        selected: (1..=31).map(|n| table(&format!("public.t{n}"), Some(n))).chain([table("public.m", None)]).collect(),
        along: vec!["type public.mood".to_owned()],
        left_out: vec!["foreign key public.t1 odd\nname".to_owned()],
        replaced: vec!["table public.t1".to_owned()],
        seconds: 6.0,
    };
    let mut restored = DumpRestore {
        dump: row().id,
        signature: Standing::Unsigned,
        planned: true,
        server: "18.1".to_owned(),
        schema_only: false,
        globals: None,
        databases: vec![database],
        seconds: 6.2,
        next: "vacuumdb --analyze-only --dbname='host=/run/postgresql dbname=shop'".to_owned(),
    };
    assert_snapshot!(read(&restored));
    assert_snapshot!(serde_json::to_string_pretty(&restored).unwrap());
    restored.planned = false;
    assert!(read(&restored).contains("gone"));
}
