//! `frameway frames`.

mod get;
mod list;
mod show;

use clap::{Args, Subcommand};

use super::connect::ConnectArgs;
use crate::client::Client;
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// The maximum page size of the contract, and the maximum number of frames before and after a moment.
const MAX_PAGE: u32 = 1_000;

/// Kept frames of one stream: list them by time or sequence, and get one with its picture.
///
/// Times are those at which the server received the frames. They are written with their zone:
/// 2026-05-01T12:00:00Z for UTC, or 2026-05-01T14:00:00+02:00. Printed times are in UTC (Z).
#[derive(Debug, Args)]
#[command(
    visible_alias = "frame",
    after_help = "\
Examples:
  frameway frames list north-gate --at 2026-05-01T14:03:20+02:00
  frameway frames get north-gate --at 2026-05-01T14:03:20+02:00 --save gate.jpg"
)]
pub(super) struct FramesArgs {
    #[command(subcommand)]
    command: FramesCommand,
}

#[derive(Debug, Subcommand)]
enum FramesCommand {
    List(Box<list::ListArgs>),
    Get(Box<get::GetArgs>),
}

#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand.
pub(super) async fn run(args: FramesArgs) -> Result<(), Failure> {
    match args.command {
        FramesCommand::List(args) => list::run(*args).await,
        FramesCommand::Get(args) => get::run(*args).await,
    }
}

/// Asks for a page of frames.
async fn page(
    client: &mut Client,
    request: pb::ListFramesRequest,
) -> Result<pb::ListFramesResponse, Failure> {
    let answer = client.streaming.list_frames(request).await;
    Ok(answer.map_err(|status| refused("listing frames", &status))?.into_inner())
}
