//! Metrics: what they look like, that each is documented, and that the alerts are about metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use pgcairn::model::verdict::{Judged, Level, Reason, Thresholds};
use pgcairn::report::Report;
use pgcairn::report::metrics::{Metrics, Run, names};
use pgcairn::report::status::Behind;
use pgcairn::report::verdict::Verdict;
use yaml_rust2::{Yaml, YamlLoader};

use super::status::well;
use super::support::{NOBODY, is_root};
use super::verified::Verified;

const DOCUMENT: &str = include_str!("../../docs/metrics.md");
const RULES: &str = include_str!("../../alerts/pgcairn.rules.yml");
const TESTS: &str = include_str!("../../alerts/pgcairn.test.yml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metrics() -> Metrics {
    let mut status = well();
    status.repositories[0].behind = Some(Behind { backups: 1, wal_files: 20, seconds: Some(600) });
    let run = |command: &str, succeeded| Run {
        command: command.to_owned(),
        ended: "2026-11-20T03:04:10.25Z".parse().unwrap(),
        seconds: Some(250.5),
        succeeded,
        last_success: succeeded.then(|| "2026-11-20T03:04:10.25Z".parse().unwrap()),
    };
    let about = |reason| Judged { level: Level::Warning, repository: Some("local".to_owned()), reason };
    let failed = |command: &str| Judged {
        level: Level::Warning,
        repository: None,
        reason: Reason::RunFailed { command: command.to_owned() },
    };
    status.verdict =
        Verdict::of(&[about(Reason::DrillOld { seconds: 432_000 }), failed("copy"), failed("verify")], false);
    Metrics::new(&status, &[run("backup", true), run("copy --all --to \"offsite\"", false)])
}

#[test]
fn the_state_of_everything() {
    assert_snapshot!(metrics().human());
}

/// Words that begin as the names of metrics do.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pgcairn_")).collect()
}

#[test]
fn every_metric_is_documented_and_no_other() {
    assert_eq!(metrics_in(DOCUMENT), names().collect());
}

/// Each alert: its name, its expression, and where its page is.
fn alerts() -> Vec<(String, String, String)> {
    let rules = YamlLoader::load_from_str(RULES).unwrap();
    let text = |value: &Yaml| value.as_str().unwrap_or_else(|| panic!("no text: {value:?}")).to_owned();
    let groups = rules[0]["groups"].as_vec().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_vec().unwrap());
    let alert = |rule: &Yaml| {
        assert!(["warning", "critical"].contains(&text(&rule["labels"]["severity"]).as_str()), "{rule:?}");
        assert!(text(&rule["annotations"]["summary"]).starts_with("{{ $labels.cluster }}: "), "{rule:?}");
        (text(&rule["alert"]), text(&rule["expr"]), text(&rule["annotations"]["runbook_url"]))
    };
    rules.map(alert).collect()
}

#[test]
fn alerts_are_about_metrics_that_exist_and_lead_to_pages_that_do() {
    let known: BTreeSet<&str> = names().collect();
    let alerts = alerts();
    assert!(alerts.len() > 10, "{alerts:?}");
    for (name, expression, page) in &alerts {
        let used = metrics_in(expression);
        assert!(!used.is_empty() && used.is_subset(&known), "{name}: {used:?}");
        let (_, file) = page.split_once("/blob/main/").unwrap();
        assert!(root().join(file).is_file(), "{name}: {file}");
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name} is not documented");
        assert!(TESTS.contains(&format!("alertname=\"{name}\"")), "{name} is not raised by alerts/pgcairn.test.yml");
    }
    assert!(metrics_in(TESTS).is_subset(&known));
}

/// What follows `sign`: a product, such as `25 * 3600`.
fn bound(expression: &str, sign: &str) -> u64 {
    let (_, product) = expression.split_once(sign).unwrap_or_else(|| panic!("no {sign:?}: {expression}"));
    let product = product.split(|c: char| !c.is_ascii_digit() && !" *".contains(c)).next().unwrap();
    product.split('*').map(|factor| factor.trim().parse::<u64>().unwrap()).product()
}

/// What is wrong for `status` is wrong for Prometheus, and the other way round.
#[test]
fn alerts_are_raised_where_status_warns() {
    // None may be forgotten. Whether a disk is full tomorrow no alert asks.
    let Thresholds { wal_warning, wal_critical, backup, dump: _, drill, full_warning, full_critical: _, slot, behind } =
        Thresholds::default();
    let alerts = alerts();
    for (name, sign, threshold) in [
        ("PgcairnArchivingSlow", "> ", wal_warning),
        ("PgcairnArchivingStalled", "> ", wal_critical),
        ("PgcairnNoBackup", "> ", backup),
        ("PgcairnDrillOld", "> ", drill),
        ("PgcairnDumpDrillOld", "> ", drill),
        ("PgcairnRepositoryFullSoon", ", ", full_warning),
        ("PgcairnSlotHoldsWal", "> ", slot),
        ("PgcairnRequiredRepositoryBehind", "> ", wal_critical),
        ("PgcairnRepositoryBehind", "> ", behind),
    ] {
        let (_, expression, _) = alerts.iter().find(|(alert, ..)| alert == name).unwrap();
        assert_eq!(bound(expression, sign), threshold, "{name}: {expression}");
    }
}

/// Below `target`, where `scripts/promtool` puts it, or wherever it is.
fn promtool() -> PathBuf {
    let ours = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("promtool");
    if ours.is_file() { ours } else { "promtool".into() }
}

/// Prometheus' own judgement, where its tool is at hand.
#[test]
fn promtool_takes_all_of_it() {
    let run = |arguments: &[&str], input: &str| {
        let mut command = Command::new(promtool());
        command.current_dir(root()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let _ = child.stdin.take()?.write_all(input.as_bytes());
        let output = child.wait_with_output().ok()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        Some(())
    };
    if run(&["check", "metrics"], &metrics().human()).is_none() {
        // Not by a macro, whose words are shown only where a test fails.
        let aloud = b"NOT CHECKED: there is no promtool here, so nobody but our own tests has read alerts/\n";
        return std::io::stderr().write_all(aloud).unwrap();
    }
    run(&["check", "rules", "alerts/pgcairn.rules.yml"], "");
    run(&["test", "rules", "alerts/pgcairn.test.yml"], "");
}

const TEXTFILE: &str = "[metrics]\ntextfile = \"DIR/metrics/pgcairn.prom\"";

fn written(verified: &Verified) -> String {
    let directory = verified.place.path("metrics");
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["pgcairn.prom"], "nothing is left beside it");
    fs::read_to_string(directory.join("pgcairn.prom")).unwrap()
}

fn value(text: &str, sample: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
}

#[test]
fn every_command_brings_the_file_up_to_date() {
    let verified = Verified::with(TEXTFILE);
    verified.place.make_directory("metrics");
    verified.succeeds();
    let success = "pgcairn_last_run_success{cluster=\"main\",command=\"verify\"}";
    let last = "pgcairn_last_success_timestamp_seconds{cluster=\"main\",command=\"verify\"}";
    let first = written(&verified);
    assert_eq!(
        (value(&first, success), value(&first, "pgcairn_backups{cluster=\"main\",repository=\"local\"}")),
        (Some(1.0), Some(0.0))
    );
    let file = verified.place.path("metrics/pgcairn.prom");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(verified.fails().stderr.matches("warning").count(), 0);
    let failed = written(&verified);
    assert_eq!((value(&failed, success), value(&failed, last)), (Some(0.0), value(&first, last)));
    assert!(value(&failed, last).is_some());
    // Of one repository alone the rest is not known.
    fs::remove_file(&file).unwrap();
    verified.run(&["status", "--repository", "local"]);
    verified.run(&["list"]);
    assert!(!file.exists());
    verified.run(&["status"]);
    assert_eq!(value(&written(&verified), success), Some(0.0));
    verified.run(&["verify", "--repository", "local"]);
    assert!(written(&verified).contains("pgcairn_free_bytes{cluster=\"main\",repository=\"local\"}"));
    // Whoever collects them is another user.
    let program = env!("CARGO_BIN_EXE_pgcairn");
    let private =
        verified.place.command_of("sh").args(["-c", "umask 077; \"$0\" -c main.toml verify", program]).status();
    assert!(private.unwrap().success());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    // What is printed is what is written.
    let printed = verified.run(&["metrics"]);
    assert_eq!((printed.status, printed.stdout.as_str()), (Some(0), written(&verified).as_str()));
    let json = verified.run(&["metrics", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["result"], &json["metrics"][0]["name"]),
        (&"metrics".into(), &"pgcairn_metrics_timestamp_seconds".into())
    );
}

#[test]
fn a_file_that_cannot_be_written_changes_nothing() {
    let verified = Verified::with(TEXTFILE);
    let run = verified.succeeds();
    assert!(
        run.stderr.starts_with("warning: metrics are not written: cannot create DIR/metrics/pgcairn.prom"),
        "{run}"
    );
    verified.fails();
    let printed = verified.run(&["metrics"]);
    assert!(printed.status == Some(0) && printed.stdout.starts_with("# HELP pgcairn_"), "{printed}");
    assert!(printed.stderr.starts_with("warning: metrics are not written: "), "{printed}");
}

/// A drill has a user of its own, who remembers nothing of the other commands.
#[test]
fn whoever_is_not_the_owner_leaves_the_file_alone() {
    if !is_root() {
        return;
    }
    let verified = Verified::with("[metrics]\ntextfile = \"DIR/state/pgcairn.prom\"");
    let give = |path: &str, user| std::os::unix::fs::chown(verified.place.path(path), Some(user), Some(user)).unwrap();
    give("repository/pgcairn.json", NOBODY);
    give("repository", NOBODY);
    verified.place.make_directory("state");
    give("state", NOBODY);
    for (owner, written) in [(NOBODY - 1, false), (NOBODY, true)] {
        give("data", owner);
        let run = verified.place.run_as(NOBODY, &["-c", "main.toml", "notify", "failed", "drill"]);
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(verified.place.path("state/pgcairn.prom").exists(), written, "{run}");
    }
}
