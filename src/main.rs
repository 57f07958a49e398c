//! The `frameway` command.

use std::process::ExitCode;

/// Pictures come and go by the hundreds a second: the system's allocator would give their pages back and take them anew each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    frameway::cli::run()
}
