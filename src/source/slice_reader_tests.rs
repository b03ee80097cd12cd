//! Files that change, or are damaged, while they are read.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::model::control_file::{CONTROL_FILE_SIZE, ControlFile};
use crate::model::lsn::Lsn;
use crate::model::page::{PageHeader, checksum};
use crate::source::data_directory::Item;

const CONTROL_FILE: &[u8] = include_bytes!("../../fixtures/control_file/15.bin");
const PAGE: &[u8] = include_bytes!("../../fixtures/page/1249.7.bin");
const PAGE_SIZE: usize = 8192;
const LATE: Lsn = Lsn(u64::MAX);

/// A data directory with one relation, base/5/1249, or its second file.
struct Relation {
    temporary: TempDir,
    name: &'static str,
}

impl Relation {
    fn new(name: &'static str, pages: &[u8]) -> Relation {
        let relation = Relation { temporary: tempfile::tempdir().unwrap(), name };
        for directory in ["base/5", "global"] {
            fs::create_dir_all(relation.temporary.path().join(directory)).unwrap();
        }
        fs::write(relation.temporary.path().join("PG_VERSION"), "15\n").unwrap();
        let mut control_file = CONTROL_FILE.to_vec();
        control_file.resize(CONTROL_FILE_SIZE, 0);
        fs::write(relation.temporary.path().join("global/pg_control"), control_file).unwrap();
        fs::write(relation.file(), pages).unwrap();
        relation
    }

    fn file(&self) -> PathBuf {
        self.temporary.path().join("base/5").join(self.name)
    }

    fn open(&self) -> (DataDirectory, Entry) {
        let data = DataDirectory::open(self.temporary.path()).unwrap();
        let entry = data.walk().unwrap().find_map(|item| match item.unwrap() {
            Item::Entry(entry) if entry.path.file_name() == self.name.as_bytes() => Some(entry),
            _ => None,
        });
        (data, entry.unwrap())
    }

    /// Reads it all; `meanwhile` happens after the first piece.
    fn read(&self, start: Lsn, meanwhile: impl Fn()) -> (Vec<u8>, SliceFile) {
        let (data, entry) = self.open();
        let mut reader = SliceReader::new(checks(start));
        let range = Slice { offset: 0, length: entry.attributes.size };
        let mut slice = reader.open(&data, &entry, range).unwrap().unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = reader.next(&mut slice).unwrap() {
            bytes.extend_from_slice(chunk);
            meanwhile();
        }
        (bytes, slice)
    }
}

fn checks(start: Lsn) -> PageChecks {
    PageChecks::new(&ControlFile::parse(CONTROL_FILE).unwrap(), start)
}

/// Valid pages from block `first` on.
fn pages(first: u32, count: u32) -> Vec<u8> {
    let page = |block| {
        let mut page = PAGE.to_vec();
        page[8..10].copy_from_slice(&checksum(PAGE, block).to_le_bytes());
        page
    };
    (first..first + count).flat_map(page).collect()
}

#[test]
fn valid_pages_are_read_as_they_are() {
    let content = pages(0, 300);
    let (bytes, slice) = Relation::new("1249", &content).read(LATE, || {});
    assert_eq!(bytes, content);
    assert!(!slice.shrunk() && slice.bad_blocks().is_empty());
}

#[test]
fn blocks_are_counted_across_files() {
    let first = 131_072;
    let mut content = pages(first, 3);
    content[PAGE_SIZE + 5000] ^= 1;
    let (bytes, slice) = Relation::new("1249.1", &content).read(LATE, || {});
    assert_eq!(slice.bad_blocks(), [u64::from(first) + 1]);
    assert_eq!(bytes, content, "a bad page is stored as it is");
}

#[test]
fn slices_begin_in_the_middle() {
    let mut content = pages(0, 300);
    content[200 * PAGE_SIZE + 100] ^= 1;
    let relation = Relation::new("1249", &content);
    let (data, entry) = relation.open();
    let mut reader = SliceReader::new(checks(LATE));
    let range = Slice { offset: 150 * PAGE_SIZE as u64, length: 100 * PAGE_SIZE as u64 };
    let mut slice = reader.open(&data, &entry, range).unwrap().unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next(&mut slice).unwrap() {
        bytes.extend_from_slice(chunk);
    }
    assert_eq!(bytes, content[150 * PAGE_SIZE..250 * PAGE_SIZE]);
    assert_eq!(slice.bad_blocks(), [200]);
}

#[test]
fn recent_pages_are_not_judged() {
    let lsn = PageHeader::parse(PAGE).unwrap().lsn;
    let mut content = pages(0, 3);
    content[PAGE_SIZE + 5000] ^= 1;
    let (_, slice) = Relation::new("1249", &content).read(lsn, || {});
    assert!(slice.bad_blocks().is_empty());
}

#[test]
fn other_files_are_not_judged() {
    let (bytes, slice) = Relation::new("pg_filenode.map", &[7; 20000]).read(LATE, || {});
    assert_eq!(bytes, [7; 20000]);
    assert!(slice.bad_blocks().is_empty());
}

#[test]
fn what_grows_is_cut() {
    let content = pages(0, 200);
    let relation = Relation::new("1249", &content);
    let (bytes, slice) = relation.read(LATE, || fs::write(relation.file(), pages(0, 250)).unwrap());
    assert_eq!(bytes, content);
    assert!(!slice.shrunk());
}

#[test]
fn what_shrinks_is_filled_with_zeros() {
    let content = pages(0, 400);
    let relation = Relation::new("1249", &content);
    let kept = 150 * PAGE_SIZE;
    // Cut within a page: the page's first half is not kept.
    let cut = || fs::OpenOptions::new().write(true).open(relation.file()).unwrap().set_len(kept as u64 + 100).unwrap();
    let (bytes, slice) = relation.read(LATE, cut);
    assert!(slice.shrunk() && slice.bad_blocks().is_empty());
    assert_eq!(bytes.len(), content.len());
    assert_eq!(bytes[..kept], content[..kept]);
    assert!(bytes[kept..].iter().all(|b| *b == 0));
}

#[test]
fn a_page_that_was_being_written_is_read_again() {
    let whole = pages(1, 1);
    let torn = |written: usize| [&whole[..written], &[9; PAGE_SIZE][written..]].concat();
    // More and more of it; a page that is the same twice more is not being written.
    let mut looks = [torn(1024), torn(1024), torn(2048), torn(4096), whole.clone()].into_iter();
    let mut page = torn(512);
    let read = |page: &mut [u8]| {
        page.copy_from_slice(&looks.next().unwrap());
        Ok(())
    };
    assert_eq!(checks(LATE).look_again(&mut page, 1, 0, read).unwrap(), Look::Good);
    assert_eq!(page, whole);

    let mut looks = 0;
    let read = |page: &mut [u8]| {
        page.copy_from_slice(&torn(512 + looks.min(3)));
        looks += 1;
        Ok(())
    };
    assert_eq!(checks(LATE).look_again(&mut page, 1, 0, read).unwrap(), Look::Bad);
    assert_eq!(looks, 6);
}

#[test]
fn many_bad_pages_do_not_take_forever() {
    let mut content = pages(0, 1000);
    content.chunks_mut(PAGE_SIZE).for_each(|page| page[5000] ^= 1);
    let (_, slice) = Relation::new("1249", &content).read(LATE, || {});
    assert_eq!(slice.bad_blocks().len(), 1000);
}

#[test]
fn a_vanished_file_is_none() {
    let relation = Relation::new("1249", &pages(0, 1));
    let (data, entry) = relation.open();
    fs::remove_file(relation.file()).unwrap();
    let mut reader = SliceReader::new(checks(LATE));
    assert!(reader.open(&data, &entry, Slice { offset: 0, length: 1 }).unwrap().is_none());
}
