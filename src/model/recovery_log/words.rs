//! The last words of a server that did not come up.

/// Levels that end a server or a session.
const SERIOUS: [&str; 2] = ["FATAL:  ", "PANIC:  "];
/// What is wrong in a configuration is said before the end that it brings.
const ABOUT: [&str; 2] = ["DETAIL:  ", "HINT:  "];

/// The last serious line and what belongs to it; without one, the last line.
pub fn last(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let level = |line: &&str| SERIOUS.iter().any(|level| line.contains(level));
    let Some(at) = lines.iter().rposition(level) else {
        return lines.iter().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
    };
    let about = |line: &&&str| ABOUT.iter().any(|level| line.contains(level));
    let more = lines[at + 1..].iter().take_while(about).map(|line| from(line, &ABOUT));
    Some(std::iter::once(from(lines[at], &SERIOUS)).chain(more).collect::<Vec<_>>().join("; "))
}

/// Without the prefix, which has the time and the process.
fn from(line: &str, levels: &[&str]) -> String {
    let starts = levels.iter().filter_map(|level| line.find(level));
    line[starts.min().unwrap_or(0)..].replacen(":  ", ": ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_and_not_what_came_of_it() {
        let log = "2026 UTC [1] LOG:  starting\n2026 UTC [2] FATAL:  recovery ended\n2026 UTC [2] DETAIL:  because\n\
                   2026 UTC [1] LOG:  startup process (PID 2) exited with exit code 1\n";
        assert_eq!(last(log).as_deref(), Some("FATAL: recovery ended; DETAIL: because"));
        assert_eq!(last("postgres: no such option\n\n").as_deref(), Some("postgres: no such option"));
        assert_eq!(last(""), None);
    }
}
