//! The scenarios of `clients/scenarios.md`, each against servers of its own. Those that take long are
//! ignored unless `--include-ignored` is given.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test fails with a panic")]

mod breaks;
mod cursors;
mod errors;
mod groups;
mod publishing;
mod reading;
mod samples;
mod scripted;
#[path = "../support/mod.rs"]
mod support;
mod tls;
