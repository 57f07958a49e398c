//! The `frameway-bench` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    frameway::bench::run()
}
