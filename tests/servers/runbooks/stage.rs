//! A database `app` with orders, archived and backed up: where a page's misfortune is set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{PORT, Server, Shutdown};
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, process, small};

use super::reader::Reader;

/// All that must be there, as one value.
pub const SUM: &str = "select count(*) || ' ' || coalesce(sum(hashtext(o::text)), 0) from orders o";

pub struct Stage {
    pub install: &'static Installation,
    pub server: Server,
    pub site: Site,
    /// Directories that a page makes; what runs in them ends with this value.
    pub room: Scratch,
    pub backup: String,
}

impl Stage {
    pub fn new(install: &'static Installation) -> Outcome<Stage> {
        Stage::with(install, |_| Ok(()))
    }

    /// With the server's configuration outside of the data directory.
    pub fn debian(install: &'static Installation) -> Outcome<Stage> {
        Stage::made(install, |_| Ok(()), configured_elsewhere)
    }

    /// `configure` is called before the repository is made.
    pub fn with(install: &'static Installation, configure: impl FnOnce(&mut Site) -> Outcome) -> Outcome<Stage> {
        Stage::made(install, configure, |_| Ok(()))
    }

    fn made(
        install: &'static Installation,
        configure: impl FnOnce(&mut Site) -> Outcome,
        arrange: impl FnOnce(&mut Server) -> Outcome,
    ) -> Outcome<Stage> {
        let mut server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").create()?;
        // A page starts it again by its own files.
        server.append_setting("unix_socket_directories", &format!("'{}'", server.socket_dir().display()))?;
        let mut site = Site::new(&server)?;
        configure(&mut site)?;
        server.append_setting("archive_command", &site.archive_command())?;
        arrange(&mut server)?;
        server.start()?;
        server.sql("create database app")?;
        server.sql_in(
            "app",
            "create table customers (id int primary key, name text);
             insert into customers select n, 'customer ' || n from generate_series(1, 100) n;
             create table orders (id int generated always as identity primary key,
                                  customer int not null references customers, total numeric(10, 2));
             insert into orders (customer, total) select 1 + n % 100, n * 0.5 from generate_series(1, 5000) n;
             create index on orders (customer);
             create view large_orders as select * from orders where total > 2000",
        )?;
        site.init()?;
        let backup = small::backup(&site)?;
        let stage = Stage { install, server, site, room: Scratch::new()?, backup };
        stage.insert()?;
        Ok(stage)
    }

    /// Where the configuration of [`Stage::debian`] is.
    pub fn etc(&self) -> PathBuf {
        self.server.scratch().join("etc")
    }

    /// Orders that no backup has, only WAL.
    pub fn insert(&self) -> Outcome {
        let text = "insert into orders (customer, total) select 1 + n % 100, n from generate_series(1, 500) n";
        self.server.sql_in("app", text).map(drop)
    }

    pub fn sum(&self) -> Outcome<String> {
        sum(&self.server)
    }

    /// A moment between two commits, as a person writes it.
    pub fn moment(&self) -> Outcome<String> {
        let now = self.server.value("select to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US\"Z\"')")?;
        self.server.sql("select pg_sleep(0.02)")?;
        Ok(now)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.room.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The page, at this server; `variables` are those beside the usual ones.
    pub fn reader(&self, page: &str, usual: &[&str], variables: &[(&str, &str)]) -> Outcome<Reader> {
        self.reader_with(page, self.install, usual, variables)
    }

    /// With the programs of another major.
    pub fn reader_with(
        &self,
        page: &str,
        install: &Installation,
        usual: &[&str],
        variables: &[(&str, &str)],
    ) -> Outcome<Reader> {
        let known = [
            ("CONFIG", self.site.config().display().to_string()),
            ("BIN", install.bin().display().to_string()),
            ("KEY", self.site.identity().display().to_string()),
            ("COPY", self.text("copy")),
            ("PGDATA", self.server.data().display().to_string()),
            ("SERVICE", self.server.data().display().to_string()),
            ("TRUSTED", self.site.public_key()?),
            ("DB", "app".to_owned()),
            ("TABLE", "public.orders".to_owned()),
            ("LIVE", format!("host={} port={PORT} user=postgres", self.server.socket_dir().display())),
        ];
        let known = known.iter().filter(|(name, _)| usual.contains(name)).map(|(name, value)| (*name, value.as_str()));
        let variables: Vec<_> = known.chain(variables.iter().copied()).collect();
        let reader = Reader::new(page, install.bin(), &variables)?;
        let socket = self.server.socket_dir().display().to_string();
        Ok(reader.with("PGHOST", &socket).with("PGPORT", &PORT.to_string()).with("PGUSER", "postgres"))
    }

    /// A server on what a page has made, where the page has left none at work.
    pub fn sum_of(&self, data: &Path) -> Outcome<String> {
        let server = Server::adopt(self.install, data)?;
        server.start()?;
        server.wait_promoted()?;
        let sum = sum(&server)?;
        server.stop(Shutdown::Fast)?;
        Ok(sum)
    }

    /// A server that a page has left at work.
    pub fn sum_at(&self, data: &Path, socket_dir: &Path) -> Outcome<String> {
        sum(&Server::adopt_bare(self.install, data, socket_dir)?)
    }

    /// Nothing works in a directory of this stage any more.
    pub fn is_quiet(&self, directory: &Path) -> Outcome {
        wait_for("the copy's server to end", || Ok(process::below(directory).is_empty().then_some(())))
    }
}

pub fn sum(server: &Server) -> Outcome<String> {
    let rows = server.sql_in("app", SUM)?;
    Ok(rows.concat().concat())
}

/// A second repository, in another directory.
pub fn second_repository(site: &mut Site) -> Outcome {
    let url = site.path("offsite").display().to_string();
    site.configure(&format!("[[repository]]\nname = \"offsite\"\nurl = \"file://{url}\"\n"))
}

/// As Debian does it: `postgresql.conf` leads to the data directory.
fn configured_elsewhere(server: &mut Server) -> Outcome {
    let etc = server.scratch().join("etc");
    account().make_dir(&etc)?;
    let (data, place) = (server.data().display().to_string(), etc.display().to_string());
    for (name, path) in [
        ("data_directory", data),
        ("hba_file", format!("{place}/pg_hba.conf")),
        ("ident_file", format!("{place}/pg_ident.conf")),
    ] {
        server.append_setting(name, &format!("'{path}'"))?;
    }
    for file in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        fs::rename(server.data().join(file), etc.join(file))?;
    }
    server.override_setting("config_file", &etc.join("postgresql.conf").display().to_string());
    Ok(())
}

impl Drop for Stage {
    fn drop(&mut self) {
        process::stop_below(self.room.path());
        process::stop_below(self.server.data());
    }
}
