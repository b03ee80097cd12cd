//! What comes back in files, and is loaded by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::{Stage, TABLES, texts};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;
use crate::support::server::run;

pub fn files(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let place = stage.site.path("files");
    account().make_dir(&place)?;
    let all = TABLES.map(|table| format!("app.{table}")).join(",");
    for name in ["rows.dump", "rows.sql"] {
        let path = place.join(name).display().to_string();
        let result = stage.restore(&all, &["--output", &path, "--to", &stage.before])?.ok()?.result()?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(result["tables"][0]["rows"], 903);
        let needs = texts(&result, "needs");
        assert!(needs.contains(&"type public.mood") && needs.contains(&"table public.customers"), "{needs:?}");
        let database = name.replace('.', "_");
        stage.server.sql(&format!("create database {database}"))?;
        let before = "create type mood as enum ('sad', 'glad'); create domain amount as numeric(10, 2);
            create schema \"My Schema\"; create schema parts;
            create function noted() returns trigger language plpgsql as $$ begin return new; end $$;
            create table customers (id int primary key); insert into customers select generate_series(1, 50)";
        stage.server.sql_in(&database, before)?;
        let command = result["commands"].as_array().and_then(|all| all.last()?["command"].as_str());
        let by_hand = command.unwrap_or("false").replace("-d app ", &format!("-d {database} "));
        let mut shell = stage.server.program("psql");
        let environment: Vec<_> = shell.get_envs().filter_map(|(n, v)| Some((n.to_owned(), v?.to_owned()))).collect();
        shell = account().command("/bin/sh");
        run(shell.envs(environment).args(["-c", &by_hand]))?;
        for (table, held) in TABLES.iter().zip(&stage.held) {
            assert_eq!(&stage.content_in(&database, table)?, held, "{name}: {table}");
        }
    }
    // One file for each database; and what is there stays.
    let path = place.join("both.dump").display().to_string();
    let words = ["--output", &path, "--backup", "latest"];
    let result = stage.restore("app.public.animals,shop.public.items", &words)?.ok()?.result()?;
    let names: Vec<_> = fs::read_dir(&place)?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(place.join("both.app.dump").exists() && place.join("both.shop.dump").exists(), "{names:?}");
    assert_eq!(result["tables"][1]["rows"], 9);
    let held = fs::read(place.join("both.shop.dump"))?;
    stage.restore("app.public.animals,shop.public.items", &words)?.status_is(6)?;
    assert!(fs::read(place.join("both.shop.dump"))? == held);
    Ok(())
}

/// Half a file is no file.
pub fn full_disk(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let place = stage.site.path("files");
    let small = Mounted::over(&place, "size=64k,mode=777")?;
    let path = place.join("rows.sql").display().to_string();
    let said = stage.restore("app.public.orders", &["--output", &path, "--to", &stage.before]);
    let left = fs::read_dir(&place)?.count();
    drop(small);
    said?.status_is(1)?.says(&["pg_dump of app failed", "No space left"])?;
    assert_eq!(left, 0);
    Ok(())
}
