//! Fault tests: real processes, a real Redis, real signals; afterwards each frame is counted.
//!
//! `make faults ROUNDS=100` runs more rounds and longer faults. It ends with a table of the rows,
//! with the seed of each: `SEED=n` repeats it.

mod campaign;
#[path = "../common/clients.rs"]
mod clients;
mod clock;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod erase;
mod failover;
mod fanout;
mod full;
mod group_faults;
mod group_ledger;
mod groups;
mod ledger;
mod live;
mod lossy;
mod outage;
mod poison;
mod process;
mod proxy;
mod registry;
mod replay;
mod restored;
mod rolling;
mod sentinel;
mod server;
mod shutdown;
mod silence;
mod stage;
mod store;
mod table;
mod traffic;
mod usage;
mod wire;
mod worker;
