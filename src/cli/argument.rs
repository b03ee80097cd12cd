//! Parsers of arguments into types; clap puts the argument's name before what they say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::catalog::MAX_LABELS;
use crate::model::connection_string::{ConnectionString, ConnectionStringError};
use crate::model::deletion::MAX_REASON;
use crate::model::error::{Code, Error};
use crate::model::key::ClusterName;
use crate::model::lsn::Lsn;
use crate::model::selector::Selector;
use crate::model::signature::PublicKey;
use crate::model::wal_name::WalName;
use crate::operation::dump::MAX_LOCK_TIMEOUT;
use crate::operation::restore::{TablespaceMapping, TimelineChoice};
use crate::operation::verify::Share;

/// Below it lie `BootstrapTransactionId` and `FrozenTransactionId`, which never commit.
const FIRST_NORMAL_XID: u32 = 3;

pub fn cluster_name(text: &str) -> Result<ClusterName, String> {
    ClusterName::new(text).map_err(|error| error.to_string())
}

/// The text is not repeated by us: it might be the other half.
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    crate::config::public_key(text.trim())
}

pub fn selector(text: &str) -> Result<Selector, String> {
    text.parse().map_err(|error: crate::model::selector::SelectorError| error.to_string())
}

/// What leads to a server, in libpq's words. The text is never repeated by us: it may hold a password.
pub fn connection(argument: &str, text: &str) -> Result<ConnectionString, Error> {
    ConnectionString::new(text).map_err(|error| {
        let hint = match error {
            ConnectionStringError::Secret => {
                "passwords come from the file that PGPASSFILE or passfile= names, or from a service"
            }
            _ => "words of libpq: 'host=db.example user=backup sslrootcert=/etc/ssl/db.crt', or a URL of it",
        };
        Error::new(Code::Usage, format!("{argument}: {error}")).hint(hint)
    })
}

/// Of a hundred, with or without the sign.
pub fn share(text: &str) -> Result<Share, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    percent.and_then(Share::of_percent).ok_or_else(|| format!("\"{text}\" is not a share from 0.0001% to 100%"))
}

pub fn lsn(text: &str) -> Result<Lsn, String> {
    text.parse().map_err(|error: crate::model::lsn::InvalidLsn| error.to_string())
}

pub fn wal_name(text: &str) -> Result<WalName, String> {
    text.parse().map_err(|error: crate::model::wal_name::InvalidWalName| error.to_string())
}

/// Takes what `pg_current_xact_id` prints too: PostgreSQL itself looks at the lower 32 bits.
pub fn xid(text: &str) -> Result<u32, String> {
    let number: Option<u64> = text.parse().ok();
    let xid = number.map(|full| full as u32).filter(|xid| *xid >= FIRST_NORMAL_XID);
    xid.ok_or_else(|| format!("\"{text}\" is not a transaction id (a number of at least {FIRST_NORMAL_XID})"))
}

/// What `pg_create_restore_point` takes: `MAXFNAMELEN` is 64.
const MAX_RESTORE_POINT_NAME: usize = 63;

pub fn restore_point(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_RESTORE_POINT_NAME).contains(&text.len());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("a restore point's name has 1 to {MAX_RESTORE_POINT_NAME} bytes"))
    }
}

pub fn timeline(text: &str) -> Result<TimelineChoice, String> {
    match text {
        "latest" => Ok(TimelineChoice::Latest),
        "current" => Ok(TimelineChoice::Current),
        _ => timeline_id(text).map(TimelineChoice::Id),
    }
}

/// Decimal as in `SELECT timeline_id FROM pg_control_checkpoint()`, or `0x` and hexadecimal digits.
pub fn timeline_id(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number
        .filter(|id| *id > 0)
        .ok_or_else(|| format!("\"{text}\" is not a timeline: a number, \"latest\" or \"current\""))
}

pub fn tablespace(text: &str) -> Result<TablespaceMapping, String> {
    let wanted =
        || format!("\"{text}\" is not OLD=NEW with two absolute paths (write \\= for an equals sign in a path)");
    let at = unescaped_equals(text).ok_or_else(wanted)?;
    let path = |part: &str| Some(PathBuf::from(part.replace("\\=", "="))).filter(|path| path.is_absolute());
    match (path(&text[..at]), path(&text[at + 1..])) {
        (Some(old), Some(new)) => Ok(TablespaceMapping { old, new }),
        _ => Err(wanted()),
    }
}

/// The only `=` without a backslash before it, as in `pg_basebackup --tablespace-mapping`.
fn unescaped_equals(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut places = (0..bytes.len()).filter(|&i| bytes[i] == b'=' && (i == 0 || bytes[i - 1] != b'\\'));
    places.next().filter(|_| places.next().is_none())
}

/// Bounds that keep a commit marker small.
const MAX_LABEL_KEY: usize = 63;
const MAX_LABEL_VALUE: usize = 255;

pub fn label(text: &str) -> Result<(String, String), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = |(key, value): &(&str, &str)| {
        (1..=MAX_LABEL_KEY).contains(&key.len())
            && key.chars().all(plain)
            && value.len() <= MAX_LABEL_VALUE
            && !value.contains(char::is_control)
    };
    let pair = text.split_once('=').filter(fits);
    let pair =
        pair.ok_or_else(|| format!("\"{text}\" is not a label such as ticket=1234 (key of letters, digits, . _ -)"))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Why a backup is held.
pub fn reason(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= MAX_REASON && !text.contains(char::is_control);
    let wanted = || format!("a reason has 1 to {MAX_REASON} bytes and no control characters");
    if fits { Ok(text.to_owned()) } else { Err(wanted()) }
}

/// All of `--label`.
pub fn distinct_labels(given: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for (key, value) in given {
        if let Some(other) = labels.insert(key.clone(), value.clone()) {
            let message = format!("label {key} is given twice, as \"{other}\" and as \"{value}\"");
            return Err(Error::new(Code::Usage, message).hint("give each label once"));
        }
    }
    if labels.len() > MAX_LABELS {
        let message = format!("{} labels are given, {MAX_LABELS} fit", labels.len());
        return Err(Error::new(Code::Usage, message).hint("give fewer labels"));
    }
    Ok(labels)
}

/// `NAME` or `NAME=NEW`.
pub fn renamed(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').unwrap_or((text, text));
    match (from.is_empty(), to.is_empty()) {
        (false, false) => Ok((from.to_owned(), to.to_owned())),
        _ => Err(format!("\"{text}\" is not a name such as shop or shop=shop_restored")),
    }
}

/// A time span for waiting.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::config::duration(text)
}

/// Of at least a millisecond: 0 would be for ever to PostgreSQL.
pub fn lock_timeout(text: &str) -> Result<std::time::Duration, String> {
    let timeout = duration(text)?;
    let fits = timeout.as_millis() > 0 && timeout <= MAX_LOCK_TIMEOUT;
    if fits { Ok(timeout) } else { Err(format!("{text} is not between 1ms and {} days", days(MAX_LOCK_TIMEOUT))) }
}

fn days(time: std::time::Duration) -> u64 {
    time.as_secs() / (24 * 3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_ids_may_carry_an_epoch() {
        assert_eq!(xid("731"), Ok(731));
        assert_eq!(xid("4294968027"), Ok(731));
        for text in ["", "0", "2", "-1", "x", "4294967298"] {
            assert!(xid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tablespaces_map_one_absolute_path_to_another() {
        let mapping = tablespace(r"/a\=b=/c").unwrap();
        assert_eq!((mapping.old.to_str(), mapping.new.to_str()), (Some("/a=b"), Some("/c")));
        for text in ["", "/a", "/a=b", "a=/b", "=/b", "/a=", "/a=/b=/c"] {
            assert!(tablespace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn timelines_are_words_or_numbers() {
        assert_eq!(timeline("latest"), Ok(TimelineChoice::Latest));
        assert_eq!(timeline("0xA"), Ok(TimelineChoice::Id(10)));
        for text in ["", "0", "-1", "newest", "4294967296"] {
            assert!(timeline(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_are_pairs() {
        assert_eq!(label("ticket=a=b"), Ok(("ticket".to_owned(), "a=b".to_owned())));
        for text in ["", "ticket", "=1", "a b=1", "a=\n"] {
            assert!(label(text).is_err(), "{text}");
        }
    }
}
