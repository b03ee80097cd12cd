//! Two commits at the same microsecond. However busy a server is, that is chance; so the time of one commit record is
//! written into the next one, and its checksum made right, before anybody has archived it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::support::history::Position;
use crate::support::server::Server;
use crate::support::{Outcome, ledger};

/// XLogRecord: the length of the whole at its start, its checksum at its end.
const HEADER: usize = 24;
const CRC: usize = 20;
/// Of the main data: XLR_BLOCK_ID_DATA_SHORT and its length, then what begins with the time (xl_xact_commit).
const DATA_SHORT: u8 = 255;
const TIME: usize = HEADER + 2;
/// Records that cross a page have a page header within.
const PAGE: u64 = 8192;
/// More than the WAL buffers' last page, which the server will write again.
const PADDING: usize = 3 * PAGE as usize;
/// One pair in a hundred crosses a page.
const TRIES: usize = 10;

const COMMITS: &str = "where resource_manager = 'Transaction' and record_type = 'COMMIT' order by start_lsn";

pub fn make(server: &Server) -> Outcome {
    for _ in 0..TRIES {
        let from = server.lsn()?;
        let xids = [ledger::commit(server)?, ledger::commit(server)?].map(|xid| xid.to_string());
        server.sql(&format!("select pg_logical_emit_message(false, 'padding', repeat('x', {PADDING}))"))?;
        ledger::commit(server)?;
        let records = server.sql(&format!(
            "select start_lsn, end_lsn, xid from pg_get_wal_records_info('{from}', pg_current_wal_flush_lsn()) {COMMITS}"
        ))?;
        let place = |xid: &String| -> Outcome<(Position, Position)> {
            let row = records.iter().find(|row| row[2] == *xid).ok_or("no commit record")?;
            Ok((Position::parse(&row[0])?, Position::parse(&row[1])?))
        };
        let [one, other] = [place(&xids[0])?, place(&xids[1])?];
        if [one, other].iter().all(|(start, end)| start.0 / PAGE == (end.0 - 1) / PAGE) {
            return copy_time(server, one.0, other.0);
        }
    }
    Err("every commit record crossed a page".into())
}

fn copy_time(server: &Server, one: Position, other: Position) -> Outcome {
    let (_, _, from) = read(server, one)?;
    let (file, offset, mut record) = read(server, other)?;
    record[TIME..TIME + 8].copy_from_slice(&from[TIME..TIME + 8]);
    // The header's own part is covered last (`ValidXLogRecord`).
    let crc = crc32c::crc32c_append(crc32c::crc32c(&record[HEADER..]), &record[..CRC]);
    record[CRC..HEADER].copy_from_slice(&crc.to_le_bytes());
    Ok(file.write_all_at(&record, offset)?)
}

fn read(server: &Server, start: Position) -> Outcome<(File, u64, Vec<u8>)> {
    let row = server.sql(&format!("select file_name, file_offset from pg_walfile_name_offset('{start}')"))?;
    let row = row.first().ok_or("no segment")?;
    let file = File::options().read(true).write(true).open(server.data().join("pg_wal").join(&row[0]))?;
    let (offset, mut length) = (row[1].parse()?, [0; 4]);
    file.read_exact_at(&mut length, offset)?;
    let mut record = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact_at(&mut record, offset)?;
    if record.get(HEADER) != Some(&DATA_SHORT) {
        return Err(format!("no commit record at {start}").into());
    }
    Ok((file, offset, record))
}
