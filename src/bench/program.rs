//! A program that may not be installed.

use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::bench::{cpu, failed};
use crate::console::Failure;

/// The exit code of a script that lacks a package.
const LACKS_PACKAGE: i32 = 3;

/// The output of a program, and the processor time that it used.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) output: Output,
    pub(super) elapsed: Duration,
    pub(super) cpu: Duration,
}

/// Starts a program, without input. The inner error says how to install it.
pub(super) fn start(command: &mut Command, install: &str) -> Result<Result<Child, String>, Failure> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    match command.spawn() {
        Ok(child) => Ok(Ok(child)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(Err(format!("{name} is not installed: {install}")))
        }
        Err(error) => Err(error).with_context(|| format!("starting {name}")).map_err(Failure::Failed),
    }
}

/// Runs a program to its end.
pub(super) async fn run(command: &mut Command, install: &str) -> Result<Result<Ran, String>, Failure> {
    let (start_time, before) = (Instant::now(), cpu::of_ended_children());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = match start(command, install)? {
        Ok(child) => child,
        Err(why) => return Ok(Err(why)),
    };
    let output = child.wait_with_output().await.map_err(|error| Failure::Failed(error.into()))?;
    let (elapsed, cpu) = (start_time.elapsed(), cpu::of_ended_children().saturating_sub(before));
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Ok(Ran { output, elapsed, cpu })),
        Some(LACKS_PACKAGE) => Ok(Err(said)),
        _ => {
            let name = command.as_std().get_program().to_string_lossy().into_owned();
            Err(failed(format!("{name} failed ({}): {said}", output.status)))
        }
    }
}
