//! The set-up in README.md, executed on a server laid out as Debian does it.

use std::fs;
use std::path::PathBuf;

use super::support::account::account;
use super::support::document::{commands, run_commands};
use super::support::majors::Installation;
use super::support::scratch::{self, Scratch};
use super::support::server::{Server, run};
use super::support::site::binary;
use super::support::{Outcome, Scenario};

const README: &str = include_str!("../../README.md");

/// Where the trial does something itself.
const RESTART: &str = "sudo systemctl restart postgresql@18-main";

/// The trial runs as the owner already.
const SUDO: &str = "#!/bin/sh\nif [ \"$1\" = -u ]; then shift 2; fi\nexec \"$@\"\n";

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "readme::set_up", run: set_up }]
}

fn set_up(install: &'static Installation) -> Outcome {
    let server = debian_server(install)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    let place = Place::new(install, &server)?;
    let blocks: Vec<String> = commands(README).into_iter().map(|block| place.here(block)).collect();
    let restart = blocks.iter().position(|block| block == RESTART).ok_or("the README restarts no server")?;
    place.run(&blocks[..restart])?;
    server.restart()?;
    assert_eq!(server.value("show archive_mode")?, "on");
    let said = place.run(&blocks[restart + 1..])?;
    assert!(said.contains("full-"), "no backup is listed:\n{said}");
    let mut psql = account().command(install.program("psql"));
    psql.arg("-h").arg(place.restored()).args(["-p", "5433", "-U", "postgres", "-XAtc", "select count(*) from t"]);
    assert_eq!(run(&mut psql)?.trim(), "1000");
    Ok(())
}

/// Configuration files outside of the data directory, with an included directory.
fn debian_server(install: &'static Installation) -> Outcome<Server> {
    let mut server = Server::builder(install).setting("include_dir", "'conf.d'").create()?;
    let etc = server.scratch().join("etc");
    account().make_dir(&etc)?;
    account().make_dir(&etc.join("conf.d"))?;
    for (file, setting) in
        [("postgresql.conf", "config_file"), ("pg_hba.conf", "hba_file"), ("pg_ident.conf", "ident_file")]
    {
        fs::rename(server.data().join(file), etc.join(file))?;
        server.override_setting(setting, &etc.join(file).display().to_string());
    }
    server.start()?;
    Ok(server)
}

/// The document's places in a scratch directory.
struct Place {
    install: &'static Installation,
    scratch: Scratch,
    names: Vec<(&'static str, String)>,
}

impl Place {
    fn new(install: &'static Installation, server: &Server) -> Outcome<Place> {
        let scratch = Scratch::new()?;
        account().make_dir(&scratch.join("bin"))?;
        account().write(&scratch.join("bin/sudo"), SUDO, 0o755)?;
        let at = |name: &str| scratch.join(name).display().to_string();
        let names = vec![
            ("/etc/pgcairn", at("etc")),
            ("[postgres]\ndata_dir", format!("state_dir = {:?}\n[postgres]\ndata_dir", at("state"))),
            ("/var/backups/pgcairn", at("repo")),
            ("/srv/restored", at("restored")),
            ("/usr/lib/postgresql/18/bin", install.bin().display().to_string()),
            // The server of the document is where pgcairn looks by itself.
            (
                "\"/var/lib/postgresql/18/main\"",
                format!("\"{}\"\nconnection = \"{}\"", server.data().display(), server.connection()),
            ),
        ];
        Ok(Place { install, scratch, names })
    }

    fn here(&self, block: &str) -> String {
        self.names.iter().fold(block.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    fn restored(&self) -> PathBuf {
        self.scratch.join("restored")
    }

    fn run(&self, blocks: &[String]) -> Outcome<String> {
        let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
        let programs = [self.scratch.join("bin"), scratch::root().to_owned(), self.install.bin().to_owned()];
        let path: String = programs.iter().map(|dir| format!("{}:", dir.display())).collect();
        let config = self.scratch.join("etc/main.toml").display().to_string();
        binary();
        run_commands(
            &blocks,
            self.scratch.path(),
            &[("PATH", &format!("{path}/usr/bin:/bin")), ("PGCAIRN_CONFIG", &config)],
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut stop = account().command(self.install.program("pg_ctl"));
        let _ = stop.arg("-D").arg(self.restored()).args(["-m", "immediate", "-w", "stop"]).output();
    }
}
