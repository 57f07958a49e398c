//! `frameway dead-letters`.

mod act;
mod choose;
mod pages;
mod picture;
mod save;
mod show;
mod summary;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::connect::ConnectArgs;
use crate::console::Failure;
use crate::console::output::{print, print_json, write_whole};
use crate::pb::v1 as pb;
use act::{DiscardArgs, ReplayArgs};
use choose::FilterArgs;
use pages::Pages;
use save::SaveArgs;
use summary::SummaryArgs;

/// Frames that could not be processed or delivered: list, count, show, save, replay, discard.
///
/// Each is kept with its picture and the reason, until it is discarded or removed to make room for
/// newer ones.
#[derive(Debug, Args)]
#[command(
    visible_alias = "dead-letter",
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  frameway dead-letters
  frameway dead-letters list --stream north-gate --reason DECODE_TRUNCATED
  frameway dead-letters summary
  frameway dead-letters show p07-1763856000123456-12 --save broken.jpg
  frameway dead-letters save broken --all
  frameway dead-letters replay p07-1763856000123456-12
  frameway dead-letters discard --stream north-gate --older-than 1day"
)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Option<DeadLettersCommand>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    List(ListArgs),
    Summary(SummaryArgs),
    Show(ShowArgs),
    Save(SaveArgs),
    Replay(ReplayArgs),
    Discard(DiscardArgs),
}

#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// List dead letters, newest first, without their pictures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters list
  frameway dead-letters list --stream north-gate --younger-than 1h
  frameway dead-letters list --json | jq -r '.dead_letters[].dead_letter_id'")]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,

    /// Maximum to list; 0 = all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    #[command(flatten)]
    common: Common,
}

/// Show a dead letter and save its picture: the submitted one, or the processed one if a consumer
/// group gave up the frame.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters show p07-1763856000123456-12
  frameway dead-letters show p07-1763856000123456-12 --save broken.jpg")]
struct ShowArgs {
    /// The dead letter's id.
    id: String,

    /// Write the picture's bytes to this file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

/// Runs a subcommand; without one, lists the dead letters.
pub(super) async fn run(args: DeadLettersArgs) -> Result<(), Failure> {
    match args.command {
        None => list(args.list).await,
        Some(DeadLettersCommand::List(args)) => list(args).await,
        Some(DeadLettersCommand::Summary(args)) => summary::run(args).await,
        Some(DeadLettersCommand::Show(args)) => show(args).await,
        Some(DeadLettersCommand::Save(args)) => save::run(args).await,
        Some(DeadLettersCommand::Replay(args)) => act::replay(args).await,
        Some(DeadLettersCommand::Discard(args)) => act::discard(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let filter = args.filter.text()?;
    let client = args.common.connect.connect().await?;
    let mut pages = Pages::new(&client, filter);
    let mut all = pb::ListDeadLettersResponse::default();
    while let Some(page) = pages.next(limit - all.dead_letters.len()).await? {
        all.dead_letters.extend(page.dead_letters);
        (all.kept_count, all.kept_bytes) = (page.kept_count, page.kept_bytes);
    }
    if args.common.json {
        print_json(&json!({
            "dead_letters": all.dead_letters.iter().map(show::as_json).collect::<Vec<_>>(),
            "more": pages.has_more(),
            "kept_count": all.kept_count,
            "kept_bytes": all.kept_bytes,
        }));
    } else {
        print(&show::table(&all, pages.has_more()));
    }
    Ok(())
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let client = args.common.connect.connect().await?;
    let mut letter = picture::read(&client, &args.id, args.save.is_none()).await?;
    if let Some(file) = &args.save {
        match picture::data(&mut letter) {
            Ok(Some(data)) => write_whole(file, &data).map_err(Failure::Usage)?,
            Ok(None) => return Err(Failure::Failed(anyhow!("{} was kept without a picture", args.id))),
            Err(why) => return Err(Failure::Failed(anyhow!("{}: {why}", args.id))),
        }
    }
    if args.common.json {
        print_json(&show::as_json(&letter));
    } else {
        print(&show::as_text(&letter));
    }
    Ok(())
}
