//! How each refusal is provoked, and what shows that its hint works.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::place::{Place, RECIPIENT};
use crate::table::Refusal;

pub struct Case {
    pub when: &'static str,
    pub provoke: fn(&Place) -> Refusal,
    pub follow: Option<fn(&Place)>,
}

const fn case(when: &'static str, provoke: fn(&Place) -> Refusal) -> Case {
    Case { when, provoke, follow: None }
}

impl Case {
    /// What the hint says, done.
    const fn then(self, follow: fn(&Place)) -> Case {
        Case { follow: Some(follow), ..self }
    }
}

/// `config check` with a configuration.
fn check(place: &Place) -> Refusal {
    place.refused(&["config", "check"])
}

fn config_works(place: &Place) {
    place.works(&["config", "check"]);
}

fn restore(place: &Place, arguments: &[&str]) -> Refusal {
    place.configure("");
    place.refused(&[&["restore", "--target-dir", "new"], arguments].concat())
}

pub const ALL: &[Case] = &[
    case("no configuration file", check).then(|place| place.works(&["config", "--help"])),
    case("the configuration is not TOML", |place| {
        place.write("main.toml", "name = main\n");
        check(place)
    }),
    case("unknown key, a known one resembles it", |place| {
        place.configure("[backup]\ncompresion = 3\n");
        check(place)
    })
    .then(|place| {
        place.configure("[backup]\ncompression = 3\n");
        config_works(place);
    }),
    case("unknown key, none resembles it", |place| {
        place.configure("[backup]\nxyz = 3\n");
        check(place)
    }),
    case("a value of the wrong type", |place| {
        place.configure("[backup]\njobs = \"two\"\n");
        check(place)
    }),
    case("a value that cannot be read", |place| {
        place.configure("[objectives]\nrpo = \"soon\"\n");
        check(place)
    }),
    case("a required key is missing", |place| {
        place.write("main.toml", "[postgres]\nconnection = \"host=/run\"\n");
        check(place)
    }),
    case("no repository", |place| {
        place.write("main.toml", "[postgres]\ndata_dir = \"/d\"\n");
        check(place)
    })
    .then(|place| {
        place.write(
            "main.toml",
            "[postgres]\ndata_dir = \"/d\"\n[[repository]]\nname = \"local\"\nurl = \"file:///var/backups/pgcairn\"\n",
        );
        config_works(place);
    }),
    case("two repositories", |place| {
        place.configure("[[repository]]\nname = \"offsite\"\nurl = \"file:///mnt/pgcairn\"\n");
        check(place)
    }),
    case("a repository in S3", |place| {
        place.write("main.toml", "[[repository]]\nname = \"offsite\"\nurl = \"s3://bucket/pg\"\n");
        check(place)
    }),
    case("a secret key in the configuration", |place| {
        place.configure_with("", "recipients = [\"AGE-SECRET-KEY-1QQPQQQ\"]");
        check(place)
    })
    .then(|place| place.works(&["key", "generate", "--output", "identity.txt"])),
    case("what should be a recipient is none", |place| {
        place.configure_with("", &format!("recipients = [\"{}\"]", &RECIPIENT[..20]));
        check(place)
    }),
    case("the file's name makes no cluster name", |place| {
        place.write("Main DB.toml", "");
        place.refused(&["config", "check", "-c", "./Main DB.toml"])
    }),
    case("the identity file exists", |place| {
        place.write("identity.txt", "");
        place.refused(&["key", "generate", "--output", &place.shown("identity.txt")])
    })
    .then(|place| place.works(&["key", "generate", "--output", "another.txt"])),
    case("no server programs where --bindir says", |place| place.refused(&["demo", "--bindir", "/nonexistent"])),
    case("a label given twice", |place| {
        place.configure("");
        place.refused(&["backup", "--label", "a=1", "--label", "a=2"])
    }),
    case("manual pages into what is no directory", |place| {
        place.write("man1", "");
        place.refused(&["man", "--output", &place.shown("man1")])
    }),
    case("too many labels", |place| {
        place.configure("");
        let labels: Vec<String> = (0..17).map(|n| format!("--label=n{n}=x")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        place.refused(&[&["backup"], &labels[..]].concat())
    }),
    case("a time without a zone", |place| restore(place, &["--to", "2026-11-20 03:10:00"])),
    case("a time that does not exist", |place| restore(place, &["--to", "2026-03-29 02:30:00 Europe/Berlin"])),
    case("a time that exists twice", |place| restore(place, &["--to", "2026-10-25 02:30:00 Europe/Berlin"])),
    case("a time finer than a microsecond", |place| restore(place, &["--to", "2026-11-20T03:10:00.1234567Z"])),
    case("--exclusive without a target", |place| restore(place, &["--to", "latest", "--exclusive"]))
        .then(|place| place.works(&["restore", "--help"])),
    case("--timeline with --backup alone", |place| restore(place, &["--backup", "latest", "--timeline", "2"])),
    case("an action at the end of WAL", |place| restore(place, &["--to", "latest", "--action", "pause"])),
    case("words that are no time", |place| restore(place, &["--to", "yesterday"])),
    case("a target whose name is not UTF-8", |place| {
        place.configure("");
        let name = OsStr::from_bytes(b"/srv/caf\xe9");
        let words = ["restore", "--to", "latest", "--target-dir"].map(OsStr::new);
        place.refused_words(&[&words[..], &[name]].concat())
    }),
    case("the repository's place is a file", |place| {
        place.configure("");
        place.write("repo", "");
        place.refused(&["list"])
    }),
    case("the repository's path leads nowhere", |place| {
        place.configure("");
        std::os::unix::fs::symlink(place.path("repo"), place.path("repo")).unwrap();
        place.refused(&["list"])
    }),
    case("no such identity file", |place| restore(place, &["--to", "latest", "--identity", "nothing.txt"])),
    case("what should be an identity is none", |place| {
        place.write("identity.txt", RECIPIENT);
        restore(place, &["--to", "latest", "--identity", "identity.txt"])
    }),
];
