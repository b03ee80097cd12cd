//! What every page has: a trial, a place in the index, a form that can be followed, and links that lead somewhere.

use std::fs;

use crate::support::Outcome;
use crate::support::majors::Installation;

use super::TRIALS;
use super::commands;
use super::page::{Page, root};

const INDEX: &str = "README";

pub fn all(_: &'static Installation) -> Outcome {
    let index = Page::read(&format!("runbooks/{INDEX}"))?;
    let mut wrong = broken_links(&index)?;
    let pages = names("runbooks")?;
    for name in pages.iter().filter(|name| *name != INDEX) {
        let page = Page::read(&format!("runbooks/{name}"))?;
        wrong.extend(page.flaws().into_iter().map(|flaw| format!("{name}: {flaw}")));
        wrong.extend(broken_links(&page)?);
        if !index.links().contains(&format!("{name}.md").as_str()) {
            wrong.push(format!("{name} is not in the index"));
        }
        if !TRIALS.iter().any(|trial| trial.name == format!("runbooks::{name}")) {
            wrong.push(format!("{name} is followed by no trial"));
        }
    }
    for name in TRIALS.iter().filter_map(|trial| trial.name.strip_prefix("runbooks::")) {
        if !pages.iter().any(|page| page == name) {
            wrong.push(format!("the page {name} is gone"));
        }
    }
    for name in names("migrate")? {
        wrong.extend(broken_links(&Page::read(&format!("migrate/{name}"))?)?);
    }
    wrong.extend(broken_links(&Page::read("compliance")?)?);
    wrong.extend(alerts()?);
    wrong.extend(unknown_commands()?);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Of every page, what pgcairn would not take.
fn unknown_commands() -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    for directory in ["runbooks", "migrate"] {
        for name in names(directory)? {
            wrong.extend(commands::unknown(&Page::read(&format!("{directory}/{name}"))?)?);
        }
    }
    wrong.extend(commands::unknown(&Page::read("compliance")?)?);
    Ok(wrong)
}

/// Alerts that lead to no page, or to one that does not know them.
fn alerts() -> Outcome<Vec<String>> {
    let rules = fs::read_to_string(root().join("alerts/pgcairn.rules.yml"))?;
    let rules: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(rules.len() > 10, "alerts/pgcairn.rules.yml is read otherwise");
    let known = |rule: &&&str| {
        let name = rule.lines().next().unwrap_or_default();
        let page = rule.split("/docs/runbooks/").nth(1).and_then(|rest| rest.split(".md").next()).unwrap_or("none");
        Page::read(&format!("runbooks/{page}")).is_ok_and(|page| page.text.contains(&format!("`{name}`")))
    };
    Ok(rules.iter().filter(|rule| !known(rule)).map(|rule| format!("alert without a page: {rule}")).collect())
}

fn names(directory: &str) -> Outcome<Vec<String>> {
    let files = fs::read_dir(root().join("docs").join(directory))?.flatten();
    let name = |file: fs::DirEntry| file.file_name().to_str()?.strip_suffix(".md").map(str::to_owned);
    Ok(files.filter_map(name).collect())
}

/// Files and headings that are not there.
fn broken_links(page: &Page) -> Outcome<Vec<String>> {
    let beside = page.path.parent().unwrap_or(root());
    let mut broken = Vec::new();
    for link in page.links() {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { page.path.clone() } else { beside.join(file) };
        let text = fs::read_to_string(&target).unwrap_or_default();
        if !target.exists() || (!heading.is_empty() && !anchors(&text).any(|anchor| anchor == heading)) {
            broken.push(format!("{}: {link} leads nowhere", page.path.display()));
        }
    }
    Ok(broken)
}

/// As a forge makes them of headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings =
        text.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    headings.map(|heading| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    })
}
