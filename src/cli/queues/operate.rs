//! `frameway queues list`, `pause`, `resume`, `drain` and `purge`.

use std::time::SystemTime;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::connect::ConnectArgs;
use crate::console::output::{Table, bytes, duration, ms_json, print, print_json, short, span};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The queues to operate, and the reason.
#[derive(Debug, Clone, Args)]
struct QueueSelection {
    /// One partition's queue, for example p07.
    #[arg(conflicts_with = "all")]
    queue: Option<String>,

    /// All queues.
    #[arg(long)]
    all: bool,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

impl QueueSelection {
    /// Returns the queue, or all queues if --all is given.
    fn target<T>(&self, one: fn(String) -> T, all: fn(bool) -> T) -> Result<T, Failure> {
        match &self.queue {
            Some(queue) => Ok(one(queue.clone())),
            None if self.all => Ok(all(true)),
            None => Err(Failure::Usage(anyhow!("name a queue, or give --all"))),
        }
    }

    fn name(&self) -> String {
        self.queue.clone().unwrap_or_else(|| "all queues".to_owned())
    }
}

/// List all work queues with their states and workers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway queues list
  frameway queues list --json | jq -r '.queues[] | select(.state == \"PAUSED\") | .queue_id'")]
pub(super) struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// Pause a queue: workers take no more of its frames; it accepts frames until it is full.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway queues pause p07 --reason 'looking at its frames'
  frameway queues pause --all")]
pub(super) struct PauseArgs {
    #[command(flatten)]
    selection: QueueSelection,
}

/// Resume a queue that is paused or drained.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway queues resume p07
  frameway queues resume --all")]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    selection: QueueSelection,
}

/// Drain a queue: it refuses new frames while workers finish the waiting ones.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway queues drain p07 --reason 'moving to another server'
  frameway queues drain --all")]
pub(super) struct DrainArgs {
    #[command(flatten)]
    selection: QueueSelection,
}

/// Discard the waiting frames. Each leaves a tombstone in its stream; frames that a worker has
/// taken are finished.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway queues purge p07
  frameway queues purge --stream north-gate --reason 'lens was covered'
  frameway queues purge p07 --older-than 10min
  frameway queues purge --all")]
pub(super) struct PurgeArgs {
    /// One partition's queue, for example p07.
    #[arg(conflicts_with = "all")]
    queue: Option<String>,

    /// The waiting frames of this stream.
    #[arg(long, value_name = "STREAM", conflicts_with_all = ["all", "queue"])]
    stream: Option<String>,

    /// All queues.
    #[arg(long)]
    all: bool,

    /// Only frames that have waited longer than this, for example 10min.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<std::time::Duration>,

    /// Show what would be purged without changing anything.
    #[arg(long)]
    dry_run: bool,

    /// The reason, for the audit log and the tombstones; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let mut queues = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListQueuesRequest { page_size: 1_000, page_token, ..Default::default() };
        let answer = client.queues.list_queues(request).await;
        let page = answer.map_err(|status| refused("listing the queues", &status))?.into_inner();
        queues.extend(page.queues);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.common.json {
        print_json(&queues_json(&queues));
        return Ok(());
    }
    let headings = ["QUEUE", "STATE", "STREAMS", "WAITING", "BYTES", "OF", "OLDEST", "WORKER", "REASON"];
    let mut table = Table::new(&headings, &[2, 3, 4, 5, 6]);
    for queue in &queues {
        table.row([
            queue.queue_id.clone(),
            state(queue),
            queue.stream_count.to_string(),
            queue.queued_frames.to_string(),
            bytes(queue.queued_bytes),
            bytes(queue.max_queued_bytes),
            queue.oldest_age.as_ref().map_or("-".to_owned(), |age| span(duration(age))),
            if queue.worker_id.is_empty() { "none".to_owned() } else { queue.worker_id.clone() },
            if queue.state_reason.is_empty() { "-".to_owned() } else { queue.state_reason.clone() },
        ]);
    }
    print(&table.render());
    Ok(())
}

pub(super) async fn pause(args: PauseArgs) -> Result<(), Failure> {
    use pb::pause_queue_request::Target as T;
    let selection = args.selection;
    let target = Some(selection.target(T::QueueId, T::AllQueues)?);
    let request = pb::PauseQueueRequest { target, reason: selection.reason.clone() };
    let mut client = selection.common.connect.connect().await?;
    let answer = client.queues.pause_queue(request).await;
    let action = format!("pausing {}", selection.name());
    let queues = answer.map_err(|status| refused(&action, &status))?.into_inner().queues;
    print_states(&selection, "paused", &queues, "resume with: frameway queues resume");
    Ok(())
}

pub(super) async fn resume(args: ResumeArgs) -> Result<(), Failure> {
    use pb::resume_queue_request::Target as T;
    let selection = args.selection;
    let target = Some(selection.target(T::QueueId, T::AllQueues)?);
    let request = pb::ResumeQueueRequest { target, reason: selection.reason.clone() };
    let mut client = selection.common.connect.connect().await?;
    let answer = client.queues.resume_queue(request).await;
    let action = format!("resuming {}", selection.name());
    let queues = answer.map_err(|status| refused(&action, &status))?.into_inner().queues;
    print_states(&selection, "resumed", &queues, "frames are accepted and processed");
    Ok(())
}

pub(super) async fn drain(args: DrainArgs) -> Result<(), Failure> {
    use pb::drain_queue_request::Target as T;
    let selection = args.selection;
    let target = Some(selection.target(T::QueueId, T::AllQueues)?);
    let request = pb::DrainQueueRequest { target, reason: selection.reason.clone() };
    let mut client = selection.common.connect.connect().await?;
    let answer = client.queues.drain_queue(request).await;
    let action = format!("draining {}", selection.name());
    let queues = answer.map_err(|status| refused(&action, &status))?.into_inner().queues;
    print_states(
        &selection,
        "draining",
        &queues,
        "new frames are refused; resume with: frameway queues resume",
    );
    Ok(())
}

pub(super) async fn purge(args: PurgeArgs) -> Result<(), Failure> {
    use pb::purge_queue_request::Target as T;
    let before_receive_time = match args.older_than {
        None => None,
        Some(age) => Some(
            SystemTime::now()
                .checked_sub(age)
                .ok_or_else(|| Failure::Usage(anyhow!("--older-than reaches back before 1970")))?,
        ),
    };
    let (name, target) = match (args.queue, args.stream, args.all) {
        (Some(queue), None, false) => (queue.clone(), T::QueueId(queue)),
        (None, Some(stream), false) => (stream.clone(), T::StreamId(stream)),
        (None, None, true) => ("all queues".to_owned(), T::AllQueues(true)),
        _ => return Err(Failure::Usage(anyhow!("name a queue, or give --stream or --all"))),
    };
    let mut client = args.common.connect.connect().await?;
    let request = pb::PurgeQueueRequest {
        target: Some(target),
        before_receive_time: before_receive_time.map(Into::into),
        dry_run: args.dry_run,
        reason: args.reason,
    };
    let answer = client.queues.purge_queue(request).await;
    let purged = answer.map_err(|status| refused(&format!("purging {name}"), &status))?.into_inner();
    let pb::PurgeQueueResponse { marked_frames, marked_bytes, pending_frames } = purged;
    if args.common.json {
        print_json(&json!({
            "marked_frames": marked_frames,
            "marked_bytes": marked_bytes,
            "pending_frames": pending_frames,
        }));
        return Ok(());
    }
    let pending = match pending_frames {
        0 => String::new(),
        count => format!("; a worker has yet to remove {count} of them"),
    };
    let done = if args.dry_run { "would purge" } else { "purged" };
    print(&format!("{done} {name}: {marked_frames} frames, {}{pending}\n", bytes(marked_bytes)));
    Ok(())
}

fn print_states(selection: &QueueSelection, done: &str, queues: &[pb::Queue], next: &str) {
    if selection.common.json {
        print_json(&queues_json(queues));
        return;
    }
    let frames: u64 = queues.iter().map(|queue| queue.queued_frames).sum();
    print(&format!("{done}: {} ({frames} frames wait); {next}\n", selection.name()));
}

fn state(queue: &pb::Queue) -> String {
    short(queue.state().as_str_name(), "QUEUE_STATE_").to_lowercase()
}

fn queues_json(queues: &[pb::Queue]) -> Value {
    let one = |queue: &pb::Queue| {
        json!({
            "queue_id": queue.queue_id,
            "state": short(queue.state().as_str_name(), "QUEUE_STATE_"),
            "state_reason": queue.state_reason,
            "queued_frames": queue.queued_frames,
            "queued_bytes": queue.queued_bytes,
            "max_queued_bytes": queue.max_queued_bytes,
            "in_flight_frames": queue.in_flight_frames,
            "oldest_age_ms": ms_json(queue.oldest_age.as_ref().map(duration)),
            "stream_count": queue.stream_count,
            "worker_id": queue.worker_id,
        })
    };
    json!({ "queues": queues.iter().map(one).collect::<Vec<_>>() })
}
