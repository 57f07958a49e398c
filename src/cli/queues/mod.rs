//! `frameway queues`.

mod operate;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::streams::{state, status_json};
use crate::client::Client;
use crate::console::output::{Table, bytes, duration, ms_json, print, print_json, short, span};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// Show the work queues; pause, resume, drain and purge them.
///
/// A work queue holds one partition's accepted frames that no worker has finished. Without a
/// subcommand, `frameway queues` shows how many frames wait, how fast they are processed, and what
/// became of every frame. It shows the totals first, then the partitions that have work or streams,
/// and then the streams.
#[derive(Debug, Args)]
#[command(
    visible_alias = "queue",
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  frameway queues
  frameway queues p07
  frameway queues pause p07 --reason 'new worker'
  frameway queues purge --stream north-gate
  watch -n1 frameway queues
  frameway queues --json | jq .total.account.queued_frames"
)]
pub(super) struct QueuesArgs {
    #[command(subcommand)]
    command: Option<QueuesCommand>,

    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Subcommand)]
enum QueuesCommand {
    List(operate::ListArgs),
    Pause(operate::PauseArgs),
    Resume(operate::ResumeArgs),
    Drain(operate::DrainArgs),
    Purge(operate::PurgeArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// One partition's queue, for example p07. Default: all.
    queue: Option<String>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Leave out the streams.
    #[arg(long)]
    no_streams: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand; without one, shows the statistics.
pub(super) async fn run(args: QueuesArgs) -> Result<(), Failure> {
    match args.command {
        None => show(args.show).await,
        Some(QueuesCommand::List(args)) => operate::list(args).await,
        Some(QueuesCommand::Pause(args)) => operate::pause(args).await,
        Some(QueuesCommand::Resume(args)) => operate::resume(args).await,
        Some(QueuesCommand::Drain(args)) => operate::drain(args).await,
        Some(QueuesCommand::Purge(args)) => operate::purge(args).await,
    }
}

/// Reads the statistics and prints them.
async fn show(args: ShowArgs) -> Result<(), Failure> {
    let mut client = args.connect.connect().await?;
    let stats = read(&mut client, &args.queue.unwrap_or_default(), !args.no_streams).await?;
    if args.json {
        print_json(&as_json(&stats));
    } else {
        print(&as_text(&stats));
    }
    Ok(())
}

/// The statistics of queues and of their streams.
struct Statistics {
    queues: pb::GetQueueStatsResponse,
    streams: Vec<pb::StreamStats>,
}

/// Reads the statistics of one queue, or of all.
async fn read(client: &mut Client, queue: &str, with_streams: bool) -> Result<Statistics, Failure> {
    let answer = client.queues.get_queue_stats(pb::GetQueueStatsRequest { queue_id: queue.to_owned() }).await;
    let queues = answer.map_err(|status| refused("reading the queues", &status))?.into_inner();
    let filter = if queue.is_empty() { String::new() } else { format!("queue_id = \"{queue}\"") };
    let mut streams = Vec::new();
    if !with_streams {
        return Ok(Statistics { queues, streams });
    }
    let mut page_token = String::new();
    loop {
        let request = pb::ListStreamStatsRequest { page_size: 1_000, page_token, filter: filter.clone() };
        let answer = client.queues.list_stream_stats(request).await;
        let page = answer.map_err(|status| refused("reading the streams", &status))?.into_inner();
        streams.extend(page.streams);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(Statistics { queues, streams });
        }
    }
}

fn as_text(statistics: &Statistics) -> String {
    let Statistics { queues: stats, streams } = statistics;
    let mut text = String::new();
    if let Some(total) = &stats.total {
        text.push_str(&totals(total, &stats.partitions));
    }
    let busy = |one: &&pb::PartitionStats| {
        let queue = one.queue.as_ref();
        queue.is_some_and(|queue| {
            queue.stream_count > 0
                || queue.queued_frames > 0
                || queue.in_flight_frames > 0
                || queue.state() != pb::QueueState::Running
        })
    };
    let mut table = Table::new(
        &["QUEUE", "STATE", "STREAMS", "WAITING", "BYTES", "IN FLIGHT", "OLDEST", "WORKER"],
        &[2, 3, 4, 5, 6],
    );
    let mut any = false;
    for queue in stats.partitions.iter().filter(busy).filter_map(|one| one.queue.as_ref()) {
        any = true;
        table.row([
            queue.queue_id.clone(),
            short(queue.state().as_str_name(), "QUEUE_STATE_").to_lowercase(),
            queue.stream_count.to_string(),
            queue.queued_frames.to_string(),
            bytes(queue.queued_bytes),
            queue.in_flight_frames.to_string(),
            queue.oldest_age.as_ref().map_or("-".to_owned(), |age| span(duration(age))),
            if queue.worker_id.is_empty() { "none".to_owned() } else { queue.worker_id.clone() },
        ]);
    }
    if any {
        text.push_str(&format!("\n{}", table.render()));
    }
    if !streams.is_empty() {
        text.push_str(&format!("\n{}", streams_table(streams)));
    }
    text
}

fn totals(total: &pb::QueueStats, partitions: &[pb::PartitionStats]) -> String {
    let account = total.account.unwrap_or_default();
    let queues = || partitions.iter().filter_map(|one| one.queue.as_ref());
    let waiting_bytes = queues().map(|queue| queue.queued_bytes).sum();
    let mut text = format!("waiting    {} frames, {}", account.queued_frames, bytes(waiting_bytes));
    if let Some(age) = queues().filter_map(|queue| queue.oldest_age.as_ref().map(duration)).max() {
        text.push_str(&format!(", oldest {}", span(age)));
    }
    text.push_str(&format!(
        "\naccepted   {} frames, {}\nprocessed  {}, failed {}, dropped {}, purged {}, erased {}",
        account.accepted_frames,
        bytes(account.accepted_bytes),
        account.processed_frames,
        account.failed_frames,
        account.dropped_frames,
        account.purged_frames,
        account.erased_frames,
    ));
    if account.over_budget_frames > 0 {
        text.push_str(&format!(", over their byte budget {}", account.over_budget_frames));
    }
    text.push_str(&format!(
        "\nkept       {} frames, {}\n",
        total.retained_frames,
        bytes(total.retained_bytes)
    ));
    if let Some(fps) = total.completed_fps {
        text.push_str(&format!("rate       {fps:.1} completed/s\n"));
    }
    if let Some(processing) = total.processing.as_ref().filter(|latency| latency.sample_count > 0) {
        text.push_str(&format!("processing {}\n", latency_text(processing)));
    }
    text
}

fn latency_text(latency: &pb::LatencyStats) -> String {
    let one = |value: &Option<prost_types::Duration>| {
        value.as_ref().map_or("-".to_owned(), |value| span(duration(value)))
    };
    format!("p50 {}, p95 {}, p99 {}", one(&latency.p50), one(&latency.p95), one(&latency.p99))
}

fn streams_table(streams: &[pb::StreamStats]) -> String {
    let headings = [
        "STREAM",
        "QUEUE",
        "STATE",
        "ACCEPTED",
        "PROCESSED",
        "FAILED",
        "DROPPED",
        "PURGED",
        "ERASED",
        "WAITING",
        "KEPT",
    ];
    let mut table = Table::new(&headings, &[3, 4, 5, 6, 7, 8, 9, 10]);
    for stream in streams {
        let account = stream.account.unwrap_or_default();
        table.row([
            stream.stream_id.clone(),
            stream.queue_id.clone(),
            state(stream.status.as_ref()),
            account.accepted_frames.to_string(),
            account.processed_frames.to_string(),
            account.failed_frames.to_string(),
            account.dropped_frames.to_string(),
            account.purged_frames.to_string(),
            account.erased_frames.to_string(),
            account.queued_frames.to_string(),
            stream.status.as_ref().map_or(0, |status| status.retained_frames).to_string(),
        ]);
    }
    table.render()
}

fn account_json(account: Option<&pb::FrameAccount>) -> Value {
    let account = account.copied().unwrap_or_default();
    json!({
        "accepted_frames": account.accepted_frames,
        "processed_frames": account.processed_frames,
        "failed_frames": account.failed_frames,
        "dropped_frames": account.dropped_frames,
        "purged_frames": account.purged_frames,
        "erased_frames": account.erased_frames,
        "removed_frames": account.removed_frames,
        "queued_frames": account.queued_frames,
        "duplicate_frames": account.duplicate_frames,
        "rejected_frames": account.rejected_frames,
        "accepted_bytes": account.accepted_bytes,
        "output_bytes": account.output_bytes,
        "over_budget_frames": account.over_budget_frames,
    })
}

fn stats_json(stats: Option<&pb::QueueStats>) -> Value {
    let Some(stats) = stats else { return Value::Null };
    let latency = |latency: Option<&pb::LatencyStats>| {
        let ms = |value: &Option<prost_types::Duration>| ms_json(value.as_ref().map(duration));
        latency.map_or(Value::Null, |l| {
            json!({ "p50_ms": ms(&l.p50), "p95_ms": ms(&l.p95), "p99_ms": ms(&l.p99), "samples": l.sample_count })
        })
    };
    json!({
        "account": account_json(stats.account.as_ref()),
        "completed_fps": stats.completed_fps,
        "processing": latency(stats.processing.as_ref()),
        "retained_frames": stats.retained_frames,
        "retained_bytes": stats.retained_bytes,
        "dead_letter_count": stats.dead_letter_count,
    })
}

fn as_json(statistics: &Statistics) -> Value {
    let Statistics { queues: stats, streams } = statistics;
    let partitions = stats.partitions.iter().map(|one| {
        let queue = one.queue.clone().unwrap_or_default();
        json!({
            "queue_id": queue.queue_id,
            "state": short(queue.state().as_str_name(), "QUEUE_STATE_"),
            "worker_id": queue.worker_id,
            "stream_count": queue.stream_count,
            "queued_frames": queue.queued_frames,
            "queued_bytes": queue.queued_bytes,
            "max_queued_bytes": queue.max_queued_bytes,
            "in_flight_frames": queue.in_flight_frames,
            "oldest_age_ms": ms_json(queue.oldest_age.as_ref().map(duration)),
            "stats": stats_json(one.stats.as_ref()),
        })
    });
    let streams = streams.iter().map(|one| {
        json!({
            "stream_id": one.stream_id,
            "queue_id": one.queue_id,
            "status": status_json(one.status.as_ref()),
            "account": account_json(one.account.as_ref()),
        })
    });
    json!({
        "total": stats_json(stats.total.as_ref()),
        "partitions": partitions.collect::<Vec<_>>(),
        "streams": streams.collect::<Vec<_>>(),
    })
}
