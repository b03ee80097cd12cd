//! Concurrent writers: they take orders until the table is gone, and remember what they were told is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ::postgres::Client;
use ::postgres::error::SqlState;

use super::{shop, sql};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::postgres::ScratchServer;

pub const NUMBER: usize = 4;

/// Between two orders of one writer: the machine is needed for other things too.
const PAUSE: Duration = Duration::from_millis(2);
const POLL: Duration = Duration::from_millis(10);
/// For a machine that commits next to nothing.
const TIMEOUT: Duration = Duration::from_secs(120);

const INSERT: &str = "INSERT INTO orders VALUES ($1, $2, $3, $4)";
const ADD: &str = "UPDATE customers SET spent = spent + $2 WHERE id = $1";

const AMOUNTS: [&str; 8] = ["one", "two", "three", "four", "five", "six", "a dozen", "a pair of"];
const KINDS: [&str; 8] = ["small", "large", "red", "blue", "green", "used", "broken", "golden"];
const THINGS: [&str; 8] = ["lamps", "chairs", "kettles", "books", "bicycles", "maps", "clocks", "boots"];
const WISHES: [&str; 8] =
    ["gift wrapped", "ring twice", "leave it at the door", "by Friday", "no hurry", "to the office", "", "fragile"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: i64,
    pub customer: i64,
    pub cents: i64,
    pub note: String,
}

impl Order {
    pub fn new(id: i64) -> Order {
        let [amount, kind, thing, wish, a, b, c, d]: [u8; 8] = rand::random();
        let word = |words: &[&'static str; 8], random: u8| words[usize::from(random % 8)];
        let [amount, kind] = [word(&AMOUNTS, amount), word(&KINDS, kind)];
        let [thing, wish] = [word(&THINGS, thing), word(&WISHES, wish)];
        Order {
            id,
            customer: 1 + i64::from(u16::from_be_bytes([a, b])) % shop::CUSTOMERS as i64,
            cents: 100 + i64::from(u16::from_be_bytes([c, d])),
            note: format!("{amount} {kind} {thing}, {wish}"),
        }
    }
}

struct Shared {
    next_id: AtomicI64,
    committed: AtomicU64,
    enough: AtomicBool,
}

pub struct Writers<'s> {
    shared: Arc<Shared>,
    interrupt: Interrupt,
    threads: Vec<ScopedJoinHandle<'s, Result<Written>>>,
}

/// Of one writer: what was committed, and what ended it.
struct Written {
    orders: Vec<Order>,
    complaint: Option<String>,
}

/// Of all writers.
pub struct Taken {
    pub orders: Vec<Order>,
    /// What the first one was told when the table was gone.
    pub complaint: String,
}

impl<'s> Writers<'s> {
    pub fn start(scope: &'s Scope<'s, '_>, server: &ScratchServer, interrupt: &Interrupt) -> Result<Writers<'s>> {
        let next_id = AtomicI64::new(shop::FIRST_ORDERS as i64 + 1);
        let shared = Arc::new(Shared { next_id, committed: AtomicU64::new(0), enough: AtomicBool::new(false) });
        let mut writers = Writers { shared, interrupt: interrupt.clone(), threads: Vec::new() };
        for _ in 0..NUMBER {
            let (client, shared) = (super::session(server)?, Arc::clone(&writers.shared));
            writers.threads.push(scope.spawn(move || write(client, &shared)));
        }
        Ok(writers)
    }

    /// Orders committed so far.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::SeqCst)
    }

    pub fn wait_until(&mut self, number: u64) -> Result<()> {
        let since = Instant::now();
        while self.committed() < number {
            self.interrupt.check()?;
            if let Some(ended) = self.threads.iter().position(ScopedJoinHandle::is_finished) {
                join(self.threads.swap_remove(ended))?;
            }
            if self.threads.is_empty() || since.elapsed() > TIMEOUT {
                let seconds = since.elapsed().as_secs();
                let message = format!("{} orders were taken within {seconds} s, not {number}", self.committed());
                return Err(Error::new(Code::Io, message));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The table is gone: each of them has met that, or will.
    pub fn finish(mut self) -> Result<Taken> {
        let (mut orders, mut complaint) = (Vec::new(), None);
        for thread in self.threads.drain(..) {
            let written = join(thread)?;
            orders.extend(written.orders);
            complaint = complaint.or(written.complaint);
        }
        let unharmed = || Error::new(Code::Internal, "the writers did not notice that their table is gone");
        Ok(Taken { orders, complaint: complaint.ok_or_else(unharmed)? })
    }
}

fn join(thread: ScopedJoinHandle<'_, Result<Written>>) -> Result<Written> {
    thread.join().unwrap_or_else(|_| Err(Error::new(Code::Internal, "a writer panicked")))
}

impl Drop for Writers<'_> {
    /// Whatever went wrong, the scope waits for its threads.
    fn drop(&mut self) {
        self.shared.enough.store(true, Ordering::SeqCst);
    }
}

fn write(mut client: Client, shared: &Shared) -> Result<Written> {
    let mut written = Written { orders: Vec::new(), complaint: None };
    while !shared.enough.load(Ordering::SeqCst) {
        let order = Order::new(shared.next_id.fetch_add(1, Ordering::SeqCst));
        match take(&mut client, &order) {
            Ok(()) => {
                written.orders.push(order);
                shared.committed.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                written.complaint = error.as_db_error().map(|said| format!("{}: {}", said.severity(), said.message()));
                break;
            }
            Err(error) => return Err(sql(error)),
        }
        thread::sleep(PAUSE);
    }
    Ok(written)
}

/// The order and the customer's total, in one transaction.
fn take(client: &mut Client, order: &Order) -> std::result::Result<(), ::postgres::Error> {
    let mut transaction = client.transaction()?;
    transaction.execute(INSERT, &[&order.id, &order.customer, &order.cents, &order.note])?;
    transaction.execute(ADD, &[&order.customer, &order.cents])?;
    transaction.commit()
}
