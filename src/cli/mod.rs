//! The command line: one file per subcommand.

mod bench;
mod client;
mod dead_letters;
mod demo;
mod fault;
mod groups;
mod health;
mod info;
mod latency;
mod ledger;
mod leftovers;
mod moment;
mod output;
mod publisher;
mod queues;
mod send;
mod serve;
mod silence;
mod sources;
mod streams;
mod submit;
mod subscribe;
mod video;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Frameway carries camera frames: cameras submit them in batches over gRPC, workers process them, subscribers get them
/// streamed, in order, each accounted for.
#[derive(Debug, Parser)]
#[command(name = "frameway", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(Box<demo::DemoArgs>),
    Serve(Box<serve::ServeArgs>),
    Submit(Box<submit::SubmitArgs>),
    Subscribe(Box<subscribe::SubscribeArgs>),
    Streams(Box<streams::StreamsArgs>),
    Queues(queues::QueuesArgs),
    Groups(Box<groups::GroupsArgs>),
    DeadLetters(Box<dead_letters::DeadLettersArgs>),
    Info(info::InfoArgs),
    Health(health::HealthArgs),
    Bench(Box<bench::BenchArgs>),
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => demo::run(*args).await,
            Self::Serve(args) => serve::run(*args).await,
            Self::Submit(args) => submit::run(*args).await,
            Self::Subscribe(args) => subscribe::run(*args).await,
            Self::Streams(args) => streams::run(*args).await,
            Self::Queues(args) => queues::run(args).await,
            Self::Groups(args) => groups::run(*args).await,
            Self::DeadLetters(args) => dead_letters::run(*args).await,
            Self::Info(args) => info::run(args).await,
            Self::Health(args) => health::run(args).await,
            Self::Bench(args) => bench::run(*args).await,
        }
    }
}

/// Why a command ended without success.
#[derive(Debug)]
pub enum Failure {
    /// It was asked for something that cannot be: wrong flags, a port in use, an unreadable file. Exit code 2.
    Usage(anyhow::Error),
    /// It went wrong on the way. Exit code 1.
    Failed(anyhow::Error),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::Failed(error.into())),
    };
    let ended = runtime.block_on(cli.command.run());
    // Blocking work that does not end must not keep the process.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

/// One line, whatever went wrong.
fn failed(failure: &Failure) -> ExitCode {
    let (error, code) = match failure {
        Failure::Usage(error) => (error, 2),
        Failure::Failed(error) => (error, 1),
    };
    eprintln!("frameway: {error:#}");
    ExitCode::from(code)
}

fn not_parsed(error: &clap::Error) -> ExitCode {
    let asked_for_text = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if asked_for_text.contains(&error.kind()) {
        error.exit();
    }
    let text = error.to_string();
    // What is wrong may take several lines; usage and tips come after an empty one.
    let what: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let what = what.join(" ");
    eprintln!("frameway: {} (see --help)", what.strip_prefix("error: ").unwrap_or(&what));
    ExitCode::from(2)
}
