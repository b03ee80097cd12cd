//! The checksum of a page: 32 FNV-1a sums side by side over its 32-bit words, folded into one and mixed
//! with the block number.

const LANES: usize = 32;
const PRIME: u32 = 16_777_619;

/// The field that the checksum is stored in counts as zero.
const CHECKSUM_FIELD: std::ops::Range<usize> = 8..10;

/// Bytes that all lanes take in one round.
const ROUND: usize = LANES * 4;

/// Where each lane begins.
#[rustfmt::skip]
pub(super) const OFFSETS: [u32; LANES] = [
    0x5B1F_36E9, 0xB852_5960, 0x02AB_50AA, 0x1DE6_6D2A, 0x79FF_467A, 0x9BB9_F8A3, 0x217E_7CD2, 0x83E1_3D2C,
    0xF8D4_474F, 0xE39E_B970, 0x42C6_AE16, 0x9932_16FA, 0x7B09_3B5D, 0x98DA_FF3C, 0xF718_902A, 0x0B1C_9CDB,
    0xE58F_764B, 0x1876_36BC, 0x5D7B_3BB1, 0xE73D_E7DE, 0x92BE_C979, 0xCCA6_C0B2, 0x304A_0979, 0x85AA_43D4,
    0x7831_25BB, 0x6CA8_EAA2, 0xE407_EAC6, 0x4B5C_FC3E, 0x9FBF_8C76, 0x15CA_20BE, 0xF2CA_9FD3, 0x959B_D756,
];

/// `pg_checksum_page`. The page's length is a power of two from 1 KiB on. Plain code: with 32 lanes the
/// compiler makes vectors of it, and it is several times as fast as anything else that is done to a page.
pub fn checksum(page: &[u8], block: u32) -> u16 {
    // Never zero: a page that was never given a checksum is not valid by chance.
    ((sum(page) ^ block) % 65_535 + 1) as u16
}

fn sum(page: &[u8]) -> u32 {
    let (rounds, _) = page.as_chunks::<ROUND>();
    let mut sums = OFFSETS;
    if let Some((first, rest)) = rounds.split_first() {
        let mut first = *first;
        first[CHECKSUM_FIELD].fill(0);
        mix(&mut sums, &first);
        for round in rest {
            mix(&mut sums, round);
        }
    }
    // Two rounds of zeros, so that the last words are mixed as well as the first.
    mix(&mut sums, &[0; ROUND]);
    mix(&mut sums, &[0; ROUND]);
    sums.into_iter().fold(0, |all, sum| all ^ sum)
}

#[inline(always)]
fn mix(sums: &mut [u32; LANES], round: &[u8; ROUND]) {
    let (words, _) = round.as_chunks::<4>();
    for (sum, word) in sums.iter_mut().zip(words) {
        let mixed = *sum ^ u32::from_le_bytes(*word);
        *sum = mixed.wrapping_mul(PRIME) ^ (mixed >> 17);
    }
}
