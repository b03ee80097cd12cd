//! `demo`: the main job on a throw-away server, from the first row to the recovered one. The operations are
//! the ones that a person calls; only the server, its data and its misfortune are made up.

mod comparison;
mod place;
mod shop;
mod story;
mod writers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::postgres::Client;
use jiff::Timestamp;

use super::{Context, backup, init, key, own_program, restore, signing_key, wal};
use crate::config::{Config, identity};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::plan::settings_file::Setting;
use crate::model::plan::target::Target;
use crate::postgres::{End, Failure, Installation, Launch, Origin, ScratchServer, USUAL_SUPERUSER};
use crate::report::Listener;
use crate::report::backup::Backup;
use crate::report::demo::Demo;
use crate::report::restore::Restore;
use crate::report::text::{bytes, count, grouped, seconds};
use comparison::Comparison;
use place::Place;
use shop::{LaterCustomers, Mistake};
use story::Story;
use writers::{Order, Taken, Writers};

/// Orders that are taken between the backup and the mistake: only WAL has them.
const ORDERS_AFTER_BACKUP: u64 = 1000;

/// Both servers are small.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// For the archiver to bring the segment that holds the mistake.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Where `initdb` and `postgres` are; `None` looks in the usual places.
    pub bindir: Option<PathBuf>,
    /// Leave everything in place afterwards.
    pub keep: bool,
}

/// Whatever ends it, a failure or a signal too: its servers are stopped and its directory is removed.
pub fn run(request: &Request, interrupt: &Interrupt, listener: &dyn Listener) -> Result<Demo> {
    let began = Instant::now();
    let installation = Installation::find(request.bindir.as_deref())?;
    own_program::refuse_unreachable()?;
    let place = Place::new().map_err(elsewhere)?;
    let stage = Stage { story: Story::new(listener), place: &place, installation, interrupt };
    let mut demo = stage.play(request.keep).map_err(elsewhere)?;
    demo.kept = place.close(request.keep)?;
    demo.seconds = began.elapsed().as_secs_f64();
    Ok(demo)
}

/// What goes wrong with the demo's own server has its cause outside of it: the disk, or that PostgreSQL.
fn elsewhere(error: Error) -> Error {
    match error.hint {
        None => {
            error.hint("try another disk, TMPDIR=DIR pgcairn demo, or another PostgreSQL: pgcairn demo --bindir DIR")
        }
        Some(_) => error,
    }
}

/// What every chapter stands on.
struct Stage<'a> {
    story: Story<'a>,
    place: &'a Place,
    installation: Installation,
    interrupt: &'a Interrupt,
}

/// What the chapters before the recovery left behind.
struct Loss {
    backup: Backup,
    taken: Taken,
    taken_before: TakenBefore,
    mistake: Mistake,
    later: LaterCustomers,
}

/// Orders that the writers had taken when the backup began and when it was done.
#[derive(Clone, Copy)]
struct TakenBefore {
    backup: u64,
    its_end: u64,
}

impl Loss {
    fn during_backup(&self) -> u64 {
        self.taken_before.its_end - self.taken_before.backup
    }

    fn after_backup(&self) -> u64 {
        self.taken.orders.len() as u64 - self.taken_before.its_end
    }
}

impl Stage<'_> {
    fn play(&self, keep: bool) -> Result<Demo> {
        self.story.opening(self.place);
        let (origin, first) = self.origin()?;
        let context = self.repository(&origin)?;
        let loss = self.lose(&origin, &context)?;
        let restored = self.restore(&context, &loss.mistake)?;
        let (recovered, replay) = self.start_recovered(&restored)?;
        let comparison = self.compare(&recovered, &first, &loss)?;
        if keep {
            origin.stop()?;
            recovered.stop()?;
        }
        let later = loss.later.number;
        Ok(Demo {
            postgresql: self.installation.version.clone(),
            orders: comparison.orders.expected,
            customers: comparison.customers.expected,
            fingerprint: comparison.orders.fingerprint(),
            orders_during_backup: loss.during_backup(),
            orders_after_backup: loss.after_backup(),
            customers_after_mistake: later,
            dropped_by_transaction: loss.mistake.xid,
            dropped_at: loss.mistake.time,
            data_bytes: loss.backup.data_bytes,
            files: loss.backup.files,
            stored_bytes: loss.backup.stored_bytes,
            backup_seconds: loss.backup.seconds,
            wal_segments: restored.plan.wal_segments,
            wal_bytes: restored.plan.wal_bytes,
            restore_seconds: restored.done.as_ref().map_or(0.0, |done| done.seconds),
            replay_seconds: replay.as_secs_f64(),
            seconds: 0.0,
            kept: None,
        })
    }

    fn origin(&self) -> Result<(ScratchServer, Vec<Order>)> {
        self.story.chapter("A PostgreSQL server of our own, with something to lose");
        let data = self.place.origin();
        self.installation.create_cluster(&data)?;
        self.interrupt.check()?;
        let settings = [("archive_mode", "on"), ("log_statement", "ddl"), ("log_line_prefix", shop::LOG_LINE_PREFIX)];
        let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
        let launch = self.launch(&data, "origin-server", Origin::Ours, settings)?;
        let origin = ScratchServer::start(launch, LONGEST_SILENCE, self.interrupt)?;
        let first = shop::open(&mut session(&origin)?)?;
        let (orders, customers) = (grouped(shop::FIRST_ORDERS), grouped(shop::CUSTOMERS));
        let version = &self.installation.version;
        self.story.fact(format!("PostgreSQL {version} with page checksums, reached by a private socket only"));
        self.story.fact(format!("a shop with {customers} customers and {orders} orders"));
        Ok((origin, first))
    }

    fn launch<'a>(&'a self, data: &'a Path, room: &str, origin: Origin, settings: Vec<Setting>) -> Result<Launch<'a>> {
        let (room, superuser) = (self.place.room(room)?, USUAL_SUPERUSER.to_owned());
        Ok(Launch { installation: &self.installation, data, room, origin, superuser, port: None, settings })
    }

    /// As the first minutes on a real server go.
    fn repository(&self, origin: &ScratchServer) -> Result<Context> {
        self.story.chapter("A key, and a repository that only this key opens");
        let identity = self.place.identity();
        let key = key::run(&key::Request { output: identity.clone() }, Timestamp::now())?;
        let file = self.place.write_configuration(&key.recipient, &origin.connection())?;
        let mut context = Context {
            config: Config::read(&file)?,
            identities: Some(identity::read(&identity, || None)?),
            trusted: Vec::new(),
            now: Timestamp::now(),
            interrupt: self.interrupt.clone(),
        };
        self.story.command("key generate --output key.txt");
        self.story.command("init");
        init::run(&context, &init::Request::default())?;
        context.trusted = signing_key::trusted(&context.config)?;
        shop::set_archive_command(&mut session(origin)?, &context.archive_command())?;
        self.story.fact("the server has the public half only: it cannot read its own backups");
        self.story.fact("archive_command = 'pgcairn wal push %p' saves every change from now on");
        Ok(context)
    }

    /// Orders are taken from before the backup until there is no table for them any more.
    fn lose(&self, origin: &ScratchServer, context: &Context) -> Result<Loss> {
        std::thread::scope(|scope| {
            let mut writers = Writers::start(scope, origin, self.interrupt)?;
            let (backup, taken_before) = self.back_up(context, &mut writers)?;
            self.story.chapter("Life goes on, then somebody makes a mistake");
            writers.wait_until(taken_before.its_end + ORDERS_AFTER_BACKUP)?;
            let mistake = shop::clean_up(origin)?;
            let taken = writers.finish()?;
            let later = shop::later_customers(&mut session(origin)?)?;
            let loss = Loss { backup, taken, taken_before, mistake, later };
            self.tell_of(&loss);
            Ok(loss)
        })
    }

    fn tell_of(&self, loss: &Loss) {
        let (since, later) = (grouped(loss.after_backup()), loss.later.number);
        self.story.fact(format!("{since} orders after the backup, a clean-up script drops one table too many"));
        self.story.fact(format!("the shop fails: {}", loss.taken.complaint));
        self.story.fact(format!("{later} more customers sign up before anybody notices"));
        self.story.chapter("When was it? The server's log knows");
        self.story.quote(&loss.mistake.log_line);
        self.story.fact(format!("the state just before transaction {} is what is wanted", loss.mistake.xid));
    }

    fn back_up(&self, context: &Context, writers: &mut Writers<'_>) -> Result<(Backup, TakenBefore)> {
        self.story.chapter(&format!("A backup, while {} writers go on taking orders", writers::NUMBER));
        writers.wait_until(1)?;
        self.story.command("backup");
        let began = writers.committed();
        let backup = backup::run(context, &backup::Request::default(), &self.story.aside())?;
        let taken_before = TakenBefore { backup: began, its_end: writers.committed() };
        let (data, stored) = (bytes(backup.data_bytes), bytes(backup.stored_bytes));
        let (files, took) = (count(backup.files, "file"), seconds(backup.seconds));
        self.story.fact(format!("{data} in {files}, compressed and encrypted to {stored}, within {took}"));
        self.story.fact(format!("{} orders were taken meanwhile", grouped(taken_before.its_end - began)));
        Ok((backup, taken_before))
    }

    fn restore(&self, context: &Context, mistake: &Mistake) -> Result<Restore> {
        self.story.chapter("Recovery to the moment just before, into another directory");
        self.story.command("wal flush");
        wal::flush::run(context, &wal::flush::Request { timeout: FLUSH_TIMEOUT }, &self.story.aside())?;
        self.story.command(&format!(
            "restore --target-dir recovered --before-xid {}\n--action promote --identity key.txt",
            mistake.xid
        ));
        let request = restore::Request {
            target_dir: self.place.recovered(),
            backup: None,
            target: Target::Xid { xid: mistake.xid, inclusive: false },
            timeline: restore::TimelineChoice::Latest,
            action: restore::Action::Promote,
            tablespaces: Vec::new(),
            tablespaces_below: None,
            start: None,
            accept_unsigned: false,
            plan: false,
            jobs: None,
            identity: None,
        };
        let restored = restore::run(context, &request, &self.story.aside())?;
        let segments = count(restored.plan.wal_segments, "WAL segment");
        self.story.fact(format!("{segments} were read first: transaction {} is in them", mistake.xid));
        if let Some(done) = &restored.done {
            self.story.fact(format!("{} written within {}", bytes(done.bytes), seconds(done.seconds)));
        }
        Ok(restored)
    }

    /// The wanted state is there when the copy takes writes; then nothing is replayed any more.
    fn start_recovered(&self, restored: &Restore) -> Result<(ScratchServer, Duration)> {
        let began = Instant::now();
        let launch = self.launch(&restored.plan.target_dir, "recovered-server", Origin::Restored, Vec::new())?;
        let mut server = ScratchServer::launch(launch)?;
        server.wait_for_end(End::Promoted, LONGEST_SILENCE, self.interrupt)?;
        let replay = began.elapsed();
        self.story
            .fact(format!("PostgreSQL started on it and replayed the WAL within {}", seconds(replay.as_secs_f64())));
        Ok((server, replay))
    }

    fn compare(&self, recovered: &ScratchServer, first: &[Order], loss: &Loss) -> Result<Comparison> {
        self.story.chapter("Every row compared with what the writers were told is committed");
        let comparison = Comparison::make(&mut session(recovered)?, &[first, &loss.taken.orders])?;
        comparison.refuse_difference()?;
        let (orders, customers) = (&comparison.orders, &comparison.customers);
        let all = grouped(orders.expected);
        self.story.fact(format!("{all} of {all} orders are back, none is missing, changed or too many"));
        self.story.fact(format!("fingerprint on both sides: {}", orders.fingerprint()));
        let (all, later) = (grouped(customers.expected), loss.later.number);
        self.story.fact(format!("{all} customers with the right totals; the {later} later ones are not there"));
        Ok(comparison)
    }
}

/// In the schema of the shop.
fn session(server: &ScratchServer) -> Result<Client> {
    let mut client = server.client()?;
    client.batch_execute("SET search_path = public").map_err(sql)?;
    Ok(client)
}

/// What a statement of the demo's own met.
fn sql(error: ::postgres::Error) -> Error {
    Error::new(Code::Io, format!("the server of the demo says: {}", Failure(&error)))
}
