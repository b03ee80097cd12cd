//! How each refusal is provoked, and what shows that its hint works.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use age::secrecy::{ExposeSecret, SecretString};

use crate::place::{Place, RECIPIENT};
use crate::table::Refusal;

pub struct Case {
    pub when: &'static str,
    pub provoke: fn(&Place) -> Refusal,
    pub follow: Option<fn(&Place)>,
}

pub const fn case(when: &'static str, provoke: fn(&Place) -> Refusal) -> Case {
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

/// A configuration whose one setting of this section is wrong.
fn check_with(place: &Place, lines: &str) -> Refusal {
    place.configure(lines);
    check(place)
}

fn check_recipient(place: &Place, recipients: &str) -> Refusal {
    place.configure_with("", &format!("recipients = [{recipients}]"));
    check(place)
}

fn check_url(place: &Place, url: &str) -> Refusal {
    place.write("main.toml", &format!("[[repository]]\nname = \"local\"\nurl = \"{url}\"\n"));
    check(place)
}

fn check_connection(place: &Place, connection: &str) -> Refusal {
    let rest = "[[repository]]\nname = \"local\"\nurl = \"file:///r\"\n";
    place.write("main.toml", &format!("[postgres]\ndata_dir = \"/d\"\nconnection = \"{connection}\"\n{rest}"));
    check(place)
}

/// An identity file with this in it.
fn identity(place: &Place, content: impl AsRef<[u8]>) -> Refusal {
    std::fs::write(place.path("identity.txt"), content).unwrap();
    restore(place, &["--to", "latest", "--identity", "identity.txt", "--no-input"])
}

fn protected(recipient: &dyn age::Recipient) -> Vec<u8> {
    let mut file = Vec::new();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).unwrap();
    let mut writer = encryptor.wrap_output(&mut file).unwrap();
    writer.write_all(age::x25519::Identity::generate().to_string().expose_secret().as_bytes()).unwrap();
    writer.finish().unwrap();
    file
}

fn by_passphrase() -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from("right"));
    recipient.set_work_factor(2);
    protected(&recipient)
}

fn cut(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() / 2);
    file
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
        place.write("main.toml", "[postgres]\n");
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
    case("a secret key in the configuration", |place| {
        place.configure_with("", "recipients = [\"AGE-SECRET-KEY-1QQPQQQ\"]");
        check(place)
    })
    .then(|place| place.works(&["key", "generate", "--output", "identity.txt"])),
    case("a private key in the configuration", |place| {
        place.configure("[signing]\ntrusted = [\"-----BEGIN PRIVATE KEY-----\"]\n");
        check(place)
    }),
    case("what should be a public key is none", |place| {
        place.configure("[signing]\ntrusted = [\"ed25519:QQ==\"]\n");
        check(place)
    }),
    case("a signing key that is written down", |place| {
        place.configure("[signing]\nkey = \"MC4CAQAw\"\n");
        check(place)
    }),
    case("a signing key that is not absolute", |place| {
        place.configure("[signing]\nkey = { file = \"main.signing.pem\" }\n");
        check(place)
    })
    .then(|place| {
        place.configure("[signing]\nkey = { file = \"/etc/pgcairn/main.signing.pem\" }\n");
        config_works(place);
    }),
    case("--trusted with what is no public key", |place| {
        place.configure("");
        place.refused(&["list", "--trusted", "x"])
    }),
    case("PGCAIRN_TRUSTED with what is no public key", |place| {
        place.configure("");
        // Empty it is none, and the repository is looked for.
        let empty = place.refused_in(&[("PGCAIRN_TRUSTED", "")], &["list"]);
        assert_eq!(empty.code, "not-a-repository", "{empty:?}");
        place.refused_in(&[("PGCAIRN_TRUSTED", "x")], &["list"])
    }),
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
    case("--start, and the server is to end at the target", |place| {
        restore(place, &["--backup", "latest", "--start", "--action", "shutdown"])
    }),
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
    case("the configuration is no file", |place| {
        std::fs::create_dir(place.path("main.toml")).unwrap();
        check(place)
    }),
    case("no cluster in the configuration", |place| {
        place.write("main.toml", "[[repository]]\nname = \"local\"\nurl = \"file:///r\"\n");
        place.refused(&["backup"])
    })
    .then(|place| place.works(&["config", "--help"])),
    case("a cluster name that is none", |place| check_with(place, "name = \"Main DB\"\n")),
    case("a path that is not absolute", |place| check_with(place, "[backup]\ninclude = [\"postgresql\"]\n")),
    case("a rate that cannot be read", |place| check_with(place, "[backup]\nmax_rate = \"fast\"\n")),
    case("a number out of its range", |place| check_with(place, "[backup]\ncompression = 20\n")),
    case("a connection that is none", |place| check_connection(place, "red")),
    case("a connection with a word that is none", |place| check_connection(place, "host=/run sslmod=disable")),
    case("a connection with a word after a password", |place| check_connection(place, "password=my hush=x")),
    case("a connection with a word that is libpq's alone", |place| {
        check_connection(place, "host=db require_auth=none")
    }),
    case("a repository's name is empty", |place| {
        place.write("main.toml", "[[repository]]\nname = \"\"\nurl = \"file:///r\"\n");
        check(place)
    }),
    case("a repository without its scheme", |place| check_url(place, "/var/backups/pgcairn")),
    case("a repository of an unknown scheme", |place| check_url(place, "nfs://host/pg")),
    case("a repository that is not absolute", |place| check_url(place, "file://backups/pgcairn")),
    case("a repository with parameters", |place| check_url(place, "file:///backups?region=x")),
    case("a repository above another directory", |place| check_url(place, "file:///var/../backups")),
    case("the root directory as a repository", |place| check_url(place, "file:///")),
    case("an SSH key as a recipient", |place| check_recipient(place, "\"ssh-ed25519 AAAAC3Nz\"")),
    case("too many recipients", |place| check_recipient(place, &vec![format!("\"{RECIPIENT}\""); 33].join(", "))),
    case("the identity's directory is not there", |place| {
        place.refused(&["key", "generate", "--output", &place.shown("keys/identity.txt")])
    })
    .then(|place| {
        std::fs::create_dir_all(place.path("keys")).unwrap();
        place.works(&["key", "generate", "--output", "keys/identity.txt"]);
    }),
    case("the identity's directory is none", |place| {
        place.write("keys", "");
        place.refused(&["key", "generate", "--output", &place.shown("keys/identity.txt")])
    })
    .then(|place| place.works(&["key", "generate", "--output", "another.txt"])),
    case("the identity file is empty", |place| identity(place, "# of nobody\n")),
    case("the identity file is something else", |place| identity(place, vec![b'#'; 2 << 20])),
    case("the identity is a plugin's", |place| identity(place, "AGE-PLUGIN-YUBIKEY-1QQQ\n")),
    case("the identity has a passphrase, and nobody is asked", |place| identity(place, by_passphrase())),
    case("the identity's protection is damaged", |place| identity(place, cut(by_passphrase()))),
    case("the identity is encrypted to a key", |place| {
        identity(place, protected(&age::x25519::Identity::generate().to_public()))
    }),
    case("an option that is not known", |place| place.refused(&["backup", "--ful"]))
        .then(|place| place.works(&["backup", "--help"])),
    case("a command that is not known", |place| place.refused(&["wal", "pusch"]))
        .then(|place| place.works(&["wal", "--help"])),
    case("--table with what is no table's name", |place| {
        place.refused(&["restore", "--table", "orders", "--into", "host=h", "--to", "latest"])
    }),
    case("--into with a password", |place| {
        place.refused(&["restore", "--table", "a.b.c", "--into", "host=h password=x", "--to", "latest"])
    }),
    case("--into with what is no connection string", |place| {
        place.refused(&["restore", "--table", "a.b.c", "--into", "h hunter2", "--to", "latest"])
    }),
    case("--into with a word that is none", |place| {
        place.refused(&["restore", "--table", "a.b.c", "--into", "host=h sslmod=disable", "--to", "latest"])
    }),
    case("--into with tables of two databases", |place| {
        place.configure("");
        place.refused(&["restore", "--table", "a.b.c,d.e.f", "--into", "host=h", "--to", "latest"])
    }),
    case("dump: a lock timeout beyond PostgreSQL's", |place| place.refused(&["dump", "--lock-timeout", "60d"])),
    case("a label that is none", |place| place.refused(&["backup", "--label", "ticket"])),
    case("expire --now alone", |place| {
        place.configure("");
        place.refused(&["expire", "--now"])
    }),
    case("a hold that ends in the past", |place| {
        place.configure("");
        place.refused(&["hold", "latest", "--reason", "case 7", "--until", "2026-01-01T00:00:00Z"])
    }),
    case("a hold until what is no time", |place| {
        place.configure("");
        place.refused(&["hold", "latest", "--reason", "case 7", "--until", "yesterday"])
    }),
    case("a hold without a reason", |place| place.refused(&["hold", "latest", "--reason", " "])),
    case("--cluster with what is no cluster's name", |place| {
        place.refused(&["list", "--repository", "file:///r", "--cluster", "Main DB"])
    }),
    case("--repository with a name that is not configured", |place| {
        place.configure("");
        place.refused(&["list", "--repository", "offsite"])
    }),
    case("--repository with what is no repository", |place| place.refused(&["list", "--repository", "nfs://host/pg"])),
];
