//! No pgcairn: the page that runs all commands of docs/restore-by-hand.md.

use std::fs;
use std::path::Path;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::{Outcome, skip};

use super::page::root;
use super::stage::Stage;

pub fn pgcairn(install: &'static Installation) -> Outcome {
    for program in ["age", "zstd", "jq", "openssl"] {
        if !["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists()) {
            return skip(format!("{program} is not installed"));
        }
    }
    let stage = Stage::new(install)?;
    let (moment, expected) = (stage.moment()?, stage.sum()?);
    stage.server.sql_in("app", "drop table orders cascade")?;
    stage.server.archive_all()?;
    for (directory, file) in [("docs", "restore-by-hand.md"), ("docs", "restore-by-hand.sh"), ("sockets", "")] {
        let made = stage.path(directory);
        if !made.exists() {
            account().make_dir(&made)?;
        }
        if !file.is_empty() {
            account().write(&made.join(file), fs::read(root().join("docs").join(file))?, 0o644)?;
        }
    }
    let (repository, target) = (stage.site.repository().display().to_string(), stage.path("by-hand"));
    let variables = [
        ("DOCS", stage.text("docs")),
        ("REPOSITORY", repository),
        ("IDENTITY", stage.site.identity().display().to_string()),
        ("TARGET", target.display().to_string()),
        ("SOCKETS", stage.text("sockets")),
        ("PGBIN", install.bin().display().to_string()),
        ("STOP", format!("recovery_target_time = '{}'", moment.replace('Z', "+00"))),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut reader = stage.reader("runbooks/pgcairn-unavailable", &["TRUSTED"], &variables)?;
    let said = reader.rest()?;
    reader.end(1)?;
    assert!(said.contains("Signature Verified Successfully") && said.contains("last completed transaction"), "{said}");
    assert_eq!(stage.sum_at(&target, &stage.path("sockets"))?, expected);
    assert!(fs::metadata(target.with_extension("sql.gz"))?.len() > 1000);
    Ok(())
}
