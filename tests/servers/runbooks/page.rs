//! A page of docs/runbooks or docs/migrate, read when the trial runs: its steps, and the commands in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Outcome;

/// One screen of a tired person.
pub const MAX_LINES: usize = 90;
/// What a page has, in this order, between its title and its end.
const PARTS: [&str; 5] =
    ["**This page is right when**", "**Do not**", "## Steps", "## See that it worked", "## Afterwards"];

/// Commands under a number, or under a heading.
pub struct Step {
    /// `1` for what stands below `**1. …`, else the heading.
    pub name: String,
    pub blocks: Vec<String>,
}

pub struct Page {
    pub path: PathBuf,
    pub text: String,
    /// The names of the variables that stand at the top.
    pub variables: Vec<String>,
    pub steps: Vec<Step>,
    /// Commands that nobody runs here, such as those of a package manager: fenced as `console`.
    pub not_run: usize,
}

/// The repository, or a place in it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    /// By its path below docs/, without `.md`.
    pub fn read(name: &str) -> Outcome<Page> {
        let path = root().join("docs").join(format!("{name}.md"));
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut page = Page { path, variables: Vec::new(), steps: Vec::new(), not_run: 0, text };
        page.parse()?;
        Ok(page)
    }

    fn parse(&mut self) -> Outcome {
        let text = std::mem::take(&mut self.text);
        let (mut name, mut lines) = ("top".to_owned(), text.lines());
        while let Some(line) = lines.next() {
            match line.strip_prefix("```") {
                Some(language) => {
                    let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                    self.block(&name, language, &block)?;
                }
                None => name = step_of(line).unwrap_or(name),
            }
        }
        self.text = text;
        Ok(())
    }

    fn block(&mut self, step: &str, language: &str, lines: &[&str]) -> Outcome {
        match language {
            "sh" if self.variables.is_empty() && self.steps.is_empty() => {
                let names = lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned());
                self.variables.extend(names);
            }
            "sh" => {
                if self.steps.last().is_none_or(|last| last.name != step) {
                    self.steps.push(Step { name: step.to_owned(), blocks: Vec::new() });
                }
                self.steps.last_mut().into_iter().for_each(|last| last.blocks.push(lines.join("\n")));
            }
            "console" => self.not_run += 1,
            "toml" => {}
            other => return Err(format!("{}: a block of {other:?} is read by nobody", self.path.display()).into()),
        }
        Ok(())
    }

    /// What is wrong with its form.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        if self.text.lines().count() > MAX_LINES {
            flaws.push(format!("{} lines are more than {MAX_LINES}", self.text.lines().count()));
        }
        let places: Vec<Option<usize>> = PARTS.iter().map(|part| self.text.find(part)).collect();
        flaws.extend(PARTS.iter().zip(&places).filter(|(_, at)| at.is_none()).map(|(part, _)| format!("no {part}")));
        if !places.is_sorted() {
            flaws.push("its parts are in another order".to_owned());
        }
        // What is indented is what a program says, or a file.
        let hidden = |line: &&str| {
            let command = line.strip_prefix("    ").unwrap_or_default();
            ["sudo ", "pgcairn ", "psql ", "$ "].iter().any(|word| command.starts_with(word))
        };
        let outside = self.text.split("```").step_by(2);
        flaws.extend(
            outside.flat_map(str::lines).filter(hidden).map(|line| format!("a command that nobody runs: {line}")),
        );
        flaws
    }

    /// Targets of its links to files, from its own directory.
    pub fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).collect()
    }
}

fn step_of(line: &str) -> Option<String> {
    if let Some(heading) = line.strip_prefix("## ") {
        return Some(heading.to_owned());
    }
    let (number, _) = line.strip_prefix("**")?.split_once(". ")?;
    number.parse::<u32>().is_ok().then(|| number.to_owned())
}
