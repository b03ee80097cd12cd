//! Blocks that come in pieces, and pages that were bad.

use super::*;
use crate::model::manifest::{Extent, Mode, Slice};
use crate::model::path::RelPath;

const BLOCK: u64 = DIGEST_BLOCK;
const SEED: u64 = 7;

fn line(path: &str, size: u64, extents: &[(u64, u64)]) -> FileSlice {
    let extent = |(file_offset, length): &(u64, u64)| Extent {
        file_offset: *file_offset,
        length: *length,
        pack: 0,
        pack_offset: *file_offset,
    };
    let extents = extents.iter().map(extent).collect();
    FileSlice { path: RelPath::new(path).unwrap(), size, mode: Mode(0o600), mtime: 0, slice: None, extents }
}

fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at / 1000) as u8 | 1).collect()
}

#[test]
fn pieces_in_any_order_are_one_block_and_holes_are_zero() {
    let mut bytes = content(3 * BLOCK + 100);
    bytes[BLOCK as usize + 500..3 * BLOCK as usize].fill(0);
    let covered = [(0, BLOCK), (BLOCK, 500), (3 * BLOCK, 40), (3 * BLOCK + 40, 60)];
    let lines = [line("PG_VERSION", 3 * BLOCK + 100, &covered)];
    let expected: Vec<u64> = digests(&bytes, SEED).collect();
    for harm in [None, Some(0), Some(BLOCK + 1), Some(3 * BLOCK + 99)] {
        let mut sent = bytes.clone();
        harm.into_iter().for_each(|at| sent[at as usize] ^= 1);
        let mut comparison = Comparison::new(&lines, SEED, &expected, None);
        for (offset, length) in covered.iter().rev() {
            comparison.take(0, *offset, &sent[*offset as usize..(offset + length) as usize]);
        }
        assert!(!comparison.pass());
        let other: Vec<u64> = comparison.finish().other.values().map(|other| other.from).collect();
        assert_eq!(other, harm.map(|at| at / BLOCK * BLOCK).into_iter().collect::<Vec<_>>(), "{harm:?}");
    }
    // A hole that was none.
    let full = content(3 * BLOCK + 100);
    let other: Vec<u64> = digests(&full, SEED).collect();
    let mut comparison = Comparison::new(&lines, SEED, &other, None);
    comparison.take(0, 0, &full[..BLOCK as usize]);
    comparison.pass();
    assert_eq!(comparison.finish().other[&0], OtherContent { from: 2 * BLOCK, to: 3 * BLOCK, blocks: 1 });
}

#[test]
fn more_halves_than_may_wait_are_judged_in_further_passes() {
    let blocks = 3 * MAX_WAITING as u64;
    let bytes = content(blocks * BLOCK);
    let half = BLOCK / 2;
    let halves: Vec<(u64, u64)> = (0..2 * blocks).map(|n| (n * half, half)).collect();
    let lines = [line("base/5/1", blocks * BLOCK, &halves)];
    let expected: Vec<u64> = digests(&bytes, SEED).map(|digest| digest ^ 1).collect();
    let mut comparison = Comparison::new(&lines, SEED, &expected, None);
    let mut passes = 0;
    loop {
        // All first halves, then all second ones.
        for (offset, length) in halves.iter().step_by(2).chain(halves.iter().skip(1).step_by(2)) {
            comparison.take(0, *offset, &bytes[*offset as usize..(offset + length) as usize]);
            assert!(comparison.waiting.len() <= MAX_WAITING);
        }
        passes += 1;
        if !comparison.pass() {
            break;
        }
    }
    assert_eq!((passes, comparison.finish().other[&0].blocks), (3, blocks));
}

#[test]
fn what_lies_in_an_unreadable_pack_is_not_judged() {
    let bytes = content(2 * BLOCK);
    let lines = [line("base/5/1", 2 * BLOCK, &[(0, BLOCK + 5), (BLOCK + 5, BLOCK - 5)])];
    let expected: Vec<u64> = digests(&bytes, SEED).collect();
    let mut comparison = Comparison::new(&lines, SEED, &expected, None);
    comparison.take(0, 0, &bytes[..BLOCK as usize + 5]);
    assert!(!comparison.pass());
    assert_eq!(comparison.finish(), Compared::default());
}

#[test]
fn pages_are_judged_by_relation_and_block_across_slices() {
    let rule = PageRule {
        page_size: 8192,
        pages_per_segment: 131_072,
        start: Lsn(1 << 40),
        version_directory: "PG_18_202506291".to_owned(),
    };
    let mut page = vec![0u8; 8192];
    // `pd_upper`: it is not new.
    page[15] = 0x20;
    let bytes = page.repeat(4);
    let expected: Vec<u64> = digests(&bytes, SEED).collect();
    let bad = |path: &str, offset: u64| {
        let mut file = line(path, offset + BLOCK, &[(offset, BLOCK)]);
        file.slice = (offset > 0).then_some(Slice { offset, length: BLOCK });
        let lines = [file];
        let mut comparison = Comparison::new(&lines, SEED, &expected, Some(&rule));
        comparison.take(0, offset, &bytes);
        comparison.finish().bad_pages.iter().map(|page| page.block).collect::<Vec<_>>()
    };
    assert_eq!(bad("base/5/16402", 0), [0, 1, 2, 3]);
    assert_eq!(bad("base/5/16402.2_fsm", 0), [0u64; 0], "no name of a relation");
    assert_eq!(bad("base/5/16402_fsm.2", 0), [262_144, 262_145, 262_146, 262_147]);
    assert_eq!(bad("pg_tblspc/16401/PG_18_202506291/5/16402.1", 4 * BLOCK)[0], 131_072 + 16);
    for other in ["pg_tblspc/16401/PG_17_202406281/5/16402", "pg_xact/0000", "base/5/PG_VERSION", "16402"] {
        assert_eq!(bad(other, 0), [0u64; 0], "{other}");
    }
}
