//! How numbers, times and tables look to a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const BINARY_UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// `17 B`, `1.5 KiB`, `12 GiB`: three digits at most.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    let mut unit = None;
    for name in BINARY_UNITS {
        // 999.5 would print as 1000.
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{number} B"),
        Some(unit) if value < 9.95 => format!("{value:.1} {unit}"),
        Some(unit) => format!("{value:.0} {unit}"),
    }
}

/// `35.2 %`, rounded down: 100 is all.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

/// `0.42 s`, `17 s`, `3 min 20 s`, `2 h 5 min`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.2} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// How old something is: `17 s`, `3 min 20 s`, `2 h 5 min`, `12 days`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..172_800 => self::seconds(seconds as f64),
        _ => count(seconds / 86_400, "day"),
    }
}

/// `2026-11-20 03:00:00Z`, with the fraction where there is one.
pub fn utc(time: Timestamp) -> String {
    time.to_string().replacen('T', " ", 1)
}

/// For an end that nobody needs to know to the nanosecond.
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The same moment in UTC and in the zone of this host.
pub fn utc_and_local(time: Timestamp) -> String {
    let zone = TimeZone::system();
    let local = time.to_zoned(zone.clone());
    let name = zone.iana_name().unwrap_or("local time");
    if local.offset().is_zero() {
        utc(time)
    } else {
        format!("{} ({} {name})", utc(time), local.datetime().to_string().replacen('T', " ", 1))
    }
}

/// Rows below a heading, columns as wide as their widest cell.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let mut widths = vec![0; heading.len()];
    for row in std::iter::once(&heading).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", plain(cell))).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// `key: value` lines, values in one column.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{:width$} {value}\n", format!("{name}:"));
    facts.iter().map(line).collect()
}

/// What fits on any terminal.
pub const WIDTH: usize = 80;

/// Broken at blanks where it is wider than [`WIDTH`], further lines indented; a long word stays whole.
pub fn wrapped(line: &str, indent: usize) -> String {
    let (mut whole, mut width) = (String::new(), 0);
    for (number, word) in line.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && width + 1 + length > WIDTH && width > indent {
            let _ = write!(whole, "\n{:indent$}", "");
            width = indent;
        } else if number > 0 {
            whole.push(' ');
            width += 1;
        }
        whole.push_str(word);
        width += length;
    }
    whole
}

/// [`facts`] behind a margin, none wider than [`WIDTH`] but for long words.
pub fn narrow_facts(margin: &str, facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let line = format!("{margin}{:width$} {value}", format!("{name}:"));
        wrapped(&line, margin.len() + width + 1) + "\n"
    };
    facts.iter().map(line).collect()
}

/// Whoever names a table is not to write on the terminal of whoever reads of it.
pub fn plain(text: &str) -> String {
    text.replace(commands_terminal, "\u{FFFD}")
}

/// The same of whole lines.
pub fn plain_lines(text: &str) -> String {
    text.replace(|c| commands_terminal(c) && !['\n', '\t'].contains(&c), "\u{FFFD}")
}

/// What is no letter of a line, or turns the direction of those that follow (Unicode, UAX 9).
fn commands_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// `1 file`, `3 files`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Most of a kind that are named.
pub const NAMED: usize = 5;

/// `a, b, c, d, e and 2 others`
pub fn few(names: &[String]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        others => format!("{named} and {}", count(others as u64, "other")),
    }
}

/// `100 000`: three digits a group.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn of_many_the_first_few_are_named() {
        let names = |number: usize| (0..number).map(|i| i.to_string()).collect::<Vec<_>>();
        for (number, text) in [
            (0, ""),
            (1, "0"),
            (5, "0, 1, 2, 3, 4"),
            (6, "0, 1, 2, 3, 4 and 1 other"),
            (7, "0, 1, 2, 3, 4 and 2 others"),
        ] {
            assert_eq!(few(&names(number)), text);
        }
    }

    #[test]
    fn sizes_have_three_digits_at_most() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (32 << 20, "32 MiB"),
            (1023 << 20, "1.0 GiB"),
            (12 << 30, "12 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
    }

    #[test]
    fn spans() {
        for (number, text) in
            [(0.42, "0.42 s"), (17.4, "17 s"), (59.7, "1 min 0 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")]
        {
            assert_eq!(seconds(number), text);
        }
    }

    #[test]
    fn ages() {
        for (number, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (172_799, "47 h 59 min"), (172_800, "2 days")]
        {
            assert_eq!(age(number), text);
        }
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        let words = ["word"; 20].join(" ");
        let broken = wrapped(&format!("  {words}"), 4);
        assert!(broken.lines().all(|line| line.len() <= WIDTH), "{broken}");
        assert_eq!(broken.lines().count(), 2);
        assert!(broken.starts_with("  word ") && broken.contains("\n    word"), "{broken}");
        assert_eq!(wrapped(&"x".repeat(100), 4), "x".repeat(100));
        assert_eq!(wrapped("a  b", 4), "a  b");
        let long = "y".repeat(79);
        assert_eq!(narrow_facts("  ", &[("a", format!("1 {long}"))]), format!("  a: 1\n     {long}\n"));
    }

    #[test]
    fn nobody_else_writes_on_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d");
        assert_eq!(plain_lines("a\r\u{9b}2Jb\n\tä\u{2066}\n"), "a\u{FFFD}\u{FFFD}2Jb\n\tä\u{FFFD}\n");
    }

    #[test]
    fn tables_and_facts_line_up() {
        let rows = [vec!["1".to_owned(), "a".to_owned()], vec!["22".to_owned(), String::new()]];
        assert_eq!(table(&["no", "name"], &rows), "no  name\n1   a\n22\n");
        assert_eq!(facts(&[("a", "1".to_owned()), ("long", "2".to_owned())]), "a:    1\nlong: 2\n");
    }
}
