//! `[status]`: from when on something counts as wrong.

use std::time::Duration;

use super::Objectives;
use super::file::Table;
use super::value;
use crate::model::error::Result;
use crate::model::verdict::Thresholds;

/// What stands in the file goes before what follows from `[objectives]`.
pub(super) fn thresholds(table: Option<&Table>, objectives: &Objectives) -> Result<Thresholds> {
    let usual = usual(objectives);
    let seconds = |key, usual: u64| {
        let configured = table.map(|table| table.parsed(key, value::duration)).transpose()?.flatten();
        Ok::<u64, crate::model::error::Error>(configured.map_or(usual, |time| time.as_secs()))
    };
    Ok(Thresholds {
        wal_warning: seconds("wal_warning", usual.wal_warning)?,
        wal_critical: seconds("wal_critical", usual.wal_critical)?,
        backup: seconds("backup", usual.backup)?,
        dump: seconds("dump", usual.dump)?,
        drill: seconds("drill", usual.drill)?,
        full_warning: seconds("full_warning", usual.full_warning)?,
        full_critical: seconds("full_critical", usual.full_critical)?,
        slot: table.map(|table| table.parsed("slot", value::size)).transpose()?.flatten().unwrap_or(usual.slot),
        behind: seconds("behind", usual.behind)?,
    })
}

/// WAL that waits for longer than `rpo` breaks that promise; before, nothing is wrong.
pub fn usual(objectives: &Objectives) -> Thresholds {
    let usual = Thresholds::default();
    match objectives.rpo.as_ref().map(Duration::as_secs) {
        None => usual,
        Some(rpo) => Thresholds { wal_warning: rpo, wal_critical: usual.wal_critical.max(rpo), ..usual },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wal_may_wait_as_long_as_may_be_lost() {
        let of = |rpo: Option<u64>| {
            let thresholds = usual(&Objectives { rpo: rpo.map(Duration::from_secs), rto: None });
            (thresholds.wal_warning, thresholds.wal_critical)
        };
        assert_eq!([of(None), of(Some(60)), of(Some(7200))], [(300, 3600), (60, 3600), (7200, 7200)]);
    }
}
