//! What brings back what was lost: another repository that has it, or a new backup.

use std::collections::BTreeSet;

use crate::config;
use crate::model::key::BackupId;
use crate::model::shell_word::shell_word;
use crate::operation::Context;
use crate::report::verify::Repository;

/// Hurt backups that a remedy names.
const NAMED: usize = 3;

/// Where what is moved out of a local repository goes: somewhere with room that is not cleared at the next boot.
const ASIDE: &str = "/var/tmp/";

/// Adds to each repository what helps it; gives the command to go on with.
pub fn advise(context: &Context, repositories: &mut [Repository]) -> String {
    for repository in repositories.iter_mut() {
        let hurt: BTreeSet<BackupId> = repository.hurt().cloned().collect();
        repository.backup_proofs.iter_mut().for_each(|proof| proof.sound = !hurt.contains(&proof.backup));
    }
    let advice: Vec<Advice> = repositories.iter().map(|harmed| Advice::of(context, harmed, repositories)).collect();
    let next = advice.iter().find_map(|advice| advice.next.clone());
    repositories.iter_mut().zip(advice).for_each(|(repository, advice)| repository.remedies = advice.lines);
    next.unwrap_or_else(|| context.command("list"))
}

#[derive(Default)]
struct Advice {
    lines: Vec<String>,
    next: Option<String>,
}

impl Advice {
    fn of(context: &Context, harmed: &Repository, all: &[Repository]) -> Advice {
        let mut advice = Advice::default();
        if !harmed.damaged.is_empty() {
            advice.objects(context, harmed, all);
        }
        if let Some(page) = harmed.bad_pages.first() {
            let earlier = context.command("list");
            advice.lines.push(format!(
                "a page that was bad already when {} was made is so in the database: look there with pg_amcheck --all, for an earlier backup with {earlier}",
                page.backup
            ));
            advice.next = advice.next.take().or(Some(earlier));
        }
        advice
    }

    fn objects(&mut self, context: &Context, harmed: &Repository, all: &[Repository]) {
        let hurt: BTreeSet<&BackupId> = harmed.damaged.iter().flat_map(|damage| &damage.hurts).collect();
        for id in hurt.iter().take(NAMED) {
            self.lines.push(match all.iter().find(|other| other.name != harmed.name && other.has_sound(id)) {
                Some(other) if id.is_dump() => {
                    let restore = format!("dump restore {id} --repository {} --into CONNECTION", other.name);
                    format!("{id} is sound in {}: {}", other.name, context.command(&restore))
                }
                Some(other) => {
                    let restore = format!("restore --repository {} --backup {id} --target-dir DIR", other.name);
                    format!("{id} is sound in {}: {}", other.name, context.command(&restore))
                }
                None => format!("{id} was found sound nowhere: make another with {}", context.command(id.noun())),
            });
        }
        if hurt.len() > NAMED {
            self.lines.push(format!("and {} more are hurt, see --json", hurt.len() - NAMED));
        }
        let is_elsewhere = |id: &&BackupId| all.iter().any(|other| other.name != harmed.name && other.has_sound(id));
        let all_dumps = !hurt.is_empty() && hurt.iter().all(|id| id.is_dump());
        let backup = context.command(if all_dumps { "dump" } else { "backup" });
        if !is_one_of_several(context, harmed) {
            self.next = Some(backup);
            return;
        }
        let copy = context.command(&format!("copy --all --to {}", harmed.name));
        self.lines.push(match move_away(context, harmed) {
            Some(first) => format!("to bring it back: {first} && {copy}"),
            None => format!("to bring it back: move what is damaged out of {}, then {copy}", harmed.url),
        });
        self.next = Some(if hurt.iter().all(is_elsewhere) { copy } else { backup });
    }
}

/// Another that is configured may have what it lost.
fn is_one_of_several(context: &Context, harmed: &Repository) -> bool {
    let config = &context.config;
    let known = |wanted: &&config::Repository| wanted.name != harmed.name;
    config.file.is_some()
        && !config.repository_is_an_argument()
        && config.repositories().chain(&config.beside).any(|other| known(&other))
}

/// Nothing is overwritten, so the first thing that is damaged makes room; what is not there needs none.
fn move_away(context: &Context, harmed: &Repository) -> Option<String> {
    let wanted = context.config.repositories().find(|wanted| wanted.name == harmed.name)?;
    let root = wanted.url.local_path()?;
    let [only] = harmed.damaged.as_slice() else { return None };
    let path = root.join(&only.object);
    path.is_file().then(|| format!("mv {} {ASIDE}", shell_word(&path.to_string_lossy())))
}
