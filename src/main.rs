//! The `frameway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    frameway::cli::run()
}
