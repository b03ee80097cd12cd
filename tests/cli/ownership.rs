//! Root becomes the owner, third users are refused.

use std::os::unix::fs::chown;

use insta::assert_snapshot;

use super::support::{CONFIG, NOBODY, Place, is_root};

/// A user that is neither root nor `nobody`, nor known by name.
const STRANGER: u32 = 54_321;

fn skipped() -> bool {
    if !is_root() {
        eprintln!("skipped: only root can become other users");
    }
    !is_root()
}

/// A data directory that belongs to `nobody`.
fn place_of_nobody() -> Place {
    let place = Place::with_config();
    chown(place.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    place
}

#[test]
fn a_third_user_is_refused_with_the_line_for_sudo() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    assert_snapshot!(place.run_as(STRANGER, &["-c", "main.toml", "backup", "--label", "why=a reason"]));
    assert_eq!(place.run_as(STRANGER, &["-c", "main.toml", "list"]).status, Some(8));
    assert_eq!(place.run_as(STRANGER, &["-c", "main.toml", "wal", "push", "x"]).status, Some(8));
}

#[test]
fn a_third_user_is_refused_where_it_may_not_look_too() {
    if skipped() {
        return;
    }
    let place = Place::new();
    let closed = place.make_directory("closed");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    chown(closed, Some(NOBODY), Some(NOBODY)).unwrap();
    place.write("main.toml", &CONFIG.replace("DIR/data", "DIR/closed/data"));
    let run = place.run_as(STRANGER, &["-c", "main.toml", "list"]);
    assert_eq!(run.status, Some(8), "{run}");
    assert!(run.stderr.contains("hint: sudo -u nobody pgcairn -c main.toml list"), "{run}");
}

#[test]
fn without_root_another_user_s_data_directory_is_refused() {
    if is_root() {
        return;
    }
    let place = Place::new();
    place.write("main.toml", &CONFIG.replace("DIR/data", "/"));
    assert_eq!(place.run(&["-c", "main.toml", "list"]).status, Some(8));
}

#[test]
fn a_plan_makes_no_directory() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    place.run(&["-c", "main.toml", "restore", "--target-dir", "new", "--to", "latest", "--plan"]);
    assert!(!place.path("new").exists());
}
