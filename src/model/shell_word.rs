//! Paths and URLs as words of a shell command line: in hints, and in the commands that PostgreSQL runs.

/// As a shell takes it, quoted where it must be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,~".contains(c);
    match !text.is_empty() && text.chars().all(plain) && !text.starts_with('~') {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The same within `archive_command` and `restore_command`, where a percent sign begins a placeholder.
pub fn command_setting_word(text: &str) -> String {
    shell_word(text).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        assert_eq!(shell_word("/usr/bin/pgcairn"), "/usr/bin/pgcairn");
        assert_eq!(shell_word("latest~1"), "latest~1");
        assert_eq!(shell_word("~postgres"), "'~postgres'");
        assert_eq!(shell_word("/a b/it's"), r"'/a b/it'\''s'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(command_setting_word("/100%"), "'/100%%'");
    }
}
