//! The server that a dump is loaded into: empty, of our own, and of no use for anything else.

use std::path::Path;

use super::chosen::Chosen;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::plan::settings_file::Setting;
use crate::operation::scratch::{Place, said};
use crate::postgres::{
    ClientPrograms, Installation, LONGEST_SILENCE, Launch, Need, Origin, ScratchServer, USUAL_SUPERUSER,
};

/// An empty cluster, its WAL at its largest, and what is read at once.
const EMPTY: u64 = 512 << 20;
/// In halves: of each byte of a dump so many in the server, indexes among them. Nobody knows before.
const HALVES: u64 = 3;

/// What is lost with the machine was to be thrown away.
const SETTINGS: [(&str, &str); 7] = [
    ("cluster_name", "drill of a dump"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "256MB"),
];

pub struct Made {
    pub installation: Installation,
    pub programs: ClientPrograms,
    pub server: ScratchServer,
}

/// What it takes is looked for before anything is written.
pub fn make(dump: &Chosen, bindir: Option<&Path>, place: &Place, interrupt: &Interrupt) -> Result<Made> {
    let installation = Installation::find_from(dump.major(), bindir)?;
    let because = format!("the server is PostgreSQL {}", installation.major());
    let need = Need { major: installation.major(), because: &because, program: "pg_restore" };
    let programs = ClientPrograms::find(&need, bindir)?;
    place.refuse_less_than(EMPTY + dump.summary.totals.data_bytes / 2 * HALVES)?;
    let data = place.data();
    installation.create_cluster(&data)?;
    interrupt.check()?;
    let launch = Launch {
        installation: &installation,
        data: &data,
        room: place.room()?,
        origin: Origin::Restored,
        superuser: USUAL_SUPERUSER.to_owned(),
        port: None,
        settings: SETTINGS.map(|(name, value)| -> Setting { (name, value.to_owned()) }).to_vec(),
    };
    let mut server = ScratchServer::start(launch, LONGEST_SILENCE, interrupt)?;
    prepare(&mut server)?;
    Ok(Made { installation, programs, server })
}

/// The roles of the dump may bar the one that `initdb` made from logging in, or give it settings. And its databases
/// may have the name of the one that `initdb` made.
fn prepare(server: &mut ScratchServer) -> Result<()> {
    let role = format!("pgcairn_drill_{:08x}", rand::random::<u32>());
    let mut session = server.session("template1")?;
    session.batch_execute(&format!("CREATE ROLE {role} SUPERUSER LOGIN")).map_err(said)?;
    session.batch_execute("DROP DATABASE postgres").map_err(said)?;
    server.act_as(role);
    Ok(())
}
