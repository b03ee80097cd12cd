//! What `pg_dumpall --globals-only` writes, statement by statement: so those about roles and tablespaces that a server has
//! already can be left out. It makes each role and then alters it in any case (`dumpRoles` in pg_dumpall.c), which would give a
//! role that is there the password and the rights of the other server.

use std::collections::BTreeSet;

/// Of one statement: longer ones are none of `pg_dumpall`.
const MAX_STATEMENT: usize = 16 << 20;

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Role(String),
    Tablespace(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a statement is longer than {MAX_STATEMENT} bytes")]
pub struct TooLong;

/// Where in a statement the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Plain,
    Comment,
    Identifier,
    Literal,
    /// In which a backslash escapes the byte after it: `E'…'`.
    EscapedLiteral,
    AfterBackslash,
}

/// Hands on what is about nobody in `there`.
pub struct GlobalsScript {
    there: BTreeSet<Subject>,
    /// Those of `there` that the script is about.
    pub met: BTreeSet<Subject>,
    pending: Vec<u8>,
    place: Place,
}

impl GlobalsScript {
    pub fn new(there: BTreeSet<Subject>) -> GlobalsScript {
        GlobalsScript { there, met: BTreeSet::new(), pending: Vec::new(), place: Place::Plain }
    }

    /// More of the script; whole statements of it that are wanted go to `each`.
    pub fn feed<E: From<TooLong>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for byte in bytes {
            if self.pending.len() >= MAX_STATEMENT {
                return Err(TooLong.into());
            }
            if self.take(*byte) {
                self.hand_on(&mut each)?;
            }
        }
        Ok(())
    }

    /// The end of the script.
    pub fn finish<E>(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.hand_on(&mut each)
    }

    fn hand_on<E>(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let statement = std::mem::take(&mut self.pending);
        match subject(&statement).filter(|subject| self.there.contains(subject)) {
            Some(subject) => {
                self.met.insert(subject);
                Ok(())
            }
            None => each(&statement),
        }
    }

    /// Whether a statement, or a line for `psql` itself, ends with it.
    fn take(&mut self, byte: u8) -> bool {
        let before = self.pending.last().copied().unwrap_or(b'\n');
        self.pending.push(byte);
        let is_for_psql = || self.pending.trim_ascii_start().starts_with(b"\\");
        let (place, ends) = match (self.place, byte) {
            (Place::Plain, b'\'') if matches!(before, b'E' | b'e') => (Place::EscapedLiteral, false),
            (Place::Plain, b'\'') => (Place::Literal, false),
            (Place::Plain, b'"') => (Place::Identifier, false),
            (Place::Plain, b'-') if before == b'-' => (Place::Comment, false),
            (Place::Plain, b';') => (Place::Plain, true),
            (Place::Plain, b'\n') => (Place::Plain, is_for_psql()),
            (Place::EscapedLiteral, b'\\') => (Place::AfterBackslash, false),
            (Place::AfterBackslash, _) => (Place::EscapedLiteral, false),
            // What is doubled within begins again at once.
            (Place::Literal | Place::EscapedLiteral, b'\'') | (Place::Identifier, b'"') => (Place::Plain, false),
            (Place::Comment, b'\n') => (Place::Plain, false),
            (place, _) => (place, false),
        };
        self.place = place;
        ends
    }
}

/// `None` for what concerns nobody, such as `SET`.
fn subject(statement: &[u8]) -> Option<Subject> {
    let text = String::from_utf8_lossy(statement);
    let words = words(&text);
    let name = |at: usize| words.get(at).map(Word::name);
    let after = |word: &str| words.iter().position(|found| *found == Word::Plain(word)).map(|at| at + 1);
    let named = |at: usize| match words.get(at)? {
        Word::Plain("ROLE") => name(at + 1).map(Subject::Role),
        Word::Plain("TABLESPACE") => name(at + 1).map(Subject::Tablespace),
        _ => None,
    };
    match words.first()? {
        Word::Plain("CREATE" | "ALTER") => named(1),
        Word::Plain("COMMENT" | "SECURITY") => named(after("ON")?),
        // Of a role to another, of rights to a role.
        Word::Plain("GRANT" | "REVOKE") => match after("ON").and_then(named) {
            Some(subject) => Some(subject),
            None => name(after("TO").or_else(|| after("FROM"))?).map(Subject::Role),
        },
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Word<'t> {
    Plain(&'t str),
    /// An identifier in quotes, with what is between them.
    Quoted(&'t str),
}

impl Word<'_> {
    fn name(&self) -> String {
        match self {
            Word::Plain(name) => (*name).to_owned(),
            Word::Quoted(name) => name.replace("\"\"", "\""),
        }
    }
}

/// Up to the first literal: nobody is named in one, or after it.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '\'' => return words,
            '"' => {
                let end = end_of_quotes(rest);
                words.push(Word::Quoted(rest.get(1..end.saturating_sub(1)).unwrap_or_default()));
                end
            }
            first if is_of_word(first) => {
                let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                words.push(Word::Plain(&rest[..end]));
                end
            }
            other => other.len_utf8(),
        };
        rest = rest[end..].trim_start();
    }
    words
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$' || letter == '\u{fffd}'
}

/// Behind the quotes that the text begins with.
fn end_of_quotes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn role(name: &str) -> Subject {
        Subject::Role(name.to_owned())
    }

    fn left(there: &[Subject], script: &str, at_once: usize) -> (String, BTreeSet<Subject>) {
        let mut globals = GlobalsScript::new(there.iter().cloned().collect());
        let mut out = Vec::new();
        let mut each = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok::<(), TooLong>(())
        };
        script.as_bytes().chunks(at_once).for_each(|some| globals.feed(some, &mut each).unwrap());
        globals.finish(each).unwrap();
        (String::from_utf8(out).unwrap(), globals.met)
    }

    #[test]
    fn who_is_there_stays_as_he_is() {
        let kept = [
            "\\restrict abc\n",
            "SET standard_conforming_strings = on;",
            "\n\n--\n-- Roles; it's \"them\"\n--\n\nCREATE ROLE clerk;",
            "\nALTER ROLE clerk WITH NOSUPERUSER PASSWORD 'SCRAM;x';",
            "\nCOMMENT ON ROLE clerk IS E'of postgres;\\\\\\';\n';",
            "\n-- User Config \"clerk\"\nALTER ROLE clerk SET search_path TO 'a;''b';",
            "\nGRANT postgres TO clerk WITH INHERIT TRUE GRANTED BY postgres;",
            "\nCREATE TABLESPACE fast OWNER postgres LOCATION '/fast';",
            "\nGRANT ALL ON TABLESPACE fast TO postgres;",
            "\n\\unrestrict abc\n",
        ];
        let dropped = [
            "\nCREATE ROLE postgres;",
            "\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'new';",
            "\nALTER ROLE postgres SET work_mem TO '1GB';",
            "\nCREATE ROLE \"Bad; \"\"one\"\"\";",
            "\nCOMMENT ON ROLE \"Bad; \"\"one\"\"\" IS 'x';",
            "\nGRANT clerk TO postgres WITH INHERIT TRUE;",
            "\nGRANT SET ON PARAMETER work_mem TO postgres;",
            "\nCREATE TABLESPACE slow OWNER clerk LOCATION '/slow';",
            "\nGRANT ALL ON TABLESPACE slow TO clerk;",
        ];
        let there = [role("postgres"), role("Bad; \"one\""), role("absent"), Subject::Tablespace("slow".to_owned())];
        let script: String = (0..kept.len()).map(|at| kept[at].to_owned() + dropped.get(at).unwrap_or(&"")).collect();
        for at_once in [1, 7, 10_000] {
            let (out, met) = left(&there, &script, at_once);
            assert_eq!(out, kept.concat());
            let expected = there.iter().filter(|subject| **subject != role("absent")).cloned().collect();
            assert_eq!(met, expected);
        }
    }

    #[test]
    fn what_is_too_long() {
        let mut script = GlobalsScript::new(BTreeSet::new());
        let long = vec![b'a'; MAX_STATEMENT + 1];
        assert_eq!(script.feed(&long, |_| Ok(())), Err(TooLong));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_where_nobody_is_there(script in ".{0,300}", at_once in 1..20usize) {
            prop_assert_eq!(left(&[], &script, at_once).0, script);
        }
    }
}
