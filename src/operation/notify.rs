//! Telling people how a command ended. A service gets a ping from every run; webhook and program hear once that a
//! command fails, and once that it succeeds again. Whoever is not told this time is told the next; nothing here ever
//! makes a command fail, or holds it up for longer than agreed.

mod unit;

pub use unit::{FailedUnit, failed, own_invocation};

use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::last_runs::{LastRun, LastRuns};
use crate::config::Config;
use crate::flow::in_time::{self, Question};
use crate::model::error::{Code, Error, Result};
use crate::notify::{self, Address, LONGEST, NotifyError, Post, Settings, What};
use crate::report::notification::{self, Event, Failure, Notification};
use crate::report::notify::{NotifyTest, Sent};

/// Whose pings these are where all commands have one URL: those of the others would hide that no backup is made.
const USUAL_COMMAND: &str = "backup";

const PING: &str = "ping";
const WEBHOOK: &str = "webhook";
const COMMAND: &str = "command";

/// Places below the URL of a ping, as healthchecks.io has them.
const START: &str = "start";
const FAIL: &str = "fail";

/// A run that others are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Such as `copy`.
    pub verb: &'static str,
    /// With the arguments that make it another: `copy --all --to offsite`.
    pub name: String,
    /// Not known of one that somebody else tells of.
    pub began: Option<Timestamp>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub at: Timestamp,
    /// None where all is well.
    pub failure: Option<(Code, String)>,
    /// Which run of its unit it was, where systemd started it.
    pub invocation: Option<String>,
}

/// Says that it began. Returns what went wrong in that.
pub fn began(config: &Config, run: &Run) -> Vec<Error> {
    let ping = ping_of(&config.notify, run.verb)
        .map(|address| to_service(PING, address, run.verb, START, notification::began()));
    send_all(ping.into_iter().collect(), LONGEST).into_iter().filter_map(|sent| sent.result.err()).collect()
}

/// Says how it ended, to whom it may concern, and remembers that. Returns what went wrong in that.
pub fn ended(config: &Config, run: &Run, ended: &Ended) -> Vec<Error> {
    if config.notify.is_empty() && !config.keeps_state() {
        return Vec::new();
    }
    let place = Some(LastRuns::of(config)).filter(|_| config.keeps_state());
    let known = place.as_ref().map_or(Ok(None), |place| place.last(&run.name));
    let (before, unknown) = known.map_or_else(|error| (None, Some(error)), |before| (before, None));
    let failed = ended.failure.is_some();
    let mut last = LastRun::after(before.as_ref(), ended.at, seconds(run, ended), failed);
    last.invocation.clone_from(&ended.invocation);
    let notification = notification(config, run, ended, before.as_ref());
    let mut sendings = messages(&config.notify, run.verb, &notification);
    // News is what somebody does not know yet.
    sendings.retain(|sending| last.told.contains(sending.kind) != failed);
    sendings.extend(
        ping_of(&config.notify, run.verb)
            .map(|address| to_service(PING, address, run.verb, if failed { FAIL } else { "" }, notification.ping())),
    );
    let mut warnings = Vec::new();
    for sent in send_all(sendings, LONGEST) {
        match sent.result {
            Err(error) => warnings.push(error),
            Ok(()) if sent.kind == PING => {}
            Ok(()) if failed => drop(last.told.insert(sent.kind.to_owned())),
            Ok(()) => drop(last.told.remove(sent.kind)),
        }
    }
    let forgotten = place.and_then(|place| place.remember(&run.name, last).err());
    // One of both says it.
    warnings.extend(unknown.or(forgotten));
    warnings
}

/// `notify test`: everybody is told, whatever they know, and nothing is remembered.
pub fn test(context: &Context) -> Result<NotifyTest> {
    let settings = &context.config.notify;
    if settings.is_empty() {
        return Err(Error::new(Code::Config, format!("{} has no [notify]", context.config.origin()))
            .hint("add [notify] with ping, webhook or command: docs/notifications.md"));
    }
    let run = Run { verb: USUAL_COMMAND, name: USUAL_COMMAND.to_owned(), began: Some(context.now) };
    let notification =
        notification(&context.config, &run, &Ended { at: context.now, failure: None, invocation: None }, None);
    let notification = Notification { event: Event::Test, ..notification };
    let ping = |below| {
        let ping =
            settings.ping.as_ref().map(|address| to_service(PING, address, run.verb, below, notification.ping()));
        send_all(ping.into_iter().collect(), LONGEST)
    };
    // The second one counts: whatever it stood for before, it stands as after a success.
    let pinged =
        ping(FAIL).into_iter().zip(ping("")).map(|(fail, ok)| Answered { result: fail.result.and(ok.result), ..ok });
    let sent: Vec<Answered> = pinged.chain(send_all(messages(settings, run.verb, &notification), LONGEST)).collect();
    let next = context.command(if sent.iter().all(|one| one.result.is_ok()) { "status" } else { "notify test" });
    let told = |one: Answered| Sent::new(one.kind, one.to, one.result.map_err(|error| context.addressed_error(error)));
    Ok(NotifyTest { cluster: notification.cluster.clone(), sent: sent.into_iter().map(told).collect(), next })
}

fn seconds(run: &Run, ended: &Ended) -> Option<f64> {
    run.began.map(|began| ended.at.duration_since(began).as_secs_f64())
}

/// The ping's URL, where runs of this command are told there.
fn ping_of<'s>(settings: &'s Settings, verb: &str) -> Option<&'s Address> {
    let is_told = |address: &&Address| verb == USUAL_COMMAND || address.tells_commands_apart().unwrap_or(false);
    settings.ping.as_ref().filter(is_told)
}

fn notification(config: &Config, run: &Run, ended: &Ended, before: Option<&LastRun>) -> Notification {
    let failure = ended.failure.as_ref().map(|(code, message)| Failure::new(*code, message.clone()));
    let failing = before.filter(|_| failure.is_none()).filter(|before| before.failing_since.is_some());
    Notification {
        event: if failure.is_some() { Event::Failed } else { Event::Recovered },
        cluster: config.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        host: notify::host_name(),
        command: run.name.clone(),
        at: ended.at,
        seconds: seconds(run, ended),
        failure,
        failed_since: failing.and_then(|before| before.failing_since),
        failures: failing.map(|before| before.failures),
    }
}

/// One message to one of them.
struct Sending {
    kind: &'static str,
    /// The host, or the program.
    to: String,
    send: Question<std::result::Result<(), NotifyError>>,
}

struct Answered {
    kind: &'static str,
    to: String,
    result: Result<()>,
}

fn messages(settings: &Settings, verb: &str, notification: &Notification) -> Vec<Sending> {
    let webhook = settings.webhook.as_ref();
    let webhook = webhook.map(|to| to_service(WEBHOOK, &to.address, verb, "", notification.post(&to.format)));
    webhook.into_iter().chain(to_program(&settings.command, notification)).collect()
}

fn to_service(kind: &'static str, address: &Address, verb: &str, below: &str, post: Post) -> Sending {
    match address.endpoint(verb) {
        Ok(endpoint) => {
            let to = endpoint.host();
            let endpoint = if below.is_empty() { endpoint } else { endpoint.below(below) };
            Sending { kind, to, send: Box::new(move || notify::post(&endpoint, &post)) }
        }
        Err(error) => Sending { kind, to: String::new(), send: Box::new(move || Err(error)) },
    }
}

fn to_program(words: &[String], notification: &Notification) -> Option<Sending> {
    let to = words.first()?.clone();
    let words: Vec<String> = words.iter().map(|word| notification.fill(word)).collect();
    let text = notification.whole();
    Some(Sending { kind: COMMAND, to, send: Box::new(move || notify::run(&words, &text)) })
}

/// All at once, and none is waited for longer than agreed.
fn send_all(sendings: Vec<Sending>, wait: Duration) -> Vec<Answered> {
    let (who, questions): (Vec<_>, Vec<_>) =
        sendings.into_iter().map(|sending| ((sending.kind, sending.to), sending.send)).unzip();
    let answers = in_time::ask(questions, wait);
    let answered = |((kind, to), answer): ((&'static str, String), Option<_>)| {
        let late = || Err(NotifyError::new(What::Service, format!("no answer within {} s", wait.as_secs())));
        let result = answer.unwrap_or_else(late).map_err(|error| not_notified(kind, &to, &error));
        Answered { kind, to, result }
    };
    who.into_iter().zip(answers).map(answered).collect()
}

fn not_notified(kind: &str, to: &str, error: &NotifyError) -> Error {
    let (code, by) = match error.what {
        What::Address => (Code::ConfigValue, kind.to_owned()),
        What::Service => (Code::Unreachable, format!("{kind} to {to}")),
        What::Program => (Code::Io, format!("{kind} {to}")),
    };
    let hint = format!("correct {kind} under [notify], and try it: pgcairn notify test");
    Error::new(code, format!("not notified by {by}: {error}")).hint(hint)
}
