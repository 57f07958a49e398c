//! Faults: real processes, a real Redis, real signals; afterwards every frame is counted.
//!
//! `make faults ROUNDS=100` runs more rounds. The seed of each test is printed; `SEED=n` repeats it.

mod campaign;
#[path = "../common/mod.rs"]
mod common;
mod groups;
mod ledger;
mod outage;
mod poison;
mod process;
mod server;
mod traffic;
mod worker;
