//! How `verify` looks to a person.

use insta::assert_snapshot;
use pgcairn::model::error::Code;
use pgcairn::model::verification::Proof;
use pgcairn::report::Report;
use pgcairn::report::verify::{BackupProof, BadPage, Damage, Gap, Repository, Unvouched, Verify};

use super::verified::Verified;

/// What is advised is taken as it stands.
#[test]
fn a_repository_that_was_chosen_is_named_once() {
    let verified = Verified::with("");
    let run = verified.run(&["verify", "--repository", "local"]);
    let next = run.stdout.lines().find_map(|line| line.strip_prefix("next: "));
    assert_eq!(next, Some("pgcairn -c main.toml list --repository local"), "{run}");
}

fn read(verify: &Verify) -> String {
    format!("exit {}\n{}next: {}\n", verify.flaw().map_or(0, Code::exit_status), verify.human(), verify.next)
}

fn sound() -> Repository {
    Repository {
        backups: 2,
        objects: 40,
        bytes: 12 << 30,
        wal_files: 300,
        ..Repository::new("local", "file:///var/backups/pgcairn")
    }
}

#[test]
fn a_verification() {
    let id: pgcairn::model::key::BackupId = "20261120T030000Z-full-7k3f".parse().unwrap();
    let mut verify = Verify { repositories: vec![sound()], next: "pgcairn list".to_owned() };
    assert_snapshot!(read(&verify));
    let mut harmed = Repository { name: "offsite".to_owned(), ..sound() };
    harmed.unvouched.push(Unvouched { backup: id.clone(), key: None });
    harmed.unvouched.push(Unvouched { backup: id.clone(), key: Some("ed25519:AAAA".to_owned()) });
    (harmed.unreferenced_objects, harmed.unreferenced_bytes) = (3, 5 << 20);
    verify.repositories.push(harmed.clone());
    assert_eq!(verify.flaw(), Some(Code::Flagged));
    harmed.wal_gaps.push(Gap { before: "0000000100000000000000A8".to_owned(), segments: 1 });
    verify.repositories[1] = harmed.clone();
    assert_eq!(verify.flaw(), Some(Code::WalGap));
    let damage = |number: u32, hurts: &[_]| Damage {
        object: format!("clusters/main/1/packs/{id}/{number}.zst.age"),
        reason: "it does not exist".to_owned(),
        hurts: hurts.to_vec(),
    };
    harmed.damaged = (1..=22).map(|number| damage(number, std::slice::from_ref(&id))).collect();
    harmed.damaged[0].hurts.clear();
    (harmed.remembered_objects, harmed.remembered_bytes, harmed.remembered_wal_files) = (9120, 301 << 30, 5800);
    (harmed.covered, harmed.covered_since) = (0.99999, Some("2026-11-01T05:00:12Z".parse().unwrap()));
    harmed.proof = Proof::Content;
    let page = |block| BadPage { backup: id.clone(), path: "base/5/16402".to_owned(), block };
    (harmed.bad_pages, harmed.more_bad_pages, harmed.known_bad_pages) = ((0..21).map(page).collect(), 2, 1);
    harmed.backup_proofs = vec![BackupProof { backup: id.clone(), proof: Proof::Content, sound: false }];
    harmed.remedies = vec![format!("{id} was found sound nowhere: make another with pgcairn backup")];
    verify.repositories[1] = harmed;
    assert_snapshot!(read(&verify));
    let told = &mut verify.repositories[1];
    (told.damaged, told.bad_pages) = (told.damaged.split_off(21), told.bad_pages.split_off(20));
    assert_snapshot!(serde_json::to_string_pretty(&verify).unwrap());
}
