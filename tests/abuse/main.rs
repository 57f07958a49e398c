//! A hostile client against a real server: floods, silence, slowness and lies. While it runs, an
//! honest client is served, the memory of the server is bounded, and afterwards nothing of it
//! remains.
//!
//! `make abuse` ends with a table. With `make abuse STRICT=1`, each attack lasts longer, and the
//! honest client's 99th percentile may at most double.

mod arrival;
mod calls;
mod connections;
mod floods;
mod honest;
mod hostile;
mod table;
mod tls;
mod trial;
mod web;

#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../access/access_file.rs"]
mod access_file;
#[path = "../common/certificates.rs"]
mod certificates;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../faults/process.rs"]
mod process;
#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../e2e/raw.rs"]
mod raw;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/server.rs"]
mod server;
#[allow(dead_code, reason = "another suite uses the rest of it")]
#[path = "../faults/usage.rs"]
mod usage;
