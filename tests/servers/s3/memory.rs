//! The memory bound on S3, where an object that is sent lies in memory until the store has it: also when every one of
//! them is kept waiting while the workers go on.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use super::archiving;
use super::server::{Fault, S3Server};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::{Outcome, full_length, peak, skip};

const MAIN_MAJOR: u32 = 18;
/// Most workers that have packs of full size, and so what takes most memory.
const JOBS: &str = "3";
/// More than three workers hold at once, in packs and on their way.
const FILES: usize = 7;
const FILE_MIB: usize = 64;
/// Longer than it takes to fill a pack.
const PAUSE: Duration = Duration::from_secs(2);
/// As many objects as there are workers, several times over.
const STALLED: usize = 9;

pub fn stalled_objects(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("tried with the main major; all of them under make test-all");
    }
    let store = S3Server::start();
    let (server, mut site) = archiving(install, &store)?;
    site.configure(&format!("[backup]\njobs = {JOBS}\n"))?;
    ballast(&server)?;
    let stalls = [Fault::Stalls(PAUSE); STALLED];
    store.ambush("PUT", "/packs/", &stalls);
    peak::within_bound(&mut site.command(&["backup"]), "backup to S3")?;
    let packs =
        store.take().iter().filter(|request| request.starts_with("PUT ") && request.contains("/packs/")).count();
    assert!(packs > STALLED, "{packs} packs");
    store.ambush("GET", "/packs/", &stalls);
    let room = Scratch::new()?;
    let mut restore = site.command(&["restore", "--backup", "latest", "--jobs", JOBS, "--target-dir"]);
    restore.arg(room.join("restored")).env("PGCAIRN_IDENTITY", site.identity());
    peak::within_bound(&mut restore, "restore from S3")?;
    store.ambush("GET", "/packs/", &stalls);
    let mut verify = site.command(&["verify"]);
    verify.env("PGCAIRN_IDENTITY", site.identity());
    peak::within_bound(&mut verify, "verification on S3")
}

/// Files of no relation, which do not compress.
fn ballast(server: &Server) -> Outcome {
    let mut random = fs::File::open("/dev/urandom")?;
    let mut part = vec![0; 1 << 20];
    for number in 0..FILES {
        let path = server.data().join(format!("ballast.{number}"));
        let mut file = fs::File::create(&path)?;
        for _ in 0..FILE_MIB {
            random.read_exact(&mut part)?;
            file.write_all(&part)?;
        }
        account().own(&path)?;
    }
    Ok(())
}
