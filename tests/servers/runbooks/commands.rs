//! Every command that a page names, in a block or in a line: pgcairn knows it, and each of its options.

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::server::run;
use crate::support::site::binary;

use super::page::Page;

const PROGRAM: &str = "pgcairn ";
/// Commands that have commands of their own.
const FAMILIES: [&str; 5] = ["wal", "key", "config", "notify", "schedule"];
/// What ends a command in a shell.
const ENDS: [char; 4] = ['|', ';', ')', '#'];

pub fn unknown(page: &Page) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    let text = page.text.replace("\\\n", " ");
    for command in text.split("```").skip(1).step_by(2).flat_map(str::lines).chain(in_lines(&text)) {
        for words in command.split(PROGRAM).skip(1) {
            wrong.extend(flaw(words)?.map(|flaw| format!("{}: {flaw}: {command}", page.path.display())));
        }
    }
    Ok(wrong)
}

/// Between single backticks, outside of blocks.
fn in_lines(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).filter(|code| code.starts_with(PROGRAM))
}

fn flaw(words: &str) -> Outcome<Option<String>> {
    let words = words.split(ENDS).next().unwrap_or_default();
    let mut words = words.split_whitespace().peekable();
    if words.next_if_eq(&"-c").is_some() {
        words.next();
    }
    let Some(first) = words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())) else {
        return Ok(None);
    };
    let second = words.next_if(|_| FAMILIES.contains(&first));
    let Ok(help) = run(account().command(binary()).arg(first).args(second).arg("--help")) else {
        return Ok(Some(format!("no command {first} {}", second.unwrap_or_default())));
    };
    let options = words.filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches(['"', '\'', ',']));
    Ok(options.filter(|option| !help.contains(*option)).map(|option| format!("no option {option}")).next())
}
