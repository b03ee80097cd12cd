//! Holds the sources against the picture of the house in `ARCHITECTURE.md`: which room may import which,
//! and how long files and functions may grow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Lines of a file, its own unit tests included.
const MAX_FILE_LINES: usize = 500;
/// Lines of a function from its opening to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;
/// Functions beyond this are listed, so that they stay few.
const LONG_FUNCTION_LINES: usize = 35;
/// How many of the longest files the test prints.
const LISTED: usize = 10;

/// The rooms, and what each may import besides itself. Everything may import `model`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("cli", &["operation", "report", "config", "model"]),
    ("operation", &["flow", "postgres", "report", "config", "source", "codec", "store", "sink", "notify", "model"]),
    ("flow", &["source", "codec", "store", "sink", "model"]),
    ("postgres", &["source", "codec", "store", "sink", "model"]),
    ("report", &["source", "codec", "store", "sink", "notify", "model"]),
    ("config", &["source", "codec", "store", "sink", "notify", "model"]),
    ("source", &["model"]),
    ("codec", &["model"]),
    ("store", &["model"]),
    ("sink", &["model"]),
    ("notify", &["model"]),
    ("model", &[]),
];

/// Imports that the table forbids and that are wanted nevertheless: from, to, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

struct Source {
    path: PathBuf,
    /// Module path below the crate root: `["store", "local"]` for `src/store/local.rs`.
    module: Vec<String>,
    text: String,
    tokens: TokenStream,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "the sources were not found below {}", root.display());
    found
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(root).unwrap();
            let module = module_of(relative);
            let text = fs::read_to_string(&path).unwrap();
            let tokens = TokenStream::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            found.push(Source { path: relative.to_owned(), module, text, tokens });
        }
    }
}

fn module_of(relative: &Path) -> Vec<String> {
    let parts = relative.with_extension("");
    let mut module: Vec<_> = parts.iter().map(|p| p.to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(i)) => Some(i.to_string()),
        _ => None,
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |t: Option<&TokenTree>| matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// First path segments named after a prefix such as `crate::`: one, or those of a `{a, b::c}` group.
fn segments_at(tokens: &[TokenTree], at: usize) -> Vec<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(i)) => vec![i.to_string()],
        Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace => {
            let inner: Vec<_> = g.stream().into_iter().collect();
            inner
                .split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ','))
                .filter_map(|part| ident(part.first()))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Adds the rooms that a token stream names through `crate::`, `pgcairn::` or enough `super::`.
/// `depth` is the module depth of the file, inline modules count on top.
fn rooms_named(stream: TokenStream, depth: usize, rooms: &mut BTreeSet<String>) {
    let tokens: Vec<_> = stream.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            TokenTree::Ident(word) if (word == "crate" || word == "pgcairn") && is_path_separator(&tokens, i + 1) => {
                rooms.extend(segments_at(&tokens, i + 3));
            }
            TokenTree::Ident(word) if word == "super" => {
                let mut ups = 1;
                while ident(tokens.get(i + 3)).as_deref() == Some("super") && is_path_separator(&tokens, i + 1) {
                    ups += 1;
                    i += 3;
                }
                if ups == depth && is_path_separator(&tokens, i + 1) {
                    rooms.extend(segments_at(&tokens, i + 3));
                }
            }
            TokenTree::Group(group) => {
                let is_module = i >= 2 && ident(tokens.get(i - 2)).as_deref() == Some("mod");
                rooms_named(group.stream(), depth + usize::from(is_module), rooms);
            }
            _ => {}
        }
        i += 1;
    }
}

#[test]
fn rooms_import_only_what_the_house_allows() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = source.module.first() else { continue };
        let allowed = MAY_IMPORT.iter().find(|(name, _)| name == room);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{}: the room {room} is not in the table", source.path.display()));
            continue;
        };
        let mut named = BTreeSet::new();
        rooms_named(source.tokens, source.module.len(), &mut named);
        for other in named.iter().filter(|n| MAY_IMPORT.iter().any(|(r, _)| r == n)) {
            let excepted = EXCEPTIONS.iter().any(|(from, to, _)| from == room && to == other);
            if other != room && !allowed.contains(&other.as_str()) && !excepted {
                wrong.push(format!("{}: {room} must not import {other}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Who may delete: expiry and holds.
const DELETING: [&[&str]; 2] = [&["operation", "expire"], &["operation", "hold"]];

fn names(stream: TokenStream, word: &str) -> bool {
    stream.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => names(group.stream(), word),
        _ => false,
    })
}

#[test]
fn only_expiry_and_holds_delete() {
    let may =
        |module: &[String]| DELETING.iter().any(|room| module.iter().zip(*room).filter(|(a, b)| a == b).count() == 2);
    let outside = sources()
        .into_iter()
        .filter(|source| !may(&source.module) && source.module.first().is_some_and(|room| room != "store"));
    let wrong: Vec<_> = outside
        .filter(|s| names(s.tokens.clone(), "remover") || names(s.tokens.clone(), "Remover"))
        .map(|s| s.path)
        .collect();
    assert!(wrong.is_empty(), "these must not delete: {wrong:?}");
    assert!(sources().iter().any(|source| may(&source.module) && names(source.tokens.clone(), "remover")));
}

#[test]
fn imports_are_seen_in_every_form() {
    let seen = |depth, text: &str| {
        let mut rooms = BTreeSet::new();
        rooms_named(TokenStream::from_str(text).unwrap(), depth, &mut rooms);
        rooms.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(seen(1, "use crate::store::Key;"), "store");
    assert_eq!(seen(1, "use crate::{codec::{a, b}, sink, model::x as y};"), "codec model sink");
    assert_eq!(seen(1, "fn f() { crate::flow::run(crate::report::Event) }"), "flow report");
    assert_eq!(seen(1, "vec![crate::store::x]"), "store");
    assert_eq!(seen(1, "use super::sink::y;"), "sink");
    assert_eq!(seen(2, "use super::sibling;"), "");
    assert_eq!(seen(2, "use super::super::{codec, sink};"), "codec sink");
    assert_eq!(seen(1, "mod tests { use super::own; use super::super::codec; }"), "codec");
    assert_eq!(seen(1, "// crate::cli\n/// crate::cli\nconst X: &str = \"crate::cli\";"), "");
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut lengths: Vec<_> = sources().iter().map(|s| (s.text.lines().count(), s.path.clone())).collect();
    lengths.sort_by(|a, b| b.cmp(a));
    println!("longest files:");
    for (lines, path) in lengths.iter().take(LISTED) {
        println!("{lines:5}  {}", path.display());
    }
    let over: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > MAX_FILE_LINES).collect();
    assert!(over.is_empty(), "beyond {MAX_FILE_LINES} lines: {over:?}");
}

/// Adds (lines, name, first line) of every function with a body.
fn functions(stream: TokenStream, found: &mut Vec<(usize, String, usize)>) {
    let tokens: Vec<_> = stream.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        if matches!(token, TokenTree::Ident(word) if word == "fn") {
            let Some(name) = ident(tokens.get(i + 1)) else { continue };
            // The body is the first brace group before a `;` (a declaration in a trait has none).
            let ends = |t: &&TokenTree| match t {
                TokenTree::Group(g) => g.delimiter() == Delimiter::Brace,
                TokenTree::Punct(p) => p.as_char() == ';',
                _ => false,
            };
            if let Some(TokenTree::Group(body)) = tokens[i..].iter().find(ends) {
                let (open, close) = (body.span_open().start().line, body.span_close().end().line);
                found.push((close + 1 - open, name, open));
            }
        }
        if let TokenTree::Group(group) = token {
            functions(group.stream(), found);
        }
    }
}

#[test]
fn functions_stay_short_enough_to_read() {
    let mut long = Vec::new();
    for source in sources() {
        let mut found = Vec::new();
        functions(source.tokens.clone(), &mut found);
        long.extend(
            found
                .into_iter()
                .filter(|(lines, ..)| *lines > LONG_FUNCTION_LINES)
                .map(|(lines, name, at)| (lines, format!("{}:{at} {name}", source.path.display()))),
        );
    }
    long.sort_by(|a, b| b.cmp(a));
    println!("functions beyond {LONG_FUNCTION_LINES} lines:");
    for (lines, place) in &long {
        println!("{lines:5}  {place}");
    }
    let over: Vec<_> = long.iter().filter(|(lines, _)| *lines > MAX_FUNCTION_LINES).collect();
    assert!(over.is_empty(), "beyond {MAX_FUNCTION_LINES} lines: {over:?}");
}
