//! Ends of transactions (`ParseCommitRecord` and `ParseAbortRecord` in `xactdesc.c`).

use super::bytes::Fields;
use super::format::WalFormat;
use super::record::RecordHeader;
use crate::model::timestamp::TimestampTz;

/// `XLOG_XACT_OPMASK` and the operations that end a transaction.
const OPERATION_MASK: u8 = 0x70;
const COMMIT: u8 = 0x00;
const ABORT: u8 = 0x20;
const COMMIT_PREPARED: u8 = 0x30;
const ABORT_PREPARED: u8 = 0x40;

/// `XLOG_XACT_HAS_INFO`: a word of flags follows the time.
const HAS_INFO: u8 = 0x80;

/// `XACT_XINFO_HAS_…`: which parts follow, in this order.
const HAS_DBINFO: u32 = 1 << 0;
const HAS_SUBXACTS: u32 = 1 << 1;
const HAS_RELFILELOCATORS: u32 = 1 << 2;
const HAS_DROPPED_STATS: u32 = 1 << 8;
const HAS_INVALS: u32 = 1 << 3;
const HAS_TWOPHASE: u32 = 1 << 4;

/// Lengths of the repeated items of those parts.
const TRANSACTION_ID: usize = 4;
const REL_FILE_LOCATOR: usize = 12;
const INVALIDATION_MESSAGE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Commit,
    Abort,
}

/// A commit or abort. An aborted subtransaction (`ROLLBACK TO SAVEPOINT`) has one of its own; a committed
/// one has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    pub outcome: Outcome,
    /// The transaction that ended: for a prepared one not the record's own, but the one that was prepared.
    pub xid: u32,
    pub prepared: bool,
    pub time: TimestampTz,
}

/// Whether the record ends a transaction.
pub fn is_transaction_end(header: &RecordHeader) -> bool {
    matches!(header.info & OPERATION_MASK, COMMIT | ABORT | COMMIT_PREPARED | ABORT_PREPARED)
}

/// `None` where the data is too short for what it announces.
pub fn transaction_end(format: &WalFormat, header: &RecordHeader, data: &[u8]) -> Option<TransactionEnd> {
    let operation = header.info & OPERATION_MASK;
    let outcome = if matches!(operation, COMMIT | COMMIT_PREPARED) { Outcome::Commit } else { Outcome::Abort };
    let prepared = matches!(operation, COMMIT_PREPARED | ABORT_PREPARED);
    let mut fields = Fields(data);
    let time = TimestampTz(fields.i64()?);
    let xid = if prepared { prepared_xid(format, header, &mut fields)? } else { header.xid };
    Some(TransactionEnd { outcome, xid, prepared, time })
}

/// Passes over everything that lies before the identifier of the prepared transaction.
fn prepared_xid(format: &WalFormat, header: &RecordHeader, fields: &mut Fields<'_>) -> Option<u32> {
    let flags = if header.info & HAS_INFO != 0 { fields.u32()? } else { 0 };
    if flags & HAS_DBINFO != 0 {
        fields.take(8)?;
    }
    let parts = [
        (HAS_SUBXACTS, TRANSACTION_ID),
        (HAS_RELFILELOCATORS, REL_FILE_LOCATOR),
        (HAS_DROPPED_STATS, format.stats_item),
        (HAS_INVALS, INVALIDATION_MESSAGE),
    ];
    for (flag, item) in parts {
        if flags & flag != 0 {
            let count = usize::try_from(fields.u32()?).ok()?;
            fields.take(count.checked_mul(item)?)?;
        }
    }
    // Without the flag PostgreSQL's parser leaves InvalidTransactionId.
    if flags & HAS_TWOPHASE != 0 { fields.u32() } else { Some(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lsn::Lsn;

    fn header(info: u8) -> RecordHeader {
        RecordHeader { total_length: 0, xid: 700, prev: Lsn(0), info, rmid: 1, crc: 0 }
    }

    fn words(time: i64, words: &[u32]) -> Vec<u8> {
        let mut data = time.to_le_bytes().to_vec();
        data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        data
    }

    #[test]
    fn a_plain_commit_is_its_records_own_transaction() {
        let v15 = WalFormat::of_major(15).unwrap();
        let end = transaction_end(&v15, &header(COMMIT), &words(5, &[])).unwrap();
        assert_eq!(end, TransactionEnd { outcome: Outcome::Commit, xid: 700, prepared: false, time: TimestampTz(5) });
        assert_eq!(transaction_end(&v15, &header(ABORT), &words(5, &[])).unwrap().outcome, Outcome::Abort);
    }

    #[test]
    fn a_prepared_transaction_is_found_behind_all_other_parts() {
        let flags = HAS_DBINFO | HAS_SUBXACTS | HAS_RELFILELOCATORS | HAS_DROPPED_STATS | HAS_INVALS | HAS_TWOPHASE;
        for (major, stats_words) in [(15, 3), (17, 3), (18, 4)] {
            let mut data = vec![flags, 1, 1, 2, 701, 702, 1, 9, 9, 9, 1];
            data.extend(vec![8; stats_words]);
            data.extend([1, 7, 7, 7, 7, 4711]);
            let format = WalFormat::of_major(major).unwrap();
            let end = transaction_end(&format, &header(COMMIT_PREPARED | HAS_INFO), &words(5, &data)).unwrap();
            assert_eq!((end.xid, end.prepared, end.outcome), (4711, true, Outcome::Commit), "{major}");
            let cut = words(5, &data[..data.len() - 1]);
            assert_eq!(transaction_end(&format, &header(ABORT_PREPARED | HAS_INFO), &cut), None);
        }
    }

    #[test]
    fn counts_beyond_the_record_are_refused() {
        let v18 = WalFormat::of_major(18).unwrap();
        let data = words(5, &[HAS_SUBXACTS | HAS_TWOPHASE, u32::MAX, 1]);
        assert_eq!(transaction_end(&v18, &header(COMMIT_PREPARED | HAS_INFO), &data), None);
        assert_eq!(transaction_end(&v18, &header(COMMIT), &[0; 7]), None);
    }
}
