//! What differs from run to run, replaced by what the document has in its place: values of one kind that differ, by
//! different examples.

use jiff::Timestamp;
use pgcairn::model::key::BackupId;
use pgcairn::model::lsn::Lsn;

use super::table::Refusal;

pub fn of(refusal: Refusal) -> Refusal {
    let mut examples = Examples::default();
    let message = examples.text(&refusal.message);
    // The test asks for JSON, the reader of the document has not.
    let hint = examples.text(&refusal.hint.replace(" --json", ""));
    Refusal { message, hint, ..refusal }
}

type Is = fn(&str) -> bool;

/// A kind of value, and examples of it.
const KINDS: [(Is, &[&str]); 15] = [
    (|w| w.parse::<BackupId>().is_ok(), &["20261120T030000Z-full-7k3f", "20261120T040000Z-full-2m9d"]),
    (|w| numbered(w, |id| id.parse::<BackupId>().is_ok()), &["20261120T030000Z-full-7k3f-1f0c9a3e"]),
    (|w| numbered(w, |time| time.len() == 16 && time.ends_with('Z')), &["20261127T031000Z-1f0c9a3e"]),
    (|w| w.parse::<Timestamp>().is_ok(), &["2026-11-20T03:10:00Z", "2026-11-20T03:20:00Z"]),
    (|w| w.parse::<Lsn>().is_ok(), &["0/5000028", "0/6000148", "0/7000230"]),
    (|w| w.len() == 64 && hex(w), &["ba7816bf…15ad", "e3b0c442…b855"]),
    (|w| w.len() == 32 && hex(w) && !digits(w), &["6f1d3c5a90b24e7788c2d4015be3f96a"]),
    (|w| w.len() == 24 && hex(w), &["000000010000000000000005", "000000010000000000000006"]),
    (|w| (17..=20).contains(&w.len()) && digits(w), &["7461093382717234431", "7502218840172993618"]),
    (|w| w.strip_prefix("pgcairn_").is_some_and(|id| id.len() == 16 && hex(id)), &["pgcairn_6f1d3c5a90b24e77"]),
    (|w| w.split_once("_before_").is_some_and(|(_, at)| at.ends_with('Z')), &["other_before_20261120T050000Z"]),
    (|w| w.starts_with("PG_1"), &["PG_18_202506291"]),
    (is_date, &["2026-11-20"]),
    (|w| w.len() > 9 && w.matches(':').count() == 2 && w.contains('+'), &["03:05:07.123456+00"]),
    (
        |w| (3..=16).contains(&w.len()) && digits(w) && !["5432", "403"].contains(&w) && !w.starts_with('0'),
        &["4711", "4199", "1187"],
    ),
];

const ED25519: &str = "ed25519:";
const KEY_LENGTH: usize = 44;
const PUBLIC_KEYS: [&str; 2] =
    ["ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=", "ed25519:r8eKCBr4ktyzHX7mbVgNXVquoRj86FpuoKYMNwuB9u8="];

/// Followed by a random number.
fn numbered(text: &str, is: fn(&str) -> bool) -> bool {
    text.rsplit_once('-').is_some_and(|(before, number)| number.len() == 8 && hex(number) && is(before))
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

fn hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Those of pg_control: eight digits, which other things have too.
fn checksums(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, example) in [("has checksum ", "5D1E4C2B"), ("contents give ", "8A03F96E")] {
        let Some(at) = text.find(before).map(|at| at + before.len()) else { continue };
        if text.get(at..at + 8).is_some_and(hex) {
            text.replace_range(at..at + 8, example);
        }
    }
    text
}

#[derive(Default)]
struct Examples {
    /// Values met so far, of each kind.
    met: [Vec<String>; KINDS.len()],
    /// Public keys, likewise.
    keys: Vec<String>,
}

impl Examples {
    /// Words are what lies between blanks and punctuation that no value holds.
    fn text(&mut self, text: &str) -> String {
        let text = &self.public_keys(&checksums(text));
        let is_end = |c: char| c.is_whitespace() || "\"'(),;=".contains(c);
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars() {
            if is_end(c) {
                out.push_str(&self.word(&std::mem::take(&mut word)));
                out.push(c);
            } else {
                word.push(c);
            }
        }
        out + &self.word(&word)
    }

    /// A key holds what ends words elsewhere.
    fn public_keys(&mut self, text: &str) -> String {
        let mut out = String::new();
        for (at, piece) in text.split(ED25519).enumerate() {
            let key = piece.get(..KEY_LENGTH).filter(|_| at > 0);
            out += &key.map_or(piece.to_owned(), |key| {
                let met = self.keys.iter().position(|known| known == key).unwrap_or_else(|| {
                    self.keys.push(key.to_owned());
                    self.keys.len() - 1
                });
                PUBLIC_KEYS[met.min(PUBLIC_KEYS.len() - 1)].to_owned() + &piece[KEY_LENGTH..]
            });
        }
        out
    }

    /// A value, or a path or key whose parts may be values. Scratch directories are numbered: the numbers are left out.
    fn word(&mut self, word: &str) -> String {
        let (word, colon) = word.strip_suffix(':').map_or((word, ""), |word| (word, ":"));
        if let Some(example) = self.value(word) {
            return format!("{example}{colon}");
        }
        let mut parts: Vec<&str> = word.split('/').collect();
        if parts.len() > 2 && parts[1] == "srv" && parts[2].len() < 5 && digits(parts[2]) {
            parts.remove(2);
        }
        let numbered = ["packs", "manifests", "digests"].iter().any(|kind| parts.contains(kind));
        if let Some(base) = parts.iter().position(|part| *part == "base")
            && let Some(database) = parts.get_mut(base + 1).filter(|part| digits(part))
        {
            // The number of the database postgres, since 15.
            *database = "5";
        }
        let mut parts: Vec<String> = parts.iter().map(|part| self.part(part)).collect();
        if let Some(last) = parts.last_mut().filter(|last| numbered && last.parse::<BackupId>().is_err()) {
            // Which of them it is depends on how many workers there were.
            *last = format!("1{}", last.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        parts.join("/") + colon
    }

    /// The name of an object may have suffixes.
    fn part(&mut self, part: &str) -> String {
        if part.starts_with("pgcairn-demo.") {
            return "pgcairn-demo.k3YwQ1".to_owned();
        }
        let (stem, suffix) = part.split_at(part.find('.').unwrap_or(part.len()));
        self.value(stem).map_or(part.to_owned(), |example| format!("{example}{suffix}"))
    }

    fn value(&mut self, word: &str) -> Option<&'static str> {
        let kind = KINDS.iter().position(|(is, _)| is(word))?;
        let met = &mut self.met[kind];
        let at = met.iter().position(|known| known == word).unwrap_or_else(|| {
            met.push(word.to_owned());
            met.len() - 1
        });
        let examples = KINDS[kind].1;
        Some(examples[at.min(examples.len() - 1)])
    }
}
