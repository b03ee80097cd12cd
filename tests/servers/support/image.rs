//! A data directory in memory: put together from a repository by docs/format.md alone, with `age` and `zstd` and
//! nothing of pgcairn, or read from disk; and what differs between two.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Outcome;
use super::site::Site;

/// How many differences a failing trial shows.
const SHOWN: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory {
        mode: u32,
    },
    File {
        mode: u32,
        bytes: Vec<u8>,
    },
    Link {
        target: Vec<u8>,
    },
    /// A socket, FIFO or device.
    Special,
}

/// Paths relative to the data directory; a tablespace's files lie below pg_tblspc/<oid>.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub nodes: BTreeMap<Vec<u8>, Node>,
}

impl Image {
    /// Every manifest part of a backup, its packs and its digests.
    pub fn assemble(site: &Site, id: &str) -> Outcome<Image> {
        let marker = fs::read(site.object(&format!("backups/{id}.json"))?)?;
        let summary = marker.split(|b| *b == b'\n').next().unwrap_or_default();
        let summary: Value = serde_json::from_slice(summary)?;
        let parts = summary["parts"].as_u64().ok_or("the commit marker names no number of parts")?;
        let mut assembly = Assembly { site, id, image: Image::default(), slices: BTreeSet::new() };
        for part in 1..=parts {
            assembly.part(part)?;
        }
        assembly.image.check_parents()?;
        Ok(assembly.image)
    }

    /// Everything below a directory. Links of tablespaces and of pg_wal are followed, others not.
    pub fn of_directory(root: &Path) -> Outcome<Image> {
        let mut image = Image::default();
        image.read(root, b"")?;
        Ok(image)
    }

    fn read(&mut self, directory: &Path, below: &[u8]) -> Outcome {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().as_bytes();
            let relative = if below.is_empty() { name.to_vec() } else { [below, b"/", name].concat() };
            let metadata = path.symlink_metadata()?;
            let mode = |metadata: &fs::Metadata| metadata.permissions().mode() & 0o7777;
            let node = if metadata.is_dir() {
                self.read(&path, &relative)?;
                Node::Directory { mode: mode(&metadata) }
            } else if metadata.is_file() {
                Node::File { mode: mode(&metadata), bytes: fs::read(&path)? }
            } else if metadata.is_symlink() && below == b"pg_tblspc" {
                self.read(&path, &relative)?;
                Node::Link { target: fs::canonicalize(&path)?.as_os_str().as_bytes().to_vec() }
            } else if metadata.is_symlink() && relative == b"pg_wal" {
                self.read(&path, &relative)?;
                Node::Directory { mode: mode(&fs::metadata(&path)?) }
            } else if metadata.is_symlink() {
                Node::Link { target: fs::read_link(&path)?.as_os_str().as_bytes().to_vec() }
            } else {
                Node::Special
            };
            self.nodes.insert(relative, node);
        }
        Ok(())
    }

    fn check_parents(&self) -> Outcome {
        for path in self.nodes.keys() {
            let Some(slash) = path.iter().rposition(|b| *b == b'/') else { continue };
            let parent = self.nodes.get(&path[..slash]);
            if !matches!(parent, Some(Node::Directory { .. } | Node::Link { .. })) {
                return Err(format!("{} lies in no directory of the manifest", path.escape_ascii()).into());
            }
        }
        Ok(())
    }

    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.nodes.get(path.as_bytes()) {
            Some(Node::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// Takes a path out, and everything below it.
    pub fn take(&mut self, path: &str) -> BTreeMap<Vec<u8>, Node> {
        let inside = |known: &[u8]| {
            known.strip_prefix(path.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let (taken, kept) = std::mem::take(&mut self.nodes).into_iter().partition(|(known, _)| inside(known));
        self.nodes = kept;
        taken
    }

    /// Nothing differs, else an error that says what.
    pub fn must_equal(&self, expected: &Image) -> Outcome {
        let paths: BTreeSet<_> = self.nodes.keys().chain(expected.nodes.keys()).collect();
        let differences: Vec<_> = paths
            .into_iter()
            .filter_map(|path| {
                let difference = difference(self.nodes.get(path), expected.nodes.get(path))?;
                Some(format!("{}: {difference}", path.escape_ascii()))
            })
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        Err(format!("{} paths differ\n{shown}", differences.len()).into())
    }
}

fn difference(found: Option<&Node>, expected: Option<&Node>) -> Option<String> {
    match (found, expected) {
        (found, expected) if found == expected => None,
        (None, _) => Some("missing".to_owned()),
        (Some(_), None) => Some("not expected".to_owned()),
        (Some(Node::File { mode, bytes }), Some(Node::File { mode: due_mode, bytes: due })) => {
            let at = bytes.iter().zip(due).position(|(a, b)| a != b);
            Some(format!(
                "mode {mode:o} for {due_mode:o}, {} bytes for {}, first difference at {at:?}",
                bytes.len(),
                due.len()
            ))
        }
        (Some(found), Some(expected)) => {
            let short = |node: &Node| match node {
                Node::File { .. } => "a file".to_owned(),
                other => format!("{other:?}"),
            };
            Some(format!("{} for {}", short(found), short(expected)))
        }
    }
}

struct Assembly<'a> {
    site: &'a Site,
    id: &'a str,
    image: Image,
    /// Path and offset of what was described: nothing may be twice.
    slices: BTreeSet<(Vec<u8>, u64)>,
}

impl Assembly<'_> {
    fn part(&mut self, number: u64) -> Outcome {
        let text = content(self.site, &format!("manifests/{}/{number}.jsonl.zst", self.id))?;
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<Value> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
        let mut packs = HashMap::new();
        for line in lines.iter().filter(|line| line["type"] == "pack") {
            packs.insert(integer(&line["number"])?, self.pack(line)?);
        }
        let mut digests = Digests::read(&content(self.site, &format!("digests/{}/{number}.zst", self.id))?)?;
        for line in &lines {
            match line["type"].as_str() {
                Some("file") => self.file(line, &packs, &mut digests)?,
                Some("directory") => self.add(line, Node::Directory { mode: mode(line)? })?,
                Some("link") => self.add(line, Node::Link { target: path_bytes(&line["target"])? })?,
                Some("part" | "pack") => {}
                other => return Err(format!("a line of type {other:?}").into()),
            }
        }
        digests.end()
    }

    /// All frames of a pack, decompressed.
    fn pack(&self, line: &Value) -> Outcome<Vec<u8>> {
        let (backup, number) = (line["id"]["backup"].as_str().unwrap_or_default(), integer(&line["id"]["number"])?);
        let bytes = content(self.site, &format!("packs/{backup}/{number}.zst"))?;
        let frames = line["frames"].as_array().ok_or("a pack without frames")?;
        let length = frames.iter().map(|frame| integer(&frame[1])).sum::<Outcome<u64>>()?;
        if bytes.len() as u64 != length {
            return Err(format!("pack {number} has {} bytes, its frames {length}", bytes.len()).into());
        }
        Ok(bytes)
    }

    fn add(&mut self, line: &Value, node: Node) -> Outcome {
        let path = path_bytes(&line["path"])?;
        match self.image.nodes.insert(path.clone(), node) {
            None => Ok(()),
            Some(_) => Err(format!("{} is there twice", path.escape_ascii()).into()),
        }
    }

    fn file(&mut self, line: &Value, packs: &HashMap<u64, Vec<u8>>, digests: &mut Digests) -> Outcome {
        let (path, size) = (path_bytes(&line["path"])?, integer(&line["size"])?);
        let (offset, length) = match &line["slice"] {
            Value::Null => (0, size),
            slice => (integer(&slice[0])?, integer(&slice[1])?),
        };
        if !self.slices.insert((path.clone(), offset)) {
            return Err(format!("{} is there twice from {offset}", path.escape_ascii()).into());
        }
        let mut piece = vec![0; length as usize];
        for extent in line["extents"].as_array().ok_or("a file without extents")? {
            let [at, length, pack, from] = [0, 1, 2, 3].map(|field| integer(&extent[field]));
            let (at, length, from) = ((at? - offset) as usize, length? as usize, from? as usize);
            let pack = packs.get(&pack?).ok_or("an extent in no pack of the part")?;
            piece[at..at + length].copy_from_slice(&pack[from..from + length]);
        }
        digests.check(&piece).map_err(|e| format!("{} from {offset}: {e:?}", path.escape_ascii()))?;
        let empty = Node::File { mode: mode(line)?, bytes: vec![0; size as usize] };
        match self.image.nodes.entry(path).or_insert(empty) {
            Node::File { bytes, .. } => bytes[offset as usize..][..piece.len()].copy_from_slice(&piece),
            _ => return Err("a file where something else is".into()),
        }
        Ok(())
    }
}

struct Digests {
    seed: u64,
    block: usize,
    values: std::vec::IntoIter<u64>,
}

impl Digests {
    fn read(content: &[u8]) -> Outcome<Digests> {
        let end = content.iter().position(|b| *b == b'\n').ok_or("digests without a header")?;
        let header: Value = serde_json::from_slice(&content[..end])?;
        let seed = u64::from_str_radix(header["seed"].as_str().unwrap_or_default(), 16)?;
        let values = content[end + 1..].chunks(8).map(|eight| Ok(u64::from_le_bytes(eight.try_into()?)));
        let values = values.collect::<Outcome<Vec<_>>>()?.into_iter();
        Ok(Digests { seed, block: integer(&header["block"])? as usize, values })
    }

    fn check(&mut self, piece: &[u8]) -> Outcome {
        for (number, block) in piece.chunks(self.block).enumerate() {
            if self.values.next() != Some(xxh3_64_with_seed(block, self.seed)) {
                return Err(format!("digest {number} is another").into());
            }
        }
        Ok(())
    }

    fn end(mut self) -> Outcome {
        if self.values.next().is_none() { Ok(()) } else { Err("digests are left over".into()) }
    }
}

/// An object, decrypted and decompressed.
pub fn content(site: &Site, name: &str) -> Outcome<Vec<u8>> {
    let path = site.object(name)?;
    let stored = fs::read(&path)?;
    let frames = if path.extension() == Some(OsStr::new("age")) { decrypt(site, &stored)? } else { stored };
    Ok(zstd::stream::decode_all(&frames[..])?)
}

fn decrypt(site: &Site, stored: &[u8]) -> Outcome<Vec<u8>> {
    let identity = fs::read_to_string(site.identity())?;
    let identity: age::x25519::Identity = identity.trim().parse()?;
    let decryptor = age::Decryptor::new(stored)?;
    let mut bytes = Vec::new();
    decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn integer(value: &Value) -> Outcome<u64> {
    value.as_u64().ok_or_else(|| format!("{value} is no number").into())
}

fn mode(line: &Value) -> Outcome<u32> {
    Ok(u32::from_str_radix(line["mode"].as_str().unwrap_or_default(), 8)?)
}

fn path_bytes(value: &Value) -> Outcome<Vec<u8>> {
    if let Some(text) = value.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let digits = value["hex"].as_str().ok_or("a path is neither text nor hex")?;
    (0..digits.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&digits[at..at + 2], 16)?)).collect()
}
