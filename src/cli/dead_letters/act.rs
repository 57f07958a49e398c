//! `frameway dead-letters replay` and `discard`: any number of dead letters, in calls of at most
//! 1,000.

use std::collections::HashSet;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};
use tonic::Status;

use super::choose::{ChooseArgs, Target};
use super::{Common, pages, show};
use crate::client::Client;
use crate::console::output::{print, print_json};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// The maximum number of ids in one call of the contract.
const MAX_IDS: usize = 1_000;

/// Replay dead letters, each once.
///
/// A worker processes its dead letters again, under new sequences at the end of the stream. A
/// consumer group gets its dead letters again, as if the frames were new to it.
///
/// Dead letters that were replayed already are left out. So are those of frames that failed again
/// after a replay, as long as the dead letter of the first failure is kept; --again includes them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters replay p07-1763856000123456-12
  frameway dead-letters replay --stream north-gate --reason DECODE_TIMEOUT --discard-replayed
  frameway dead-letters replay --all --dry-run
  frameway dead-letters replay --all --max 1000")]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    choose: ChooseArgs,

    /// Include the frames that failed again after an earlier replay.
    #[arg(long)]
    again: bool,

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
pub(super) struct DiscardArgs {
    #[command(flatten)]
    choose: ChooseArgs,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let target = args.choose.target()?;
    let client = args.common.connect.connect().await?;
    let (ids, skipped) = match target {
        Target::Ids(ids) => (ids, 0),
        Target::Filter(filter) => {
            let letters = pages::all(&client, filter).await?;
            let failed_again =
                if args.again { HashSet::new() } else { failed_again(&client, &letters).await? };
            let all = letters.iter().filter(|letter| letter.replay_time.is_none());
            let (skipped, chosen): (Vec<_>, Vec<_>) =
                all.partition(|letter| failed_again.contains(&(letter.stream_id.as_str(), letter.sequence)));
            (chosen.into_iter().map(|letter| letter.dead_letter_id.clone()).collect(), skipped.len())
        }
    };
    let call = async |ids: Vec<String>| {
        let request = pb::ReplayDeadLettersRequest {
            target: Some(pb::replay_dead_letters_request::Target::Ids(pb::DeadLetterIdList { ids })),
            max_count: None,
            dry_run: args.choose.dry_run,
            discard_replayed: args.discard_replayed,
            reason: args.choose.because.clone(),
        };
        let answer = client.dead_letters.clone().replay_dead_letters(request).await;
        answer.map(|answer| answer.into_inner().results)
    };
    let mut report =
        Report::new(if args.choose.dry_run { "would replay" } else { "replayed" }, &args.choose, ids);
    report.skipped = skipped;
    let called = report.run("replaying dead letters", call).await;
    report.finish(called, args.common.json)
}

/// Returns the frames that came from a replay, by the dead letters that were replayed. The letters
/// may be a part of all: the others are read, too.
async fn failed_again<'a>(
    client: &Client,
    letters: &'a [pb::DeadLetter],
) -> Result<HashSet<(&'a str, u64)>, Failure> {
    let replayed = pages::all(client, "replayed_sequence > 0".to_owned()).await?;
    let made: HashSet<(&str, u64)> =
        replayed.iter().map(|letter| (letter.stream_id.as_str(), letter.replayed_sequence)).collect();
    let of_worker = letters.iter().filter(|letter| letter.source() == pb::DeadLetterSource::Worker);
    let frames = of_worker.map(|letter| (letter.stream_id.as_str(), letter.sequence));
    Ok(frames.filter(|frame| made.contains(frame)).collect())
}

pub(super) async fn discard(args: DiscardArgs) -> Result<(), Failure> {
    let target = args.choose.target()?;
    let client = args.common.connect.connect().await?;
    let ids = match target {
        Target::Ids(ids) => ids,
        Target::Filter(filter) => {
            let letters = pages::all(&client, filter).await?;
            letters.into_iter().map(|letter| letter.dead_letter_id).collect()
        }
    };
    let call = async |ids: Vec<String>| {
        let request = pb::DiscardDeadLettersRequest {
            target: Some(pb::discard_dead_letters_request::Target::Ids(pb::DeadLetterIdList { ids })),
            max_count: None,
            dry_run: args.choose.dry_run,
            reason: args.choose.because.clone(),
        };
        let answer = client.dead_letters.clone().discard_dead_letters(request).await;
        answer.map(|answer| answer.into_inner().results)
    };
    let mut report =
        Report::new(if args.choose.dry_run { "would discard" } else { "discarded" }, &args.choose, ids);
    let called = report.run("discarding dead letters", call).await;
    report.finish(called, args.common.json)
}

/// The outcomes of the dead letters.
struct Report {
    done: &'static str,
    ids: Vec<String>,
    /// The user named the ids, and gets a line for each.
    is_named: bool,
    results: Vec<pb::DeadLetterResult>,
    /// Frames that failed again after a replay.
    skipped: usize,
    /// Further ones are selected, beyond `--max`.
    more: usize,
}

impl Report {
    fn new(done: &'static str, choose: &ChooseArgs, mut ids: Vec<String>) -> Self {
        let max = choose.max.map_or(usize::MAX, |max| max as usize);
        let more = ids.len().saturating_sub(max);
        ids.truncate(max);
        Self { done, ids, is_named: !choose.ids.is_empty(), results: Vec::new(), skipped: 0, more }
    }

    /// Calls the server until it has answered for each dead letter.
    async fn run(
        &mut self,
        action: &str,
        call: impl AsyncFn(Vec<String>) -> Result<Vec<pb::DeadLetterResult>, Status>,
    ) -> Result<(), Failure> {
        for ids in self.ids.chunks(MAX_IDS) {
            let results = call(ids.to_vec()).await.map_err(|status| refused(action, &status))?;
            if self.ids.len() > MAX_IDS {
                eprintln!("{} of {}", self.results.len() + results.len(), self.ids.len());
            }
            self.results.extend(results);
        }
        Ok(())
    }

    /// Prints the results, and fails if a call failed or any dead letter was refused.
    fn finish(self, called: Result<(), Failure>, as_json: bool) -> Result<(), Failure> {
        let refusals = self.results.iter().filter(|result| show::refusal(result).is_some()).count();
        let not_tried = self.ids.len() - self.results.len();
        if as_json {
            let results: Vec<Value> = self.results.iter().map(show::result_json).collect();
            print_json(&json!({
                "results": results,
                "skipped": self.skipped,
                "not_tried": not_tried,
                "more": self.more > 0,
            }));
        } else {
            let is_shown = |result: &&pb::DeadLetterResult| self.is_named || show::refusal(result).is_some();
            let shown = self.results.iter().filter(is_shown);
            let mut text: String = shown.map(|result| show::result_line(self.done, result)).collect();
            text.push_str(&format!("{} {}, refused {refusals}", self.done, self.results.len() - refusals));
            if self.skipped > 0 {
                text.push_str(&format!(
                    ", left out {} that failed again (--again includes them)",
                    self.skipped
                ));
            }
            if not_tried > 0 {
                text.push_str(&format!(", not tried {not_tried}"));
            }
            if self.more > 0 {
                text.push_str(&format!("; {} more are selected", self.more));
            }
            print(&format!("{text}\n"));
        }
        called?;
        match refusals {
            0 => Ok(()),
            _ => Err(Failure::Failed(anyhow!("{refusals} of {} refused", self.results.len()))),
        }
    }
}
