//! Installed PostgreSQL majors, as `scripts/servers` leaves them below `target/servers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Outcome, skip};

/// `make test` fails unless scenarios ran on these.
pub const REQUIRED: &[u32] = &[15, 18];
/// Every major that is supported or accepted, for the summary.
pub const KNOWN: &[u32] = &[14, 15, 16, 17, 18];

#[derive(Debug)]
pub struct Installation {
    pub major: u32,
    /// As the server prints it: `18.4`, `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    bin: PathBuf,
}

impl Installation {
    fn find(major: u32) -> Option<Installation> {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/servers/{major}/bin"));
        let bin = bin.canonicalize().ok()?;
        let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.strip_prefix("postgres (PostgreSQL) ")?.trim().to_owned();
        let prefix = format!("{major}.");
        version.starts_with(&prefix).then_some(Installation { major, version, bin })
    }

    /// Path of a program of this installation, or of one that works against it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.program(name).exists()
    }

    /// Skips a trial that cannot do without it.
    pub fn needs(&self, program: &str) -> Outcome {
        if self.has(program) { Ok(()) } else { skip(format!("{program} of this major is not installed")) }
    }

    /// Likewise where those beside the server are of another major: what they dump is for that one.
    pub fn needs_own_clients(&self) -> Outcome {
        let output = Command::new(self.program("pg_dump")).arg("--version").output()?;
        match String::from_utf8_lossy(&output.stdout).contains(&format!("(PostgreSQL) {}.", self.major)) {
            true => Ok(()),
            false => skip("client programs of this major are not installed"),
        }
    }

    pub fn bin(&self) -> &Path {
        &self.bin
    }
}

/// The majors that were asked for, `PGCAIRN_TEST_MAJORS="15 18"` or `none`.
pub fn wanted() -> Vec<u32> {
    match std::env::var("PGCAIRN_TEST_MAJORS") {
        Ok(list) if list.trim() == "none" => Vec::new(),
        Ok(list) => list.split([' ', ',']).filter_map(|word| word.trim().parse().ok()).collect(),
        Err(_) => REQUIRED.to_vec(),
    }
}

/// Those of the wanted majors that are installed; they live as long as the process.
pub fn installed(wanted: &[u32]) -> Vec<&'static Installation> {
    wanted.iter().filter_map(|major| Installation::find(*major)).map(|i| &*Box::leak(Box::new(i))).collect()
}
