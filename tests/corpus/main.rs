//! Broken and hostile pictures, created in code. Each ends as a typed error or as a picture, in
//! bounded time and memory, in the decoder and in a real server.

// Tests match the expected answer and panic on all others.
#![allow(clippy::wildcard_enum_match_arm)]

mod case;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod decode;
mod jpeg;
mod memory;
mod mutate;
mod png;
mod raw;
#[allow(dead_code, reason = "each user takes a part of it")]
#[path = "../common/server.rs"]
mod server;
mod serving;
mod transcode;
mod webp;
mod webp_codes;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts the allocations of Rust code. Those of libjpeg-turbo show only in the resident memory of
/// the process.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Lets one test run at a time, because memory and time are measured for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
