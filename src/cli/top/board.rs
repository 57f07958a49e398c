//! Turns samples into tables: pure, without a terminal or a server.

use std::collections::HashMap;
use std::time::Duration;

use super::sample::{Part, Rows, Sample};
use super::table::{Cell, Heading, Table, rate_text};
use crate::cli::streams::state;
use crate::console::output::{backend_name, bytes, duration, short, since, span};
use crate::pb::v1 as pb;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Streams,
    Queues,
    Workers,
    Groups,
    DeadLetters,
}

impl View {
    /// All views, in the order of their keys.
    pub(super) const ALL: [Self; 5] =
        [Self::Streams, Self::Queues, Self::Workers, Self::Groups, Self::DeadLetters];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Queues => "queues",
            Self::Workers => "workers",
            Self::Groups => "groups",
            Self::DeadLetters => "dead letters",
        }
    }

    pub(super) fn headings(self) -> &'static [Heading] {
        match self {
            Self::Streams => &[
                ("STREAM", false),
                ("STATE", false),
                ("IN/s", true),
                ("BYTES IN", true),
                ("OUT/s", true),
                ("WAITING", true),
                ("LAST FRAME", true),
                ("FAILED", true),
                ("DROPPED", true),
                ("KEPT", true),
                ("KEPT BYTES", true),
            ],
            Self::Queues => &[
                ("QUEUE", false),
                ("STATE", false),
                ("STREAMS", true),
                ("WAITING", true),
                ("BYTES", true),
                ("FULL", true),
                ("IN FLIGHT", true),
                ("OLDEST", true),
                ("DONE/s", true),
                ("P95", true),
                ("WORKER", false),
                ("REASON", false),
            ],
            Self::Workers => &[
                ("WORKER", false),
                ("VERSION", false),
                ("UP", true),
                ("PARTITIONS", true),
                ("DONE/s", true),
                ("PROCESSED", true),
                ("FAILED", true),
                ("RENEWED", true),
            ],
            Self::Groups => &[
                ("GROUP", false),
                ("STREAMS", true),
                ("MEMBERS", true),
                ("LAG", true),
                ("OUTSTANDING", true),
                ("OLDEST", true),
                ("ACKED/s", true),
                ("REDELIVERED", true),
                ("DEAD", true),
                ("LOST", true),
            ],
            Self::DeadLetters => &[
                ("AGE", true),
                ("STREAM", false),
                ("SEQUENCE", true),
                ("FROM", false),
                ("REASON", false),
                ("PICTURE", true),
                ("REPLAYED", false),
            ],
        }
    }

    /// Returns the column by which the view is sorted at first.
    pub(super) fn first_sort(self) -> (usize, bool) {
        match self {
            Self::Streams | Self::Queues | Self::Workers => (0, false),
            // The group that is furthest behind.
            Self::Groups => (3, false),
            // The newest one.
            Self::DeadLetters => (0, true),
        }
    }

    /// Returns the table of a sample, or the reason why the server did not give it. Rates need the
    /// sample before.
    pub(super) fn table(self, now: &Sample, before: Option<&Sample>) -> Part<Table> {
        let (rows, note) = match self {
            Self::Streams => streams(now, before)?,
            Self::Queues => (queues(now)?, String::new()),
            Self::Workers => (workers(now, before)?, String::new()),
            Self::Groups => groups(now, before)?,
            Self::DeadLetters => dead_letters(now)?,
        };
        Ok(Table { headings: self.headings(), rows, note })
    }
}

/// The contents of a view: rows, and a note.
type Content = (Vec<Vec<Cell>>, String);

/// The time between two samples.
#[derive(Debug, Clone, Copy)]
struct Between(f64);

impl Between {
    fn new(now: &Sample, before: Option<&Sample>) -> Self {
        let seconds = before.map(|before| now.taken.saturating_duration_since(before.taken).as_secs_f64());
        Self(seconds.unwrap_or_default())
    }

    /// Returns the rate per second of a counter; `None` if it cannot be known. A counter that fell
    /// belongs to something new under the same name.
    fn rate(self, now: u64, before: Option<u64>) -> Option<f64> {
        let rise = now.checked_sub(before?)?;
        (self.0 > 0.0).then(|| rise as f64 / self.0)
    }
}

/// Returns the elements of a part of the sample before, by name.
fn by_name<T>(part: Option<&Part<Rows<T>>>, name: fn(&T) -> &str) -> HashMap<&str, &T> {
    let rows = part.and_then(|part| part.as_ref().ok()).map(|rows| rows.rows.as_slice());
    rows.unwrap_or_default().iter().map(|row| (name(row), row)).collect()
}

fn streams(now: &Sample, before: Option<&Sample>) -> Part<Content> {
    let Rows { rows, more } = now.streams.as_ref().map_err(Clone::clone)?;
    let between = Between::new(now, before);
    let earlier = by_name(before.map(|before| &before.streams), |stream| &stream.stream_id);
    let table = rows.iter().map(|stream| {
        let account = stream.account.unwrap_or_default();
        let status = stream.status.unwrap_or_default();
        let earlier = earlier.get(stream.stream_id.as_str()).map(|one| one.account.unwrap_or_default());
        let rate = |of: fn(&pb::FrameAccount) -> u64| between.rate(of(&account), earlier.as_ref().map(of));
        vec![
            Cell::text(&stream.stream_id),
            Cell::text(&state(stream.status.as_ref())),
            Cell::rate(rate(|account| account.accepted_frames)),
            Cell::byte_rate(rate(|account| account.accepted_bytes)),
            Cell::rate(rate(finished)),
            Cell::count(account.queued_frames),
            Cell::span(status.last_receive_time.as_ref().map(since)),
            Cell::count(account.failed_frames),
            Cell::count(account.dropped_frames),
            Cell::count(status.retained_frames),
            Cell::bytes(status.retained_bytes),
        ]
    });
    let registered: Option<u64> = now.queues.as_ref().ok().map(|queues| {
        queues.partitions.iter().filter_map(|one| one.queue.as_ref()).map(|queue| queue.stream_count).sum()
    });
    let note = match (more, registered) {
        (false, _) => String::new(),
        (true, Some(all)) => {
            format!("{} of {all} streams are not shown", all.saturating_sub(rows.len() as u64))
        }
        (true, None) => format!("only the first {} streams are shown", rows.len()),
    };
    Ok((table.collect(), note))
}

/// Returns the frames of which the outcome is published.
fn finished(account: &pb::FrameAccount) -> u64 {
    account.processed_frames
        + account.failed_frames
        + account.dropped_frames
        + account.purged_frames
        + account.erased_frames
}

fn queues(now: &Sample) -> Part<Vec<Vec<Cell>>> {
    let queues = now.queues.as_ref().map_err(Clone::clone)?;
    let row = |one: &pb::PartitionStats| {
        let queue = one.queue.clone().unwrap_or_default();
        let stats = one.stats.unwrap_or_default();
        vec![
            Cell::text(&queue.queue_id),
            Cell::text(&short(queue.state().as_str_name(), "QUEUE_STATE_").to_lowercase()),
            Cell::count(queue.stream_count),
            Cell::count(queue.queued_frames),
            Cell::bytes(queue.queued_bytes),
            Cell::percent(queue.queued_bytes, queue.max_queued_bytes),
            Cell::count(queue.in_flight_frames),
            Cell::span(queue.oldest_age.as_ref().map(duration)),
            Cell::rate(stats.completed_fps),
            Cell::span(stats.processing.and_then(|times| times.p95.as_ref().map(duration))),
            Cell::name(&queue.worker_id),
            Cell::text(&queue.state_reason),
        ]
    };
    Ok(queues.partitions.iter().map(row).collect())
}

fn workers(now: &Sample, before: Option<&Sample>) -> Part<Vec<Vec<Cell>>> {
    let metrics = now.metrics.as_ref().map_err(Clone::clone)?;
    let between = Between::new(now, before);
    let earlier = before.and_then(|before| before.metrics.as_ref().ok());
    let row = |worker: &crate::pb::admin::v1beta1::WorkerMetrics| {
        let done = |worker: &crate::pb::admin::v1beta1::WorkerMetrics| {
            Some(worker.processed_frames? + worker.failed_frames.unwrap_or_default())
        };
        let earlier = earlier.and_then(|metrics| {
            metrics.workers.iter().find(|one| one.worker_id == worker.worker_id).and_then(done)
        });
        let count = |count: Option<u64>| count.map_or_else(|| Cell::rate(None), Cell::count);
        vec![
            Cell::text(&worker.worker_id),
            Cell::name(&worker.version),
            Cell::span(worker.start_time.as_ref().map(since)),
            Cell::count(worker.partitions.len() as u64),
            Cell::rate(done(worker).and_then(|now| between.rate(now, earlier))),
            count(worker.processed_frames),
            count(worker.failed_frames),
            Cell::span(worker.last_renew_time.as_ref().map(since)),
        ]
    };
    Ok(metrics.workers.iter().map(row).collect())
}

fn groups(now: &Sample, before: Option<&Sample>) -> Part<Content> {
    let Rows { rows, more } = now.groups.as_ref().map_err(Clone::clone)?;
    let between = Between::new(now, before);
    let earlier = by_name(before.map(|before| &before.groups), |group| &group.group_id);
    let acked = |group: &pb::ConsumerGroup| group.status.as_ref().map(|status| status.acknowledged_frames);
    let table = rows.iter().map(|group| {
        let status = group.status.clone().unwrap_or_default();
        let before = earlier.get(group.group_id.as_str()).and_then(|group| acked(group));
        vec![
            Cell::text(&group.group_id),
            Cell::count(status.stream_count),
            Cell::count(status.members.len() as u64),
            Cell::count(status.lag_frames),
            Cell::count(status.outstanding_frames),
            Cell::span(status.oldest_outstanding_age.as_ref().map(duration)),
            Cell::rate(between.rate(status.acknowledged_frames, before)),
            Cell::count(status.redelivered_frames),
            Cell::count(status.dead_letter_frames),
            Cell::count(status.lost_to_retention_frames),
        ]
    });
    let note = if *more { format!("only the first {} groups are shown", rows.len()) } else { String::new() };
    Ok((table.collect(), note))
}

fn dead_letters(now: &Sample) -> Part<Content> {
    let list = now.dead_letters.as_ref().map_err(Clone::clone)?;
    let row = |letter: &pb::DeadLetter| {
        let from = match letter.group_id.as_str() {
            "" => short(letter.source().as_str_name(), "DEAD_LETTER_SOURCE_").to_lowercase(),
            group => format!("group {group}"),
        };
        vec![
            Cell::span(letter.dead_letter_time.as_ref().map(since)),
            Cell::text(&letter.stream_id),
            Cell::count(letter.sequence),
            Cell::text(&from),
            Cell::text(&short(letter.reason().as_str_name(), "ERROR_REASON_")),
            letter.picture.as_ref().map_or_else(|| Cell::bytes(0), |picture| Cell::bytes(picture.size_bytes)),
            Cell::text(if letter.replay_time.is_some() { "yes" } else { "-" }),
        ]
    };
    let rows: Vec<_> = list.dead_letters.iter().map(row).collect();
    let hidden = list.kept_count.saturating_sub(rows.len() as u64);
    let note = if hidden > 0 { format!("{hidden} older dead letters are not shown") } else { String::new() };
    Ok((rows, note))
}

/// Returns the lines about the server as a whole.
pub(super) fn totals(address: &str, now: &Sample, before: Option<&Sample>) -> [String; 3] {
    let info = &now.info;
    let health = short(info.health().as_str_name(), "SERVER_HEALTH_");
    let up = info.start_time.as_ref().map(|time| format!(", up {}", span(since(time)))).unwrap_or_default();
    let about = format!("{address}  Frameway {}, {}, {health}{up}", info.version, backend_name(info));

    let between = Between::new(now, before);
    let total = |sample: &Sample| sample.queues.as_ref().ok()?.total?.account;
    let server = |sample: &Sample| sample.metrics.as_ref().ok()?.server.clone();
    let frames = match total(now) {
        None => "the totals of frames are not known".to_owned(),
        Some(account) => {
            let earlier = before.and_then(total);
            let rate =
                |of: fn(&pb::FrameAccount) -> u64| between.rate(of(&account), earlier.as_ref().map(of));
            format!(
                "in {}/s ({}), done {}/s, waiting {}, failed {}, dropped {}, refused {}/s",
                rate_text(rate(|account| account.accepted_frames)),
                Cell::byte_rate(rate(|account| account.accepted_bytes)).text,
                rate_text(rate(finished)),
                account.queued_frames,
                account.failed_frames,
                account.dropped_frames,
                rate_text(rate(|account| account.rejected_frames)),
            )
        }
    };
    let Some(own) = server(now) else {
        return [about, frames, "the totals of the server are not known".to_owned()];
    };
    let earlier = before.and_then(server);
    let delivered = between.rate(own.delivered_frames, earlier.as_ref().map(|one| one.delivered_frames));
    let sent = between.rate(own.delivered_bytes, earlier.as_ref().map(|one| one.delivered_bytes));
    let mut rest = format!(
        "delivered {}/s ({}), subscriptions {}",
        rate_text(delivered),
        Cell::byte_rate(sent).text,
        own.subscriptions
    );
    if let Some(resident) = own.resident_bytes {
        rest.push_str(&format!(", server memory {}", bytes(resident)));
    }
    let backend = now.metrics.as_ref().ok().and_then(|metrics| metrics.backend);
    if let Some(used) = backend.and_then(|backend| backend.used_bytes) {
        let max = backend.and_then(|backend| backend.max_bytes);
        let of = max.map(|max| format!(" of {}", bytes(max))).unwrap_or_default();
        rest.push_str(&format!(", backend {}{of}", bytes(used)));
    }
    [about, frames, rest].map(|line| line.chars().filter(|c| !c.is_control()).collect())
}

/// Formats the age of the sample on display if the server has stopped answering.
pub(super) fn outage(since: Duration, why: &str) -> String {
    let why: String = why.chars().filter(|c| !c.is_control()).collect();
    format!("NO ANSWER for {}; trying again ({why})", span(since))
}

#[cfg(test)]
pub(super) mod tests;
