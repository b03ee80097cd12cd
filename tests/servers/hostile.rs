//! What nobody would do on purpose: configurations that lead elsewhere, directories used twice, a cluster that
//! changes under the copy, a clone that archived first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::support::account::account;
use super::support::majors::Installation;
use super::support::process::Killed;
use super::support::scratch::Scratch;
use super::support::server::{PORT, Server, Shutdown};
use super::support::site::{Run, Site};
use super::support::wait::wait_for;
use super::support::{Outcome, Scenario, full_length, process, skip};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "hostile::tablespace_made_by_replay", run: tablespace_made_by_replay },
        Scenario { name: "hostile::tablespaces_in_one_directory", run: tablespaces_in_one_directory },
        Scenario { name: "hostile::two_restores_at_once", run: two_restores_at_once },
        Scenario { name: "hostile::included_settings", run: included_settings },
        Scenario { name: "hostile::settings_of_the_command_line", run: settings_of_the_command_line },
        Scenario { name: "hostile::odd_target", run: odd_target },
        Scenario { name: "hostile::changes_under_the_copy", run: changes_under_the_copy },
        Scenario { name: "hostile::interrupt_at_a_low_rate", run: interrupt_at_a_low_rate },
        Scenario { name: "hostile::segments_of_a_clone", run: segments_of_a_clone },
        Scenario { name: "hostile::flush_beside_a_clone", run: flush_beside_a_clone },
    ]
}

/// A server that archives, and a site with one backup of it.
fn backed_up(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    server.sql("create table t as select n from generate_series(1, 1000) n")?;
    let site = site_of(&server)?;
    site.run(&["backup"])?.ok()?;
    Ok((server, site))
}

fn site_of(server: &Server) -> Outcome<Site> {
    let site = Site::new(server)?;
    site.init()?;
    site.archive_from(server)?;
    Ok(site)
}

fn restore(site: &Site, target: &Path, more: &[&str]) -> Outcome<Run> {
    let target = target.display().to_string();
    site.run_with_identity(&[&["restore", "--target-dir", &target], more].concat())
}

/// Starts a restored directory and waits until it is open for writing.
fn opened(install: &'static Installation, target: &Path) -> Outcome<Server> {
    let server = Server::adopt(install, target)?;
    server.start()?;
    wait_for("the end of recovery", || Ok((!server.in_recovery()?).then_some(())))?;
    Ok(server)
}

/// Replay makes a tablespace where the origin has it: beside a living origin that would ruin its files.
fn tablespace_made_by_replay(install: &'static Installation) -> Outcome {
    let (origin, site) = backed_up(install)?;
    origin.sql("select pg_create_restore_point('before')")?;
    let location = origin.scratch().join("fast");
    account().make_dir(&location)?;
    origin.sql(&format!("create tablespace fast location '{}'", location.display()))?;
    origin.sql("create table f tablespace fast as select n from generate_series(1, 1000) n")?;
    origin.archive_all()?;

    let target = site.path("target");
    let said = "replay creates a tablespace in";
    restore(&site, &target, &["--to", "latest"])?.status_is(4)?.says(&[said, "which is not empty"])?;
    assert!(!target.exists());
    restore(&site, &target, &["--to-name", "before", "--plan"])?.ok()?;

    origin.stop(Shutdown::Fast)?;
    fs::rename(&location, origin.scratch().join("moved"))?;
    restore(&site, &target, &["--to", "latest"])?.status_is(4)?.says(&[said, "which does not exist", "mkdir"])?;
    account().make_dir(&location)?;
    restore(&site, &target, &["--to", "latest"])?.ok()?;
    assert_eq!(opened(install, &target)?.value("select count(*) from f")?, "1000");
    Ok(())
}

fn tablespaces_in_one_directory(install: &'static Installation) -> Outcome {
    let origin = Server::builder(install).setting("archive_mode", "on").start()?;
    let old: Vec<String> = ["a", "b"].map(|name| origin.scratch().join(name).display().to_string()).into();
    for (number, location) in old.iter().enumerate() {
        account().make_dir(Path::new(location))?;
        origin.sql(&format!("create tablespace s{number} location '{location}'"))?;
        origin.sql(&format!("create table t{number} tablespace s{number} as select 1"))?;
    }
    let site = site_of(&origin)?;
    site.run(&["backup"])?.ok()?;
    let target = site.path("target");
    let path = |name: &str| site.path(name).display().to_string();
    let into = |target: &Path, to: [&str; 2]| {
        let maps = [format!("{}={}", old[0], path(to[0])), format!("{}={}", old[1], path(to[1]))];
        restore(&site, target, &["--backup", "latest", "--tablespace", &maps[0], "--tablespace", &maps[1]])
    };
    account().make_dir(&site.path("x"))?;
    std::os::unix::fs::symlink(site.path("x"), site.path("link"))?;
    into(&target, ["x/a", "link/a"])?.status_is(4)?.says(&["overlap"])?;
    into(&target, ["x", "link/a"])?.status_is(4)?.says(&["overlap"])?;
    let twice = [format!("{}={}", old[0], path("y")), format!("{}={}", old[0], path("z"))];
    let words = ["--backup", "latest", "--tablespace", &twice[0], "--tablespace", &twice[1]];
    restore(&site, &target, &words)?.status_is(2)?.says(&["twice"])?;
    assert!(!target.exists() && !site.path("y").exists());

    // Killed after everything was in place, and the directory was moved since: its tablespaces are in use.
    into(&target, ["x/a", "x/b"])?.ok()?;
    let mark = format!("{{\"backup\":\"20261120T030000Z-full-0000\",\"target\":\"{}\"}}", target.display());
    account().write(&site.path("x/a/pgcairn_restore.json"), mark, 0o600)?;
    fs::rename(&target, site.path("moved"))?;
    into(&site.path("other"), ["x/a", "x/c"])?.status_is(4)?.says(&["not empty"])?;
    assert!(fs::read_dir(site.path("x/a"))?.count() > 1, "the tablespace was cleared away");
    Ok(())
}

/// The first is held up in its middle; the second must not clear away what it has written.
fn two_restores_at_once(install: &'static Installation) -> Outcome {
    let (_origin, site) = backed_up(install)?;
    let target = site.path("target");
    let words = ["restore", "--backup", "latest", "--target-dir", &target.display().to_string()];
    let mut command = site.command(&words);
    command.env("PGCAIRN_IDENTITY", site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = Killed(command.spawn()?);
    wait_for("the first restore", || Ok(target.join("pgcairn_restore.json").exists().then_some(())))?;
    process::signal(first.0.id().cast_signed(), Signal::STOP);
    assert!(!target.join("global/pg_control").exists(), "the first restore was too fast");
    restore(&site, &target, &["--backup", "latest"])?.status_is(4)?.says(&["another restore", "is at work"])?;
    process::signal(first.0.id().cast_signed(), Signal::CONT);
    assert!(wait_for("the first restore to end", || Ok(first.0.try_wait()?))?.success());
    restore(&site, &target, &["--backup", "latest"])?.status_is(4)?.says(&["not empty"])?;
    Ok(())
}

/// Lines that would start the origin, stop recovery early, or run commands against the origin's archive, in a
/// file that postgresql.conf includes.
fn included_settings(install: &'static Installation) -> Outcome {
    let origin = Server::builder(install).setting("archive_mode", "on").create()?;
    let (elsewhere, ran) = (origin.scratch().join("hba.conf"), origin.scratch().join("ran"));
    fs::rename(origin.data().join("pg_hba.conf"), &elsewhere)?;
    let included = format!(
        "data_directory = '{}'\nhba_file = '{}'\nrecovery_target_name = 'early'\nrecovery_min_apply_delay = '1h'\n\
         archive_cleanup_command = 'touch {ran}'\nrecovery_end_command = 'touch {ran}'\n",
        origin.data().display(),
        elsewhere.display(),
        ran = ran.display()
    );
    let file = origin.scratch().join("included.conf");
    account().write(&file, included, 0o600)?;
    origin.append_setting("include", &format!("'{}'", file.display()))?;
    origin.start()?;
    origin.sql("create table t as select n from generate_series(1, 1000) n")?;
    let site = site_of(&origin)?;
    site.run(&["backup"])?.ok()?;
    origin.sql("select pg_create_restore_point('early'); insert into t select n from generate_series(1, 1000) n")?;
    origin.archive_all()?;

    let target = site.path("target");
    restore(&site, &target, &["--to", "latest"])?.ok()?;
    let hba = target.join("pg_hba.conf");
    assert!(fs::read_to_string(&hba)?.contains("peer"), "a private one takes the place of the origin's");
    account().write(&hba, "local all all trust\n", 0o600)?;
    let restored = opened(install, &target)?;
    assert_eq!(restored.value("show data_directory")?, target.display().to_string());
    assert_eq!(restored.value("show hba_file")?, target.join("pg_hba.conf").display().to_string());
    assert_eq!(restored.value("select count(*) from t")?, "2000");
    assert!(!ran.exists(), "a command of the origin ran");
    Ok(())
}

/// Replay demands what the origin had, wherever it had it from.
fn settings_of_the_command_line(install: &'static Installation) -> Outcome {
    let mut origin = Server::builder(install).setting("archive_mode", "on").create()?;
    origin.override_setting("max_connections", "150");
    origin.override_setting("max_worker_processes", "12");
    origin.start()?;
    let site = site_of(&origin)?;
    site.run(&["backup"])?.ok()?;
    let target = site.path("target");
    restore(&site, &target, &["--to", "latest"])?.ok()?;
    let restored = opened(install, &target)?;
    assert_eq!(restored.value("show max_connections")?, "150");
    Ok(())
}

/// A name that a shell, a configuration file and a list of directories each read in their own way.
fn odd_target(install: &'static Installation) -> Outcome {
    let origin = Server::builder(install).setting("archive_mode", "on").create()?;
    let config = origin.scratch().join("conf.d/../postgresql.conf");
    account().make_dir(&origin.scratch().join("conf.d"))?;
    fs::rename(origin.data().join("postgresql.conf"), &config)?;
    let mut origin = origin;
    origin.override_setting("config_file", &config.display().to_string());
    origin.override_setting("hba_file", &origin.data().join("pg_hba.conf").display().to_string());
    origin.override_setting("ident_file", &origin.data().join("pg_ident.conf").display().to_string());
    let site = Site::new(&origin)?;
    let text = fs::read_to_string(&config)?;
    account().write(&config, format!("{text}archive_command = {}\n", site.archive_command()), 0o600)?;
    origin.start()?;
    origin.sql("create table t as select n from generate_series(1, 1000) n")?;
    site.init()?;
    site.run(&["backup"])?.ok()?;

    let scratch = Scratch::new()?;
    let target = scratch.join("it's, 100% \"a\" $x \\n");
    restore(&site, &target, &["--to", "latest"])?.ok()?;
    let captured = target.join("pgcairn_config").join(origin.scratch().join("postgresql.conf").strip_prefix("/")?);
    assert!(captured.exists(), "{} is not there", captured.display());
    let mut postgres = account().command(install.program("postgres"));
    let log = fs::File::create(scratch.join("log"))?;
    let mut child = Killed(postgres.arg("-D").arg(&target).stderr(log).stdout(Stdio::null()).spawn()?);
    let mut client = postgres::Config::new();
    client.host_path(&target).port(PORT).user(&account().name).dbname("postgres");
    wait_for("the restored server in its own directory", || {
        if child.0.try_wait()?.is_some() {
            return Err(fs::read_to_string(scratch.join("log"))?.into());
        }
        let ready = target.join(format!(".s.PGSQL.{PORT}")).exists();
        let log = fs::read_to_string(scratch.join("log"))?;
        Ok((ready && log.contains("ready to accept connections")).then_some(()))
    })?;
    Ok(())
}

/// Every way to replace a file while it is copied; afterwards every row must be there.
fn changes_under_the_copy(install: &'static Installation) -> Outcome {
    let origin = Server::builder(install).setting("archive_mode", "on").start()?;
    for number in 0..4 {
        origin.sql(&format!(
            "create unlogged table u{number} as select n, repeat('x', 100) x from generate_series(1, 20000) n;
             create table l{number} as table u{number}; create index on l{number} (n)"
        ))?;
    }
    let mut site = Site::new(&origin)?;
    site.configure("[backup]\nmax_rate = \"8MiB\"\njobs = 2\n")?;
    site.init()?;
    site.archive_from(&origin)?;
    let before = origin.segment()?;
    let mut backup = Killed(site.command(&["backup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    // It ends a segment before it copies.
    wait_for("the copy to begin", || Ok((origin.segment()? != before).then_some(())))?;
    let mut round = 0;
    while backup.0.try_wait()?.is_none() {
        change(&origin, round)?;
        round += 1;
    }
    assert!(backup.0.wait()?.success() && round > 2, "{round} rounds");
    let sums = sums(&origin)?;
    origin.archive_all()?;
    origin.stop(Shutdown::Fast)?;
    let target = site.path("target");
    restore(&site, &target, &["--to", "latest"])?.ok()?;
    let restored = opened(install, &target)?;
    assert_eq!(self::sums(&restored)?, sums);
    Ok(())
}

fn change(origin: &Server, round: usize) -> Outcome {
    let (n, strategy) = (round % 4, origin.database_strategy(round));
    let kind = if round.is_multiple_of(8) { "logged" } else { "unlogged" };
    origin.sql(&format!("create database d{round} {strategy}"))?;
    for text in [
        format!("alter table u{n} set {kind}"),
        format!("update l{n} set n = n + 1 where n % 7 = 0"),
        format!("vacuum full l{n}"),
        format!("create table m{round} as select * from l{n}; truncate l{n}; insert into l{n} table m{round}"),
        format!("reindex table l{n}"),
        format!("insert into u{n} select n, 'y' from generate_series(1, 10) n"),
        "checkpoint".to_owned(),
    ] {
        origin.sql(&text)?;
    }
    // Those of the round before last go.
    match round.checked_sub(2) {
        Some(old) => origin
            .sql(&format!("drop table m{old}"))
            .and_then(|_| origin.sql(&format!("drop database d{old}")))
            .map(drop),
        None => Ok(()),
    }
}

/// Rows of every logged table, and the databases.
fn sums(server: &Server) -> Outcome<Vec<Vec<String>>> {
    let names = server.sql("select relname from pg_class where relname ~ '^[ulm][0-9]+$' and relkind = 'r' and relpersistence = 'p' order by 1")?;
    let mut found = server.sql("select datname from pg_database order by 1")?;
    for name in names.into_iter().flatten() {
        found.extend(server.sql(&format!("select '{name}', count(*), sum(n), sum(length(x)) from {name}"))?);
    }
    Ok(found)
}

/// One second's worth of a low rate is soon read, and then a worker waits for long.
fn interrupt_at_a_low_rate(install: &'static Installation) -> Outcome {
    let origin = Server::builder(install).setting("archive_mode", "on").start()?;
    // The first that is read, and all of it is not zero.
    account().write(&origin.data().join("0"), vec![b'x'; 1 << 20], 0o600)?;
    let mut site = Site::new(&origin)?;
    site.configure("[backup]\nmax_rate = \"1KiB\"\n")?;
    site.init()?;
    site.archive_from(&origin)?;
    // Looked at before: the backup ends this segment, perhaps at once.
    let key = origin.segment()?;
    let mut backup = Killed(site.command(&["backup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    wait_for("the first segment", || Ok((!site.objects(&key)?.is_empty()).then_some(())))?;
    std::thread::sleep(Duration::from_secs(1));
    process::signal(backup.0.id().cast_signed(), Signal::TERM);
    let status = wait_for("the interrupted backup to end", || Ok(backup.0.try_wait()?))?;
    assert_eq!(status.code(), Some(130));
    Ok(())
}

/// A clone that archived first has objects of these names; the origin's own WAL is not there.
fn segments_of_a_clone(install: &'static Installation) -> Outcome {
    if !full_length() {
        return skip("waits a minute for WAL that does not arrive: make test-all");
    }
    let (_origin, site) = archived_by_a_clone(install)?;
    site.run(&["backup"])?.status_in(1..=12)?.says(&["did not arrive", "archive_command last failed"])?;
    Ok(())
}

/// Its WAL is not in the repository, whatever is there under the same names.
fn flush_beside_a_clone(install: &'static Installation) -> Outcome {
    let (_origin, site) = archived_by_a_clone(install)?;
    site.run(&["wal", "flush", "--timeout", "1s"])?.status_is(12)?.says(&["did not arrive"])?;
    Ok(())
}

/// A server that archives no more, and a repository with somebody else's segments under its next names.
fn archived_by_a_clone(install: &'static Installation) -> Outcome<(Server, Site)> {
    let (origin, site) = backed_up(install)?;
    origin.append_setting("archive_command", "'test -f %p && exit 1'")?;
    origin.reload()?;
    let theirs =
        site.objects("/0000000100000000000000")?.into_iter().find(|path| path.to_string_lossy().ends_with("zst.age"));
    let theirs: PathBuf = theirs.ok_or("no segment is archived")?;
    for number in 1..40 {
        let name = format!("{:024X}.zst.age", (1u128 << 64) + number);
        let path = theirs.with_file_name(name);
        if !path.exists() {
            account().write(&path, fs::read(&theirs)?, 0o640)?;
        }
    }
    Ok((origin, site))
}
