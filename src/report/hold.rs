//! What `hold`, `release` and `undelete` came to.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{utc_and_local, whole_second};
use crate::model::key::BackupId;

/// Another repository that has the backup, and what to do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    pub name: String,
    pub command: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub repository: String,
    /// What the configuration calls it, where it names several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub id: BackupId,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many objects the store itself holds, where objects are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_held_in: Vec<Elsewhere>,
    pub next: String,
}

/// ` in NAME`, where there are several.
fn within(name: Option<&str>) -> String {
    name.map(|name| format!(" in {name}")).unwrap_or_default()
}

fn until(end: Option<Timestamp>) -> String {
    end.map_or("released".to_owned(), |end| utc_and_local(whole_second(end)))
}

impl Report for Held {
    const NAME: &'static str = "hold";

    fn human(&self) -> String {
        let until = until(self.until);
        let locked = self.locked.map(|number| format!("legal holds are on its {number} objects\n")).unwrap_or_default();
        let others =
            self.not_held_in.iter().map(|it| format!("{} does not hold it; to do so: {}\n", it.name, it.command));
        let others: String = others.collect();
        format!(
            "{} {} is held{} until {until}: {}\n{locked}{others}",
            self.id.noun(),
            self.id,
            within(self.name.as_deref()),
            self.reason
        )
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Released {
    pub repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub id: BackupId,
    /// For which it was held.
    pub reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still_held_in: Vec<Elsewhere>,
    pub next: String,
}

impl Report for Released {
    const NAME: &'static str = "release";

    fn human(&self) -> String {
        let others =
            self.still_held_in.iter().map(|it| format!("{} holds it still; to end that: {}\n", it.name, it.command));
        let others: String = others.collect();
        format!(
            "{} {} is held no more{} (it was: {})\n{others}",
            self.id.noun(),
            self.id,
            within(self.name.as_deref()),
            self.reason
        )
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undeleted {
    pub repository: String,
    pub id: BackupId,
    /// When it was finished, for a dump.
    pub stopped: Timestamp,
    /// Up to then expiry keeps it; for ever where it was held already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    pub next: String,
}

impl Report for Undeleted {
    const NAME: &'static str = "undelete";

    fn human(&self) -> String {
        let (id, stopped, until) = (&self.id, utc_and_local(self.stopped), until(self.held_until));
        let usable = if id.is_dump() { "finished" } else { "usable from" };
        format!("{} {id} is back, {usable} {stopped}\nit is held until {until}\n", id.noun())
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
