//! `frameway admin`: work on a store while no server runs.

mod repartition;

use clap::{Args, Subcommand};

use crate::console::Failure;

/// Work on the store of a Redis while no server and no worker uses it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway admin repartition --redis-url redis://localhost:6379 --to-namespace frameway-2 --to-partitions 256")]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Repartition(Box<repartition::RepartitionArgs>),
}

pub(super) async fn run(args: AdminArgs) -> Result<(), Failure> {
    match args.command {
        Command::Repartition(args) => repartition::run(*args).await,
    }
}
