//! Lines of `postgresql.conf` and `postgresql.auto.conf`, as PostgreSQL reads them (`guc-file.l`).

/// One setting and its value, unquoted.
pub type Setting = (&'static str, String);

/// The value of a line that sets something (`GUC_scanstr`).
pub(super) fn value(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii_start();
    let line = line[name_length(line)..].trim_ascii_start();
    let line = line.strip_prefix(b"=").unwrap_or(line).trim_ascii_start();
    let Some(quoted) = line.strip_prefix(b"'") else {
        let end = line.iter().position(|b| b.is_ascii_whitespace() || *b == b'#').unwrap_or(line.len());
        return line[..end].to_vec();
    };
    let (mut value, mut rest) = (Vec::new(), quoted);
    loop {
        (rest, _) = match rest {
            [b'\'', b'\'', rest @ ..] => (rest, value.push(b'\'')),
            [b'\\', byte, rest @ ..] => (rest, value.push(*byte)),
            [b'\'', ..] | [] => return value,
            [byte, rest @ ..] => (rest, value.push(*byte)),
        };
    }
}

/// `name = 'value'` as PostgreSQL reads it (`GUC_scanstr`: quotes and backslashes are doubled, and a line
/// ends nowhere but at its end).
pub fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n"))
}

/// One element of a setting that is a list of directories (`SplitDirectoriesString`).
pub fn list_element(path: &str) -> String {
    let plain = !path.contains([',', '"']) && path.trim() == path;
    if plain { path.to_owned() } else { format!("\"{}\"", path.replace('"', "\"\"")) }
}

/// Whether a line of a configuration file sets one of `names`. Names are case-insensitive, `=` is optional.
pub(super) fn sets_one_of(line: &[u8], names: &[&str]) -> bool {
    let line = line.trim_ascii_start();
    let name = &line[..name_length(line)];
    names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn name_length(line: &[u8]) -> usize {
    line.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))).unwrap_or(line.len())
}

/// What a configuration file includes, beside itself.
pub fn includes(file: &[u8]) -> Vec<Include> {
    file.split(|b| *b == b'\n').filter_map(Include::of_line).collect()
}

/// `include`, `include_if_exists` or `include_dir` and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    pub path: Vec<u8>,
    pub is_directory: bool,
}

impl Include {
    pub(super) fn of_line(line: &[u8]) -> Option<Include> {
        let is_directory = sets_one_of(line, &["include_dir"]);
        let includes = is_directory || sets_one_of(line, &["include", "include_if_exists"]);
        includes.then(|| Include { path: value(line), is_directory })
    }

    /// A path that begins at the root is the origin's, even where it led into the data directory.
    pub fn leads_away(&self) -> bool {
        self.path.starts_with(b"/") || self.path.split(|b| *b == b'/').any(|part| part == b"..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn includes_stay_or_go() {
        let file = b"include 'a''b.conf' # one\ninclude_dir=conf.d\n#include 'x'\n Include_If_Exists '../up'\ninclude = '/etc/x'\n";
        let read: Vec<_> =
            includes(file).into_iter().map(|i| (text(i.path.clone()), i.is_directory, i.leads_away())).collect();
        let due =
            [("a'b.conf", false, false), ("conf.d", true, false), ("../up", false, true), ("/etc/x", false, true)];
        assert_eq!(read, due.map(|(path, is_directory, away)| (path.to_owned(), is_directory, away)));
        assert_eq!(text(value(br"include 'a\'b")), "a'b");
    }

    #[test]
    fn a_line_stays_a_line_and_a_directory_one_element() {
        assert_eq!(line("a", "x\ny\\"), "a = 'x\\ny\\\\'\n");
        assert_eq!(list_element("/a b"), "/a b");
        assert_eq!(list_element("/a,b\"c"), "\"/a,b\"\"c\"");
    }
}
