//! Broken and hostile pictures, made in code: each ends as a typed error or as a picture, in bounded time and memory,
//! at the decoder and behind a real server.

// A test names the answer it expects; any other fails it.
#![allow(clippy::wildcard_enum_match_arm)]

mod case;
#[path = "../common/clients.rs"]
mod clients;
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
mod webp;
mod webp_codes;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts what Rust code allocates; what libjpeg-turbo takes is seen in the process' resident memory only.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// One test at a time: memory and time are those of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
