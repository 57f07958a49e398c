//! The parts that `frameway`, its demo and `frameway-bench` share: failures and exit codes, output,
//! the security of connections, and pictures from files, videos and pipes.

pub(crate) mod cleanup;
mod failure;
pub(crate) mod latency;
pub(crate) mod ledger;
pub(crate) mod output;
mod security;
pub(crate) mod sources;
pub(crate) mod video;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

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
    match (ended, output::not_printed()) {
        (Ok(()), None) => ExitCode::SUCCESS,
        (Ok(()), Some(error)) => {
            failed(name, &Failure::Failed(anyhow!("cannot write to standard output: {error}")))
        }
        (Err(failure), _) => failed(name, &failure),
    }
}

/// Prints the failure on one line and returns its exit code.
fn failed(name: &str, failure: &Failure) -> ExitCode {
    let (error, code) = match failure {
        Failure::Usage(error) => (error, 2),
        Failure::Failed(error) => (error, 1),
    };
    eprintln!("{name}: {}", printable(&format!("{error:#}")));
    ExitCode::from(code)
}

/// Escapes control characters, which can be in arguments and file names. The lines of a list, which are
/// indented, stay lines.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let is_list = letter == '\n' && text[at + 1..].starts_with("  ");
        match letter.is_control() && !is_list {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
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
    let origin = variable_of(error).map(|name| format!(" in the environment variable {name}"));
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    eprintln!("{name}: {}{} (see --help)", printable(what), origin.unwrap_or_default());
    ExitCode::from(2)
}

/// Returns the environment variable that has the invalid value of an error; `None` if a flag has it.
fn variable_of(error: &clap::Error) -> Option<String> {
    let is_of_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg).filter(|_| is_of_value) else {
        return None;
    };
    let flag = flag.split([' ', '=']).next()?;
    let is_given = |word: String| word.split('=').next() == Some(flag);
    if std::env::args_os().any(|word| word.into_string().is_ok_and(is_given)) {
        return None;
    }
    let name = format!("FRAMEWAY_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
    std::env::var_os(&name).map(|_| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_lists_keep_their_lines() {
        assert_eq!(
            printable("a\nb\u{1b}[2J é: 2 wrong:\n  one\n  two"),
            "a\\nb\\u{1b}[2J é: 2 wrong:\n  one\n  two"
        );
    }
}
