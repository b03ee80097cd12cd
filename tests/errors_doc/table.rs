//! The tables of docs/errors.md, and what a run of pgcairn said.

use std::collections::BTreeSet;

use serde_json::Value;

const TEXT: &str = include_str!("../../docs/errors.md");

/// A refusal, as the table has it and as a run says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    pub code: String,
    pub status: String,
    pub message: String,
    pub hint: String,
}

/// A row: when it happens, and what is said.
#[derive(Debug, Clone)]
pub struct Row {
    pub when: String,
    pub refusal: Refusal,
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells = inner.replace("\\|", "\u{1}").split(" | ").map(|cell| cell.replace('\u{1}', "|")).collect();
    Some(cells)
}

fn plain(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The rows of every table that begins with `| when |`.
pub fn rows() -> Vec<Row> {
    let rows = TEXT.lines().filter_map(cells).filter(|cells| cells.len() == 5 && cells[0] != "when");
    let row = |cells: Vec<String>| {
        let [when, code, status, message, hint] = <[String; 5]>::try_from(cells).unwrap();
        let refusal = Refusal { code: plain(&code), status, message: plain(&message), hint: plain(&hint) };
        Row { when, refusal }
    };
    rows.filter(|cells| !cells[0].starts_with("---")).map(row).collect()
}

/// Codes and statuses of the table that begins with `| code |`.
pub fn codes() -> BTreeSet<(String, String)> {
    let rows = TEXT.lines().filter_map(cells).filter(|cells| cells.len() == 3 && cells[0].starts_with('`'));
    rows.map(|cells| (plain(&cells[0]), cells[1].clone())).collect()
}

impl Refusal {
    /// From what `--json` printed last; `None` where that is no error. `names` are pairs of what this run had and
    /// what the document has in its place.
    pub fn of(stdout: &str, status: i32, names: &[(String, &str)]) -> Option<Refusal> {
        let object: Value = serde_json::from_str(stdout.lines().last()?).ok()?;
        let error = object.get("error")?;
        let text = |field: &str| {
            let text = error[field].as_str().unwrap_or_default().to_owned();
            names.iter().fold(text, |text, (here, there)| text.replace(here.as_str(), there))
        };
        Some(Refusal { code: text("code"), status: status.to_string(), message: text("message"), hint: text("hint") })
    }

    /// The row that the document should have.
    pub fn row(&self, when: &str) -> String {
        let cell = |text: &str| match text {
            "" => String::new(),
            text if text.contains('`') => text.replace('|', "\\|"),
            text => format!("`{}`", text.replace('|', "\\|")),
        };
        let (code, message, hint) = (cell(&self.code), cell(&self.message), cell(&self.hint));
        format!("| {when} | {code} | {} | {message} | {hint} |", self.status)
    }
}
