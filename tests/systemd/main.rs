//! The units in `systemd/`, as systemd itself judges them.

mod units;
