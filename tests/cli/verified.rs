//! A place with a repository in it, where a command that needs no server can succeed and fail.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pgcairn::model::key::Encryption;
use pgcairn::store::Repository;

use super::support::{CONFIG, Place, Run};

/// A part of every URL, which nobody may see.
pub const SECRET: &str = "hush-hush";

/// A place whose `verify` succeeds while the repository's marker is there.
pub struct Verified {
    pub place: Place,
}

impl Verified {
    /// With these lines of `[notify]`.
    pub fn new(notify: &str) -> Verified {
        Verified::with(&format!("[notify]\n{notify}"))
    }

    /// With these tables.
    pub fn with(tables: &str) -> Verified {
        let place = Place::new();
        place.make_directory("data");
        fs::set_permissions(place.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
        let url = format!("file://{}", place.path("repository").display());
        Repository::create(&url.parse().unwrap(), Encryption::None).unwrap();
        let verified = Verified { place };
        verified.configure_with(tables);
        verified
    }

    pub fn configure(&self, notify: &str) {
        self.configure_with(&format!("[notify]\n{notify}"));
    }

    fn configure_with(&self, tables: &str) {
        let recipient = "\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"";
        let config = CONFIG.replace(recipient, "");
        self.place.write("main.toml", &format!("state_dir = \"DIR/state\"\n{config}\n{tables}\n"));
    }

    /// Data directory and repository; whoever else runs the command is refused.
    pub fn give_to(&self, user: u32) {
        for path in ["data", "repository", "repository/pgcairn.json"] {
            std::os::unix::fs::chown(self.place.path(path), Some(user), Some(user)).unwrap();
        }
    }

    pub fn run(&self, words: &[&str]) -> Run {
        let run = self.place.run(&[&["-c", "main.toml"], words].concat());
        assert!(!run.to_string().contains(SECRET), "{run}");
        for file in fs::read_dir(self.place.path("state")).into_iter().flatten() {
            assert!(!fs::read_to_string(file.unwrap().path()).unwrap().contains(SECRET));
        }
        run
    }

    pub fn succeeds(&self) -> Run {
        let run = self.run(&["verify"]);
        assert_eq!(run.status, Some(0), "{run}");
        run
    }

    /// As it does without anybody to tell.
    pub fn fails(&self) -> Run {
        let (marker, away) = (self.place.path("repository/pgcairn.json"), self.place.path("away"));
        fs::rename(&marker, &away).unwrap();
        let run = self.run(&["verify"]);
        fs::rename(&away, &marker).unwrap();
        assert_eq!(run.status, Some(7), "{run}");
        assert!(run.stderr.contains("error: "), "{run}");
        run
    }
}
