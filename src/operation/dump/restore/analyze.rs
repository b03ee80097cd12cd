//! What comes after a restore: without statistics the first queries are slow.

use crate::model::shell_word::shell_word;

/// `how` is what `vacuumdb` is to do in each of these databases.
pub fn commands<'n>(into: &str, names: impl Iterator<Item = &'n str>, how: &str) -> String {
    let one = |name: &str| format!("vacuumdb {how} --dbname={}", shell_word(&connection_to(into, name)));
    names.map(one).collect::<Vec<_>>().join(" && ")
}

/// The same server in libpq's words, another database: of what is said twice the last counts.
fn connection_to(into: &str, name: &str) -> String {
    let is_uri = ["postgresql://", "postgres://"].iter().any(|scheme| into.starts_with(scheme));
    match is_uri {
        true => format!("{into}{}dbname={}", if into.contains('?') { '&' } else { '?' }, percent_encoded(name)),
        false => format!("{into} dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'")),
    }
}

fn percent_encoded(name: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_each() {
        let both = commands("host=/run user=a", ["shop", "it's"].into_iter(), "--analyze-only");
        let words = r#"vacuumdb --analyze-only --dbname='host=/run user=a dbname='\''shop'\'''"#;
        assert!(both.starts_with(&format!("{words} && vacuumdb --analyze-only --dbname=")), "{both}");
        assert_eq!(connection_to("host=/run", "it's"), r"host=/run dbname='it\'s'");
        assert_eq!(connection_to("postgresql://h/db", "a b"), "postgresql://h/db?dbname=a%20b");
        assert_eq!(connection_to("postgres://h/db?port=1", "ä"), "postgres://h/db?port=1&dbname=%C3%A4");
    }
}
