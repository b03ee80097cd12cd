//! `pg_dumpall --globals-only`, told statement by statement: tablespaces are to lie elsewhere than they did.

/// What makes one (`dumpTablespaces` in pg_dumpall.c).
const CREATE: &[u8] = b"CREATE TABLESPACE ";

/// The same with the n-th tablespace at `place(n)`, a path, from 1 on; and how many there are. Whatever else is in the
/// text stays as it is, names and comments that look like such a statement among it.
pub fn with_tablespaces_at(text: &[u8], place: impl Fn(usize) -> String) -> (Vec<u8>, usize) {
    let (mut moved, mut number, mut rest) = (Vec::with_capacity(text.len()), 0, text);
    while !rest.is_empty() {
        let (statement, after) = rest.split_at(length(rest));
        match location(statement).filter(|_| statement.starts_with(CREATE)) {
            Some((from, to)) => {
                number += 1;
                moved.extend_from_slice(&statement[..from]);
                moved.extend_from_slice(format!("'{}'", place(number).replace('\'', "''")).as_bytes());
                moved.extend_from_slice(&statement[to..]);
            }
            None => moved.extend_from_slice(statement),
        }
        rest = after;
    }
    (moved, number)
}

/// Of what comes next: blanks, a line that is a comment or for `psql` itself, or a statement with its semicolon.
fn length(text: &[u8]) -> usize {
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    match text {
        _ if blanks > 0 => blanks,
        [b'\\', ..] | [b'-', b'-', ..] => text.iter().position(|b| *b == b'\n').map_or(text.len(), |end| end + 1),
        _ => tokens(text).find(|(from, _)| text[*from] == b';').map_or(text.len(), |(_, to)| to),
    }
}

/// Where its last string lies, the `E` before it included: the location is the end of the statement.
fn location(statement: &[u8]) -> Option<(usize, usize)> {
    tokens(statement).filter(|(from, to)| statement[*from..*to].contains(&b'\'') && statement[*from] != b'"').last()
}

/// Strings and names in quotes whole, everything else byte by byte.
fn tokens(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at;
        at = match text.get(from..)? {
            [] => return None,
            [b'E', b'\'', ..] => quoted(text, from + 1, true),
            [b'\'', ..] | [b'"', ..] => quoted(text, from, false),
            _ => from + 1,
        };
        Some((from, at))
    })
}

/// Behind the quote that ends what begins at `from`. One that is doubled begins another of the same, which comes to the
/// same.
fn quoted(text: &[u8], from: usize, escapes: bool) -> usize {
    let mut at = from + 1;
    loop {
        match text.get(at) {
            None => return text.len(),
            Some(b'\\') if escapes => at += 2,
            Some(byte) if *byte == text[from] && text.get(at + 1) == Some(byte) => at += 2,
            Some(byte) if *byte == text[from] => return at + 1,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moved(text: &str) -> (String, usize) {
        let (text, number) = with_tablespaces_at(text.as_bytes(), |n| format!("/it's/{n}"));
        (String::from_utf8(text).unwrap(), number)
    }

    #[test]
    fn tablespaces_lie_elsewhere_and_nothing_else_changes() {
        let text = "\\restrict x'y\n-- it's\nCREATE ROLE \"a;\nCREATE TABLESPACE b\";\n\
             COMMENT ON ROLE a IS 'x;\nCREATE TABLESPACE c LOCATION ''/d'';';\n\
             COMMENT ON ROLE b IS E'\\\\\\';\nCREATE TABLESPACE c LOCATION ''/d'';';\n\n";
        assert_eq!(moved(text), (text.to_owned(), 0));
        let made = "CREATE TABLESPACE fast OWNER a LOCATION '/ssd';\nGRANT ALL ON TABLESPACE fast TO b;\n\
             CREATE TABLESPACE \"it's\nOWNER 'x'\" OWNER \"o'\" LOCATION E'/a''\\\\b';\n\
             ALTER TABLESPACE fast SET (seq_page_cost='1');\n";
        let (there, number) = moved(&format!("{text}{made}"));
        assert_eq!(number, 2);
        let wanted = made.replace("'/ssd'", "'/it''s/1'").replace("E'/a''\\\\b'", "'/it''s/2'");
        assert_eq!(there, format!("{text}{wanted}"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in proptest::collection::vec(prop_oneof![Just(b'\''), Just(b'"'), Just(b'\\'), Just(b';'), Just(b'E'), Just(b'\n'), any::<u8>()], 0..80)) {
            let (same, number) = with_tablespaces_at(&text, |_| String::new());
            prop_assert!(number > 0 || same == text);
            let made = [b"CREATE TABLESPACE a OWNER b LOCATION '/c';\n".as_slice(), &text].concat();
            let (moved, number) = with_tablespaces_at(&made, |n| n.to_string());
            prop_assert_eq!(number, 1);
            prop_assert!(moved.starts_with(b"CREATE TABLESPACE a OWNER b LOCATION '1';\n"));
        }
    }
}
