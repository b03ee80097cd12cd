//! What scenarios ask a server: SQL as text over its socket, pgbench, and the state of WAL and recovery.

use postgres::{Client, NoTls, SimpleQueryMessage};

use super::Outcome;
use super::scratch::Scratch;
use super::server::{PORT, Server, Shutdown, run};
use super::wait::wait_for;

impl Server {
    pub fn client(&self) -> Outcome<Client> {
        self.client_of("postgres")
    }

    pub fn client_of(&self, database: &str) -> Outcome<Client> {
        let mut config = postgres::Config::new();
        config.host_path(self.socket_dir()).port(PORT).user("postgres").dbname(database);
        config.connect(NoTls).map_err(|e| format!("cannot connect to {database}: {}", full(&e)).into())
    }

    /// Runs statements; the rows of all of them, every value as text.
    pub fn sql(&self, text: &str) -> Outcome<Vec<Vec<String>>> {
        query(&mut self.client()?, text)
    }

    pub fn sql_in(&self, database: &str, text: &str) -> Outcome<Vec<Vec<String>>> {
        query(&mut self.client_of(database)?, text)
    }

    /// The first value of the first row.
    pub fn value(&self, text: &str) -> Outcome<String> {
        one(self.sql(text)?, text)
    }

    /// pgbench with these arguments, to its end.
    pub fn pgbench(&self, arguments: &[&str]) -> Outcome<String> {
        run(self.program("pgbench").args(arguments))
    }

    pub fn psql(&self, text: &str) -> Outcome<String> {
        run(self.program("psql").args(["-XAt", "-v", "ON_ERROR_STOP=1", "-c", text]))
    }

    pub fn reload(&self) -> Outcome {
        self.sql("select pg_reload_conf()").map(drop)
    }

    pub fn lsn(&self) -> Outcome<String> {
        self.value("select pg_current_wal_insert_lsn()")
    }

    /// Name of the segment that is being written.
    pub fn segment(&self) -> Outcome<String> {
        self.value("select pg_walfile_name(pg_current_wal_insert_lsn())")
    }

    /// Ends the current segment (an idle server makes none by a switch alone) and returns its name.
    pub fn switch_segment(&self) -> Outcome<String> {
        self.sql("select pg_create_restore_point('switch')")?;
        let ended = self.segment()?;
        self.sql("select pg_switch_wal()")?;
        Ok(ended)
    }

    /// Waits until archive_command has succeeded for this segment, or any later one.
    pub fn wait_archived(&self, segment: &str) -> Outcome {
        let text = format!("select last_archived_wal >= '{segment}' from pg_stat_archiver");
        wait_for(&format!("{segment} to be archived"), || Ok((self.value(&text)? == "t").then_some(())))
            .map_err(|_| format!("{segment} was not archived\n{}", self.log_tail()).into())
    }

    /// Switches and waits: everything written until now lies in the archive.
    pub fn archive_all(&self) -> Outcome<String> {
        let segment = self.switch_segment()?;
        self.wait_archived(&segment)?;
        Ok(segment)
    }

    /// Waits until archive_command has failed more often than `before`.
    pub fn wait_archive_failure(&self, before: u64) -> Outcome<u64> {
        wait_for("archive_command to fail", || {
            let count: u64 = self.value("select failed_count from pg_stat_archiver")?.parse()?;
            Ok((count > before).then_some(count))
        })
    }

    pub fn in_recovery(&self) -> Outcome<bool> {
        Ok(self.value("select pg_is_in_recovery()")? == "t")
    }

    /// Waits until recovery has reached its target and paused there.
    pub fn wait_paused(&self) -> Outcome {
        wait_for("recovery to pause", || {
            if let Some(status) = self.exited()? {
                return Err(format!("the server ended with {status}\n{}", self.log_tail()).into());
            }
            // Connections are refused until the state is consistent.
            let Ok(state) = self.value("select pg_get_wal_replay_pause_state()") else { return Ok(None) };
            Ok((state == "paused").then_some(()))
        })
        .map_err(|stop| format!("{stop:?}\n{}", self.log_tail()).into())
    }

    /// Waits until recovery has ended and the server takes writes.
    pub fn wait_promoted(&self) -> Outcome {
        wait_for("the end of recovery", || {
            if let Some(status) = self.exited()? {
                return Err(format!("the server ended with {status}\n{}", self.log_tail()).into());
            }
            Ok(matches!(self.in_recovery(), Ok(false)).then_some(()))
        })
        .map_err(|stop| format!("{stop:?}\n{}", self.log_tail()).into())
    }

    /// Every index and heap of every database is sound, by amcheck.
    pub fn amcheck(&self) -> Outcome {
        run(self.program("pg_amcheck").args(["--all", "--install-missing", "--heapallindexed"])).map(drop)
    }

    /// How CREATE DATABASE copies its template, by turns where the server offers a choice (since 15).
    pub fn database_strategy(&self, round: usize) -> &'static str {
        match self.install.major {
            ..=14 => "",
            _ => ["strategy wal_log", "strategy file_copy"][round % 2],
        }
    }

    /// Every page of the stopped cluster has a correct checksum.
    pub fn verify_checksums(&self) -> Outcome {
        if self.install.has("pg_checksums") {
            return run(self.program("pg_checksums").arg("--check").arg("-D").arg(self.data())).map(drop);
        }
        // No such program for this major: the server verifies every page that it sends in a base backup.
        self.start()?;
        let mut backup = self.program("pg_basebackup");
        let scratch = Scratch::new()?;
        backup.arg("--pgdata").arg(scratch.join("sent"));
        run(backup.args(["--format=tar", "--wal-method=none", "--checkpoint=fast"]))?;
        self.stop(Shutdown::Fast)
    }
}

/// Runs statements on an open connection; the rows of all of them, every value as text.
pub fn query(client: &mut Client, text: &str) -> Outcome<Vec<Vec<String>>> {
    let messages = client.simple_query(text).map_err(|e| format!("{text}: {}", full(&e)))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// The first value of the first row.
pub fn one(rows: Vec<Vec<String>>, text: &str) -> Outcome<String> {
    rows.into_iter().flatten().next().ok_or_else(|| format!("no row: {text}").into())
}

/// An error with its causes: the driver prints "db error" alone.
fn full(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(cause) => format!("{error}: {cause}"),
        None => format!("{error:?}"),
    }
}
