//! A plan as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::Cost;
use super::estimate::{Demand, Plan};
use super::fit::{Short, memory};
use super::machine::Machine;
use crate::config::ByteSize;
use crate::console::output::bytes;

/// Everything that is printed.
pub(super) struct Shown<'a> {
    pub(super) demand: &'a Demand,
    pub(super) plan: &'a Plan,
    pub(super) cost: Cost,
    pub(super) machine: &'a Machine,
    pub(super) short: &'a [(Short, String)],
    pub(super) would_fit: &'a [String],
}

/// Formats a time span as the value of a flag: `1h5m`.
pub(super) fn flag(span: Duration) -> String {
    humantime::format_duration(span).to_string().replace(' ', "")
}

/// Formats a time span in whole seconds or, from an hour on, in whole minutes.
fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    let whole = if seconds < 3_600 { seconds } else { seconds / 60 * 60 };
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}

/// Formats a rate in bytes, and in bits as networks count.
fn rate(bytes_per_second: f64) -> String {
    format!("{}/s ({:.0} Mbit/s)", bytes(bytes_per_second as u64), bytes_per_second * 8.0 / 1e6)
}

impl Shown<'_> {
    pub(super) fn as_text(&self) -> String {
        let mut text = self.needs();
        text.push_str(&self.settings());
        text.push_str(&self.fit());
        text
    }

    fn needs(&self) -> String {
        let Self { demand, plan, .. } = self;
        let mut lines = vec![(
            "frames",
            format!(
                "{:.1} a second; {} kept for {}, {} of pictures",
                plan.fps,
                plan.kept_frames,
                humantime::format_duration(demand.keep),
                bytes(plan.kept_bytes)
            ),
        )];
        lines.push(("processor", self.processor()));
        let (maxmemory, used) = (bytes(plan.maxmemory), bytes(plan.redis_bytes));
        lines.push(("Redis", format!("{maxmemory} of memory (maxmemory); {used} in use when all is kept")));
        let least = bytes(plan.least_maxmemory);
        lines.push(("", format!("{least} is the least with which all is kept, as long as nothing waits")));
        let mut waits = "if no worker runs, ".to_owned();
        if plan.backlog < plan.full_backlog {
            waits.push_str(&format!("frames are kept for less time after {}, and ", rough(plan.backlog)));
        }
        lines.push(("", format!("{waits}submits are refused after {}", rough(plan.full_backlog))));
        lines.push(("server", format!("{} of memory, with its worker", bytes(plan.process_bytes))));
        lines.push(("network", format!("{} from the cameras", rate(plan.submit_rate))));
        let redis = format!("{} to Redis, {} from it", rate(plan.redis_in_rate), rate(plan.redis_out_rate));
        lines.push(("", redis));
        lines.push(("", format!("{} to subscribers: {}", rate(plan.subscriber_rate), demand.subscribers)));
        lines.push((
            "disk",
            format!(
                "{} with the append-only file and room for its rewrite; {} written",
                bytes(plan.disk_bytes),
                rate(plan.redis_in_rate)
            ),
        ));
        lines.into_iter().map(|(name, words)| format!("{name:<11}{words}\n")).collect()
    }

    fn processor(&self) -> String {
        let Self { demand, plan, cost, .. } = self;
        let ms = demand.cpu_ms_per_frame;
        let from = match cost {
            Cost::Documented => {
                format!("{ms:.1} ms a frame of 1920x1080 on the machine of docs/performance.md")
            }
            Cost::Measured(quick) => {
                format!(
                    "{ms:.1} ms a frame, measured here for {:.0} s at {:.0} frames/s",
                    quick.seconds, quick.fps
                )
            }
        };
        format!("{} cores, of which {:.1} are busy: {from}", plan.cores, plan.busy_cores)
    }

    /// Returns the settings of Redis, of the servers and workers, and of each stream.
    fn settings(&self) -> String {
        let Self { demand, plan, .. } = self;
        let originals = if demand.keeps_originals && !demand.relays { " --keep-original" } else { "" };
        format!(
            "\nredis.conf: maxmemory {}mb, maxmemory-policy noeviction, appendonly yes\n\
             frameway serve --memory-budget {} --memory-split {} --partitions {}\n\
             frameway streams register ID --retain-age {} --retain-frames {} --retain-bytes {}{originals}\n",
            plan.maxmemory >> 20,
            ByteSize(plan.memory_budget),
            plan.split,
            demand.partitions.count(),
            flag(demand.keep),
            plan.retain_frames,
            ByteSize(plan.retain_bytes),
        )
    }

    fn fit(&self) -> String {
        let Self { plan, machine, short, would_fit, .. } = self;
        let disk = machine.disk_bytes.map_or("unknown".to_owned(), bytes);
        let has = format!(
            "this machine has {} cores, {} of memory, {disk} of free disk",
            machine.cores,
            bytes(machine.memory_bytes)
        );
        if short.is_empty() {
            return format!("\nAll of it fits here: {has}.\n");
        }
        let mut text = format!("\nDoes not fit if one machine runs everything ({has}):\n");
        for (what, words) in *short {
            text.push_str(&format!("  {:<10} {words}\n", what.name()));
        }
        text.push_str(&format!(
            "Would fit:\n  a machine, or several, with {} cores, {} of memory for Redis, {} for the server, {} of disk\n",
            plan.cores,
            bytes(plan.maxmemory),
            bytes(plan.process_bytes),
            bytes(plan.disk_bytes),
        ));
        for change in *would_fit {
            text.push_str(&format!("  here: {change}\n"));
        }
        text
    }

    pub(super) fn as_json(&self) -> Value {
        let Self { demand, plan, cost, machine, short, would_fit } = self;
        let measured = match cost {
            Cost::Documented => Value::Null,
            Cost::Measured(quick) => json!({ "seconds": quick.seconds, "fps": quick.fps }),
        };
        json!({
            "cameras": demand.cameras,
            "fps": plan.fps,
            "submitted_bytes": demand.submitted_bytes,
            "processed_bytes": demand.processed_bytes,
            "thumbnail_bytes": demand.thumbnail_bytes,
            "keep_seconds": demand.keep.as_secs(),
            "kept_frames": plan.kept_frames,
            "kept_bytes": plan.kept_bytes,
            "processor": {
                "ms_per_frame": demand.cpu_ms_per_frame,
                "busy_cores": plan.busy_cores,
                "cores": plan.cores,
                "measured": measured,
            },
            "redis": {
                "used_bytes": plan.redis_bytes,
                "maxmemory": plan.maxmemory,
                "least_maxmemory": plan.least_maxmemory,
                "streams_of_a_partition": plan.streams_of_a_partition,
            },
            "settings": {
                "memory_budget": plan.memory_budget,
                "memory_split": plan.split.to_string(),
                "partitions": demand.partitions.count(),
                "retain_age_seconds": demand.keep.as_secs(),
                "retain_frames": plan.retain_frames,
                "retain_bytes": plan.retain_bytes,
            },
            "process_bytes": plan.process_bytes,
            "memory_bytes": memory(plan),
            "backlog_seconds": plan.backlog.as_secs(),
            "full_backlog_seconds": plan.full_backlog.as_secs(),
            "network_bytes_per_second": {
                "cameras": plan.submit_rate,
                "to_redis": plan.redis_in_rate,
                "from_redis": plan.redis_out_rate,
                "subscribers": plan.subscriber_rate,
            },
            "disk_bytes": plan.disk_bytes,
            "machine": {
                "cores": machine.cores,
                "memory_bytes": machine.memory_bytes,
                "disk_bytes": machine.disk_bytes,
            },
            "does_not_fit": short
                .iter()
                .map(|(what, words)| json!({ "what": what.name(), "why": words }))
                .collect::<Vec<_>>(),
            "would_fit": would_fit,
        })
    }
}
