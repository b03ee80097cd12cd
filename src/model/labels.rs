//! The files that come with a backup: `backup_label`, `tablespace_map` and the `.backup` file in the
//! archive (`build_backup_content` in xlogbackup.c, `do_pg_backup_start` in xlog.c, `read_backup_label`
//! and `read_tablespace_map` in xlogrecovery.c).

use super::lsn::Lsn;
use super::path::RawPath;
use super::wal_name::{SegmentName, TimelineId, WalName};

/// What a `backup_label` says; a `.backup` file has the stop as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    pub start_lsn: Lsn,
    pub start_segment: SegmentName,
    pub checkpoint_lsn: Lsn,
    /// `streamed`, whichever way the backup was made; `pg_rewind` writes another word.
    pub method: String,
    pub from_standby: bool,
    /// As written, in the zone of the server's log.
    pub start_time: String,
    pub label: Vec<u8>,
    pub start_timeline: TimelineId,
    /// In `.backup` files only.
    pub stop: Option<LabelStop>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelStop {
    pub lsn: Lsn,
    pub segment: SegmentName,
    pub time: String,
    pub timeline: TimelineId,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    #[error("no \"{0}\" line where one must be")]
    Missing(&'static str),
    #[error("\"{line}: {}\" cannot be", .value.escape_ascii())]
    Value { line: &'static str, value: Vec<u8> },
    #[error("line \"{}\" of tablespace_map is not an OID and a path", .0.escape_ascii())]
    Tablespace(Vec<u8>),
    #[error("tablespace_map ends within a line")]
    Unterminated,
}

impl BackupLabel {
    pub fn parse(bytes: &[u8]) -> Result<BackupLabel, InvalidLabel> {
        let lines = Lines(bytes);
        let (start_lsn, start_segment) = lines.location("START WAL LOCATION")?;
        let label = BackupLabel {
            start_lsn,
            start_segment,
            checkpoint_lsn: lines.parsed("CHECKPOINT LOCATION")?,
            method: lines.text("BACKUP METHOD")?,
            from_standby: lines.text("BACKUP FROM")? == "standby",
            start_time: lines.text("START TIME")?,
            label: lines.value("LABEL").ok_or(InvalidLabel::Missing("LABEL"))?.to_vec(),
            start_timeline: lines.parsed("START TIMELINE")?,
            stop: lines.stop()?,
        };
        if label.start_timeline == start_segment.timeline {
            Ok(label)
        } else {
            let value = label.start_timeline.to_string().into_bytes();
            Err(InvalidLabel::Value { line: "START TIMELINE", value })
        }
    }
}

struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn value(&self, name: &str) -> Option<&'a [u8]> {
        let mut lines = self.0.split(|b| *b == b'\n');
        lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b": "))
    }

    fn text(&self, name: &'static str) -> Result<String, InvalidLabel> {
        let value = self.value(name).ok_or(InvalidLabel::Missing(name))?;
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    fn parsed<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, InvalidLabel> {
        let text = self.text(name)?;
        text.parse().map_err(|_| InvalidLabel::Value { line: name, value: text.into_bytes() })
    }

    /// `0/2000028 (file 000000010000000000000002)`
    fn location(&self, name: &'static str) -> Result<(Lsn, SegmentName), InvalidLabel> {
        let text = self.text(name)?;
        let parse = || {
            let (lsn, file) = text.split_once(" (file ")?;
            match file.strip_suffix(')')?.parse().ok()? {
                WalName::Segment(segment) => Some((lsn.parse().ok()?, segment)),
                _ => None,
            }
        };
        parse().ok_or_else(|| InvalidLabel::Value { line: name, value: text.clone().into_bytes() })
    }

    fn stop(&self) -> Result<Option<LabelStop>, InvalidLabel> {
        if self.value("STOP WAL LOCATION").is_none() {
            return Ok(None);
        }
        let (lsn, segment) = self.location("STOP WAL LOCATION")?;
        let (time, timeline) = (self.text("STOP TIME")?, self.parsed("STOP TIMELINE")?);
        Ok(Some(LabelStop { lsn, segment, time, timeline }))
    }
}

/// Where the links in pg_tblspc are to lead: a line for each tablespace that is not in place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TablespaceMap(pub Vec<(u32, RawPath)>);

impl TablespaceMap {
    /// A backslash makes the byte after it plain, line ends included.
    pub fn parse(bytes: &[u8]) -> Result<TablespaceMap, InvalidLabel> {
        let (mut entries, mut line, mut escaped) = (Vec::new(), Vec::new(), false);
        for byte in bytes {
            match byte {
                b'\n' | b'\r' if !escaped => {
                    let line = std::mem::take(&mut line);
                    // An empty line is what stands between \r and \n.
                    entries.extend((!line.is_empty()).then(|| parse_entry(&line)).transpose()?);
                }
                b'\\' if !escaped => escaped = true,
                _ => {
                    line.push(*byte);
                    escaped = false;
                }
            }
        }
        if line.is_empty() && !escaped { Ok(TablespaceMap(entries)) } else { Err(InvalidLabel::Unterminated) }
    }

    /// As `do_pg_backup_start` writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (oid, location) in &self.0 {
            bytes.extend_from_slice(format!("{oid} ").as_bytes());
            for byte in location.as_bytes() {
                if matches!(byte, b'\n' | b'\r' | b'\\') {
                    bytes.push(b'\\');
                }
                bytes.push(*byte);
            }
            bytes.push(b'\n');
        }
        bytes
    }
}

fn parse_entry(line: &[u8]) -> Result<(u32, RawPath), InvalidLabel> {
    let parse = || {
        // The path may begin with spaces: exactly one belongs to the separator.
        let space = line.iter().position(|b| *b == b' ')?;
        let oid = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
        Some((oid, RawPath::new(&line[space + 1..]).ok()?))
    };
    parse().ok_or_else(|| InvalidLabel::Tablespace(line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n\
         CHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\n\
         START TIME: 2026-11-20 15:38:14 UTC\nLABEL: pgcairn: a label\nSTART TIMELINE: 1\n";
    const STOP: &str = "STOP WAL LOCATION: 0/3000000 (file 000000010000000000000002)\n\
         STOP TIME: 2026-11-20 15:40:00 UTC\nSTOP TIMELINE: 1\n";

    #[test]
    fn backup_labels() {
        let label = BackupLabel::parse(LABEL.as_bytes()).unwrap();
        assert_eq!(label.start_lsn.to_string(), "0/2000028");
        assert_eq!(label.start_segment.to_string(), "000000010000000000000002");
        assert_eq!(label.checkpoint_lsn.to_string(), "0/2000060");
        assert_eq!((label.method.as_str(), label.from_standby), ("streamed", false));
        assert_eq!(label.start_time, "2026-11-20 15:38:14 UTC");
        assert_eq!(label.label, b"pgcairn: a label");
        assert_eq!((label.start_timeline, label.stop), (1, None));
        let standby = LABEL.replace("primary", "standby").replace("0/2000028", "0/02000028");
        assert!(BackupLabel::parse(standby.as_bytes()).unwrap().from_standby);
    }

    #[test]
    fn backup_files_have_the_stop_too() {
        let stop = BackupLabel::parse(format!("{LABEL}{STOP}").as_bytes()).unwrap().stop.unwrap();
        assert_eq!((stop.lsn.to_string().as_str(), stop.timeline), ("0/3000000", 1));
        assert!(
            BackupLabel::parse(format!("{LABEL}{}", STOP.replace("TIMELINE: 1", "TIMELINE: x")).as_bytes()).is_err()
        );
    }

    #[test]
    fn labels_that_cannot_be() {
        for line in ["START WAL LOCATION", "CHECKPOINT LOCATION", "START TIMELINE", "BACKUP FROM", "LABEL"] {
            let broken = LABEL.replace(&format!("{line}: "), "X: ");
            assert_eq!(BackupLabel::parse(broken.as_bytes()), Err(InvalidLabel::Missing(line)));
        }
        for (from, to) in
            [("0/2000028", "2000028"), ("TIMELINE: 1", "TIMELINE: 2"), (" (file ", " ("), ("0002)", "000G)")]
        {
            assert!(BackupLabel::parse(LABEL.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        assert!(BackupLabel::parse(b"").is_err());
    }

    #[test]
    fn tablespace_maps_keep_every_path() {
        let paths = [&b"/srv/space"[..], b"/a b", b" leading", b"/new\nline\r", b"/back\\slash\\", b"/\xff"];
        let entries = (16384..).zip(paths.map(|path| RawPath::new(path).unwrap()));
        let map = TablespaceMap(entries.collect());
        assert_eq!(TablespaceMap::parse(&map.to_bytes()).unwrap(), map);
        assert_eq!(TablespaceMap(map.0[3..4].to_vec()).to_bytes(), b"16387 /new\\\nline\\\r\n");
        assert_eq!(TablespaceMap::parse(b"").unwrap().0, []);
        assert_eq!(TablespaceMap::parse(b"1 /a\r\n2 /b\r\n").unwrap().0.len(), 2);
    }

    #[test]
    fn maps_that_cannot_be() {
        for bytes in [&b"16384 /a"[..], b"16384\n", b"16384 \n", b"x /a\n", b" /a\n", b"1 /a\\\n", b"4294967296 /a\n"] {
            assert!(TablespaceMap::parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
