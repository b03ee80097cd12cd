//! `init --recreate`: which of the configured repositories are lost, and what is to be done once they are made anew.

use crate::config::{self, Config};
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::operation::Context;
use crate::operation::last_runs::LastRuns;
use crate::operation::repository;
use crate::report::init::{Init, Recreated};
use crate::store::Repository;

/// The run whose successes were lost.
const BACKUP: &str = "backup";

/// By their names. Refuses where none is lost, and where something lies in the place of one that is.
pub fn find(config: &Config) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    for wanted in config.repositories() {
        match repository::open_one(config, wanted) {
            Err(error) if error.code == Code::NotARepository => {
                nothing_is_left(wanted)?;
                lost.push(wanted.name.clone());
            }
            // Nobody knows whether it is lost.
            Err(error) if wanted.required => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    match lost.is_empty() {
        false => Ok(lost),
        true => Err(Error::new(Code::Refused, "no repository is lost: what is configured is there")
            .hint("pgcairn status   # leave --recreate out to look at the settings")),
    }
}

/// What is left may be all that there is: nothing is put over it.
fn nothing_is_left(wanted: &config::Repository) -> Result<()> {
    let Some(name) = Repository::remains_at(wanted.url.place())? else { return Ok(()) };
    let message = format!("{} is no repository, and {name} lies there", wanted.url.as_str());
    Err(Error::new(Code::Refused, message).hint(
        "move it away, or name another url; where it is this repository but for its pgcairn.json: \
         take id out of [[repository]], pgcairn init, then pgcairn verify",
    ))
}

/// With any id in their places.
pub fn expected(config: &Config, lost: &[String]) -> Config {
    let mut config = config.clone();
    let all = std::iter::once(&mut config.repository).chain(&mut config.others);
    all.filter(|one| lost.contains(&one.name)).for_each(|one| one.id = None);
    config
}

/// What was lost, and what is next.
pub fn told(context: &Context, lost: Vec<String>, init: Init) -> Init {
    let commands = context.config.command_line();
    let steps = steps(&context.config, &lost, &init);
    let steps: Vec<String> = steps.iter().map(|step| commands.spell_out(step)).collect();
    let last_backup = LastRuns::of(&context.config).last(BACKUP).ok().flatten().and_then(|run| run.succeeded);
    let next = steps.first().and_then(|step| step.split("   #").next()).unwrap_or_default().to_owned();
    Init { recreated: Some(Recreated { repositories: lost, last_backup, steps }), next, ..init }
}

fn steps(config: &Config, lost: &[String], init: &Init) -> Vec<String> {
    let is_lost = |one: &config::Repository| lost.contains(&one.name);
    let new_id = |name: &str| {
        let other = init.others.iter().find(|other| other.name == name);
        other.map_or(&init.repository_id, |other| &other.id)
    };
    let named = config.repositories().filter(|one| is_lost(one) && one.id.is_some());
    let mut steps: Vec<String> =
        named.map(|one| format!("id = \"{}\" for {} in {}", new_id(&one.name), one.name, config.origin())).collect();
    if !config.repositories().all(is_lost) {
        let copy = |name| format!("pgcairn copy --all --to {}   # what another repository has", shell_word(name));
        steps.extend(lost.iter().map(|name| copy(name)));
    }
    if is_lost(&config.repository) {
        steps.push("pgcairn backup --hold 'first one in the new repository'   # at once, a full one".to_owned());
    }
    steps.push("pgcairn recovery-sheet   # the old one tells of the lost repository".to_owned());
    steps.push("pgcairn drill   # with the key, where that is".to_owned());
    steps
}
