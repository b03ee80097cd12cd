//! A server that does all that a copy must not: it archives, subscribes, has slots, and was told to run commands,
//! load libraries and listen.

use std::fs;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::wait::wait_for;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Configuration in the data directory.
    Plain,
    /// Configuration elsewhere, which says where the data is.
    Debian,
}

pub struct Origin {
    pub publisher: Server,
    pub server: Server,
    pub site: Site,
    /// Its configuration, commands it was told to run, and what else lies outside of its data directory.
    pub etc: Scratch,
}

/// Rows before the restore point, and all.
pub const ROWS: [u32; 2] = [1000, 2000];
pub const POINT: &str = "before";

impl Origin {
    pub fn start(install: &'static Installation, layout: Layout) -> Outcome<Origin> {
        let publisher = Server::builder(install).setting("wal_level", "logical").start()?;
        publisher.sql("create table news (n int primary key)")?;
        publisher.sql("create publication p for table news")?;
        let builder = Server::builder(install).setting("archive_mode", "on").setting("wal_level", "logical");
        let mut server = builder.create()?;
        let (site, etc) = (Site::new(&server)?, Scratch::new()?);
        server.append_setting("archive_command", &site.archive_command())?;
        if layout == Layout::Debian {
            lay_out_as_debian(&mut server, &etc)?;
        }
        server.start()?;
        site.init()?;
        let origin = Origin { publisher, server, site, etc };
        origin.subscribe()?;
        origin.tell()?;
        origin.fill()?;
        Ok(origin)
    }

    fn subscribe(&self) -> Outcome {
        self.server.sql("create table news (n int primary key)")?;
        let connection = self.publisher.connection();
        self.server.sql(&format!("create subscription s connection '{connection}' publication p"))?;
        self.publish(1)?;
        self.server.sql("select pg_create_physical_replication_slot('held', true)")?;
        self.server.sql("select pg_create_logical_replication_slot('decoded', 'test_decoding')").map(drop)
    }

    /// What is published arrives at the origin.
    pub fn publish(&self, n: u32) -> Outcome {
        self.publisher.sql(&format!("insert into news values ({n})"))?;
        wait_for("what was published", || {
            Ok((self.server.value(&format!("select count(*) from news where n = {n}"))? == "1").then_some(()))
        })
    }

    /// Who reads the slot of the origin's subscription.
    pub fn subscriber(&self) -> Outcome<String> {
        self.publisher.value("select string_agg(active_pid::text, ' ') from pg_replication_slots")
    }

    /// Settings that would lead a copy astray. The origin itself does not read them before its next start.
    fn tell(&self) -> Outcome {
        let path = |name: &str| self.etc.join(name).display().to_string();
        let touch = format!("touch {}", path("was-called"));
        let settings = [
            ("listen_addresses", "*".to_owned()),
            ("unix_socket_directories", self.server.socket_dir().display().to_string()),
            ("external_pid_file", path("pid")),
            ("shared_preload_libraries", "no_such_library".to_owned()),
            ("session_preload_libraries", "no_such_library".to_owned()),
            ("archive_mode", "always".to_owned()),
            ("archive_cleanup_command", touch.clone()),
            ("recovery_end_command", touch),
            ("primary_conninfo", self.publisher.connection()),
            ("primary_slot_name", "held".to_owned()),
            ("hot_standby", "off".to_owned()),
            ("log_min_messages", "panic".to_owned()),
            ("log_error_verbosity", "verbose".to_owned()),
            ("logging_collector", "on".to_owned()),
            ("log_directory", path("logs")),
            ("log_destination", "syslog".to_owned()),
            ("ssl", "off".to_owned()),
            ("huge_pages", "on".to_owned()),
            ("shared_buffers", "900GB".to_owned()),
            ("max_logical_replication_workers", "4".to_owned()),
            ("autovacuum", "on".to_owned()),
        ];
        settings.iter().try_for_each(|(name, value)| {
            let value = value.replace('\'', "''");
            self.server.sql(&format!("alter system set {name} = '{value}'")).map(drop)
        })
    }

    /// A database that lets nobody in whose session does not begin otherwise, a backup, and rows after it.
    fn fill(&self) -> Outcome {
        self.server.sql("create database app")?;
        self.server.sql("create table t as select generate_series(1, 10) as n")?;
        self.server.sql("alter database app set session_preload_libraries = 'no_such_library'")?;
        self.site.run(&["backup"])?.ok()?;
        self.server.sql("truncate t")?;
        self.server.sql(&format!("insert into t select generate_series(1, {})", ROWS[0]))?;
        self.server.sql(&format!("select pg_create_restore_point('{POINT}')"))?;
        self.server.sql(&format!("insert into t select generate_series({}, {})", ROWS[0] + 1, ROWS[1]))?;
        self.server.archive_all().map(drop)
    }
}

fn lay_out_as_debian(server: &mut Server, etc: &Scratch) -> Outcome {
    server.append_setting("data_directory", &format!("'{}'", server.data().display()))?;
    for (name, setting) in [("pg_hba.conf", "hba_file"), ("pg_ident.conf", "ident_file")] {
        server.append_setting(setting, &format!("'{}'", etc.join(name).display()))?;
    }
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        let inside = server.data().join(name);
        account().write(&etc.join(name), fs::read(&inside)?, 0o640)?;
        fs::remove_file(inside)?;
    }
    server.override_setting("config_file", &etc.join("postgresql.conf").display().to_string());
    Ok(())
}
