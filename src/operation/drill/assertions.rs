//! What the configuration says must hold: a statement whose one answer is true.

use ::postgres::SimpleQueryMessage;

use super::check::Finding;
use super::deadline::Deadline;
use super::relations::said;
use crate::config::DrillCheck;
use crate::model::error::Result;
use crate::postgres::ScratchServer;

/// So much of another answer is shown.
const SHOWN: usize = 200;

/// In a transaction that only reads: an assertion changes nothing that the next one looks at.
pub fn check(server: &ScratchServer, assertion: &DrillCheck, deadline: &Deadline) -> Result<Finding> {
    let mut session = server.session(&assertion.database)?;
    deadline.watch(&session);
    session.batch_execute("SET default_transaction_read_only = on").map_err(said)?;
    let answers = session.simple_query(&assertion.sql).map_err(said)?;
    let rows: Vec<Option<String>> = answers
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((!row.is_empty()).then(|| row.get(0).map(str::to_owned)).flatten()),
            _ => None,
        })
        .collect();
    Ok(match rows.as_slice() {
        [Some(answer)] if answer == "t" => Finding::passed("true"),
        [Some(answer)] => Finding::failed(format!("the answer is {}, and must be true", shown(answer))),
        [None] => Finding::failed("the answer is null, and must be true"),
        rows => Finding::failed(format!("there are {} answers, and must be one", rows.len())),
    })
}

fn shown(answer: &str) -> String {
    if answer == "f" { "false".to_owned() } else { answer.chars().take(SHOWN).collect() }
}
