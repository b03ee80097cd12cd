//! Which requests meet which faults: all of them at length, else some that a seed chooses.

use crate::support::full_length;

use super::Trial;
use super::kind::Kind;
use super::work::Work;

const VARIABLE: &str = "PGCAIRN_TEST_SEED";
/// Requests of each work for each kind of fault, in the short form.
const POSITIONS: u64 = 2;
/// Of those that exhaust the patience of a program, and of backups.
const SLOW_POSITIONS: u64 = 1;
/// Of backups that wait for an answer: only one can be made at a time.
const SLOW_BACKUPS: u64 = 8;

pub struct Chosen {
    seed: u64,
}

impl Chosen {
    pub fn by_environment() -> Chosen {
        let given = std::env::var(VARIABLE).ok().and_then(|seed| seed.parse().ok());
        Chosen { seed: given.unwrap_or_else(rand::random::<u64>) }
    }

    pub fn again(&self) -> String {
        format!("{VARIABLE}={}", self.seed)
    }

    pub fn of(&self, work: Work, requests: usize) -> Vec<Trial> {
        let of_kind = |kind| self.positions(work, kind, requests).into_iter().map(move |at| Trial { work, at, kind });
        Kind::ALL.into_iter().flat_map(of_kind).collect()
    }

    /// One out of each of so many stretches of equal length.
    fn positions(&self, work: Work, kind: Kind, requests: usize) -> Vec<usize> {
        let all = requests as u64;
        let wanted = match (full_length(), work, kind) {
            (true, Work::Backup, Kind::Silent) => SLOW_BACKUPS,
            (true, ..) => all,
            (false, Work::Backup, Kind::Silent) => 0,
            (false, Work::Backup, _) | (false, _, Kind::Silent | Kind::BusyOn) => SLOW_POSITIONS,
            (false, ..) => POSITIONS,
        };
        let wanted = wanted.min(all);
        let within = |number: u64| {
            let (from, to) = (all * number / wanted, all * (number + 1) / wanted);
            let at = from + self.random(&format!("{work:?} {kind:?} {number}")) % (to - from);
            at as usize
        };
        (0..wanted).map(within).collect()
    }

    /// A number of its own for every name.
    fn random(&self, name: &str) -> u64 {
        let digest = pgcairn::model::sha256::Sha256Sum::of(format!("{} {name}", self.seed).as_bytes());
        u64::from_le_bytes(std::array::from_fn(|at| digest.0[at]))
    }
}
