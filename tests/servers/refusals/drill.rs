//! What keeps a drill from beginning. What comes later is its result.

use super::super::support::Outcome;
use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::{Document, backed_up};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let random = ["drill", "--to", "random"];
    document.refuses(
        "drill: a random moment of one backup",
        &site,
        &[&random[..], &["--backup", "latest"]].concat(),
    )?;
    let nowhere = site.path("nowhere").display().to_string();
    document.refuses("drill: no place for the copy", &site, &["drill", "--scratch", &nowhere])?;
    let page = site.path("nowhere").join("drill.html").display().to_string();
    document.refuses("drill: the page cannot be written", &site, &["drill", "--html", &page])?;
    let empty = Site::new(&server)?;
    empty.init()?;
    document.refuses("drill: no moment to choose from", &empty, &random)?;
    document.end()
}
