//! What happened on an origin, in WAL order, and what must therefore be visible after a recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::server::Server;
use super::{Outcome, ledger};

/// Rows per transaction id.
pub type Rows = BTreeMap<u32, u32>;

/// A position in WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    pub fn parse(text: &str) -> Outcome<Position> {
        let (high, low) = text.split_once('/').ok_or_else(|| format!("not an LSN: {text:?}"))?;
        Ok(Position((u64::from_str_radix(high, 16)? << 32) | u64::from_str_radix(low, 16)?))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A commit or abort record, of a prepared transaction or not.
#[derive(Debug, Clone)]
pub struct Record {
    pub start: Position,
    pub end: Position,
    pub xid: u32,
    pub committed: bool,
    pub prepared: bool,
    /// Microseconds since 1970, as the record holds them: not monotonic in WAL.
    pub time: i64,
}

/// Where a recovery is told to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Microseconds since 1970.
    Time(i64),
    Lsn(Position),
    Xid(u32),
    Name(String),
    /// The end of the backup that stopped at this position.
    Immediate(Position),
    Latest,
}

/// Everything that the origin committed or aborted since `from`, and the rows of what it committed.
#[derive(Debug)]
pub struct History {
    pub records: Vec<Record>,
    /// Of the whole ledger at the time of capture; rows are only ever inserted.
    pub rows: Rows,
    /// Restore points, by name and start; the first of a name counts.
    pub points: Vec<(String, Position)>,
}

impl History {
    /// Reads the origin's WAL from a position before its first ledger row. The WAL must still be in pg_wal.
    pub fn capture(origin: &Server, from: Position) -> Outcome<History> {
        // A commit makes sure that all earlier records, aborts too, are flushed.
        ledger::commit(origin)?;
        let end = origin.value("select pg_current_wal_flush_lsn()")?;
        let all = format!("pg_get_wal_records_info('{from}', '{end}')");
        let text = format!(
            r"select start_lsn, end_lsn, coalesce(substring(description from '^(\d+): '), xid::text), record_type,
                     (extract(epoch from substring(description from '\d{{4}}-\d\d-\d\d [0-9:.]+')::timestamp) * 1000000)::bigint
              from {all} where resource_manager = 'Transaction' and record_type ~ '^(COMMIT|ABORT)' order by start_lsn"
        );
        let records = origin.sql(&text)?.iter().map(|row| record(row)).collect::<Outcome<Vec<_>>>()?;
        let text = format!(
            "select description, start_lsn from {all} where resource_manager = 'XLOG' and record_type = 'RESTORE_POINT' \
             order by start_lsn"
        );
        let points = origin.sql(&text)?;
        let points = points.iter().map(|row| Ok((row[0].clone(), Position::parse(&row[1])?)));
        Ok(History { records, points: points.collect::<Outcome<_>>()?, rows: ledger::rows(origin)? })
    }

    /// Records that start before this position are applied by a recovery to the target, as recoveryStopsBefore and
    /// recoveryStopsAfter of PostgreSQL decide it; `None` where all are. The origin is asked where records start
    /// that are not in the history.
    pub fn end(&self, origin: &Server, target: &Target, inclusive: bool) -> Outcome<Option<Position>> {
        Ok(match target {
            Target::Latest => None,
            Target::Immediate(stop) => Some(*stop),
            Target::Xid(xid) => {
                let record = self.records.iter().find(|r| r.xid == *xid);
                let record = record.ok_or_else(|| format!("transaction {xid} neither committed nor aborted"))?;
                Some(if inclusive { record.end } else { record.start })
            }
            Target::Time(time) => {
                let beyond = |r: &&Record| if inclusive { r.time > *time } else { r.time >= *time };
                self.records.iter().find(beyond).map(|r| r.start)
            }
            Target::Name(name) => {
                let point = self.points.iter().find(|(n, _)| n == name);
                Some(point.ok_or_else(|| format!("no restore point {name:?}"))?.1)
            }
            Target::Lsn(lsn) => {
                // Both kinds stop at the first record that starts at or past the LSN.
                let text = format!("select start_lsn, end_lsn from pg_get_wal_record_info('{lsn}')");
                let row = origin.sql(&text)?.into_iter().next().ok_or("no record at the LSN")?;
                Some(Position::parse(&row[usize::from(inclusive)])?)
            }
        })
    }

    /// Rows that must be visible after a recovery to the target.
    pub fn expected(&self, origin: &Server, target: &Target, inclusive: bool) -> Outcome<Rows> {
        let end = self.end(origin, target, inclusive)?;
        let before_end = |r: &&Record| r.committed && end.is_none_or(|end| r.start < end);
        let committed: BTreeSet<u32> = self.records.iter().filter(before_end).map(|r| r.xid).collect();
        Ok(self.rows.iter().filter(|(xid, _)| committed.contains(xid)).map(|(x, n)| (*x, *n)).collect())
    }

    /// Holds the ledger of a restored server against what must be there: all of it and nothing else.
    pub fn verify(&self, origin: &Server, restored: &Server, target: &Target, inclusive: bool) -> Outcome {
        let expected = self.expected(origin, target, inclusive)?;
        let visible = ledger::rows(restored)?;
        let missing: Vec<_> = expected.iter().filter(|(xid, n)| visible.get(xid) != Some(n)).collect();
        let excess: Vec<_> = visible.iter().filter(|(xid, n)| expected.get(xid) != Some(n)).collect();
        if missing.is_empty() && excess.is_empty() {
            return Ok(());
        }
        let sort = if inclusive { "inclusive" } else { "exclusive" };
        Err(format!("recovery to {target:?}, {sort}: (xid, rows) missing {missing:?}, in excess {excess:?}").into())
    }
}

fn record(row: &[String]) -> Outcome<Record> {
    Ok(Record {
        start: Position::parse(&row[0])?,
        end: Position::parse(&row[1])?,
        xid: row[2].parse()?,
        committed: row[3].starts_with("COMMIT"),
        prepared: row[3].ends_with("PREPARED"),
        time: row[4].parse()?,
    })
}
