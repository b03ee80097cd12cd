//! How a recovery sheet looks.

use insta::assert_snapshot;
use pgcairn::report::Report;
use pgcairn::report::recovery_sheet::{ByHand, Page, Repository, Sheet, Tablespace};

fn sheet() -> Sheet {
    Sheet {
        cluster: "main".to_owned(),
        made: "2026-11-20T05:09:30.5Z".parse().unwrap(),
        host: "db1".to_owned(),
        system_identifier: "7461093382717234431".to_owned(),
        postgresql: Some(18),
        data_dir: "/var/lib/postgresql/18/main".into(),
        tablespaces: Some(vec![Tablespace { oid: 16400, name: "fast".to_owned(), location: "/srv/fast".to_owned() }]),
        repositories: vec![
            Repository {
                name: "local".to_owned(),
                url: "file:///var/backups/pgcairn".to_owned(),
                directory: Some("/var/backups/pgcairn".to_owned()),
                id: Some("6f1d3c5a90b24e7788c2d4015be3f96a".to_owned()),
                endpoint: None,
                region: None,
                credentials: None,
            },
            Repository {
                name: "offsite".to_owned(),
                url: "s3://acme-backups/pg".to_owned(),
                directory: None,
                id: None,
                endpoint: Some("https://s3.example.org".to_owned()),
                region: Some("eu-central-1".to_owned()),
                credentials: Some("the file /etc/pgcairn/s3 on that host".to_owned()),
            },
        ],
        encrypted: true,
        recipients: vec!["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned()],
        key_location: Some("the safe of the <Berlin> office".to_owned()),
        trusted: vec!["ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=".to_owned()],
        pgcairn: "0.1.0",
    }
}

#[test]
fn a_sheet() {
    let text = sheet().human();
    assert_snapshot!(text);
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_sheet_of_what_is_not_known() {
    let first = Repository { id: None, ..sheet().repositories.remove(1) };
    let unknown = Sheet {
        postgresql: None,
        tablespaces: None,
        repositories: vec![first],
        encrypted: false,
        recipients: Vec::new(),
        key_location: None,
        trusted: Vec::new(),
        ..sheet()
    };
    assert_snapshot!(unknown.human());
    assert!(ByHand(unknown).human().contains(": \"${REPOSITORY:?}\"\n"));
}

#[test]
fn a_page_stands_alone() {
    let page = Page(sheet()).human();
    assert!(page.contains("&lt;Berlin&gt;") && !page.contains("<Berlin>"), "{page}");
    for outside in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_sheet_for_programs() {
    assert_snapshot!(serde_json::to_string_pretty(&sheet()).unwrap());
}
