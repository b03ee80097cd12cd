//! The data of the demo and its misfortune: a shop whose orders are dropped.

use ::postgres::Client;
use jiff::Timestamp;

use super::sql;
use super::writers::Order;
use crate::model::error::{Code, Error, Result};
use crate::postgres::ScratchServer;

pub const CUSTOMERS: u64 = 1000;
pub const FIRST_ORDERS: u64 = 50_000;
const LATER_CUSTOMERS: u64 = 50;
/// Orders in one statement.
const BATCH: usize = 5000;

/// Time, then the transaction once it has a number.
pub const LOG_LINE_PREFIX: &str = "%m xid %x ";

const TABLES: &str = "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, spent bigint NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL, cents bigint NOT NULL, note text NOT NULL);
    CREATE TABLE orders_import (line bigint, content text);
    INSERT INTO orders_import SELECT n, 'line ' || n FROM generate_series(1, 1000) AS n";

const SIGN_UP: &str = "INSERT INTO customers SELECT n, 'customer ' || n, 0 FROM generate_series($1::bigint, $2) AS n";

const TAKE_MANY: &str = "INSERT INTO orders SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])";

const ADD_UP: &str = "UPDATE customers SET spent = total
    FROM (SELECT customer, sum(cents) AS total FROM orders GROUP BY customer) AS added WHERE id = customer";

const MISTAKE: &str = "DROP TABLE orders";

/// One transaction; the script means its first table. By the second statement it has a number, which the
/// server's log shows.
const CLEAN_UP: [&str; 4] = ["BEGIN", "DROP TABLE orders_import", MISTAKE, "COMMIT"];

/// Tables, and the orders of before.
pub fn open(client: &mut Client) -> Result<Vec<Order>> {
    client.batch_execute(TABLES).map_err(sql)?;
    client.execute(SIGN_UP, &[&1_i64, &(CUSTOMERS as i64)]).map_err(sql)?;
    let orders: Vec<Order> = (1..=FIRST_ORDERS as i64).map(Order::new).collect();
    for batch in orders.chunks(BATCH) {
        let ids: Vec<i64> = batch.iter().map(|order| order.id).collect();
        let customers: Vec<i64> = batch.iter().map(|order| order.customer).collect();
        let cents: Vec<i64> = batch.iter().map(|order| order.cents).collect();
        let notes: Vec<&str> = batch.iter().map(|order| order.note.as_str()).collect();
        client.execute(TAKE_MANY, &[&ids, &customers, &cents, &notes]).map_err(sql)?;
    }
    client.batch_execute(ADD_UP).map_err(sql)?;
    Ok(orders)
}

/// As an administrator does it on a running server.
pub fn set_archive_command(client: &mut Client, command: &str) -> Result<()> {
    let value = command.replace('\'', "''");
    client.batch_execute(&format!("ALTER SYSTEM SET archive_command = '{value}'")).map_err(sql)?;
    client.batch_execute("SELECT pg_reload_conf()").map_err(sql)
}

/// What the server's log tells of the drop.
pub struct Mistake {
    pub xid: u32,
    pub time: Timestamp,
    pub log_line: String,
}

pub fn clean_up(server: &ScratchServer) -> Result<Mistake> {
    let mut session = super::session(server)?;
    for statement in CLEAN_UP {
        session.batch_execute(statement).map_err(sql)?;
    }
    let log = server.log();
    let line = log.lines().rfind(|line| line.ends_with(&format!(" {MISTAKE}")));
    let mistake = line.and_then(read_log_line);
    mistake.ok_or_else(|| Error::new(Code::Internal, format!("the server's log does not show {MISTAKE}")))
}

/// `2026-11-20 16:20:01.125 UTC xid 742 LOG:  statement: DROP TABLE orders`
fn read_log_line(line: &str) -> Option<Mistake> {
    let (time, rest) = line.split_once(" xid ")?;
    let xid = rest.split(' ').next()?.parse().ok().filter(|xid| *xid > 0)?;
    let time = time.strip_suffix(" UTC")?.parse::<jiff::civil::DateTime>().ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Mistake { xid, time, log_line: line.to_owned() })
}

/// Committed after the mistake, so they must not come back.
pub struct LaterCustomers {
    pub number: u64,
}

pub fn later_customers(client: &mut Client) -> Result<LaterCustomers> {
    let (first, last) = (CUSTOMERS + 1, CUSTOMERS + LATER_CUSTOMERS);
    let number = client.execute(SIGN_UP, &[&(first as i64), &(last as i64)]).map_err(sql)?;
    Ok(LaterCustomers { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_the_transaction() {
        let line = "2026-11-20 16:20:01.125 UTC xid 742 LOG:  statement: DROP TABLE orders";
        let mistake = read_log_line(line).unwrap();
        assert_eq!((mistake.xid, mistake.time.to_string().as_str()), (742, "2026-11-20T16:20:01.125Z"));
        assert!(read_log_line(&line.replace("742", "0")).is_none());
        assert!(read_log_line("").is_none());
    }
}
