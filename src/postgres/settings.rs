//! What is read from the server on connecting.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Connection, ServerVersion, check_rights};
use crate::model::control_file::{DataChecksums, WalLevel};
use crate::model::error::{Code, Error, Result};
use crate::model::path::RawPath;
use crate::model::wal_name::TimelineId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub version: ServerVersion,
    /// As the server prints it, perhaps with the packager's words.
    pub version_text: String,
    pub system_identifier: u64,
    /// Of WAL being written, or being replayed.
    pub timeline: TimelineId,
    pub in_recovery: bool,
    pub data_directory: PathBuf,
    pub config_file: PathBuf,
    pub hba_file: PathBuf,
    pub ident_file: PathBuf,
    pub data_checksums: DataChecksums,
    pub page_size: u32,
    pub pages_per_segment: u32,
    pub wal_segment_size: u64,
    pub wal_level: WalLevel,
    pub archive_mode: ArchiveMode,
    /// Empty where archive_mode is off.
    pub archive_command: String,
    /// 15 and later; where set, the command is not used.
    pub archive_library: String,
    /// `None` where a segment is archived only when it is full.
    pub archive_timeout: Option<Duration>,
    pub shared_preload_libraries: String,
    pub tablespaces: Vec<TablespaceLocation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveMode {
    Off,
    On,
    /// Also while in recovery.
    Always,
}

/// A tablespace of its own directory, as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablespaceLocation {
    pub oid: u32,
    pub name: String,
    /// `pg_tblspc/<oid>` for one that is in place.
    pub location: RawPath,
}

const NAMES: [&str; 15] = [
    "server_version",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "data_checksums",
    "block_size",
    "segment_size",
    "wal_segment_size",
    "wal_level",
    "archive_mode",
    "archive_command",
    "archive_library",
    "archive_timeout",
    "shared_preload_libraries",
];

/// pg_control's timeline is that of the last checkpoint and lags behind a promotion; the name of the
/// segment being written does not. In recovery nothing is written.
const IDENTITY: &str = "SELECT system_identifier, pg_is_in_recovery(), \
     CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, \
     greatest((SELECT min_recovery_end_timeline FROM pg_control_recovery()), \
              (SELECT timeline_id FROM pg_control_checkpoint())) \
     FROM pg_control_system()";

const TABLESPACES: &str = "SELECT oid, spcname::text, convert_to(pg_tablespace_location(oid), getdatabaseencoding()) \
     FROM pg_tablespace WHERE pg_tablespace_location(oid) <> '' ORDER BY oid";

impl Settings {
    /// Fails with the missing grants where the role may not read all of it.
    pub fn read(connection: &mut Connection) -> Result<Settings> {
        check_rights(connection)?;
        let mut values = Values::read(connection)?;
        let row = connection.query_one(IDENTITY, &[])?;
        let system_identifier: i64 = connection.column(&row, 0)?;
        let in_recovery = connection.column(&row, 1)?;
        let written: Option<String> = connection.column(&row, 2)?;
        let replayed: i32 = connection.column(&row, 3)?;
        Ok(Settings {
            version: connection.version(),
            version_text: values.text("server_version")?,
            system_identifier: system_identifier as u64,
            timeline: timeline(written.as_deref(), replayed)?,
            in_recovery,
            data_directory: values.text("data_directory")?.into(),
            config_file: values.text("config_file")?.into(),
            hba_file: values.text("hba_file")?.into(),
            ident_file: values.text("ident_file")?.into(),
            data_checksums: data_checksums(&values.text("data_checksums")?)?,
            page_size: values.number("block_size")?,
            pages_per_segment: values.number("segment_size")?,
            wal_segment_size: values.number("wal_segment_size")?,
            wal_level: wal_level(&values.text("wal_level")?)?,
            archive_mode: archive_mode(&values.text("archive_mode")?)?,
            archive_command: command(values.text("archive_command")?),
            archive_library: values.optional("archive_library"),
            archive_timeout: Some(values.number("archive_timeout")?).filter(|s| *s > 0).map(Duration::from_secs),
            shared_preload_libraries: values.text("shared_preload_libraries")?,
            tablespaces: tablespaces(connection)?,
        })
    }
}

/// pg_settings: numbers in the setting's own unit.
struct Values(HashMap<String, String>);

impl Values {
    fn read(connection: &mut Connection) -> Result<Values> {
        let names: &[&str] = &NAMES;
        let rows = connection.query("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", &[&names])?;
        let pair = |row| Ok((connection.column(row, 0)?, connection.column(row, 1)?));
        Ok(Values(rows.iter().map(pair).collect::<Result<_>>()?))
    }

    fn text(&mut self, name: &str) -> Result<String> {
        self.0.remove(name).ok_or_else(|| unexpected(name, "nothing"))
    }

    fn optional(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse().map_err(|_| unexpected(name, &text))
    }
}

fn unexpected(name: &str, value: &str) -> Error {
    Error::new(Code::ServerSetting, format!("the server's {name} is \"{value}\", which pgcairn does not know"))
}

fn timeline(written: Option<&str>, replayed: i32) -> Result<TimelineId> {
    let timeline = match written {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => u32::try_from(replayed).ok(),
    };
    timeline.filter(|timeline| *timeline > 0).ok_or_else(|| unexpected("timeline", written.unwrap_or_default()))
}

fn data_checksums(text: &str) -> Result<DataChecksums> {
    Ok(match text {
        "off" => DataChecksums::Off,
        "on" => DataChecksums::On,
        "inprogress-off" => DataChecksums::SwitchingOff,
        "inprogress-on" => DataChecksums::SwitchingOn,
        _ => return Err(unexpected("data_checksums", text)),
    })
}

fn wal_level(text: &str) -> Result<WalLevel> {
    Ok(match text {
        "minimal" => WalLevel::Minimal,
        "replica" => WalLevel::Replica,
        "logical" => WalLevel::Logical,
        _ => return Err(unexpected("wal_level", text)),
    })
}

fn archive_mode(text: &str) -> Result<ArchiveMode> {
    Ok(match text {
        "off" => ArchiveMode::Off,
        "on" => ArchiveMode::On,
        "always" => ArchiveMode::Always,
        _ => return Err(unexpected("archive_mode", text)),
    })
}

/// `show_archive_command` prints this where archive_mode is off.
fn command(text: String) -> String {
    if text == "(disabled)" { String::new() } else { text }
}

fn tablespaces(connection: &mut Connection) -> Result<Vec<TablespaceLocation>> {
    let rows = connection.query(TABLESPACES, &[])?;
    let location = |row| -> Result<TablespaceLocation> {
        let bytes: Vec<u8> = connection.column(row, 2)?;
        let location = RawPath::new(bytes).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        Ok(TablespaceLocation { oid: connection.column(row, 0)?, name: connection.column(row, 1)?, location })
    };
    rows.iter().map(location).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timelines_come_from_segment_names_or_pg_control() {
        assert_eq!(timeline(Some("0000001F"), 1), Ok(31));
        assert_eq!(timeline(None, 5), Ok(5));
        assert!(timeline(None, 0).is_err());
        assert!(timeline(Some("x"), 1).is_err());
    }

    #[test]
    fn unknown_values_are_named() {
        let error = archive_mode("sometimes").unwrap_err();
        assert_eq!(error.code, Code::ServerSetting);
        assert_eq!(error.message, "the server's archive_mode is \"sometimes\", which pgcairn does not know");
    }
}
