//! `status`: what there is and how it stands, on one screen and at once. Needs no key, and neither a server that runs
//! nor a store that answers: what is not known in time is said to be unknown.

mod host;
mod repository;
mod server;
mod verdict;

use std::path::Path;
use std::time::Duration;

use super::Context;
use crate::config;
use crate::config::identity::OnHost;
use crate::flow::in_time::{self, Question};
use crate::model::error::{Code, Error, Result};
use crate::operation::wal::push::last_error::{self, LastError};
use crate::report::status::{Host, Repository, Restorable, Server, Status, Waiting};
use crate::report::verdict::{Told, Verdict};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For how long answers are waited for.
    pub wait: Duration,
    /// Keys that were found on this host, before root was given up; `None` where nobody looked.
    pub keys: Option<Vec<OnHost>>,
}

/// One question's.
enum Answer {
    Host(Host, Option<LastError>),
    Server(Server),
    Catalog(Box<Result<repository::Catalogued>>),
    Stored(Result<repository::Stored>),
    Behind(Result<Option<repository::Behind>>),
}

pub fn run(context: &Context, request: &Request) -> Result<Status> {
    let each: Vec<config::Repository> = context.config.repositories().cloned().collect();
    let mut questions: Vec<Question<Answer>> = Vec::new();
    for wanted in &each {
        questions.extend(of_repository(context, wanted));
    }
    let has_server = context.config.postgres.is_some();
    questions.extend(context.config.postgres.iter().flat_map(|postgres| of_host(context, &postgres.data_dir)));
    let mut answers = in_time::ask(questions, request.wait).into_iter();
    let repositories: Vec<Repository> = each
        .iter()
        .map(|wanted| {
            let own: Vec<Option<Answer>> = answers.by_ref().take(QUESTIONS).collect();
            repository::report(context, wanted, own, request.wait)
        })
        .collect();
    let (host, push_error) = match answers.next() {
        Some(Some(Answer::Host(host, push_error))) => (host, push_error),
        _ => (Host::default(), None),
    };
    let server = has_server.then(|| match answers.next() {
        Some(Some(Answer::Server(server))) => server,
        _ => Server::unknown(&no_answer(request.wait)),
    });
    let host = Host { archive_error: host.archive_error.or(still_so(push_error, server.as_ref())), ..host };
    let mut status = Status {
        cluster: context.config.name.as_ref().map(ToString::to_string),
        at: context.now,
        keys_on_host: request.keys.as_ref().map(|found| host::keys(&context.config, found)),
        host,
        server,
        repositories,
        verdict: Verdict::of(&[], false),
        next: String::new(),
    };
    status.verdict = verdict::of(context, &status);
    status.next = next(context, &status);
    Ok(status)
}

/// What `wal push` failed with, unless the server tells that something else failed since.
fn still_so(error: Option<LastError>, server: Option<&Server>) -> Option<String> {
    let failure = server.and_then(|server| server.archiver_failure.as_ref());
    error.filter(|error| failure.is_none_or(|failure| error.explains(failure.at))).map(|error| error.message)
}

/// What one repository can restore, by timeline.
pub fn restorable(context: &Context, wanted: &config::Repository) -> Result<Vec<Restorable>> {
    repository::catalog(context, wanted).map(repository::Catalogued::into_restorable)
}

/// WAL that `archive_command` has not brought away; `None` where that cannot be seen.
pub fn waiting(context: &Context) -> Option<Waiting> {
    context.config.postgres.as_ref().and_then(|postgres| host::waiting(&postgres.data_dir, context.now))
}

/// Of each repository.
const QUESTIONS: usize = 3;
/// Which of them is about the others too.
const COMPARISON: usize = 2;

fn of_repository(context: &Context, wanted: &config::Repository) -> [Question<Answer>; QUESTIONS] {
    let at_hand = || (context.clone(), wanted.clone());
    let (catalog, stored, behind) = (at_hand(), at_hand(), at_hand());
    [
        Box::new(move || Answer::Catalog(Box::new(repository::catalog(&catalog.0, &catalog.1)))),
        Box::new(move || Answer::Stored(repository::stored(&stored.0, &stored.1))),
        Box::new(move || Answer::Behind(repository::behind(&behind.0, &behind.1))),
    ]
}

fn of_host(context: &Context, data_dir: &Path) -> [Question<Answer>; 2] {
    let (directory, now, config) = (data_dir.to_owned(), context.now, context.config.clone());
    let asked = context.clone();
    [
        Box::new(move || Answer::Host(host::look(&directory, now), last_error::read(&config))),
        Box::new(move || Answer::Server(server::look(&asked))),
    ]
}

fn no_answer(wait: Duration) -> Error {
    let message = format!("no answer within {} s", wait.as_secs_f64());
    Error::new(Code::Unreachable, message).hint("ask for longer: pgcairn status --wait 60s")
}

/// What is most wrong, then what is only behind, then what was not done yet.
fn next(context: &Context, status: &Status) -> String {
    let remedy = |advice| status.verdict.reasons.iter().find(|told| told.advice == advice).map(Told::command);
    let is_behind = status.repositories.iter().any(Repository::is_behind);
    let behind = || is_behind.then(|| context.command("copy --all"));
    remedy(false).or_else(behind).or_else(|| remedy(true)).unwrap_or_else(|| context.command("list"))
}
