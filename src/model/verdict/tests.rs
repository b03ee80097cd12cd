//! Each reason alone, on both sides of its threshold, and what holds of all of them together.

use proptest::prelude::*;

use super::*;

const THRESHOLDS: Thresholds = Thresholds {
    wal_warning: 300,
    wal_critical: 3600,
    backup: 90_000,
    dump: 90_000,
    drill: 691_200,
    full_warning: 604_800,
    full_critical: 86_400,
    slot: 1 << 30,
    behind: 90_000,
};

/// With nothing wrong, and every age on its threshold.
fn well() -> Facts {
    Facts {
        server: Some(ServerState::Running),
        waiting: Some(Waiting { files: 1, seconds: THRESHOLDS.wal_warning }),
        needs_key: true,
        makes_dumps: false,
        repositories: vec![repository("local", true), repository("offsite", false)],
        ..Facts::default()
    }
}

fn repository(name: &str, required: bool) -> Repository {
    let told = Told {
        backups: 3,
        backup_seconds: Some(THRESHOLDS.backup),
        dumps: 1,
        dump_seconds: Some(THRESHOLDS.dump),
        windows: 1,
        window_seconds: Some(604_800),
        promised_seconds: Some(604_800),
        oldest_seconds: Some(700_000),
        drill: Some(Try { seconds: THRESHOLDS.drill, passed: true }),
        has_dumps: true,
        dump_drill: Some(Try { seconds: THRESHOLDS.drill, passed: true }),
        key_checked: true,
        sheet_is_current: Some(true),
        ..Told::default()
    };
    Repository {
        name: name.to_owned(),
        url: format!("file:///{name}"),
        required,
        told: Some(told),
        missing: None,
        stored_bytes: Some(1),
        free_bytes: Some(1),
        full_in_days: Some(7),
        behind: Some(Behind { backups: 0, wal_files: 0, seconds: None }),
    }
}

/// The level and name of each reason, with the repository it is about.
fn told(facts: &Facts) -> Vec<(Level, &'static str, Option<String>)> {
    judge(facts, &THRESHOLDS).into_iter().map(|it| (it.level, it.reason.name(), it.repository)).collect()
}

/// What one change of the first repository, or of the second, leads to.
fn alone(number: usize, change: impl Fn(&mut Repository)) -> Vec<(Level, &'static str)> {
    let mut facts = well();
    change(&mut facts.repositories[number]);
    let name = facts.repositories[number].name.clone();
    let check = |(level, reason, about): (Level, &'static str, Option<String>)| {
        assert!(about.is_none() || about.as_ref() == Some(&name), "{reason} of {about:?}");
        (level, reason)
    };
    told(&facts).into_iter().map(check).collect()
}

fn of_catalog(change: impl Fn(&mut Told)) -> Vec<(Level, &'static str)> {
    alone(1, |repository| change(repository.told.as_mut().unwrap()))
}

#[test]
fn all_is_well() {
    assert_eq!(told(&well()), []);
    assert_eq!(level(&judge(&well(), &THRESHOLDS)), Level::Ok);
    assert_eq!(told(&Facts::default()), [], "nothing is known of a host without a server and a repository");
}

#[test]
fn of_this_host() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = well();
        change(&mut facts);
        let [(level, name, None)] = told(&facts)[..] else { panic!("{:?}", told(&facts)) };
        (level, name)
    };
    let waits = |seconds| Some(Waiting { files: 1, seconds });
    assert_eq!(with(|f| f.waiting = Some(Waiting { files: 1, seconds: 301 })), (Level::Warning, "wal-waits"));
    assert_eq!(with(|f| f.waiting = Some(Waiting { files: 1, seconds: 3600 })), (Level::Warning, "wal-waits"));
    assert_eq!(with(|f| f.waiting = Some(Waiting { files: 1, seconds: 3601 })), (Level::Critical, "wal-waits"));
    assert_eq!(told(&Facts { waiting: waits(0), ..well() }), []);
    assert_eq!(with(|f| f.archiving_off = true), (Level::Critical, "archiving-off"));
    assert_eq!(with(|f| f.archiver_failed = Some("A".to_owned())), (Level::Warning, "archiver-fails"));
    let slot = |held_bytes| vec![Slot { name: "standby".to_owned(), held_bytes }];
    assert_eq!(told(&Facts { slots: slot(1 << 30), ..well() }), []);
    assert_eq!(told(&Facts { slots: slot((1 << 30) + 1), ..well() }), [(Level::Warning, "slot-holds-wal", None)]);
    assert_eq!(with(|f| f.failed_runs = vec!["backup".to_owned()]), (Level::Warning, "run-failed"));
    assert_eq!(with(|f| f.server = Some(ServerState::Unreachable)), (Level::Warning, "server-unreachable"));
    assert_eq!(with(|f| f.server = Some(ServerState::Unknown)), (Level::Unknown, "server-unknown"));
}

#[test]
fn the_newest_backup_counts_wherever_it_lies() {
    let old = |repository: &mut Repository| repository.told.as_mut().unwrap().backup_seconds = Some(90_001);
    assert_eq!(alone(0, old), [], "the other repository has a newer one");
    let mut facts = well();
    facts.repositories.iter_mut().for_each(old);
    assert_eq!(told(&facts), [(Level::Critical, "backup-old", None)]);
    // Where the first cannot tell, one that only lags behind proves nothing.
    (facts.repositories[0].told, facts.repositories[0].missing) = (None, Some(Missing::Unanswered));
    assert_eq!(told(&facts), [(Level::Unknown, "unanswered", Some("local".to_owned()))]);
    facts.repositories[0].missing = None;
    let empty = Told { key_checked: true, sheet_is_current: Some(true), ..Told::default() };
    facts.repositories.iter_mut().for_each(|repository| repository.told = Some(empty));
    assert_eq!(told(&facts), [(Level::Critical, "no-backup", None)]);
}

/// Wherever it was recorded; and only where the backups are made.
#[test]
fn a_set_up_is_not_complete_without_key_and_sheet() {
    let with = |key_checked, sheet_is_current| {
        let mut facts = well();
        for (number, repository) in facts.repositories.iter_mut().enumerate() {
            let told = repository.told.as_mut().unwrap();
            (told.key_checked, told.sheet_is_current) = (key_checked && number == 1, sheet_is_current);
        }
        facts
    };
    let advice = |facts: &Facts| told(facts).iter().map(|told| told.1).collect::<Vec<_>>();
    assert_eq!(advice(&with(true, Some(true))), [""; 0]);
    assert_eq!(advice(&with(false, None)), ["key-never-checked", "sheet-never-made"]);
    assert_eq!(advice(&with(true, Some(false))), ["sheet-outdated"]);
    assert_eq!(advice(&Facts { needs_key: false, ..with(false, Some(true)) }), [""; 0]);
    assert_eq!(advice(&Facts { server: None, ..with(false, None) }), [""; 0]);
    let mut one = with(false, Some(false));
    one.repositories[1].told.as_mut().unwrap().sheet_is_current = Some(true);
    assert_eq!(advice(&one), ["key-never-checked"]);
    assert!(judge(&one, &THRESHOLDS).iter().all(|it| it.reason.is_advice()));
}

#[test]
fn of_a_catalog() {
    assert_eq!(of_catalog(|told| told.is_of_another_cluster = true), [(Level::Critical, "other-cluster")]);
    assert_eq!(of_catalog(|told| told.unreadable = 1), [(Level::Critical, "backups-unreadable")]);
    assert_eq!(of_catalog(|told| told.untrusted = 1), [(Level::Critical, "backups-untrusted")]);
    assert_eq!(of_catalog(|told| told.flagged_pages = 1), [(Level::Critical, "pages-flagged")]);
    assert_eq!(of_catalog(|told| told.windows = 0), [(Level::Critical, "nothing-restorable")]);
    assert_eq!(of_catalog(|told| told.windows = 2), [(Level::Warning, "hole-in-wal")]);
    assert_eq!(of_catalog(|told| told.window_seconds = Some(604_799)), [(Level::Warning, "window-short")]);
    let young = |told: &mut Told| {
        (told.window_seconds, told.oldest_seconds) = (Some(1), Some(604_800));
    };
    assert_eq!(of_catalog(young), [], "it cannot reach further back yet");
    assert_eq!(of_catalog(|told| told.promised_seconds = None), []);
    assert_eq!(of_catalog(|told| told.drill = None), [(Level::Warning, "drill-never")]);
    let damage = Some(Damage { seconds: 0, needs_key: false });
    assert_eq!(of_catalog(|told| told.damage = damage), [(Level::Critical, "verify-failed")]);
    assert_eq!(of_catalog(|told| told.lost_timelines = 1), [(Level::Warning, "timelines-unreadable")]);
    let hole = |seconds| of_catalog(|told| told.hole_seconds = Some(seconds));
    assert_eq!(hole(300), [], "segments come in another order than they were filled");
    assert_eq!(hole(301), [(Level::Warning, "hole-after-backup")]);
    assert_eq!(hole(3601), [(Level::Critical, "hole-after-backup")]);
    let missing = |seconds| of_catalog(|told| told.wal_missing = Some(WalMissing { files: 2, seconds }));
    assert_eq!(missing(300), []);
    assert_eq!(missing(301), [(Level::Warning, "wal-missing")]);
    assert_eq!(missing(3601), [(Level::Critical, "wal-missing")]);
    let drill = |seconds, passed| Some(Try { seconds, passed });
    assert_eq!(of_catalog(|told| told.drill = drill(691_201, true)), [(Level::Warning, "drill-old")]);
    assert_eq!(of_catalog(|told| told.drill = drill(0, false)), [(Level::Critical, "drill-failed")]);
    assert_eq!(of_catalog(|told| told.dump_drill = None), [(Level::Warning, "dump-drill-never")]);
    assert_eq!(of_catalog(|told| told.dump_drill = drill(691_201, true)), [(Level::Warning, "dump-drill-old")]);
    assert_eq!(of_catalog(|told| told.dump_drill = drill(0, false)), [(Level::Critical, "dump-drill-failed")]);
    // Of what is there no more nothing is said.
    let without = |dump_drill| of_catalog(|told| (told.has_dumps, told.dump_drill) = (false, dump_drill));
    assert_eq!((without(None), without(drill(0, false))), (vec![], vec![]));
}

#[test]
fn of_a_repository() {
    let failed = |repository: &mut Repository| {
        (repository.told, repository.missing) = (None, Some(Missing::Failed("away".to_owned())));
    };
    assert_eq!(alone(0, failed), [(Level::Critical, "unreadable")]);
    assert_eq!(alone(1, failed), [(Level::Warning, "unreadable")]);
    assert_eq!(alone(1, |one| one.missing = Some(Missing::Unanswered)), [(Level::Unknown, "unanswered")]);
    let both = |one: &mut Repository| {
        one.missing = Some(Missing::Unanswered);
        one.told.as_mut().unwrap().windows = 2;
    };
    assert_eq!(
        alone(1, both),
        [(Level::Warning, "hole-in-wal"), (Level::Unknown, "unanswered")],
        "what is known counts all the same"
    );
    assert_eq!(alone(1, |one| one.stored_bytes = Some(0)), [(Level::Warning, "nothing-stored")]);
    let lags = |one: &mut Repository| {
        one.stored_bytes = Some(0);
        one.behind = Some(Behind { backups: 1, wal_files: 0, seconds: None });
    };
    assert_eq!(alone(1, lags), [], "what lacks everything lags behind");
    assert_eq!(alone(1, |one| one.full_in_days = Some(6)), [(Level::Warning, "full-soon")]);
    assert_eq!(alone(1, |one| one.full_in_days = Some(1)), [(Level::Warning, "full-soon")]);
    assert_eq!(alone(1, |one| one.full_in_days = Some(0)), [(Level::Critical, "full-soon")]);
    assert_eq!(alone(1, |one| one.free_bytes = Some(0)), [(Level::Critical, "full-soon")], "it is full already");
}

#[test]
fn one_that_is_required_may_not_be_behind() {
    let behind = |number: usize, backups, seconds| {
        alone(number, |one| one.behind = Some(Behind { backups, wal_files: 0, seconds }))
    };
    assert_eq!(behind(0, 1, Some(0)), [(Level::Warning, "behind")]);
    assert_eq!(behind(0, 1, Some(3601)), [(Level::Critical, "behind")]);
    assert_eq!(behind(0, 0, Some(3601)), []);
    assert_eq!(behind(1, 1, Some(90_000)), []);
    assert_eq!(behind(1, 1, Some(90_001)), [(Level::Warning, "behind")]);
    assert_eq!(behind(1, 1, None), []);
}

#[test]
fn what_is_wrong_comes_before_advice_and_the_worst_first() {
    let mut facts = well();
    facts.repositories[0].told.as_mut().unwrap().drill = None;
    facts.repositories[1].told.as_mut().unwrap().unreadable = 1;
    facts.archiver_failed = Some("A".to_owned());
    facts.server = Some(ServerState::Unknown);
    let names: Vec<&str> = told(&facts).iter().map(|told| told.1).collect();
    assert_eq!(names, ["backups-unreadable", "archiver-fails", "server-unknown", "drill-never"]);
    assert_eq!(level(&judge(&facts, &THRESHOLDS)).exit_status(), 2);
}

#[test]
fn levels_are_those_of_nagios() {
    let levels = [Level::Ok, Level::Warning, Level::Critical, Level::Unknown];
    assert_eq!(levels.map(Level::exit_status), [0, 1, 2, 3]);
    assert!(Level::Critical > Level::Warning && Level::Warning > Level::Unknown && Level::Unknown > Level::Ok);
}

fn any_told() -> impl Strategy<Value = Option<Told>> {
    let ages = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    let numbers = (0..3u64, 0..2u64, 0..2u64, 0..2u64, 0..3u64);
    let set_up = (any::<bool>(), any::<Option<bool>>());
    let tries = || proptest::option::of((any::<u64>(), any::<bool>()));
    let later = (any::<Option<u64>>(), proptest::option::of((2..9u64, any::<u64>())), 0..2u64);
    let drills = (tries(), any::<bool>(), tries());
    let told = (ages, numbers, any::<bool>(), drills, tries(), set_up, later);
    let tried = |drill: Option<(u64, bool)>| drill.map(|(seconds, passed)| Try { seconds, passed });
    let told = told.prop_map(move |(ages, numbers, is_of_another_cluster, drills, verify, set_up, later)| Told {
        key_checked: set_up.0,
        sheet_is_current: set_up.1,
        backups: numbers.0,
        backup_seconds: ages.0.filter(|_| numbers.0 > 0),
        dumps: numbers.1,
        dump_seconds: ages.3.filter(|_| numbers.1 > 0),
        unreadable_dumps: numbers.2,
        unreadable: numbers.1,
        untrusted: numbers.2,
        flagged_pages: numbers.3,
        is_of_another_cluster,
        windows: numbers.4,
        window_seconds: ages.1,
        promised_seconds: ages.2,
        oldest_seconds: ages.3,
        damage: verify.map(|(seconds, needs_key)| Damage { seconds, needs_key }),
        hole_seconds: later.0,
        wal_missing: later.1.map(|(files, seconds)| WalMissing { files, seconds }),
        lost_timelines: later.2,
        drill: tried(drills.0),
        has_dumps: drills.1,
        dump_drill: tried(drills.2),
    });
    proptest::option::of(told)
}

fn any_repository() -> impl Strategy<Value = Repository> {
    let sizes = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    let behind = proptest::option::of((0..2u64, 0..2u64, any::<Option<u64>>()));
    let missing = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Missing::Unanswered)),
        1 => Just(Some(Missing::Failed("x".to_owned())))
    ];
    let known = (any_told(), missing);
    (any::<bool>(), known, sizes, behind).prop_map(|(required, (told, missing), sizes, behind)| Repository {
        name: "r".to_owned(),
        url: "file:///r".to_owned(),
        required,
        told,
        missing,
        stored_bytes: sizes.0,
        free_bytes: sizes.1,
        full_in_days: sizes.2,
        behind: behind.map(|(backups, wal_files, seconds)| Behind { backups, wal_files, seconds }),
    })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let server = proptest::option::of(prop_oneof![
        Just(ServerState::Running),
        Just(ServerState::Unreachable),
        Just(ServerState::Unknown)
    ]);
    let waiting = proptest::option::of((1..9u64, any::<u64>()));
    let slot = any::<u64>().prop_map(|held_bytes| Slot { name: "s".to_owned(), held_bytes });
    let slots = proptest::collection::vec(slot, 0..2);
    let words = (proptest::option::of("[A-F]"), proptest::collection::vec("[a-z]", 0..2), slots);
    (server, any::<bool>(), waiting, words, proptest::collection::vec(any_repository(), 1..3)).prop_map(
        |(server, archiving_off, waiting, (archiver_failed, failed_runs, slots), repositories)| Facts {
            archiving_off,
            slots,
            needs_key: true,
            dumps_only: false,
            makes_dumps: archiving_off,
            server,
            waiting: waiting.map(|(files, seconds)| Waiting { files, seconds }),
            archiver_failed,
            failed_runs,
            repositories,
        },
    )
}

fn any_thresholds() -> impl Strategy<Value = Thresholds> {
    any::<[u64; 9]>().prop_map(|n| Thresholds {
        wal_warning: n[0],
        wal_critical: n[1],
        backup: n[2],
        drill: n[3],
        full_warning: n[4],
        full_critical: n[5],
        behind: n[6],
        slot: n[7],
        dump: n[8],
    })
}

#[test]
fn dumps_are_missed_where_they_are_configured() {
    let told_of = |makes_dumps, change: fn(&mut Told)| {
        let mut facts = Facts { makes_dumps, ..well() };
        facts.repositories.iter_mut().for_each(|it| it.told.iter_mut().for_each(change));
        told(&facts).into_iter().map(|(level, name, _)| (level, name)).collect::<Vec<_>>()
    };
    let old: fn(&mut Told) = |told| told.dump_seconds = Some(THRESHOLDS.dump + 1);
    let none: fn(&mut Told) = |told| (told.dumps, told.dump_seconds) = (0, None);
    assert_eq!(told_of(true, old), [(Level::Warning, "dump-old")]);
    assert_eq!(told_of(true, none), [(Level::Warning, "no-dump")]);
    assert_eq!([told_of(false, old), told_of(false, none)], [[], []]);
    let mut only = Facts { dumps_only: true, ..well() };
    only.repositories.iter_mut().for_each(|it| it.told = Some(Told { dumps: 1, ..Told::default() }));
    let names: Vec<&str> = told(&only).iter().map(|(_, name, _)| *name).collect();
    assert!(!names.contains(&"no-backup"), "{names:?}");
    let unreadable: fn(&mut Told) = |told| told.unreadable_dumps = 1;
    assert_eq!(told_of(false, unreadable), [(Level::Warning, "dumps-unreadable"); 2]);
}

proptest! {
    #[test]
    fn reasons_have_known_names_come_once_and_in_order(facts in any_facts(), thresholds in any_thresholds()) {
        let judged = judge(&facts, &thresholds);
        for it in &judged {
            prop_assert!(NAMES.contains(&it.reason.name()));
            prop_assert!(it.level > Level::Ok);
            let same = judged.iter().filter(|other| *other == it).count();
            prop_assert!(same <= facts.repositories.len().max(2), "{it:?}");
        }
        prop_assert!(judged.is_sorted_by_key(|it| (it.reason.is_advice(), std::cmp::Reverse(it.level))));
        prop_assert_eq!(level(&judged) == Level::Ok, judged.is_empty());
    }

    /// Whoever makes a threshold wider hears of no new reason, and of none more loudly.
    #[test]
    fn wider_thresholds_never_say_more(facts in any_facts(), thresholds in any_thresholds(), more in 0..=u64::MAX) {
        let wider = Thresholds {
            wal_warning: thresholds.wal_warning.saturating_add(more),
            wal_critical: thresholds.wal_critical.saturating_add(more),
            backup: thresholds.backup.saturating_add(more),
            dump: thresholds.dump.saturating_add(more),
            drill: thresholds.drill.saturating_add(more),
            full_warning: thresholds.full_warning.saturating_sub(more),
            full_critical: thresholds.full_critical.saturating_sub(more),
            behind: thresholds.behind.saturating_add(more),
            slot: thresholds.slot.saturating_add(more),
        };
        let (before, after) = (judge(&facts, &thresholds), judge(&facts, &wider));
        prop_assert!(level(&after) <= level(&before));
        for it in &after {
            prop_assert!(before.iter().any(|other| other.reason == it.reason && other.level >= it.level), "{it:?}");
        }
    }

    /// What grows older does not get better.
    #[test]
    fn waiting_longer_is_never_better(facts in any_facts(), thresholds in any_thresholds(), longer in any::<u64>()) {
        let mut later = facts.clone();
        if let Some(waiting) = &mut later.waiting {
            waiting.seconds = waiting.seconds.saturating_add(longer);
        }
        for repository in &mut later.repositories {
            if let Some(told) = &mut repository.told {
                told.backup_seconds = told.backup_seconds.map(|age| age.saturating_add(longer));
                told.dump_seconds = told.dump_seconds.map(|age| age.saturating_add(longer));
                told.hole_seconds = told.hole_seconds.map(|age| age.saturating_add(longer));
            }
        }
        prop_assert!(level(&judge(&later, &thresholds)) >= level(&judge(&facts, &thresholds)));
    }
}
