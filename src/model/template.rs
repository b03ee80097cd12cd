//! Text with names in braces, `{cluster}`, in whose places values go. Braces around anything but one word of small
//! letters and underscores are text, as JSON and shells have them.

/// A name that nothing is known for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(pub String);

/// Whether every name in it is one of `known`.
pub fn check(text: &str, known: &[&str]) -> Result<(), UnknownName> {
    let unknown = pieces(text).find_map(|piece| match piece {
        Piece::Name(name) if !known.contains(&name) => Some(name.to_owned()),
        _ => None,
    });
    unknown.map_or(Ok(()), |name| Err(UnknownName(name)))
}

/// With values in the places of names; a name without one stays as it is.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let filled = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Name(name) => value(name).unwrap_or_else(|| format!("{{{name}}}")),
    };
    pieces(text).map(filled).collect()
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// What comes first in `text`, again and again.
fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if let Some((name, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).filter(is_name) {
            text = rest;
            return Some(Piece::Name(name));
        }
        // A brace that begins no name is passed over.
        let brace = text.char_indices().skip(1).find(|(_, c)| *c == '{').map_or(text.len(), |(at, _)| at);
        let (piece, rest) = text.split_at(brace);
        text = rest;
        (!piece.is_empty()).then_some(Piece::Text(piece))
    })
}

fn is_name((name, _): &(&str, &str)) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_names_and_all_else_stays() {
        let value = |name: &str| (name == "a").then(|| "{b}".to_owned());
        for (text, filled) in [
            ("", ""),
            ("{a}", "{b}"),
            ("x{a}y{a}", "x{b}y{b}"),
            ("{b}", "{b}"),
            ("{{a}}", "{{b}}"),
            ("{A} {} { a} {\"x\":\"{a}\"}", "{A} {} { a} {\"x\":\"{b}\"}"),
            ("é{a", "é{a"),
        ] {
            assert_eq!(fill(text, value), filled, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_found() {
        assert_eq!(check("{a} {\"k\": {}} ${HOME}", &["a"]), Ok(()));
        assert_eq!(check("{a}{clustr}", &["a"]), Err(UnknownName("clustr".to_owned())));
    }
}
