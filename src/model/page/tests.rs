//! Checksums of a page that PostgreSQL wrote, and what is made of pages that are not whole.

use proptest::prelude::*;

use super::*;

/// Block 7 of pg_attribute, from a cluster of PostgreSQL 15 with checksums.
const PAGE: &[u8] = include_bytes!("../../../fixtures/page/1249.7.bin");
const BLOCK: u32 = 7;
const LATE: Lsn = Lsn(u64::MAX);

#[test]
fn headers() {
    let header = PageHeader::parse(PAGE).unwrap();
    assert_eq!(header.pagesize_version, 8192 | 4);
    assert_eq!((header.special, header.is_new()), (8192, false));
    assert!(header.lower >= PAGE_HEADER_SIZE as u16 && header.lower <= header.upper && header.upper <= header.special);
    assert!(header.lsn.is_valid() && header.lsn < Lsn(1 << 32));
    assert_eq!(PageHeader::parse(&PAGE[..PAGE_HEADER_SIZE - 1]), None);
}

#[test]
fn a_page_that_postgresql_wrote_is_valid_at_its_block_alone() {
    assert_eq!(verify(PAGE, BLOCK, LATE), PageVerdict::Valid);
    assert!(matches!(verify(PAGE, BLOCK + 1, LATE), PageVerdict::Bad { .. }));
}

/// 16 bits of checksum let one change in 65535 pass.
const CHANCE: usize = 8;

#[test]
fn flipped_bits_are_found() {
    let flip = |bit: usize| {
        let mut page = PAGE.to_vec();
        page[bit / 8] ^= 1 << (bit % 8);
        verify(&page, BLOCK, LATE)
    };
    let missed = (0..PAGE.len() * 8).filter(|bit| flip(*bit).is_good()).count();
    assert!(missed < CHANCE, "{missed}");
}

#[test]
fn new_pages_are_all_zero() {
    let mut page = vec![0; 8192];
    assert_eq!(verify(&page, BLOCK, LATE), PageVerdict::New);
    page[8191] = 1;
    assert_eq!(verify(&page, BLOCK, LATE), PageVerdict::NewNotZero);
    assert!(!verify(&page, BLOCK, Lsn(0)).is_good());
}

#[test]
fn recent_pages_may_be_torn() {
    let lsn = PageHeader::parse(PAGE).unwrap().lsn;
    let mut torn = PAGE.to_vec();
    torn[4096..].fill(0);
    assert_eq!(verify(&torn, BLOCK, lsn), PageVerdict::Recent);
    assert!(matches!(verify(&torn, BLOCK, Lsn(lsn.0 + 1)), PageVerdict::Bad { .. }));
}

/// One lane after the other, by the letter of the definition.
fn plain_checksum(page: &[u8], block: u32) -> u16 {
    let mut page = page.to_vec();
    page[8..10].fill(0);
    let word = |at: usize| u32::from_le_bytes(page[at * 4..at * 4 + 4].try_into().unwrap());
    let step = |sum: u32, word: u32| (sum ^ word).wrapping_mul(16_777_619) ^ ((sum ^ word) >> 17);
    let lane = |lane: usize| {
        let words = (lane..page.len() / 4).step_by(32).map(word).chain([0, 0]);
        words.fold(super::checksum::OFFSETS[lane], step)
    };
    let folded = (0..32).map(lane).fold(0, |all, sum| all ^ sum);
    ((folded ^ block) % 65_535 + 1) as u16
}

proptest! {
    #[test]
    fn all_page_sizes_agree_with_the_definition(seed in any::<[u8; 32]>(), block in any::<u32>()) {
        for size in [1024, 2048, 4096, 8192, 16384, 32768] {
            let page: Vec<u8> = seed.iter().cycle().enumerate().map(|(i, b)| b ^ (i >> 5) as u8).take(size).collect();
            prop_assert_eq!(checksum(&page, block), plain_checksum(&page, block));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(page in prop::collection::vec(any::<u8>(), 0..3000), block in any::<u32>()) {
        verify(&page, block, LATE);
    }
}
