//! Random lives of a repository: after every step what the policy promises can be restored.

use std::time::Duration;

use jiff::SignedDuration;
use pgcairn::model::plan::retention::Policy;
use pgcairn::operation::expire::Request;
use proptest::prelude::*;

use crate::layers::{Faulty, When};
use crate::steps::{AT_ONCE, DAY, GRACEFUL};
use crate::world::{AtWork, World};

#[derive(Debug, Clone)]
enum Step {
    Push,
    Backup,
    Begin,
    Finish,
    Hold(usize),
    Release(usize),
    Undelete(usize),
    Expire {
        request: Request,
        ahead_minutes: i64,
    },
    /// Killed, or cut off from the store, at this call.
    Killed {
        request: Request,
        at: usize,
        done: bool,
    },
    KilledUndelete {
        which: usize,
        at: usize,
        done: bool,
    },
    Pass {
        hours: i64,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let request = prop_oneof![4 => Just(GRACEFUL), 1 => Just(AT_ONCE)];
    prop_oneof![
        4 => Just(Step::Push),
        5 => Just(Step::Backup),
        1 => Just(Step::Begin),
        1 => Just(Step::Finish),
        1 => (0usize..30).prop_map(Step::Hold),
        1 => (0usize..30).prop_map(Step::Release),
        2 => (0usize..30).prop_map(Step::Undelete),
        4 => (request.clone(), -6000i64..6000)
            .prop_map(|(request, ahead_minutes)| Step::Expire { request, ahead_minutes }),
        3 => (request, 0usize..120, any::<bool>()).prop_map(|(request, at, done)| Step::Killed { request, at, done }),
        1 => (0usize..30, 0usize..20, any::<bool>())
            .prop_map(|(which, at, done)| Step::KilledUndelete { which, at, done }),
        6 => (1i64..60).prop_map(|hours| Step::Pass { hours }),
    ]
}

/// The longest that a backup may be at work.
const LONGEST: SignedDuration = SignedDuration::from_hours(6 * 24);

struct Life {
    world: World,
    at_work: Option<(AtWork, jiff::Timestamp)>,
}

impl Life {
    fn take(&mut self, step: &Step) {
        let before = self.world.there();
        let store = self.world.store.clone();
        let pick = |which: usize, of: &[pgcairn::model::key::BackupId]| of.get(which % of.len().max(1)).cloned();
        let when = |done: bool| if done { When::After } else { When::Before };
        match *step {
            Step::Push => drop(self.world.push()),
            Step::Backup => drop(self.world.backup()),
            Step::Begin => self.at_work = Some((self.world.begin(), self.world.now())),
            Step::Finish => {
                if let Some((work, began)) = self.at_work.take()
                    && self.world.now().duration_since(began) < LONGEST
                {
                    self.world.finish(work);
                }
            }
            Step::Hold(which) => {
                if let Some(id) = pick(which, &before)
                    && self.world.hold(store, &id).is_ok()
                {
                    self.world.held.insert(id);
                }
            }
            Step::Release(which) => {
                let held: Vec<_> = self.world.held.iter().cloned().collect();
                if let Some(id) = pick(which, &held) {
                    let repository = self.world.repository(store).unwrap();
                    repository.remover().remove(&self.world.keys.hold(&id)).unwrap();
                    self.world.held.remove(&id);
                }
            }
            Step::Undelete(which) => {
                if let Some(id) = pick(which, &self.world.trash()) {
                    let _ = self.world.undelete(store, &id);
                }
                self.world.note_trash(&[]);
            }
            Step::KilledUndelete { which, at, done } => {
                if let Some(id) = pick(which, &self.world.trash()) {
                    let _ = self.world.undelete(Faulty::new(store, at, when(done)), &id);
                }
                self.world.note_trash(&[]);
            }
            Step::Expire { request, ahead_minutes } => {
                self.world.expire(store, request, SignedDuration::from_mins(ahead_minutes)).unwrap();
                self.expired(request, &before);
            }
            Step::Killed { request, at, done } => {
                let _ = self.world.expire(Faulty::new(store, at, when(done)), request, SignedDuration::ZERO);
                self.expired(request, &before);
            }
            Step::Pass { hours } => self.world.pass(SignedDuration::from_hours(hours)),
        }
        self.world.check(&format!("{step:?}"));
    }

    fn expired(&mut self, request: Request, before: &[pgcairn::model::key::BackupId]) {
        match request.now {
            true => self.world.note_emptied_trash(),
            false => self.world.note_trash(before),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_promised_can_be_restored(steps in prop::collection::vec(steps(), 1..60), window in 0u64..6) {
        let recovery_window = Duration::from_secs(window * DAY.as_secs() as u64);
        let policy = Policy { recovery_window, daily: 1, weekly: 1, ..Policy::default() };
        let mut life = Life { world: World::new(policy), at_work: None };
        for step in &steps {
            life.take(step);
        }
    }
}
