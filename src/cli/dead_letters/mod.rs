//! `frameway dead-letters`.

mod choose;
mod show;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use crate::client::Client;
use crate::console::output::{print, print_json, write_whole};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;
use choose::{ChooseArgs, FilterArgs, Target};

/// The maximum page size of the contract.
const MAX_PAGE: u32 = 1_000;

/// Frames that could not be processed or delivered: list, show, replay, discard.
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
  frameway dead-letters show p07-1763856000123456-12 --save broken.jpg
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
    Show(ShowArgs),
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

/// Replay dead letters, each once.
///
/// A worker processes its dead letters again, under new sequences at the end of the stream. A
/// consumer group gets its dead letters again, as if the frames were new to it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters replay p07-1763856000123456-12
  frameway dead-letters replay --stream north-gate --reason DECODE_TIMEOUT --discard-replayed
  frameway dead-letters replay --all --max 1000")]
struct ReplayArgs {
    #[command(flatten)]
    choose: ChooseArgs,

    /// Remove each replayed dead letter. Default: keep it, marked as replayed. A group's dead
    /// letter is kept if the stream no longer has the frame: members then read the frame from the
    /// dead letter.
    #[arg(long)]
    discard_replayed: bool,

    #[command(flatten)]
    common: Common,
}

/// Discard dead letters with their pictures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters discard p07-1763856000123456-12
  frameway dead-letters discard --stream north-gate --older-than 1day
  frameway dead-letters discard --all --because 'test pictures'")]
struct DiscardArgs {
    #[command(flatten)]
    choose: ChooseArgs,

    #[command(flatten)]
    common: Common,
}

/// Runs a subcommand; without one, lists the dead letters.
pub(super) async fn run(args: DeadLettersArgs) -> Result<(), Failure> {
    match args.command {
        None => list(args.list).await,
        Some(DeadLettersCommand::List(args)) => list(args).await,
        Some(DeadLettersCommand::Show(args)) => show(args).await,
        Some(DeadLettersCommand::Replay(args)) => replay(args).await,
        Some(DeadLettersCommand::Discard(args)) => discard(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let filter = args.filter.text()?;
    let mut client = args.common.connect.connect().await?;
    let mut all = pb::ListDeadLettersResponse::default();
    loop {
        let left = u32::try_from(limit - all.dead_letters.len()).unwrap_or(MAX_PAGE);
        let request = pb::ListDeadLettersRequest {
            filter: filter.clone(),
            page_size: left.min(MAX_PAGE),
            page_token: all.next_page_token,
        };
        let answer = client.dead_letters.list_dead_letters(request).await;
        let page = answer.map_err(|status| refused("listing dead letters", &status))?.into_inner();
        all.dead_letters.extend(page.dead_letters);
        all.next_page_token = page.next_page_token;
        (all.kept_count, all.kept_bytes) = (page.kept_count, page.kept_bytes);
        if all.next_page_token.is_empty() || all.dead_letters.len() >= limit {
            break;
        }
    }
    if args.common.json {
        print_json(&json!({
            "dead_letters": all.dead_letters.iter().map(show::as_json).collect::<Vec<_>>(),
            "more": !all.next_page_token.is_empty(),
            "kept_count": all.kept_count,
            "kept_bytes": all.kept_bytes,
        }));
    } else {
        print(&show::table(&all));
    }
    Ok(())
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let request = pb::GetDeadLetterRequest {
        dead_letter_id: args.id.clone(),
        max_picture_bytes: Some(crate::client::MAX_PICTURE_BYTES),
        metadata_only: args.save.is_none(),
    };
    let answer = client.dead_letters.get_dead_letter(request).await;
    let answer = answer.map_err(|status| refused("reading the dead letter", &status))?.into_inner();
    let letter = answer.dead_letter.unwrap_or_default();
    if let Some(file) = &args.save {
        let data = match letter.picture.as_ref().and_then(|picture| picture.content.as_ref()) {
            Some(Content::Data(data)) => data,
            Some(Content::OmittedReason(reason)) => {
                let reason = pb::OmittedReason::try_from(*reason).unwrap_or_default().as_str_name();
                return Err(Failure::Failed(anyhow!(
                    "the server omitted the picture of {}: {reason}",
                    args.id
                )));
            }
            None => return Err(Failure::Failed(anyhow!("{} was kept without a picture", args.id))),
        };
        write_whole(file, data).map_err(Failure::Usage)?;
    }
    if args.common.json {
        print_json(&show::as_json(&letter));
    } else {
        print(&show::as_text(&letter));
    }
    Ok(())
}

async fn replay(args: ReplayArgs) -> Result<(), Failure> {
    use pb::replay_dead_letters_request::Target as T;
    let target = match args.choose.target()? {
        Target::Ids(ids) => T::Ids(ids),
        Target::Filter(filter) => T::Filter(filter),
        Target::All => T::All(true),
    };
    let mut client = args.common.connect.connect().await?;
    let request = pb::ReplayDeadLettersRequest {
        target: Some(target),
        max_count: args.choose.max,
        dry_run: args.choose.dry_run,
        discard_replayed: args.discard_replayed,
        reason: args.choose.because.clone(),
    };
    let answer = client.dead_letters.replay_dead_letters(request).await;
    let answer = answer.map_err(|status| refused("replaying dead letters", &status))?.into_inner();
    print_results(
        if args.choose.dry_run { "would replay" } else { "replayed" },
        &answer.results,
        answer.more,
        args.common.json,
    )
}

async fn discard(args: DiscardArgs) -> Result<(), Failure> {
    use pb::discard_dead_letters_request::Target as T;
    let target = match args.choose.target()? {
        Target::Ids(ids) => T::Ids(ids),
        Target::Filter(filter) => T::Filter(filter),
        Target::All => T::All(true),
    };
    let mut client: Client = args.common.connect.connect().await?;
    let request = pb::DiscardDeadLettersRequest {
        target: Some(target),
        max_count: args.choose.max,
        dry_run: args.choose.dry_run,
        reason: args.choose.because.clone(),
    };
    let answer = client.dead_letters.discard_dead_letters(request).await;
    let answer = answer.map_err(|status| refused("discarding dead letters", &status))?.into_inner();
    print_results(
        if args.choose.dry_run { "would discard" } else { "discarded" },
        &answer.results,
        answer.more,
        args.common.json,
    )
}

/// Prints the results, and fails if any was refused.
fn print_results(
    done: &str,
    results: &[pb::DeadLetterResult],
    more: bool,
    json: bool,
) -> Result<(), Failure> {
    let refused = results.iter().filter(|result| show::refusal(result).is_some()).count();
    if json {
        let results: Vec<Value> = results.iter().map(show::result_json).collect();
        print_json(&json!({ "results": results, "more": more }));
    } else {
        let mut text: String = results.iter().map(|result| show::result_line(done, result)).collect();
        text.push_str(&format!("{done} {}, refused {refused}\n", results.len() - refused));
        if more {
            text.push_str("there are more: run the command again\n");
        }
        print(&text);
    }
    if refused == 0 {
        Ok(())
    } else {
        Err(Failure::Failed(anyhow!("{refused} of {} refused", results.len())))
    }
}
