//! What `archive_command` said when it failed, as the server's log has it: its standard error is that log.

/// How our own errors begin there.
const OURS: &str = "pgcairn: error: ";

/// Of `pgarch_archiveXlog`, in a server that speaks English.
const FAILED: [&str; 2] = ["archive command failed with exit code ", "archive command was terminated "];

/// Longest that is told, in characters.
const LONGEST: usize = 300;

/// The last of them. `None` where the log has none: it may have been written elsewhere, or in another language.
pub fn last(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let ours = lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, line.split_once(OURS)?.1)));
    let failed = lines.iter().rposition(|line| FAILED.iter().any(|words| line.contains(words)));
    let said = match (ours, failed) {
        // Ours comes before the server tells of it; another command may have been in its place since.
        (Some((at, said)), Some(failed)) if at + NEAR >= failed => said,
        (Some((_, said)), None) => said,
        (_, Some(failed)) => foreign(&lines, failed),
        (None, None) => return None,
    };
    Some(cut(said))
}

/// In one line that is not too long.
pub fn cut(said: &str) -> String {
    said.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// So many lines may lie between an error and the server's own: its hint, and what others log meanwhile.
const NEAR: usize = 20;

/// The line before, where another program wrote it; else the server's own words.
fn foreign<'l>(lines: &[&'l str], failed: usize) -> &'l str {
    let is_the_server_s = |line: &str| {
        ["LOG:  ", "DETAIL:  ", "STATEMENT:  ", "ERROR:  ", "FATAL:  "].iter().any(|tag| line.contains(tag))
    };
    let before = failed
        .checked_sub(1)
        .and_then(|at| lines.get(at))
        .filter(|line| !is_the_server_s(line) && !line.trim().is_empty());
    let own = lines[failed];
    let words = FAILED.iter().find_map(|words| own.find(words)).unwrap_or(0);
    before.copied().unwrap_or(&own[words..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "2026-11-20 05:00:00.123 UTC [17] LOG:  archive command failed with exit code 1\n\
         2026-11-20 05:00:00.123 UTC [17] DETAIL:  The failed archive command was: x\n";

    #[test]
    fn the_last_error_is_told_whoever_made_it() {
        let first = format!("pgcairn: error: the disk is full\nhint: more space\n{SERVER}");
        assert_eq!(last(&first).as_deref(), Some("the disk is full"));
        let again = format!("{first}pgcairn: error: file:///r is not a repository\nhint: mount it\n{SERVER}");
        assert_eq!(last(&again).as_deref(), Some("file:///r is not a repository"));
        let cp = format!("{first}{}cp: cannot create regular file\n{SERVER}", "x LOG:  checkpoint\n".repeat(NEAR));
        assert_eq!(last(&cp).as_deref(), Some("cp: cannot create regular file"));
        assert_eq!(last(SERVER).as_deref(), Some("archive command failed with exit code 1"));
        assert_eq!(last("2026-11-20 LOG:  checkpoint starting\n"), None);
    }

    #[test]
    fn a_log_in_another_language_has_our_words_still() {
        assert_eq!(last("pgcairn: error: away\nLOG:  Archivbefehl ist fehlgeschlagen\n").as_deref(), Some("away"));
    }
}
