//! What `schedule` refuses.

use std::fs;
use std::path::Path;

use crate::cases::{Case, case};
use crate::place::Place;
use crate::table::{self, Refusal};

const SYSTEMD_RUNS: &str = "/run/systemd/system";
const WITHOUT_SYSTEMD: &str = "schedule install where systemd does not run";

/// With the configuration where units look for it below a root, and these lines in it.
fn below_root(place: &Place, words: &[&str], lines: &str) -> Refusal {
    place.configure(lines);
    fs::create_dir_all(place.path("etc/pgcairn")).unwrap();
    fs::rename(place.path("main.toml"), place.path("etc/pgcairn/main.toml")).unwrap();
    let (config, root) = (place.shown("etc/pgcairn/main.toml"), place.shown("."));
    place.refused(&[&["-c", &config, "schedule"], words, &["--root", &root]].concat())
}

pub const ALL: &[Case] = &[
    case("a time under [schedule] that is none", |place| {
        place.configure("[schedule]\nbackup = \"soon\"\n");
        place.refused(&["config", "check"])
    }),
    case("a time under [schedule] that systemd refuses", |place| {
        below_root(place, &["print"], "[schedule]\nbackup = \"99:00\"\n")
    }),
    case("a configuration that no unit finds", |place| {
        place.configure("");
        fs::rename(place.path("main.toml"), place.path("other.toml")).unwrap();
        place.refused(&["-c", "other.toml", "schedule", "print"])
    }),
    case(WITHOUT_SYSTEMD, |place| {
        place.configure("");
        if Path::new(SYSTEMD_RUNS).exists() {
            eprintln!("SKIPPED {WITHOUT_SYSTEMD}: it runs here");
            return table::rows().into_iter().find(|row| row.when == WITHOUT_SYSTEMD).unwrap().refusal;
        }
        place.refused(&["schedule", "install"])
    }),
    case("schedule install without the units", |place| below_root(place, &["install"], "")),
    case("a drop-in that somebody else has written", |place| {
        fs::create_dir_all(place.path("usr/lib/systemd/system")).unwrap();
        place.write("usr/lib/systemd/system/pgcairn-backup@.service", "");
        let drop_in = "etc/systemd/system/pgcairn-backup@main.service.d";
        fs::create_dir_all(place.path(drop_in)).unwrap();
        std::os::unix::fs::symlink("/dev/null", place.path(&format!("{drop_in}/50-schedule.conf"))).unwrap();
        let refusal = below_root(place, &["install"], "");
        assert_eq!(fs::read_dir(place.path("etc/systemd/system")).unwrap().count(), 1, "nothing was written");
        refusal
    }),
    case("drop-ins that cannot be written", |place| {
        fs::create_dir_all(place.path("usr/lib/systemd/system")).unwrap();
        place.write("usr/lib/systemd/system/pgcairn-backup@.service", "");
        fs::create_dir_all(place.path("etc")).unwrap();
        place.write("etc/systemd", "a file where the directory should be");
        below_root(place, &["install"], "")
    }),
];
