//! The commands of docs/restore-by-hand.md as one script, with what this cluster needs said at its beginning.

use serde::Serialize;

use super::Sheet;
use crate::model::shell_word::shell_word;
use crate::report::Report;

const DOCUMENT: &str = include_str!("../../../docs/restore-by-hand.md");
const SCRIPT: &str = include_str!("../../../docs/restore-by-hand.sh");

/// Ends the script within the script.
const END: &str = "END_OF_RESTORE_BY_HAND";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByHand(pub Sheet);

impl Report for ByHand {
    const NAME: &'static str = Sheet::NAME;

    fn human(&self) -> String {
        let ByHand(sheet) = self;
        let directory = sheet.repositories.first().and_then(|one| one.directory.as_ref());
        // Where it is in a bucket, its copy must be named.
        let names = [
            ("REPOSITORY", directory.map_or_else(String::new, String::clone)),
            ("CLUSTER", format!("clusters/{}/{}", sheet.cluster, sheet.system_identifier)),
        ];
        // Without one nobody is trusted, and nothing is verified.
        let trusted = sheet.trusted.first().map(|key| format!(": \"${{TRUSTED:={}}}\"\n", plain(key)));
        let name = |(name, value): &(&str, String)| match value.is_empty() {
            true => format!(": \"${{{name}:?}}\"\n"),
            false => format!(": \"${{{name}:={}}}\"\n", plain(value)),
        };
        let names = names.iter().map(name).collect::<String>() + &trusted.unwrap_or_default();
        format!(
            "#!/usr/bin/env bash\n# Restores the latest backup of cluster {} and all WAL after it. IDENTITY, TARGET and PGBIN must be set;\n\
             # docs/restore-by-hand.md of pgcairn says what each command does.\nset -eu\n\n{names}: \"${{SOCKETS:=$TARGET}}\"\n\
             cd \"$(mktemp -d)\"\ncat > restore-by-hand.sh <<'{END}'\n{SCRIPT}{END}\n\n{}\n",
            sheet.cluster,
            blocks().join("\n\n"),
        )
    }
}

/// Within double quotes and braces.
fn plain(value: &str) -> String {
    let word = shell_word(value);
    if word == value { word } else { value.replace(['"', '$', '`', '\\', '}'], "_") }
}

/// Every fenced block of commands.
fn blocks() -> Vec<&'static str> {
    DOCUMENT.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_commands_and_the_script_no_end_within() {
        assert!(blocks().len() > 5 && blocks().iter().all(|block| !block.contains(END)));
        assert!(!SCRIPT.contains(END) && SCRIPT.ends_with('\n'));
    }
}
