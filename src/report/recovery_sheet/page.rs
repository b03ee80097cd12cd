//! The sheet as one page to print.

use serde::Serialize;

use super::Sheet;
use super::content::Section;
use crate::report::Report;
use crate::report::html::{escaped, page};

const STYLE: &str = include_str!("page.css");

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Page(pub Sheet);

impl Report for Page {
    const NAME: &'static str = Sheet::NAME;

    fn human(&self) -> String {
        let title = self.0.title();
        let sections: String = self.0.sections().iter().map(section).collect();
        page(&title, STYLE, &format!("<h1>{}</h1>\n{sections}", escaped(&title)))
    }
}

fn section(section: &Section) -> String {
    let paragraphs =
        |words: &[String]| words.iter().map(|words| format!("<p>{}</p>\n", escaped(words))).collect::<String>();
    let facts: String =
        section.facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value))).collect();
    let facts = if facts.is_empty() { facts } else { format!("<dl>\n{facts}</dl>\n") };
    // Each with an indent of its own, where it takes several lines.
    let command = |command: &String| format!("<span>{}\n</span>", escaped(command));
    let commands: String = section.commands.iter().map(command).collect();
    let commands = if commands.is_empty() { commands } else { format!("<pre>{commands}</pre>\n") };
    format!(
        "<section>\n<h2>{}</h2>\n{}{facts}{commands}{}</section>\n",
        section.title,
        paragraphs(&section.words),
        paragraphs(&section.after)
    )
}
