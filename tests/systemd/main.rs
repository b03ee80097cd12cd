//! The units in `systemd/` and what `schedule` adds to them, as systemd itself judges them.

mod schedule;
mod units;
