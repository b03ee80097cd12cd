//! The configuration: where it is found, what is refused, what is shown.

use insta::assert_snapshot;

use super::support::{CONFIG, Place, STATE_VARIABLE};

#[test]
fn a_usable_file() {
    let place = Place::with_config();
    assert_snapshot!(place.run(&["-c", "main.toml", "config", "check"]));
    assert_snapshot!(place.run(&["-c", "main.toml", "config", "check", "--json"]));
}

#[test]
fn the_environment_names_it_too_and_the_flag_wins() {
    let place = Place::with_config();
    let mut command = place.command();
    assert_eq!(place.finish(command.env("PGCAIRN_CONFIG", "main.toml").args(["config", "check"])).status, Some(0));
    assert_eq!(place.finish(command.args(["-c", "./other.toml"])).status, Some(2));
}

#[test]
fn every_setting_is_shown_with_defaults_and_without_secrets() {
    let place = Place::new();
    let connection = "connection = \"host=/run user=postgres password=hush\"\n[encryption]";
    place.write(
        "main.toml",
        &(CONFIG.replace("[encryption]", connection) + "[backup]\njobs = 3\nmax_rate = \"200MiB\"\n"),
    );
    let mut show = place.command();
    show.env_remove(STATE_VARIABLE).args(["-c", "main.toml", "config", "show"]);
    assert_snapshot!(place.finish(&mut show));
    let json = place.run(&["-c", "main.toml", "config", "show", "--json"]);
    assert!(!json.to_string().contains("hush"), "{json}");
}

#[test]
fn a_file_that_is_not_there() {
    assert_snapshot!(Place::new().run(&["-c", "absent.toml", "config", "check"]));
}

#[test]
fn a_name_is_looked_for_in_etc() {
    assert_snapshot!(Place::new().run(&["-c", "no-such-cluster", "list"]));
}

/// Name of the case, what replaces what in a usable file.
const REFUSED: &[(&str, &str, &str)] = &[
    ("syntax", "name = \"local\"", "name = "),
    ("unknown key with a near one", "recipients", "recipient"),
    ("unknown key without", "[[repository]]", "[backup]\nwindow = 1\n[[repository]]"),
    ("unknown table", "[encryption]", "[encrypt]"),
    ("key of a later release", "[[repository]]", "[dump]\nbackup = \"03:00\"\n[[repository]]"),
    ("no time", "[[repository]]", "[schedule]\nbackup = \"soon\"\n[[repository]]"),
    ("no repository", "[[repository]]\nname = \"local\"\nurl = \"file://DIR/repository\"\n", ""),
    (
        "two repositories of one name",
        "[[repository]]",
        "[[repository]]\nname = \"local\"\nurl = \"file:///a\"\n[[repository]]",
    ),
    ("repository is no list", "[[repository]]", "[repository]"),
    ("no url", "url = \"file://DIR/repository\"", ""),
    ("s3", "file://DIR/repository", "s3://bucket/a//b"),
    ("relative url", "file://DIR/repository", "repository"),
    ("relative data dir", "DIR/data", "data"),
    ("no data dir", "data_dir = \"DIR/data\"", ""),
    ("not a string", "\"local\"", "1"),
    ("not a recipient", "age1ql3", "age1ql4"),
    ("ssh recipient", "\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"", "\"ssh-ed25519 AAAA\""),
    ("bad duration", "[[repository]]", "[objectives]\nrpo = \"5 parsecs\"\n[[repository]]"),
    ("bad rate", "[[repository]]", "[backup]\nmax_rate = \"200MB\"\n[[repository]]"),
    ("compression out of range", "[[repository]]", "[backup]\ncompression = 22\n[[repository]]"),
    ("relative include", "[[repository]]", "[backup]\ninclude = [\"/etc\", \"etc\"]\n[[repository]]"),
    ("bad name", "[postgres]", "name = \"Main\"\n[postgres]"),
    ("bad connection", "[encryption]", "connection = \"password=hush host\"\n[encryption]"),
];

#[test]
fn refusals_name_line_and_column() {
    let mut said = String::new();
    for (name, old, new) in REFUSED {
        assert!(CONFIG.contains(old), "{name}");
        let run = Place::new().check(&CONFIG.replacen(old, new, 1));
        assert_eq!(run.status, Some(2), "{name}: {run}");
        assert!(!run.to_string().contains("hush"), "{name}: {run}");
        said += &format!("# {name}\n{run}\n");
    }
    assert_snapshot!(said);
}

#[test]
fn a_secret_key_is_refused_and_never_printed() {
    let place = Place::new();
    let secret = "AGE-SECRET-KEY-1QQQSECRETQQQ";
    for text in [
        format!("# {secret}\n{CONFIG}"),
        CONFIG.replace("age1ql3", secret),
        format!("{CONFIG}identity = {secret}"),
        format!("{CONFIG}identity = \"{}\"", secret.to_lowercase()),
    ] {
        let run = place.check(&text);
        assert_eq!(run.status, Some(2), "{run}");
        assert!(!run.to_string().to_uppercase().contains("QQQSECRET"), "{run}");
    }
    assert_snapshot!(place.check(&format!("# {secret}\n{CONFIG}")));
}

#[test]
fn the_file_s_stem_must_be_a_cluster_name() {
    let place = Place::with_config();
    std::fs::rename(place.path("main.toml"), place.path("My Cluster.toml")).unwrap();
    assert_snapshot!(place.run(&["-c", "My Cluster.toml", "config", "check"]));
}

#[test]
fn the_schema_is_a_document_of_its_own() {
    let run = Place::new().run(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(run.status, Some(0));
}
