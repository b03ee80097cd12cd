//! The Debian package, installed below a root of its own and removed again: of this machine nothing is changed.
//! `scripts/package debug` makes it; `PGCAIRN_TEST_WITHOUT_PACKAGE=1` does without.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pgcairn::model::schedule::Job;

const PACKAGE: &str = "target/debian/pgcairn-debug.deb";
const WITHOUT: &str = "PGCAIRN_TEST_WITHOUT_PACKAGE";

fn package() -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE);
    if std::env::var_os(WITHOUT).is_some() {
        eprintln!("SKIPPED: {WITHOUT} says so");
        return None;
    }
    assert!(package.exists(), "{PACKAGE} is not there; scripts/package debug makes it, {WITHOUT}=1 does without");
    Some(package)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// A machine on which nothing is installed.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Root {
        let root = Root(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc/systemd/system"] {
            fs::create_dir_all(root.path(directory)).unwrap();
        }
        for file in ["var/lib/dpkg/status", "var/lib/dpkg/available", "etc/group", "etc/gshadow", "etc/passwd"] {
            fs::write(root.path(file), "").unwrap();
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What it needs of other packages is not looked for: there are none.
    fn dpkg(&self, words: &[&str]) -> String {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", self.0.path().display()));
        command.arg(format!("--log={}", self.path("var/lib/dpkg/log").display()));
        command.args(["--force-script-chrootless", "--force-depends"]).args(words);
        run(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C"))
    }

    /// Everything but what dpkg itself and the users' files are.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![self.0.path().to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let relative = path.strip_prefix(self.0.path()).unwrap().to_owned();
                let is_known = ["var/lib/dpkg", "etc/group", "etc/gshadow", "etc/passwd", "etc/.pwd.lock"];
                if is_known.iter().any(|known| relative.to_str().unwrap().trim_end_matches('-') == *known) {
                    continue;
                }
                if path.is_dir() && !path.is_symlink() {
                    waiting.push(path);
                }
                found.insert(relative);
            }
        }
        found
    }

    fn pgcairn(&self, words: &[&str]) -> String {
        run(Command::new(self.path("usr/bin/pgcairn")).env_remove("PGCAIRN_CONFIG").args(words))
    }
}

/// Paths and modes, as `dpkg-deb --contents` has them.
fn contents(package: &Path) -> Vec<(String, String)> {
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(package));
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next_back()?.trim_start_matches("./").to_owned()))
    };
    listed.lines().filter_map(entry).map(|(mode, path)| (path, mode)).collect()
}

#[test]
fn all_of_it_is_in_the_package() {
    let Some(package) = package() else { return };
    let contents = contents(&package);
    let mut wanted = vec![
        "usr/bin/pgcairn".to_owned(),
        "usr/share/man/man1/pgcairn.1.gz".to_owned(),
        "usr/share/man/man1/pgcairn-schedule-install.1.gz".to_owned(),
        "usr/share/bash-completion/completions/pgcairn".to_owned(),
        "usr/share/zsh/vendor-completions/_pgcairn".to_owned(),
        "usr/share/fish/vendor_completions.d/pgcairn.fish".to_owned(),
        "usr/share/doc/pgcairn/examples/main.toml".to_owned(),
        "usr/share/doc/pgcairn/systemd.md".to_owned(),
        "usr/share/doc/pgcairn/copyright".to_owned(),
        "usr/lib/systemd/system/pgcairn-.service.d/10-sandbox.conf".to_owned(),
        "usr/lib/systemd/system/pgcairn-.service.d/20-resources.conf".to_owned(),
    ];
    let units = Job::ALL.into_iter().flat_map(|job| [job.service(""), job.failed_service(""), job.timer("")]);
    wanted.extend(units.map(|unit| format!("usr/lib/systemd/system/{unit}")));
    for path in wanted {
        let mode = contents.iter().find(|(found, _)| *found == path).map(|(_, mode)| mode.as_str());
        let right = if path == "usr/bin/pgcairn" { "-rwxr-xr-x" } else { "-rw-r--r--" };
        assert_eq!(mode, Some(right), "{path}");
    }
}

#[test]
fn it_comes_and_goes_and_leaves_nothing() {
    let Some(package) = package() else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: dpkg installs for root alone");
        return;
    }
    let root = Root::new();
    let before = root.files();
    root.dpkg(&["--install", package.to_str().unwrap()]);
    for (path, _) in contents(&package) {
        assert!(root.path(&path).exists(), "{path}");
    }
    assert!(fs::read_to_string(root.path("etc/group")).unwrap().contains("pgcairn:"), "members may read repositories");
    assert!(root.pgcairn(&["--version"]).starts_with("pgcairn "));
    works(&root);
    root.dpkg(&["--install", package.to_str().unwrap()]);
    let timer = root.path("etc/systemd/system/timers.target.wants/pgcairn-verify@main.timer");
    assert!(timer.is_symlink(), "an upgrade leaves timers on");
    let archived_by = root.path("etc/postgresql/18/main/conf.d/pgcairn.conf");
    fs::create_dir_all(archived_by.parent().unwrap()).unwrap();
    fs::write(&archived_by, "").unwrap();
    let said = root.dpkg(&["--remove", "pgcairn"]);
    assert!(said.contains("18/main/conf.d/pgcairn.conf still archives by it"), "{said}");
    fs::remove_dir_all(root.path("etc/postgresql")).unwrap();
    assert!(!timer.is_symlink() && !root.path("usr/bin/pgcairn").exists());
    let config = root.path("etc/pgcairn/main.toml");
    assert!(config.exists() && root.path("etc/systemd/system/pgcairn-verify@main.service.d/50-schedule.conf").exists());
    // What systemd and the server's unit have made of it.
    let made =
        ["var/lib/systemd/timers/stamp-pgcairn-verify@main.timer", "run/pgcairn/main/s3"].map(|it| root.path(it));
    for file in &made {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    root.dpkg(&["--purge", "pgcairn"]);
    assert!(made.iter().all(|file| !file.exists()));
    fs::remove_dir_all(root.path("var/lib/systemd")).unwrap();
    fs::remove_dir_all(root.path("run")).unwrap();
    assert!(config.exists(), "whose it is, it stays");
    fs::remove_file(&config).unwrap();
    root.dpkg(&["--install", package.to_str().unwrap()]);
    root.dpkg(&["--purge", "pgcairn"]);
    let left: Vec<PathBuf> = root.files().difference(&before).cloned().collect();
    assert_eq!(left, [PathBuf::from("etc/systemd/system/timers.target.wants")], "which is not ours");
}

/// The template is usable, the units are found, and a timer is on.
fn works(root: &Root) {
    let config = root.path("etc/pgcairn/main.toml");
    let template = fs::read_to_string(root.path("usr/share/doc/pgcairn/examples/main.toml")).unwrap();
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    fs::write(&config, template.replace("age1...", recipient)).unwrap();
    let mode = fs::metadata(root.path("etc/pgcairn")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o755, "a drill must find the configuration");
    let (config, place) = (config.to_str().unwrap(), root.0.path().to_str().unwrap());
    root.pgcairn(&["-c", config, "config", "check"]);
    root.pgcairn(&["-c", config, "schedule", "install", "--root", place]);
    // Every line of it that is a comment is a setting too.
    let whole =
        template.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
    let whole: String = whole.map(|line| format!("{line}\n")).collect();
    let uncommented = root.path("whole.toml");
    fs::write(&uncommented, whole.replace("age1...", recipient)).unwrap();
    root.pgcairn(&["-c", uncommented.to_str().unwrap(), "config", "check"]);
    fs::remove_file(uncommented).unwrap();
    let wants = root.path("etc/systemd/system/timers.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("/usr/lib/systemd/system/pgcairn-verify@.timer", wants.join("pgcairn-verify@main.timer")).unwrap();
}
