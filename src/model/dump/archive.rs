//! The table of contents of an archive of `pg_dump` in custom format: which statements it has, what each is of, and which
//! others it relies on. `pg_restore` tells less of it (`ReadHead` and `ReadToc` in PostgreSQL's pg_backup_archiver.c).

use thiserror::Error;

use super::TableName;

const MAGIC: &[u8] = b"PGDMP";
/// Of archives of PostgreSQL 12 (1.14) to 18 (1.16).
const VERSIONS: std::ops::RangeInclusive<u8> = 14..=16;
/// Fields of the moment at which it was made.
const TIME_FIELDS: usize = 7;

/// `teSection` in PostgreSQL's pg_backup.h.
const SECTION_NONE: i64 = 1;
const SECTION_POST_DATA: i64 = 4;

/// A statement, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    pub id: u32,
    /// `TABLE`, `FK CONSTRAINT` and the like.
    pub description: String,
    /// None of what belongs to no schema.
    pub schema: Option<String>,
    /// The name; of what belongs to a table that one's, a space, and its own.
    pub tag: String,
    pub definition: String,
    /// `DROP` of it.
    pub removal: String,
    /// Ids. What `pg_dump` left out of the archive may be among them.
    pub relies_on: Vec<u32>,
    /// Of section post-data. What is said of something else, such as comments, has no section.
    pub after_rows: Option<bool>,
}

impl Entry {
    /// The table whose rows it brings.
    pub fn filled(&self) -> Option<TableName> {
        let schema = self.schema.clone().filter(|_| self.description == "TABLE DATA")?;
        Some(TableName { schema, name: self.tag.clone() })
    }

    pub fn makes_large_objects(&self) -> bool {
        ["BLOB", "BLOB METADATA"].contains(&self.description.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// More of it may follow.
    #[error("it ends within its table of contents")]
    Short,
    #[error("it is no archive of pg_dump in custom format")]
    Foreign,
    #[error("it has version {0}.{1}, and 1.{first} to 1.{last} are known", first = VERSIONS.start(), last = VERSIONS.end())]
    Version(u8, u8),
}

/// Those that `--section=post-data` stands for: what has no section is of the one before it
/// (`ProcessArchiveRestoreOptions` in pg_backup_archiver.c).
pub fn after_rows(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let mut current = false;
    entries.iter().filter(move |entry| {
        current = entry.after_rows.unwrap_or(current);
        current
    })
}

/// From the beginning of an archive.
pub fn entries(archive: &[u8]) -> Result<Vec<Entry>, ArchiveError> {
    let mut text = Text { rest: archive, integer: 0 };
    if text.take(MAGIC.len())? != MAGIC {
        return Err(ArchiveError::Foreign);
    }
    let (major, minor, _) = (text.byte()?, text.byte()?, text.byte()?);
    if major != 1 || !VERSIONS.contains(&minor) {
        return Err(ArchiveError::Version(major, minor));
    }
    text.integer = usize::from(text.byte()?);
    let offset = usize::from(text.byte()?);
    let _format = text.byte()?;
    match minor {
        14 => drop(text.number()?),
        _ => drop(text.byte()?),
    }
    for _ in 0..TIME_FIELDS {
        text.number()?;
    }
    let _names = (text.string()?, text.string()?, text.string()?);
    let count = text.number()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(&mut text, minor, offset)?);
    }
    Ok(entries)
}

fn entry(text: &mut Text<'_>, minor: u8, offset: usize) -> Result<Entry, ArchiveError> {
    let id = u32::try_from(text.number()?).map_err(|_| ArchiveError::Foreign)?;
    let _has_data = text.number()?;
    let _catalog = (text.string()?, text.string()?);
    let (tag, description) = (text.string()?.unwrap_or_default(), text.string()?.unwrap_or_default());
    let after_rows = match text.number()? {
        SECTION_NONE => None,
        section => Some(section == SECTION_POST_DATA),
    };
    let (definition, removal) = (text.string()?.unwrap_or_default(), text.string()?.unwrap_or_default());
    let _copy = text.string()?;
    let schema = text.string()?.filter(|schema| !schema.is_empty());
    let _storage = (text.string()?, text.string()?);
    if minor >= 16 {
        text.number()?;
    }
    let _owner = (text.string()?, text.string()?);
    let mut relies_on = Vec::new();
    while let Some(number) = text.string()? {
        relies_on.push(number.trim().parse().map_err(|_| ArchiveError::Foreign)?);
    }
    // Where its data is.
    text.take(1 + offset)?;
    Ok(Entry { id, description, schema, tag, definition, removal, relies_on, after_rows })
}

struct Text<'a> {
    rest: &'a [u8],
    /// Bytes of a number, after that of its sign.
    integer: usize,
}

impl<'a> Text<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ArchiveError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ArchiveError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ArchiveError> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Result<i64, ArchiveError> {
        let is_negative = self.byte()? != 0;
        let bytes = self.take(self.integer)?;
        let value = bytes.iter().rev().try_fold(0_i64, |value, byte| {
            value.checked_mul(256).map(|value| value + i64::from(*byte)).ok_or(ArchiveError::Foreign)
        })?;
        Ok(if is_negative { -value } else { value })
    }

    /// A length below zero stands for none.
    fn string(&mut self) -> Result<Option<String>, ArchiveError> {
        let length = self.number()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `pg_dump` writes it.
    pub fn archive(minor: u8, entries: &[Entry]) -> Vec<u8> {
        let number = |value: i64| {
            let mut bytes = vec![u8::from(value < 0)];
            bytes.extend((value.unsigned_abs() as u32).to_le_bytes());
            bytes
        };
        let string = |text: &str| [number(text.len() as i64), text.as_bytes().to_vec()].concat();
        let none = number(-1);
        let mut bytes = [MAGIC, &[1, minor, 0, 4, 8, 1]].concat();
        bytes.extend(if minor == 14 { number(0) } else { vec![0] });
        (0..TIME_FIELDS).for_each(|_| bytes.extend(number(7)));
        ["db", "18.1", "18.1"].iter().for_each(|text| bytes.extend(string(text)));
        bytes.extend(number(entries.len() as i64));
        for entry in entries {
            bytes.extend([number(entry.id.into()), number(0), string("1259"), string("16385")].concat());
            bytes.extend([string(&entry.tag), string(&entry.description), number(section(entry))].concat());
            bytes.extend([string(&entry.definition), string(&entry.removal), none.clone()].concat());
            bytes.extend(entry.schema.as_deref().map_or(none.clone(), string));
            bytes.extend([none.clone(), none.clone()].concat());
            bytes.extend(if minor >= 16 { number(114) } else { Vec::new() });
            bytes.extend([string("postgres"), string("false")].concat());
            entry.relies_on.iter().for_each(|id| bytes.extend(string(&id.to_string())));
            bytes.extend([none.clone(), vec![0; 9]].concat());
        }
        bytes
    }

    fn section(entry: &Entry) -> i64 {
        entry.after_rows.map_or(SECTION_NONE, |after| if after { SECTION_POST_DATA } else { 2 })
    }

    #[test]
    fn what_has_no_section_is_of_the_one_before_it() {
        let entry = |id, after_rows| Entry { id, after_rows, ..Entry::default() };
        let all = [(1, None), (2, Some(false)), (3, None), (4, Some(true)), (5, None), (6, Some(false)), (7, None)];
        let all: Vec<Entry> = all.into_iter().map(|(id, after)| entry(id, after)).collect();
        assert_eq!(after_rows(&all).map(|entry| entry.id).collect::<Vec<_>>(), [4, 5]);
    }

    fn two() -> Vec<Entry> {
        let table = Entry {
            id: 7,
            description: "TABLE".into(),
            schema: Some("Büro".into()),
            tag: "orders".into(),
            definition: "CREATE TABLE".into(),
            removal: "DROP TABLE".into(),
            relies_on: vec![3, 300],
            after_rows: Some(true),
        };
        vec![table, Entry { id: 300, description: "SCHEMA".into(), tag: "Büro".into(), ..Entry::default() }]
    }

    #[test]
    fn every_version_is_read() {
        for minor in VERSIONS {
            let bytes = archive(minor, &two());
            assert_eq!(entries(&bytes), Ok(two()), "{minor}");
            assert_eq!(entries(&[&bytes[..], b"data"].concat()), Ok(two()));
            for end in 0..bytes.len() {
                assert_eq!(entries(&bytes[..end]), Err(ArchiveError::Short), "{end}");
            }
        }
    }

    #[test]
    fn others_are_refused() {
        assert_eq!(entries(b"PGDMQ and more"), Err(ArchiveError::Foreign));
        assert_eq!(entries(&archive(17, &two())), Err(ArchiveError::Version(1, 17)));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(at in 0_usize..400, byte: u8) {
            let mut bytes = archive(16, &two());
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = entries(&bytes);
        }
    }
}
