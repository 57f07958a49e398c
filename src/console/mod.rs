//! The parts that `frameway`, its demo and `frameway-bench` share: failures and exit codes, output,
//! the security of connections, and pictures from files.

pub(crate) mod cleanup;
mod failure;
pub(crate) mod latency;
pub(crate) mod ledger;
pub(crate) mod output;
mod security;
pub(crate) mod sources;
mod video;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

pub(crate) use failure::{Failure, failure_while, refused};
pub(crate) use security::{SecurityArgs, VARIABLES};

/// Parses the command line of the program `name` and runs it.
pub(crate) fn run<P: Parser>(name: &str, command: impl AsyncFnOnce(P) -> Result<(), Failure>) -> ExitCode {
    let parsed = match P::try_parse() {
        Ok(parsed) => parsed,
        Err(error) => return not_parsed(name, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &Failure::Failed(error.into())),
    };
    let ended = runtime.block_on(command(parsed));
    // Do not wait for blocking work, which may never end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(name, &failure),
    }
}

/// Prints the failure on one line and returns its exit code.
fn failed(name: &str, failure: &Failure) -> ExitCode {
    let (error, code) = match failure {
        Failure::Usage(error) => (error, 2),
        Failure::Failed(error) => (error, 1),
    };
    eprintln!("{name}: {error:#}");
    ExitCode::from(code)
}

fn not_parsed(name: &str, error: &clap::Error) -> ExitCode {
    let asked_for_text = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if asked_for_text.contains(&error.kind()) {
        error.exit();
    }
    let text = error.to_string();
    // The message may have several lines. An empty line separates it from usage and tips.
    let what: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let what = what.join(" ");
    eprintln!("{name}: {} (see --help)", what.strip_prefix("error: ").unwrap_or(&what));
    ExitCode::from(2)
}
