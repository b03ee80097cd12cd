//! What differs between the WAL formats of PostgreSQL 14 to 19.

/// The WAL format of one major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalFormat {
    pub major: u32,
    /// `XLOG_PAGE_MAGIC`; where a major had several, the one of its release comes first.
    magics: &'static [u16],
    /// `XLP_FIRST_IS_OVERWRITE_CONTRECORD`
    pub overwrite_flag: u16,
    /// `XLP_ALL_FLAGS`
    pub all_flags: u16,
    /// Greatest built-in resource manager (`RM_MAX_BUILTIN_ID`).
    greatest_builtin_rmid: u8,
    /// Extensions may have resource managers (15 and later).
    custom_rmids: bool,
    /// Longest record that PostgreSQL's reader accepts.
    pub greatest_record: u32,
    /// Size of `xl_xact_stats_item`; 14 has none.
    pub stats_item: usize,
}

/// `XLogRecordMaxSize` of 16 and later.
const RECORD_MAX_SIZE: u32 = 1020 * 1024 * 1024;
/// 14 and 15 only refuse what they cannot allocate (`MaxAllocSize`).
const MAX_ALLOC_SIZE: u32 = 0x3fff_ffff;

/// Smallest identifier of an extension's resource manager (`RM_MIN_CUSTOM_ID`).
const MIN_CUSTOM_RMID: u8 = 128;

const V14: WalFormat = WalFormat {
    major: 14,
    magics: &[0xD10D],
    overwrite_flag: 0x0008,
    all_flags: 0x000F,
    greatest_builtin_rmid: 21,
    custom_rmids: false,
    greatest_record: MAX_ALLOC_SIZE,
    stats_item: 0,
};
const V15: WalFormat = WalFormat { major: 15, magics: &[0xD110], custom_rmids: true, stats_item: 12, ..V14 };
const V16: WalFormat = WalFormat { major: 16, magics: &[0xD113], greatest_record: RECORD_MAX_SIZE, ..V15 };
const V17: WalFormat = WalFormat { major: 17, magics: &[0xD116], ..V16 };
// 18 widened the object identifier of dropped statistics to 64 bits.
const V18: WalFormat = WalFormat { major: 18, magics: &[0xD118], stats_item: 16, ..V17 };
// 19 dropped XLP_BKP_REMOVABLE, moved the flag above it down, and added the resource manager XLOG2. Its
// beta had D120; a fix of July 2026 (visibility map blocks registered in WAL) raised it.
const V19: WalFormat = WalFormat {
    major: 19,
    magics: &[0xD121, 0xD120],
    overwrite_flag: 0x0004,
    all_flags: 0x0007,
    greatest_builtin_rmid: 22,
    ..V18
};

const KNOWN: [&WalFormat; 6] = [&V14, &V15, &V16, &V17, &V18, &V19];

impl WalFormat {
    /// The format of a major version; `None` for those that are not known.
    pub fn of_major(major: u32) -> Option<WalFormat> {
        KNOWN.into_iter().find(|format| format.major == major).copied()
    }

    /// The format that the first two bytes of a page tell.
    pub fn of_magic(magic: u16) -> Option<WalFormat> {
        KNOWN.into_iter().find(|format| format.has_magic(magic)).copied()
    }

    pub fn has_magic(&self, magic: u16) -> bool {
        self.magics.contains(&magic)
    }

    /// The page magic of the released version.
    pub fn magic(&self) -> u16 {
        self.magics[0]
    }

    /// `RmgrIdIsValid`
    pub fn knows_resource_manager(&self, rmid: u8) -> bool {
        rmid <= self.greatest_builtin_rmid || (self.custom_rmids && rmid >= MIN_CUSTOM_RMID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_major_is_found_by_number_and_by_magic() {
        for (major, magic) in [(14, 0xD10D), (15, 0xD110), (16, 0xD113), (17, 0xD116), (18, 0xD118), (19, 0xD120)] {
            assert_eq!(WalFormat::of_major(major), WalFormat::of_magic(magic));
            assert_eq!(WalFormat::of_magic(magic).map(|format| format.major), Some(major));
        }
        assert_eq!(WalFormat::of_major(13), None);
        assert_eq!(WalFormat::of_magic(0xD10C), None);
    }

    #[test]
    fn custom_resource_managers_came_with_15() {
        let known = |major, rmid| WalFormat::of_major(major).unwrap().knows_resource_manager(rmid);
        assert!(!known(14, 128) && known(15, 128) && known(15, 255) && !known(15, 127));
        assert!(known(18, 21) && !known(18, 22) && known(19, 22));
    }
}
