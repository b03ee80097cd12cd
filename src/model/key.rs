//! Where each object lies in a repository. A key is relative to the repository's root and is also the
//! name that the object's own envelope carries, so that an object under another's key is caught.

mod backup_id;
mod cluster_name;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wal_name::{SegmentName, TimelineId, WalName, hex8};

pub use backup_id::{BackupId, InvalidBackupId, PackId};
pub use cluster_name::{ClusterName, InvalidClusterName, MAX_CLUSTER_NAME};

/// The marker of a repository: format version, repository id, encryption.
pub const REPOSITORY_MARKER: &str = "pgcairn.json";

/// `<time>-<random>`
const NUMBERED_STEM: usize = "20261120T050000Z-00000007".len();

/// A checked path within a repository: `/`-separated parts of `[A-Za-z0-9._-]`, none of them empty,
/// `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    pub fn new(text: impl Into<String>) -> Result<Key, InvalidKey> {
        let text = text.into();
        if text.split('/').all(is_plain_part) { Ok(Key(text)) } else { Err(InvalidKey(text)) }
    }

    pub fn marker() -> Key {
        Key(REPOSITORY_MARKER.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;
    fn try_from(text: String) -> Result<Key, InvalidKey> {
        Key::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an object key")]
pub struct InvalidKey(String);

/// What an object holds; the second word of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A WAL segment, `.partial` included.
    Wal,
    /// A timeline history file.
    History,
    /// A `.backup` file.
    BackupHistory,
    Manifest,
    Digests,
    Pack,
    /// The whole result of a drill.
    Drill,
    /// What a dump consists of.
    DumpContents,
    /// A piece of one of a dump's streams.
    Dump,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Wal,
        Kind::History,
        Kind::BackupHistory,
        Kind::Manifest,
        Kind::Digests,
        Kind::Pack,
        Kind::Drill,
        Kind::DumpContents,
        Kind::Dump,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Wal => "wal",
            Kind::History => "history",
            Kind::BackupHistory => "backup-history",
            Kind::Manifest => "manifest",
            Kind::Digests => "digests",
            Kind::Pack => "pack",
            Kind::Drill => "drill",
            Kind::DumpContents => "dump-contents",
            Kind::Dump => "dump",
        }
    }

    /// Whether it came through `archive_command`.
    pub fn is_wal(self) -> bool {
        matches!(self, Kind::Wal | Kind::History | Kind::BackupHistory)
    }

    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a repository's objects are closed, for its whole life. Key suffixes follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    Age,
    None,
}

impl Encryption {
    /// What follows an object's plain name.
    pub fn suffix(self) -> &'static str {
        match self {
            Encryption::Age => ".zst.age",
            Encryption::None => ".zst",
        }
    }
}

/// The keys of one cluster: everything below `clusters/<name>/<system_identifier>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKeys {
    root: String,
    encryption: Encryption,
}

impl ClusterKeys {
    pub fn new(cluster: &ClusterName, system_identifier: u64, encryption: Encryption) -> ClusterKeys {
        ClusterKeys { root: format!("clusters/{cluster}/{system_identifier}"), encryption }
    }

    /// `backups/`, the one listing that shows all backups.
    pub fn backups(&self) -> String {
        format!("{}/backups/", self.root)
    }

    pub fn backup(&self, id: &BackupId) -> Key {
        Key(format!("{}/backups/{id}.json", self.root))
    }

    pub fn objects(&self, id: &BackupId) -> Key {
        Key(format!("{}/objects/{id}.jsonl.zst", self.root))
    }

    pub fn manifest(&self, id: &BackupId, part: u32) -> Key {
        Key(format!("{}/manifests/{id}/{part}.jsonl{}", self.root, self.encryption.suffix()))
    }

    pub fn digests(&self, id: &BackupId, part: u32) -> Key {
        Key(format!("{}/digests/{id}/{part}{}", self.root, self.encryption.suffix()))
    }

    pub fn pack(&self, pack: &PackId) -> Key {
        Key(format!("{}/packs/{}/{}{}", self.root, pack.backup, pack.number, self.encryption.suffix()))
    }

    /// `dumps/`, of which every `.json` is a dump and every directory has what it consists of.
    pub fn dumps(&self) -> String {
        format!("{}/dumps/", self.root)
    }

    pub fn dump(&self, id: &BackupId) -> Key {
        Key(format!("{}/dumps/{id}.json", self.root))
    }

    /// Everything that a dump consists of, its marker left out.
    pub fn dump_directory(&self, id: &BackupId) -> String {
        format!("{}/dumps/{id}/", self.root)
    }

    pub fn dump_objects(&self, id: &BackupId) -> Key {
        Key(format!("{}/dumps/{id}/objects.jsonl.zst", self.root))
    }

    pub fn dump_contents(&self, id: &BackupId) -> Key {
        Key(format!("{}/dumps/{id}/contents.jsonl{}", self.root, self.encryption.suffix()))
    }

    /// One piece, numbered from 1 on.
    pub fn dump_piece(&self, id: &BackupId, number: u32) -> Key {
        Key(format!("{}/dumps/{id}/{number}{}", self.root, self.encryption.suffix()))
    }

    /// The dump whose marker lies at `key`, if one does.
    pub fn dump_id_of(&self, key: &Key) -> Option<BackupId> {
        let id = id_of_json(key)?;
        (id.is_dump() && self.dump(&id) == *key).then_some(id)
    }

    /// What tells that this backup or dump is there.
    pub fn marker_of(&self, id: &BackupId) -> Key {
        if id.is_dump() { self.dump(id) } else { self.backup(id) }
    }

    /// The dump that the object at `key` is of, its marker left out.
    pub fn dump_part_of(&self, key: &Key) -> Option<BackupId> {
        let (id, name) = key.as_str().strip_prefix(&self.dumps())?.split_once('/')?;
        if name.contains('/') { None } else { id.parse().ok().filter(BackupId::is_dump) }
    }

    /// `holds/`
    pub fn holds(&self) -> String {
        format!("{}/holds/", self.root)
    }

    pub fn hold(&self, id: &BackupId) -> Key {
        Key(format!("{}/holds/{id}.json", self.root))
    }

    /// The backup or dump whose hold lies at `key`, if one does.
    pub fn held_by(&self, key: &Key) -> Option<BackupId> {
        let id = id_of_json(key)?;
        (self.hold(&id) == *key).then_some(id)
    }

    /// `trash/`, markers of dropped backups and dumps.
    pub fn trash(&self) -> String {
        format!("{}/trash/", self.root)
    }

    /// A name of its own for each time that one is dropped: the grace time begins anew.
    pub fn trashed(&self, id: &BackupId, random: u32) -> Key {
        Key(format!("{}/trash/{id}-{random:08x}.json", self.root))
    }

    /// The dropped backup or dump whose marker lies at `key`, if one does.
    pub fn trashed_id_of(&self, key: &Key) -> Option<BackupId> {
        let name = key.as_str().strip_prefix(&self.trash())?.strip_suffix(".json")?;
        let (id, random) = name.rsplit_once('-')?;
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (random.len() == 8 && random.bytes().all(lower_hex)).then(|| id.parse().ok())?
    }

    /// `condemned/`
    pub fn condemned(&self) -> String {
        format!("{}/condemned/", self.root)
    }

    /// `runs/`
    pub fn runs(&self) -> String {
        format!("{}/runs/", self.root)
    }

    pub fn drills(&self) -> String {
        format!("{}/drills/", self.root)
    }

    /// Beside the record at `key`, the whole result, which names tables and is closed.
    pub fn drill_report(&self, record: &Key) -> Key {
        let stem = record.as_str().strip_suffix(".json").unwrap_or(record.as_str());
        Key(format!("{stem}{}", self.encryption.suffix()))
    }

    pub fn verifications(&self) -> String {
        format!("{}/verifications/", self.root)
    }

    pub fn key_checks(&self) -> String {
        format!("{}/key-checks/", self.root)
    }

    pub fn recovery_sheets(&self) -> String {
        format!("{}/recovery-sheets/", self.root)
    }

    /// `condemned/<time>-<random>.json` or the same in `runs/`, `drills/` and such.
    pub fn numbered(directory: &str, start: Timestamp, random: u32) -> Key {
        ClusterKeys::marked(directory, start, random, "")
    }

    /// The same with a mark, where objects of another kind lie in the same directory: `drills/<time>-<random>-dump.json`.
    pub fn marked(directory: &str, start: Timestamp, random: u32, mark: &str) -> Key {
        Key(format!("{}-{random:08x}{mark}.json", ClusterKeys::numbered_from(directory, start)))
    }

    /// Whether `key` is one of these, with this mark and no other.
    pub fn is_marked(directory: &str, key: &Key, mark: &str) -> bool {
        let name = key.as_str().strip_prefix(directory).and_then(|name| name.strip_suffix(".json"));
        let stem = name.and_then(|name| name.strip_suffix(mark));
        stem.is_some_and(|stem| stem.len() == NUMBERED_STEM)
    }

    /// What keys of that second begin with; those of later ones come after it.
    pub fn numbered_from(directory: &str, start: Timestamp) -> String {
        format!("{directory}{}", start.strftime("%Y%m%dT%H%M%SZ"))
    }

    /// Above everything of this system identifier.
    pub fn all(&self) -> String {
        format!("{}/", self.root)
    }

    /// Where the objects lie that backups consist of, commit markers and WAL left out. Lists of objects are last, and
    /// so the last to be deleted: they tell that their backup was complete.
    pub fn parts(&self) -> [String; 4] {
        ["digests", "manifests", "packs", "objects"].map(|directory| format!("{}/{directory}/", self.root))
    }

    /// What one backup wrote of that, its list of objects left out.
    pub fn parts_of(&self, id: &BackupId) -> [String; 3] {
        ["digests", "manifests", "packs"].map(|directory| format!("{}/{directory}/{id}/", self.root))
    }

    /// The backup that wrote the object at `key`, where that is one of [`ClusterKeys::parts`].
    pub fn writer_of(&self, key: &Key) -> Option<BackupId> {
        let directory = self.parts().into_iter().find(|directory| key.as_str().starts_with(directory.as_str()))?;
        let rest = &key.as_str()[directory.len()..];
        match rest.split_once('/') {
            Some((id, number)) if !number.contains('/') && !directory.ends_with("/objects/") => {
                id.parse().ok().filter(|id: &BackupId| !id.is_dump())
            }
            Some(_) => None,
            None => rest
                .strip_suffix(".jsonl.zst")?
                .parse()
                .ok()
                .filter(|id: &BackupId| !id.is_dump() && self.objects(id) == *key),
        }
    }

    /// `wal/`, below which every timeline has a directory.
    pub fn wal(&self) -> String {
        format!("{}/wal/", self.root)
    }

    /// All WAL of one timeline.
    pub fn wal_timeline(&self, timeline: TimelineId) -> String {
        format!("{}/wal/{timeline:08X}/", self.root)
    }

    /// Plaintext parent and switch LSN of a timeline.
    pub fn timeline_json(&self, timeline: TimelineId) -> Key {
        Key(format!("{}/wal/{timeline:08X}.timeline.json", self.root))
    }

    pub fn wal_file(&self, name: &WalName) -> Key {
        let timeline = name.timeline();
        let directory = match name {
            WalName::Segment(s) | WalName::Partial(s) | WalName::BackupHistory(s, _) => {
                format!("{timeline:08X}/{:08X}", s.log)
            }
            WalName::History(_) => format!("{timeline:08X}"),
        };
        Key(format!("{}/wal/{directory}/{name}{}", self.root, self.encryption.suffix()))
    }

    pub fn segment(&self, segment: SegmentName) -> Key {
        self.wal_file(&WalName::Segment(segment))
    }

    /// The WAL file that lies at `key`, if one does.
    pub fn wal_name_of(&self, key: &Key) -> Option<WalName> {
        let name: WalName = key.as_str().rsplit('/').next()?.strip_suffix(self.encryption.suffix())?.parse().ok()?;
        (self.wal_file(&name) == *key).then_some(name)
    }

    /// The timeline whose `.timeline.json` lies at `key`, if one does.
    pub fn timeline_of(&self, key: &Key) -> Option<TimelineId> {
        let timeline = hex8(key.as_str().rsplit('/').next()?.strip_suffix(".timeline.json")?)?;
        (self.timeline_json(timeline) == *key).then_some(timeline)
    }

    /// The backup whose commit marker lies at `key`, if one does.
    pub fn backup_id_of(&self, key: &Key) -> Option<BackupId> {
        let id = id_of_json(key)?;
        (!id.is_dump() && self.backup(&id) == *key).then_some(id)
    }
}

fn id_of_json(key: &Key) -> Option<BackupId> {
    key.as_str().rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> ClusterKeys {
        ClusterKeys::new(&ClusterName::new("main").unwrap(), 7123, Encryption::Age)
    }

    #[test]
    fn keys_lie_where_the_format_says() {
        let id = BackupId::new("20261120T030000Z", "full", 0).unwrap();
        let pack = PackId { backup: id.clone(), number: 3 };
        let root = "clusters/main/7123";
        assert_eq!(id.as_str(), "20261120T030000Z-full-0000");
        assert_eq!(keys().backup(&id).as_str(), format!("{root}/backups/{id}.json"));
        assert_eq!(keys().pack(&pack).as_str(), format!("{root}/packs/{id}/3.zst.age"));
        let wal = |name: &str| keys().wal_file(&name.parse().unwrap()).to_string();
        assert_eq!(
            wal("000000010000000A000000FE"),
            format!("{root}/wal/00000001/0000000A/000000010000000A000000FE.zst.age")
        );
        assert_eq!(wal("00000002.history"), format!("{root}/wal/00000002/00000002.history.zst.age"));
        let record = ClusterKeys::numbered(&keys().drills(), "2026-11-20T05:00:00.9Z".parse().unwrap(), 7);
        assert_eq!(record.as_str(), format!("{root}/drills/20261120T050000Z-00000007.json"));
        assert_eq!(keys().drill_report(&record).as_str(), format!("{root}/drills/20261120T050000Z-00000007.zst.age"));
        let drills = keys().drills();
        let of_dump = ClusterKeys::marked(&drills, "2026-11-20T05:00:00Z".parse().unwrap(), 7, "-dump");
        assert_eq!(of_dump.as_str(), format!("{root}/drills/20261120T050000Z-00000007-dump.json"));
        for (mark, key, other) in [("", &record, &of_dump), ("-dump", &of_dump, &record)] {
            assert!(ClusterKeys::is_marked(&drills, key, mark) && !ClusterKeys::is_marked(&drills, other, mark));
        }
        assert_eq!(keys().timeline_json(2).as_str(), format!("{root}/wal/00000002.timeline.json"));
    }

    #[test]
    fn names_are_found_again_in_keys() {
        for text in ["000000010000000A000000FE", "000000010000000A000000FE.00000028.backup", "00000002.history"] {
            let name: WalName = text.parse().unwrap();
            assert_eq!(keys().wal_name_of(&keys().wal_file(&name)), Some(name));
        }
        let misplaced = Key::new("clusters/main/7123/wal/00000001/00000000/000000010000000A000000FE.zst.age").unwrap();
        assert_eq!(keys().wal_name_of(&misplaced), None);
        assert_eq!(keys().timeline_of(&keys().timeline_json(9)), Some(9));
    }

    #[test]
    fn only_parts_of_backups_have_a_writer() {
        let id = BackupId::new("20261120T030000Z", "full", 0).unwrap();
        let pack = PackId { backup: id.clone(), number: 3 };
        for key in [keys().pack(&pack), keys().manifest(&id, 1), keys().digests(&id, 1), keys().objects(&id)] {
            assert_eq!(keys().writer_of(&key), Some(id.clone()), "{key}");
        }
        let wal = keys().wal_file(&"00000002.history".parse().unwrap());
        let other = Key::new(format!("clusters/main/7123/objects/{id}/1.jsonl.zst")).unwrap();
        for key in [keys().backup(&id), keys().hold(&id), keys().trashed(&id, 7), wal, Key::marker(), other] {
            assert_eq!(keys().writer_of(&key), None, "{key}");
        }
        assert_eq!(keys().held_by(&keys().hold(&id)), Some(id.clone()));
        assert_eq!(keys().held_by(&keys().trashed(&id, 7)), None);
        assert_eq!(keys().trashed_id_of(&keys().trashed(&id, 7)), Some(id.clone()));
        assert_eq!(keys().trashed_id_of(&keys().hold(&id)), None);
        assert_eq!(keys().trashed_id_of(&Key::new(format!("clusters/main/7123/trash/{id}.json")).unwrap()), None);
    }

    #[test]
    fn keys_cannot_leave_the_repository() {
        for text in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a\0", "ä"] {
            assert!(Key::new(text).is_err(), "{text:?}");
        }
    }
}
