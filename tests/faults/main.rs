//! Faults: real processes, a real Redis, real signals; afterwards every frame is counted.
//!
//! `make faults ROUNDS=100` runs more rounds. The seed of each test is printed; `SEED=n` repeats it.

mod campaign;
#[path = "../common/mod.rs"]
mod common;
mod failover;
mod ledger;
mod live;
mod outage;
mod poison;
mod process;
mod rolling;
mod server;
mod shutdown;
mod traffic;
mod worker;
