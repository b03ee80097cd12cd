//! Whether the relations that the backup brought are there when the copy has recovered: as many files as it brought of
//! users' relations, each database by itself, against what the catalogs name.
//!
//! A target after the backup may have dropped some, so a share is asked for, not all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::check::{Finding, LEAST};
use crate::model::error::{Code, Error, Result};
use crate::operation::scratch::{Databases, Deadline, Known, said};
use crate::postgres::{RELATIONS, ScratchServer};
use crate::report::text::few;

/// Lower numbers belong to what `initdb` made (`FirstNormalObjectId` in `transam.h`).
const FIRST_OF_USERS: u64 = 16384;

/// Databases by their oid, each with the number of users' relations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Brought(BTreeMap<u32, u64>);

impl Brought {
    /// In a restored data directory that no server has touched.
    pub fn count(data: &Path) -> Result<Brought> {
        let mut brought = Brought::default();
        brought.add_below(&data.join("base"))?;
        for tablespace in entries(&data.join("pg_tblspc"))? {
            for version in entries(&data.join("pg_tblspc").join(&tablespace))? {
                brought.add_below(&data.join("pg_tblspc").join(&tablespace).join(version))?;
            }
        }
        Ok(brought)
    }

    fn add_below(&mut self, directory: &Path) -> Result<()> {
        for database in entries(directory)? {
            let Ok(oid) = database.parse::<u32>() else { continue };
            let files = entries(&directory.join(&database))?;
            let of_users = files.iter().filter(|name| name.parse().is_ok_and(|number: u64| number >= FIRST_OF_USERS));
            *self.0.entry(oid).or_default() += of_users.count() as u64;
        }
        Ok(())
    }

    fn without(&self, databases: &[Known]) -> Brought {
        let is_left = |oid: &u32| !databases.iter().any(|database| database.oid == *oid);
        Brought(self.0.iter().filter(|(oid, _)| is_left(oid)).map(|(oid, number)| (*oid, *number)).collect())
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

fn entries(directory: &Path) -> Result<Vec<String>> {
    let cannot = |error| Error::new(Code::Io, format!("{} cannot be read: {error}", directory.display()));
    let read = fs::read_dir(directory).map_err(cannot)?;
    read.map(|entry| Ok(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned())).collect()
}

pub fn check(server: &ScratchServer, databases: &Databases, brought: &Brought, deadline: &Deadline) -> Result<Finding> {
    let mut found: BTreeMap<u32, (String, u64)> = BTreeMap::new();
    for database in &databases.whole {
        let mut session = server.session(&database.name)?;
        deadline.watch(&session);
        let number: i64 = session.query_one(RELATIONS, &[]).and_then(|row| row.try_get(0)).map_err(said)?;
        found.insert(database.oid, (database.name.clone(), u64::try_from(number).unwrap_or(0)));
    }
    let half_dropped: Vec<String> = databases.half_dropped.iter().map(|database| database.name.clone()).collect();
    Ok(match (judge(&brought.without(&databases.half_dropped), &found), half_dropped.as_slice()) {
        (finding, []) => finding,
        (finding, names) => Finding {
            details: format!("{}; not looked at, being half dropped: {}", finding.details, few(names)),
            ..finding
        },
    })
}

fn judge(brought: &Brought, found: &BTreeMap<u32, (String, u64)>) -> Finding {
    let kept = |(oid, number): (&u32, &u64)| found.get(oid).map_or(0, |(_, there)| (*there).min(*number));
    let (there, total) = (brought.0.iter().map(kept).sum::<u64>(), brought.total());
    let lacking = brought.0.iter().filter_map(|(oid, number)| match found.get(oid) {
        None if *number > 0 => Some(format!("database {oid} has gone, with {number}")),
        Some((name, there)) if there < number => Some(format!("{name} lacks {}", number - there)),
        _ => None,
    });
    let lacking: Vec<String> = lacking.collect();
    let of_all = format!("{there} of the {total} relations that the backup brought are there");
    let details = if lacking.is_empty() { of_all } else { format!("{of_all}: {}", few(&lacking)) };
    let is_enough = |(oid, number): (&u32, &u64)| kept((oid, number)) * 100 >= number * LEAST as u64;
    if total == 0 {
        Finding::not_checked("the backup brought no relation of a user")
    } else if brought.0.iter().all(is_enough) {
        Finding::passed(details)
    } else {
        Finding::failed(format!("{details}; at least {LEAST} of 100 must be, in each database"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::drill::Outcome;

    fn brought(numbers: &[(u32, u64)]) -> Brought {
        Brought(numbers.iter().copied().collect())
    }

    #[test]
    fn a_tenth_may_have_been_dropped_since() {
        let found = |number| BTreeMap::from([(5, ("app".to_owned(), number))]);
        for (there, outcome) in
            [(100, Outcome::Passed), (90, Outcome::Passed), (89, Outcome::Failed), (0, Outcome::Failed)]
        {
            assert_eq!(judge(&brought(&[(5, 100)]), &found(there)).outcome, outcome, "{there}");
        }
        // More in one database does not stand for less in another.
        let both = BTreeMap::from([(5, ("app".to_owned(), 100)), (6, ("shop".to_owned(), 0))]);
        assert_eq!(judge(&brought(&[(5, 50), (6, 50)]), &both).outcome, Outcome::Failed);
        let finding = judge(&brought(&[(5, 20), (7, 20)]), &found(20));
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.details.contains("database 7 has gone, with 20"), "{}", finding.details);
        assert_eq!(judge(&brought(&[(5, 0)]), &found(0)).outcome, Outcome::NotChecked);
    }

    #[test]
    fn files_of_users_are_counted_where_they_lie() {
        let data = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = data.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for file in ["16384", "16390", "16390.1", "16390_fsm", "16391_init", "1259", "t3_16400", "PG_VERSION"] {
            put(&format!("base/5/{file}"));
        }
        put("base/1/1259");
        put("pg_tblspc/16500/PG_18_202506291/5/16501");
        assert_eq!(Brought::count(data.path()).unwrap(), brought(&[(1, 0), (5, 3)]));
    }
}
