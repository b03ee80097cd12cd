//! The command line as it is used: what it says, and the exit status it leaves.

mod config;
mod dump;
mod exit;
mod expire;
mod help;
mod incident;
mod key;
mod metrics;
mod notify;
mod ownership;
mod passphrase;
mod recovery_sheet;
mod report;
mod service;
mod status;
mod support;
mod verified;
mod verify;
