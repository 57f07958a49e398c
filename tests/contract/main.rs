//! The contract over the wire: every field of every request with values outside its bounds, every limit at its maximum and
//! beyond, and what the comments promise of answers, repeats and dry runs.
//!
//! Fields and limits are found by walking the descriptor, so that a new one without a case fails.

// A test names the answer it expects; any other fails it.
#![allow(clippy::wildcard_enum_match_arm)]

#[path = "../skew/caller.rs"]
mod caller;
mod calls;
mod cases;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod json;
mod limits;
mod many_streams;
mod repeats;
mod samples;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/server.rs"]
mod server;
mod sizes;
#[path = "../skew/state.rs"]
mod state;
mod table;

use frameway::pb;
use prost_reflect::{DescriptorPool, MethodDescriptor};

/// The contract, as the server has it.
fn contract() -> DescriptorPool {
    DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("the server's contract")
}

/// All RPCs of all services.
fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The RPC of this name.
fn method(pool: &DescriptorPool, name: &str) -> MethodDescriptor {
    let found = methods(pool).into_iter().find(|method| method.name() == name);
    found.unwrap_or_else(|| panic!("no RPC {name}"))
}
