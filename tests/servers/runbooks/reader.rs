//! Somebody who follows a page: types its commands, step by step, on a host that is made of a scratch directory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::document::run_commands;
use crate::support::scratch::{self, Scratch};
use crate::support::site::binary;

use super::page::{Page, Step};

/// The trial runs as the owner already.
const SUDO: &str = "#!/bin/bash\nif [ \"$1\" = -u ]; then shift 2; fi\nexec \"$@\"\n";
/// The name of a service is its data directory here. What is started lives on, so it must not hold the reader's output.
const SYSTEMCTL: &str = "#!/bin/bash\nexec pg_ctl -D \"$2\" -w -l \"$2/systemctl.log\" \"$1\" > /dev/null 2>&1\n";
/// The name of a device is the directory that is to appear.
const MOUNT: &str = "#!/bin/bash\nexec mv \"$1.unmounted\" \"$1\"\n";

/// A command that fails ends the page, unless it is one of those that may.
const TRAP: &str = "case $BASH_COMMAND in MAY) echo \"[ended with $status]\";; \
                    *) echo \"[failed with $status] $BASH_COMMAND\"; exit 1;; esac";

/// A page that hangs has failed.
const PATIENCE_SECONDS: u32 = 120;

pub struct Reader {
    page: Page,
    scratch: Scratch,
    environment: Vec<(String, String)>,
    variables: BTreeMap<String, String>,
    may_fail: Vec<String>,
    /// Names of the steps that were followed.
    followed: Vec<String>,
}

impl Reader {
    /// `variables` are all that stand at the top of the page, and no others. `bin` has the server's programs.
    pub fn new(name: &str, bin: &Path, variables: &[(&str, &str)]) -> Outcome<Reader> {
        let page = Page::read(name)?;
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut named = page.variables.clone();
        named.sort();
        assert_eq!(named, variables.keys().cloned().collect::<Vec<_>>(), "the variables of {name}");
        let scratch = Scratch::new()?;
        account().make_dir(&scratch.join("bin"))?;
        for (program, text) in [("sudo", SUDO), ("systemctl", SYSTEMCTL), ("mount", MOUNT)] {
            account().write(&scratch.join("bin").join(program), text, 0o755)?;
        }
        binary();
        let programs = [&scratch.join("bin"), scratch::root(), bin, Path::new("/usr/bin"), Path::new("/bin")];
        let path = programs.map(|dir| dir.display().to_string()).join(":");
        let environment = vec![("PATH".to_owned(), path)];
        Ok(Reader { page, scratch, environment, variables, may_fail: Vec::new(), followed: Vec::new() })
    }

    /// What stands in the environment of a host without being said: where the server is.
    pub fn with(mut self, name: &str, value: &str) -> Reader {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command, by the words in it, whose exit status tells something.
    pub fn may_fail(mut self, words: &str) -> Reader {
        self.may_fail.push(format!("*\"{words}\"*"));
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Follows steps by their names; what the commands said.
    pub fn steps(&mut self, names: &[&str]) -> Outcome<String> {
        let mut blocks = vec![self.beginning()];
        for name in names {
            let step = self.page.steps.iter().find(|step| step.name == *name);
            let step = step.ok_or_else(|| format!("{}: no step {name:?}", self.page.path.display()))?;
            blocks.extend(step.blocks.iter().cloned());
            self.followed.push(name.to_string());
        }
        let environment: Vec<_> = self.environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        account().write(&self.scratch.join("steps.sh"), blocks.join("\n") + "\ntrue\n", 0o600)?;
        let patience = format!("timeout --kill-after=9 {PATIENCE_SECONDS} bash steps.sh");
        run_commands(&[&patience], self.scratch.path(), &environment)
    }

    /// All that was not followed yet.
    pub fn rest(&mut self) -> Outcome<String> {
        let open = |step: &&Step| !self.followed.contains(&step.name);
        let names: Vec<String> = self.page.steps.iter().filter(open).map(|step| step.name.clone()).collect();
        self.steps(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn beginning(&self) -> String {
        let may = if self.may_fail.is_empty() { "nothing".to_owned() } else { self.may_fail.join("|") };
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "'\\''"));
        let set: String = self.variables.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
        format!("set +e -uo pipefail\nexec 2>&1\ntrap 'status=$?; {}' ERR\n{set}", TRAP.replace("MAY", &may))
    }

    /// Every step was followed, and so many blocks are for no test.
    pub fn end(self, not_run: usize) -> Outcome {
        let left: Vec<&str> = self.page.steps.iter().map(|step| step.name.as_str()).collect();
        let left: Vec<&str> = left.into_iter().filter(|name| !self.followed.iter().any(|done| done == name)).collect();
        assert!(left.is_empty(), "{}: not followed: {left:?}", self.page.path.display());
        assert_eq!(self.page.not_run, not_run, "{}: blocks that are not run", self.page.path.display());
        Ok(())
    }

    /// What somebody sees stands on the page, in these words.
    pub fn recognises(&self, said: &str, words: &str) {
        assert!(said.contains(words), "{words:?} was not said:\n{said}");
        let page = self.page.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(words), "{}: {words:?} is not on the page", self.page.path.display());
    }
}
