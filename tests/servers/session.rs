//! The connection to a live server: a backup session, and every way in which one is refused or lost.

use std::thread::sleep;
use std::time::Duration;

use pgcairn::model::error::{Code, Error};
use pgcairn::model::labels::{BackupLabel, TablespaceMap};
use pgcairn::model::relation::{RelationFile, RelationName};
use pgcairn::postgres::{
    BackupSession, Connection, Environment, RelationNames, Settings, check_archiving, check_cluster, check_rights,
};
use pgcairn::source::DataDirectory;

use super::support::account::account;
use super::support::majors::Installation;
use super::support::server::{Server, Shutdown, run};
use super::support::wait::wait_for;
use super::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "session::backup", run: backup },
        Scenario { name: "session::labels_are_bytes", run: labels_are_bytes },
        Scenario { name: "session::rights", run: rights },
        Scenario { name: "session::archiving", run: archiving },
        Scenario { name: "session::foreign_clusters", run: foreign_clusters },
        Scenario { name: "session::standby", run: standby },
        Scenario { name: "session::lost_server", run: lost_server },
        Scenario { name: "session::names_and_environment", run: names_and_environment },
    ]
}

fn connect(server: &Server) -> Outcome<Connection> {
    Ok(Connection::open(&server.connection())?)
}

/// What was refused; a success fails the trial.
fn refusal<T>(result: Result<T, Error>, code: Code) -> Outcome<Error> {
    match result {
        Ok(_) => Err("this must be refused".into()),
        Err(error) if error.code == code => Ok(error),
        Err(error) => Err(format!("{:?} instead of {code:?}: {error}", error.code).into()),
    }
}

/// Runs a hint as a person would.
fn follow(hint: Option<String>, server: &Server) -> Outcome {
    let hint = hint.ok_or("no hint")?;
    let command = hint.strip_suffix(", then restart the server").unwrap_or(&hint);
    let mut shell = account().command("/bin/sh");
    let path = format!("{}:/usr/bin:/bin", server.install.bin().display());
    run(shell.env("PATH", path).args(["-c", command])).map(drop)
}

fn backup(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("idle_session_timeout", "'1s'").start()?;
    let space = server.scratch().join("space");
    account().make_dir(&space)?;
    server.sql(&format!("create tablespace s location '{}'", space.display()))?;
    let data = DataDirectory::open(server.data())?;
    let mut connection = connect(&server)?;
    sleep(Duration::from_millis(1500));
    let settings = Settings::read(&mut connection)?;
    assert_eq!(settings.data_directory, server.data());
    assert_eq!(settings.tablespaces[0].location.as_path(), space);
    assert_eq!(settings.timeline, 1);
    check_cluster(&mut connection, &settings, &data, None)?;

    let mut session = BackupSession::start(connection, "pgcairn: gr\u{fc}n", true)?;
    let start = session.started();
    check_cluster(session.connection(), &settings, &data, Some(start.lsn))?;
    session.connection().create_restore_point("during the backup")?;
    session.heartbeat()?;
    let (stop, mut connection) = session.stop()?;
    let label = BackupLabel::parse(&stop.backup_label)?;
    assert_eq!((label.start_lsn, label.start_timeline), (start.lsn, start.timeline));
    assert_eq!((label.label.as_slice(), label.from_standby), ("pgcairn: gr\u{fc}n".as_bytes(), false));
    assert_eq!(TablespaceMap::parse(&stop.tablespace_map)?.0[0].1.as_path(), space);
    assert!(stop.lsn > start.lsn && stop.lsn <= connection.wal_position()?);
    assert!(!server.data().join("backup_label").exists(), "nothing is written into the live directory");
    let again = BackupSession::start(connection, "again", true)?;
    drop(again);
    assert_eq!(server.control("Backup start location")?, "0/0");
    Ok(())
}

/// A path that is text in no encoding, on a server that does not mind.
fn labels_are_bytes(install: &'static Installation) -> Outcome {
    use std::os::unix::ffi::OsStrExt;
    let server = Server::builder(install).initdb("--encoding=SQL_ASCII").start()?;
    let space = server.scratch().path().join(std::ffi::OsStr::from_bytes(b"sp\xff\\\ncairn"));
    account().make_dir(&space)?;
    let literal = format!("E'{}/sp\\xff\\\\\\ncairn'", server.scratch().path().display());
    server.sql(&format!("create tablespace s location {literal}"))?;
    let mut connection = connect(&server)?;
    assert_eq!(Settings::read(&mut connection)?.tablespaces[0].location.as_path(), space);
    let (stop, _) = BackupSession::start(connection, "bytes", true)?.stop()?;
    assert_eq!(TablespaceMap::parse(&stop.tablespace_map)?.0[0].1.as_path(), space);
    Ok(())
}

fn rights(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    server.sql("create role \"the backup's\" login")?;
    let parameters = server.connection().replace("user=postgres", "user='the backup\\'s'");
    let mut connection = Connection::open(&parameters)?;
    let error = refusal(Settings::read(&mut connection), Code::Permission)?;
    assert!(error.message.contains("lacks: GRANT pg_read_all_settings TO \"the backup's\""), "{error}");
    follow(error.hint, &server)?;
    let mut connection = Connection::open(&parameters)?;
    check_rights(&mut connection)?;
    Settings::read(&mut connection)?;
    BackupSession::start(connection, "unprivileged", true)?.stop()?;

    let nobody = server.connection().replace("user=postgres", "user=nobody");
    refusal(Connection::open(&nobody), Code::Permission)?;
    let nowhere = server.connection().replace("dbname=postgres", "dbname=nowhere");
    refusal(Connection::open(&nowhere), Code::ConfigValue)?;
    Ok(())
}

fn archiving(install: &'static Installation) -> Outcome {
    const PUSH: &str = "pgcairn wal push \"%p\"";
    let minimal = [("wal_level", "minimal"), ("max_wal_senders", "0")];
    let builder = minimal.into_iter().fold(Server::builder(install), |b, (name, value)| b.setting(name, value));
    let server = builder.start()?;
    let check = || -> Outcome<Result<(), Error>> {
        let mut connection = connect(&server)?;
        let settings = Settings::read(&mut connection)?;
        Ok(check_archiving(&connection, &settings, PUSH))
    };
    for message in [
        "wal_level is minimal, and a backup needs replica or logical",
        "archive_mode is off, and without it no WAL reaches the repository",
        "archive_command is empty, so WAL piles up in pg_wal",
    ] {
        let error = refusal(check()?, Code::ServerSetting)?;
        assert_eq!(error.message, message);
        let restart = error.hint.as_deref().is_some_and(|hint| hint.ends_with("restart the server"));
        follow(error.hint, &server)?;
        if restart {
            server.restart()?;
        }
    }
    wait_for("the setting to be in force", || Ok((server.value("show archive_command")? == PUSH).then_some(())))?;
    check()??;
    server.sql("alter system set archive_command = '/bin/true'")?;
    server.restart()?;
    let error = refusal(check()?, Code::ServerSetting)?;
    assert_eq!(error.message, "archive_command is \"/bin/true\", which keeps no WAL");
    Ok(())
}

fn foreign_clusters(install: &'static Installation) -> Outcome {
    let (server, stranger) = (Server::builder(install).start()?, Server::builder(install).create()?);
    let clone = server.scratch().join("clone");
    server.sql("checkpoint")?;
    run(account().command("/bin/cp").arg("-a").arg(server.data()).arg(&clone))?;
    server.sql("create table t (); checkpoint")?;
    let mut connection = connect(&server)?;
    let settings = Settings::read(&mut connection)?;
    check_cluster(&mut connection, &settings, &DataDirectory::open(server.data())?, None)?;
    let strange = DataDirectory::open(stranger.data())?;
    let error = refusal(check_cluster(&mut connection, &settings, &strange, None), Code::ForeignCluster)?;
    assert!(error.message.contains(&settings.system_identifier.to_string()), "{error}");
    let clone = DataDirectory::open(&clone)?;
    let error = refusal(check_cluster(&mut connection, &settings, &clone, None), Code::ForeignCluster)?;
    assert!(error.message.contains("has its last checkpoint at"), "{error}");
    Ok(())
}

fn standby(install: &'static Installation) -> Outcome {
    let primary = Server::builder(install).start()?;
    let copy = primary.scratch().join("standby");
    run(primary.program("pg_basebackup").args(["-R", "--checkpoint=fast", "--no-sync", "-D"]).arg(&copy))?;
    let standby = Server::adopt(install, &copy)?;
    standby.start()?;
    let data = DataDirectory::open(standby.data())?;
    let mut connection = connect(&standby)?;
    let settings = Settings::read(&mut connection)?;
    assert!(settings.in_recovery && settings.timeline == 1);
    let session = BackupSession::start(connection, "from a standby", true)?;
    let start = session.started();
    assert!(start.in_recovery);
    let (stop, mut connection) = session.stop()?;
    assert!(BackupLabel::parse(&stop.backup_label)?.from_standby);
    check_cluster(&mut connection, &settings, &data, Some(start.lsn))?;

    let mut session = BackupSession::start(connection, "overtaken", true)?;
    standby.sql("select pg_promote()")?;
    refusal(session.heartbeat(), Code::BackupSession)?;
    let error = refusal(session.stop(), Code::BackupSession)?;
    assert!(error.message.contains("promoted"), "{error}");
    standby.wait_promoted()?;
    assert_eq!(Settings::read(&mut connect(&standby)?)?.timeline, 2);
    Ok(())
}

fn lost_server(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    for how in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Kill] {
        let mut session = BackupSession::start(connect(&server)?, "lost", true)?;
        server.stop(how)?;
        refusal(session.heartbeat(), Code::Unreachable)?;
        refusal(session.stop(), Code::Unreachable)?;
        let error = refusal(Connection::open(&server.connection()), Code::Unreachable)?;
        assert!(error.hint.is_some_and(|hint| hint.starts_with("pg_isready -h ")));
        server.start()?;
    }
    Ok(())
}

fn names_and_environment(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    server.sql("create database \"the other\"")?;
    server.sql_in("the other", "create table \"odd table\" ()")?;
    let file = |database: &str, relation: &str, tablespace: u32| -> Outcome<RelationFile> {
        let node = server.sql_in(database, &format!("select pg_relation_filenode('{relation}')"))?[0][0].parse()?;
        let oid = format!("select oid from pg_database where datname = '{database}'");
        let database = if tablespace == 1664 { 0 } else { server.value(&oid)?.parse()? };
        let name = RelationName { relfilenode: node, fork: pgcairn::model::relation::Fork::Main, segment: 0 };
        Ok(RelationFile { tablespace, database, name })
    };
    let mut names = RelationNames::new(connect(&server)?);
    let other = file("the other", "\"odd table\"", 1663)?;
    assert_eq!(names.lookup(other)?.as_deref(), Some("the other.public.\"odd table\""));
    assert_eq!(names.lookup(file("postgres", "pg_class", 1663)?)?.as_deref(), Some("postgres.pg_catalog.pg_class"));
    assert_eq!(names.lookup(file("postgres", "pg_database", 1664)?)?.as_deref(), Some("pg_catalog.pg_database"));
    assert_eq!(names.lookup(RelationFile { database: 999_999, ..other })?, None);

    let mut connection = connect(&server)?;
    let settings = Settings::read(&mut connection)?;
    let environment = Environment::read(&mut connection, &settings)?;
    let database = environment.databases.iter().find(|d| d.name == "the other").ok_or("not listed")?;
    assert_eq!((database.encoding.as_str(), database.collate.as_str()), ("UTF8", "C"));
    assert_eq!(database.extensions[0].name, "plpgsql");
    assert!(environment.version.starts_with(&format!("PostgreSQL {}", install.major)));
    assert_eq!(connection.archiver_failure()?, None);
    assert!(connection.configuration_files()?.contains(&server.data().join("postgresql.conf")));
    Ok(())
}
