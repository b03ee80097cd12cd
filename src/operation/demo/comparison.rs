//! The recovered rows beside those that the writers remember, one by one and as a whole.

use std::collections::BTreeMap;

use ::postgres::Client;
use xxhash_rust::xxh3::xxh3_128;

use super::writers::Order;
use super::{shop, sql};
use crate::model::error::{Code, Error, Result};

const ORDERS: &str = "SELECT id, customer || '|' || cents || '|' || note FROM orders";
const CUSTOMERS: &str = "SELECT id, name || '|' || spent FROM customers";

/// A table's rows by their key.
type Rows = BTreeMap<i64, String>;

pub struct Comparison {
    pub orders: Table,
    pub customers: Table,
}

/// One table: what the writers remember against what was recovered.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub expected: u64,
    missing: u64,
    changed: u64,
    surplus: u64,
    /// Of all rows in any order, theirs and ours.
    fingerprints: [u128; 2],
}

impl Comparison {
    pub fn make(client: &mut Client, orders: &[&[Order]]) -> Result<Comparison> {
        let orders = || orders.iter().copied().flatten();
        let expected = orders().map(|o| (o.id, format!("{}|{}|{}", o.customer, o.cents, o.note))).collect();
        let mut spent: BTreeMap<i64, i64> = (1..=shop::CUSTOMERS as i64).map(|id| (id, 0)).collect();
        orders().for_each(|order| *spent.entry(order.customer).or_default() += order.cents);
        let totals = spent.into_iter().map(|(id, spent)| (id, format!("customer {id}|{spent}"))).collect();
        Ok(Comparison {
            orders: Table::compare(&expected, &read(client, ORDERS)?),
            customers: Table::compare(&totals, &read(client, CUSTOMERS)?),
        })
    }

    pub fn refuse_difference(&self) -> Result<()> {
        for (name, table) in [("orders", &self.orders), ("customers", &self.customers)] {
            if !table.is_equal() {
                let Table { missing, changed, surplus, .. } = table;
                let message = format!(
                    "the recovered table {name} is not what was committed: of {} rows {missing} are missing and \
                     {changed} changed, {surplus} are too many",
                    table.expected
                );
                return Err(Error::new(Code::Internal, message).hint("please report it: pgcairn demo --keep"));
            }
        }
        Ok(())
    }
}

impl Table {
    fn compare(expected: &Rows, found: &Rows) -> Table {
        let with = |same: fn(&String, &String) -> bool| {
            move |(id, row): &(&i64, &String)| found.get(*id).is_some_and(|other| same(other, row))
        };
        let there = expected.iter().filter(with(|_, _| true)).count();
        let equal = expected.iter().filter(with(|a, b| a == b)).count();
        Table {
            expected: expected.len() as u64,
            missing: (expected.len() - there) as u64,
            changed: (there - equal) as u64,
            surplus: found.keys().filter(|id| !expected.contains_key(id)).count() as u64,
            fingerprints: [fingerprint(expected), fingerprint(found)],
        }
    }

    fn is_equal(&self) -> bool {
        let [theirs, ours] = self.fingerprints;
        [self.missing, self.changed, self.surplus] == [0; 3] && theirs == ours
    }

    pub fn fingerprint(&self) -> String {
        format!("{:032x}", self.fingerprints[0])
    }
}

fn read(client: &mut Client, query: &str) -> Result<Rows> {
    let rows = client.query(query, &[]).map_err(sql)?;
    rows.iter().map(|row| Ok((row.try_get(0).map_err(sql)?, row.try_get(1).map_err(sql)?))).collect()
}

/// A sum of digests: the order of the rows does not matter.
fn fingerprint(rows: &Rows) -> u128 {
    rows.iter().map(|(id, row)| xxh3_128(format!("{id}|{row}").as_bytes())).fold(0, u128::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(i64, &str)]) -> Rows {
        rows.iter().map(|(id, row)| (*id, (*row).to_owned())).collect()
    }

    #[test]
    fn every_difference_is_counted() {
        let expected = rows(&[(1, "a"), (2, "b"), (3, "c")]);
        assert!(Table::compare(&expected, &expected.clone()).is_equal());
        for (found, counts) in [
            (rows(&[(1, "a"), (3, "c")]), [1, 0, 0]),
            (rows(&[(1, "a"), (2, "x"), (3, "c")]), [0, 1, 0]),
            (rows(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]), [0, 0, 1]),
            (rows(&[(1, "b"), (2, "a"), (4, "c")]), [1, 2, 1]),
        ] {
            let table = Table::compare(&expected, &found);
            assert_eq!([table.missing, table.changed, table.surplus], counts);
            assert!(!table.is_equal());
        }
    }
}
