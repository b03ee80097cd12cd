//! What `schedule` writes for a configuration, below a root of its own: nothing of this machine is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use insta::assert_snapshot;
use serde_json::Value;

use crate::units::{analyze_in, copy, directory};

const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// Everything that may need a line in a drop-in.
const MUCH: &str = "\
state_dir = \"/srv/state\"
[postgres]
data_dir = \"/var/lib/postgresql/18/main\"
connection = \"host=/tmp user=postgres\"
[encryption]
recipients = [\"RECIPIENT\"]
[[repository]]
name = \"local\"
url = \"file:///srv/my backups\"
[[repository]]
name = \"offsite\"
url = \"s3://acme/pg\"
credentials = { credential = \"s3\" }
[retention]
daily = 30
[notify]
webhook = { credential = \"webhook\" }
[metrics]
textfile = \"/var/lib/node_exporter/pgcairn.prom\"
[drill]
scratch = \"/home/100%/scratch\"
limit = \"3h\"
[schedule]
backup = \"01:30\"
verify = \"never\"
drill = \"Mon *-*-* 07:00\"
";

/// A machine's directories.
struct Root(tempfile::TempDir);

impl Root {
    fn new(config: &str) -> Root {
        let root = Root(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for directory in ["etc/pgcairn", "etc/systemd/system", "usr/lib/systemd/system"] {
            fs::create_dir_all(root.path(directory)).unwrap();
        }
        copy(&directory(), &root.path("usr/lib/systemd/system"));
        root.configure(config);
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, config: &str) {
        fs::write(self.path("etc/pgcairn/main.toml"), config.replace("RECIPIENT", RECIPIENT)).unwrap();
    }

    fn schedule(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcairn"));
        command.env_remove("PGCAIRN_CONFIG").arg("-c").arg(self.path("etc/pgcairn/main.toml")).arg("schedule");
        command.args(words).arg("--root").arg(self.0.path()).output().unwrap()
    }

    /// What is said, with nothing of this place in it.
    fn said(&self, status: i32, words: &[&str]) -> String {
        let output = self.schedule(words);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        String::from_utf8(output.stdout).unwrap().replace(self.0.path().to_str().unwrap(), "ROOT")
    }

    fn json(&self, status: i32, words: &[&str]) -> Value {
        serde_json::from_str(&self.said(status, &[words, &["--json"]].concat())).unwrap()
    }

    /// As `systemctl enable` does.
    fn enable(&self) {
        let wants = self.path("etc/systemd/system/timers.target.wants");
        fs::create_dir_all(&wants).unwrap();
        for line in self.json_list(&self.json(0, &["install"]), "to_run") {
            for timer in line.split(' ').filter(|word| word.ends_with(".timer")) {
                let _ = symlink("/usr/lib/systemd/system/x", wants.join(timer));
            }
        }
    }

    fn json_list(&self, object: &Value, field: &str) -> Vec<String> {
        object[field].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    }

    fn states(&self, status: i32) -> Vec<(String, String)> {
        let status = self.json(status, &["status"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        status["jobs"].as_array().unwrap().iter().map(|job| (text(&job["job"]), text(&job["installed"]))).collect()
    }

    /// Secrets where the units look for them.
    fn give(&self, name: &str) {
        fs::create_dir_all(self.path("etc/pgcairn/main.credentials")).unwrap();
        fs::write(self.path("etc/pgcairn/main.credentials").join(name), "").unwrap();
    }
}

const LITTLE: &str = "\
[postgres]
data_dir = \"/var/lib/postgresql/18/main\"
[encryption]
recipients = [\"RECIPIENT\"]
[[repository]]
name = \"local\"
url = \"file:///var/backups/pgcairn\"
";

#[test]
fn everything_is_printed_before_it_is_written() {
    let root = Root::new(MUCH);
    assert_snapshot!(root.said(0, &["print"]));
    for name in ["s3", "webhook.cred", "pgcairn-identity"] {
        root.give(name);
    }
    assert_snapshot!(root.said(0, &["install"]));
    for file in root.json(0, &["print"])["files"].as_array().unwrap() {
        let path = root.0.path().join(file["path"].as_str().unwrap().trim_start_matches('/'));
        assert_eq!(fs::read_to_string(path).unwrap(), file["text"].as_str().unwrap());
    }
    assert_snapshot!(root.said(0, &["print", "--cron"]));
}

/// With a configuration that needs much, and with one that needs nothing.
#[test]
fn systemd_understands_all_of_it_and_the_sandbox_stays() {
    for config in [MUCH, LITTLE] {
        let root = Root::new(&config.replace("[schedule]\n", "[schedule]\nexpire = \"*:0/15\"\n"));
        for name in ["s3", "webhook.cred", "pgcairn-identity"] {
            root.give(name);
        }
        let on = root.json(0, &["install"]);
        let timers: Vec<String> = root
            .json_list(&on, "to_run")
            .iter()
            .flat_map(|line| line.split(' '))
            .filter(|word| word.ends_with(".timer"))
            .map(str::to_owned)
            .collect();
        assert!(timers.len() >= 2, "{on}");
        let units = |root: &Root| vec![root.path("etc/systemd/system"), root.path("usr/lib/systemd/system")];
        for timer in &timers {
            let services = [
                timer.replace(".timer", ".service"),
                timer.replace(".timer", ".service").replace("pgcairn-", "pgcairn-failed-"),
            ];
            let (said, content) = analyze_in(&units(&root), &["verify", "--man=no", timer, &services[0], &services[1]]);
            assert!(said.is_empty() && content, "{timer}: {said}");
            for service in services {
                let (said, content) =
                    analyze_in(&units(&root), &["security", "--offline=true", "--threshold=20", &service]);
                assert!(content && said.contains("Overall exposure level"), "{said}");
            }
        }
    }
}

#[test]
fn installing_again_changes_only_what_changed() {
    let root = Root::new(LITTLE);
    let first = root.json(0, &["install"]);
    let mut fields: Vec<&String> = first.as_object().unwrap().keys().collect();
    fields.sort();
    let said = ["instance", "jobs", "missing", "next", "ran", "removed", "result", "schema", "to_run", "to_write"];
    assert_eq!(fields, [&said[..], &["unchanged", "written"]].concat());
    assert_eq!((root.json_list(&first, "written").len(), root.json_list(&first, "removed").len()), (4, 0));
    let own = root.path("etc/systemd/system/pgcairn-verify@main.service.d/override.conf");
    let other = root.path("etc/systemd/system/pgcairn-verify@main2.service.d");
    fs::write(&own, "[Service]\nCPUWeight=1\n").unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("50-schedule.conf"), "").unwrap();
    let again = root.json(0, &["install"]);
    assert_eq!((root.json_list(&again, "written").len(), root.json_list(&again, "unchanged").len()), (0, 4));
    root.configure(&format!("{LITTLE}[schedule]\nverify = \"never\"\nbackup = \"04:00\"\n"));
    let changed = root.json(0, &["install"]);
    assert_eq!(
        root.json_list(&changed, "written"),
        ["/etc/systemd/system/pgcairn-backup@main.timer.d/50-schedule.conf"]
    );
    assert_eq!(
        root.json_list(&changed, "removed"),
        [
            "/etc/systemd/system/pgcairn-failed-verify@main.service.d/50-schedule.conf",
            "/etc/systemd/system/pgcairn-verify@main.service.d/50-schedule.conf"
        ]
    );
    assert!(own.exists() && other.join("50-schedule.conf").exists(), "others' files stay");
    assert!(!root.path("etc/systemd/system/pgcairn-failed-verify@main.service.d").exists());
}

#[test]
fn what_is_installed_is_held_against_the_configuration() {
    let root = Root::new(LITTLE);
    let state = |job: &str, status: i32| root.states(status).into_iter().find(|(name, _)| name == job).unwrap().1;
    assert_eq!((state("backup", 3), state("copy", 3)), ("no".to_owned(), "not-scheduled".to_owned()));
    root.json(0, &["install"]);
    assert_eq!(state("backup", 3), "no", "its timer is not on");
    root.enable();
    assert_eq!((state("backup", 0), state("verify", 0)), ("yes".to_owned(), "yes".to_owned()));
    assert_snapshot!(root.said(0, &["status"]));
    assert_snapshot!(root.said(0, &["status", "--json"]).replace(',', ",\n"));
    root.configure(&format!("{LITTLE}[schedule]\nverify = \"never\"\nbackup = \"04:00\"\n"));
    assert_eq!((state("backup", 3), state("verify", 3)), ("outdated".to_owned(), "outdated".to_owned()));
    let to_run = root.json_list(&root.json(0, &["install"]), "to_run");
    assert!(
        to_run[0].ends_with(" disable pgcairn-verify@main.timer")
            && to_run[1].ends_with(" enable pgcairn-backup@main.timer"),
        "{to_run:?}"
    );
    assert_eq!(state("backup", 3), "yes");
    fs::remove_file(root.path("etc/systemd/system/timers.target.wants/pgcairn-verify@main.timer")).unwrap();
    assert_eq!((state("verify", 0), state("drill", 0)), ("not-scheduled".to_owned(), "not-scheduled".to_owned()));
    fs::remove_dir_all(root.path("usr/lib/systemd/system")).unwrap();
    assert!(root.said(3, &["status"]).contains("missing  the units of pgcairn themselves"));
}

/// A unit that cannot be given its secret does not start; who installs it is told.
#[test]
fn secrets_that_are_not_there_are_named() {
    let root = Root::new(MUCH);
    let missing = root.json_list(&root.json(3, &["install"]), "missing");
    assert_eq!(
        missing,
        ["s3", "webhook", "pgcairn-identity"].map(|name| format!("/etc/pgcairn/main.credentials/{name}"))
    );
    // A drill that nobody asked for waits for its key.
    let root = Root::new(LITTLE);
    assert_eq!(
        root.json(0, &["print"])["jobs"][5]["reason"],
        "its key is not at /etc/pgcairn/main.credentials/pgcairn-identity"
    );
    root.give("pgcairn-identity.cred");
    let print = root.said(0, &["print"]);
    assert!(
        print
            .contains("LoadCredentialEncrypted=pgcairn-identity:/etc/pgcairn/main.credentials/pgcairn-identity.cred\n"),
        "{print}"
    );
    assert_eq!(print.matches("pgcairn-identity:").count(), 1, "nobody but the drill has the key: {print}");
}

/// Debian's servers begin with an environment of their own, and their unit runs as root.
#[test]
fn archiving_is_handed_its_secret() {
    let config =
        LITTLE.replace("file:///var/backups/pgcairn\"", "s3://acme/pg\"\ncredentials = { credential = \"s3\" }");
    let root = Root::new(&config);
    root.give("s3");
    let install = root.json(0, &["install"]);
    assert_eq!(
        root.json_list(&install, "to_write"),
        ["/etc/postgresql/18/main/environment: CREDENTIALS_DIRECTORY = '/run/pgcairn/main'"]
    );
    let drop_in = root.path("etc/systemd/system/postgresql@18-main.service.d/50-pgcairn-main.conf");
    assert_snapshot!(fs::read_to_string(&drop_in).unwrap());
    fs::create_dir_all(root.path("etc/postgresql/18/main")).unwrap();
    fs::write(root.path("etc/postgresql/18/main/environment"), "CREDENTIALS_DIRECTORY = '/run/pgcairn/main'\n")
        .unwrap();
    assert!(root.json_list(&root.json(0, &["install"]), "to_write").is_empty());
    root.configure(LITTLE);
    root.json(0, &["install"]);
    assert!(!drop_in.exists());
}

/// Whose data directory it is, his units.
#[test]
fn jobs_run_as_the_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let root = Root::new(LITTLE);
    let data = root.path("var/lib/postgresql/18/main");
    fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(65534), None).unwrap();
    let print = root.said(0, &["print"]);
    assert!(print.contains("\nUser=nobody\n") && !print.contains("User=postgres"), "{print}");
}

#[test]
fn usual_times_are_those_of_the_timers() {
    for job in pgcairn::model::schedule::Job::ALL {
        let timer = fs::read_to_string(directory().join(job.timer(""))).unwrap();
        assert!(timer.contains(&format!("\nOnCalendar={}\n", job.usual())), "{job}");
    }
}

/// What the page shows is taken; the program is that of the test, and so is the machine.
#[test]
fn the_commands_of_the_page_work() {
    let page = include_str!("../../docs/systemd.md");
    let block = |kind: &str| page.split(&format!("\n```{kind}\n")).nth(1).unwrap().split("\n```").next().unwrap();
    let root = Root::new(&format!("{LITTLE}{}", block("toml")));
    assert_eq!(block("sh").lines().count(), 3);
    for (line, status) in block("sh").lines().zip([0, 0, 3]) {
        let words = line.trim_start_matches("sudo ").strip_prefix("pgcairn schedule ").unwrap();
        root.said(status, &[words]);
    }
    root.enable();
    root.said(0, &["status"]);
}
