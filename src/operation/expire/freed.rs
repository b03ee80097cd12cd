//! How much a run frees.

use std::ops::AddAssign;

use super::needs::Doomed;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    pub bytes: u64,
    pub wal_files: u64,
}

impl Amount {
    pub fn add(&mut self, doomed: &Doomed) {
        self.bytes += doomed.size;
        self.wal_files += u64::from(doomed.is_wal);
    }

    pub fn of_bytes(bytes: u64) -> Amount {
        Amount { bytes, wal_files: 0 }
    }

    pub fn of<'d>(doomed: impl IntoIterator<Item = &'d Doomed>) -> Amount {
        let mut amount = Amount::default();
        doomed.into_iter().for_each(|one| amount.add(one));
        amount
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.bytes += other.bytes;
        self.wal_files += other.wal_files;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    pub gone: Amount,
    /// Condemned by this run: what waited for the grace time before does not count again.
    pub condemned: Amount,
}

impl AddAssign for Freed {
    fn add_assign(&mut self, other: Freed) {
        self.gone += other.gone;
        self.condemned += other.condemned;
    }
}
