//! The command line: one file per subcommand.

mod admin;
mod completions;
mod config;
mod connect;
mod dead_letters;
mod doctor;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod flags;
mod frames;
mod groups;
mod health;
mod info;
mod keys;
mod look;
mod man;
mod metrics_reference;
mod plan;
mod queues;
mod serve;
mod streams;
mod submit;
mod subscribe;
mod time_argument;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::console::{self, Failure};
use crate::{app, demo};

pub(crate) use streams::Reencode;

/// Frameway carries camera frames: cameras submit them in batches over gRPC, workers process them,
/// and subscribers receive them as streams, in order, each accounted for.
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
    Look(Box<look::LookArgs>),
    Streams(Box<streams::StreamsArgs>),
    Queues(Box<queues::QueuesArgs>),
    Groups(Box<groups::GroupsArgs>),
    DeadLetters(Box<dead_letters::DeadLettersArgs>),
    Frames(Box<frames::FramesArgs>),
    Info(Box<info::InfoArgs>),
    Top(Box<top::TopArgs>),
    Doctor(Box<doctor::DoctorArgs>),
    Config(Box<config::ConfigArgs>),
    Plan(Box<plan::PlanArgs>),
    Admin(Box<admin::AdminArgs>),
    Keys(keys::KeysArgs),
    Health(Box<health::HealthArgs>),
    #[command(hide = true)]
    MetricsReference(metrics_reference::MetricsReferenceArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    #[command(name = app::WORKER_SUBCOMMAND, hide = true)]
    SupervisedWorker(serve::SupervisedWorkerArgs),
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => demo::run(*args).await,
            Self::Serve(args) => serve::run(*args).await,
            Self::Submit(args) => submit::run(*args).await,
            Self::Subscribe(args) => subscribe::run(*args).await,
            Self::Look(args) => look::run(*args).await,
            Self::Streams(args) => streams::run(*args).await,
            Self::Queues(args) => queues::run(*args).await,
            Self::Groups(args) => groups::run(*args).await,
            Self::DeadLetters(args) => dead_letters::run(*args).await,
            Self::Frames(args) => frames::run(*args).await,
            Self::Info(args) => info::run(*args).await,
            Self::Top(args) => top::run(*args).await,
            Self::Doctor(args) => doctor::run(*args).await,
            Self::Config(args) => config::run(*args).await,
            Self::Plan(args) => plan::run(*args).await,
            Self::Admin(args) => admin::run(*args).await,
            Self::Keys(args) => keys::run(args),
            Self::Health(args) => health::run(*args).await,
            Self::MetricsReference(args) => metrics_reference::run(args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
            Self::SupervisedWorker(args) => serve::run_supervised_worker(args).await,
        }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    console::run("frameway", async |cli: Cli| cli.command.run().await)
}
