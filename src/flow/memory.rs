//! One memory budget for all pipes: pack buffers are what takes memory, so they are cut to fit first, and
//! then the number of workers.

use crate::model::manifest::MAX_PACK;

/// What a backup or restore may hold in buffers.
pub const BUDGET: u64 = 256 * 1024 * 1024;

/// Of one worker beside its packs: page and frame buffers, the zstd context, the open manifest part.
const WORKER_OVERHEAD: u64 = 20 * 1024 * 1024;

/// Each worker fills one pack while another is on its way.
const PACKS_PER_WORKER: u64 = 2;

/// Smaller packs would cost more in requests than more workers gain.
const MIN_PACK: u64 = 4 * 1024 * 1024;

/// How many workers, and how large their packs may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub jobs: usize,
    pub pack_limit: u64,
}

pub fn share(wanted_jobs: usize) -> Share {
    let most = BUDGET / (WORKER_OVERHEAD + PACKS_PER_WORKER * MIN_PACK);
    let jobs = (wanted_jobs as u64).clamp(1, most);
    let pack_limit = ((BUDGET / jobs - WORKER_OVERHEAD) / PACKS_PER_WORKER).clamp(MIN_PACK, MAX_PACK);
    Share { jobs: jobs as usize, pack_limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_keeps_within_the_budget() {
        for wanted in [0, 1, 2, 3, 4, 8, 9, 16, 1000] {
            let share = share(wanted);
            let used = share.jobs as u64 * (WORKER_OVERHEAD + PACKS_PER_WORKER * share.pack_limit);
            assert!(used <= BUDGET, "{wanted}: {share:?} takes {used}");
            assert!(share.jobs >= 1 && share.jobs <= wanted.max(1));
            assert!((MIN_PACK..=MAX_PACK).contains(&share.pack_limit));
        }
        assert_eq!(share(2), Share { jobs: 2, pack_limit: MAX_PACK });
    }
}
