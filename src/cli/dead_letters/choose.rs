//! Which dead letters a command means.

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use crate::cli::Failure;
use crate::cli::output::timestamp;
use crate::pb::v1 as pb;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    Worker,
    Group,
}

/// All that are given must hold.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which")]
pub(super) struct FilterArgs {
    /// Of this stream.
    #[arg(long, value_name = "STREAM", default_value = "", hide_default_value = true)]
    stream: String,

    /// Of this work queue, for example p07.
    #[arg(long, value_name = "QUEUE", default_value = "", hide_default_value = true)]
    queue: String,

    /// Given up by workers, or by consumer groups.
    #[arg(long)]
    source: Option<Source>,

    /// Given up by this consumer group.
    #[arg(long, value_name = "GROUP", default_value = "", hide_default_value = true)]
    group: String,

    /// For this reason, for example DECODE_TRUNCATED; once for each.
    #[arg(long, value_name = "REASON")]
    reason: Vec<String>,

    /// Given up less than so long ago, for example 1h.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    younger_than: Option<Duration>,

    /// Given up more than so long ago.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// Not replayed yet.
    #[arg(long)]
    not_replayed: bool,
}

/// By name, by filter, or all.
#[derive(Debug, Clone, Args)]
pub(super) struct ChooseArgs {
    /// Ids of dead letters.
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// All of them, as far as --max allows.
    #[arg(long)]
    all: bool,

    /// Most that a filter takes at once, to 1000.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) max: u32,

    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) because: String,
}

pub(super) enum Which {
    Ids(pb::DeadLetterIdList),
    Filter(pb::DeadLetterFilter),
}

impl FilterArgs {
    pub(super) fn to_pb(&self) -> Result<pb::DeadLetterFilter, Failure> {
        let ago = |age: Duration| SystemTime::now().checked_sub(age).map(timestamp);
        let reason = |name: &String| {
            let full = format!("ERROR_REASON_{}", name.to_uppercase().replace('-', "_"));
            let found = pb::ErrorReason::from_str_name(&full).map(i32::from);
            found.ok_or_else(|| Failure::Usage(anyhow!("--reason {name}: there is no such reason")))
        };
        Ok(pb::DeadLetterFilter {
            stream_id: self.stream.clone(),
            queue_id: self.queue.clone(),
            source: match self.source {
                None => pb::DeadLetterSource::Unspecified,
                Some(Source::Worker) => pb::DeadLetterSource::Worker,
                Some(Source::Group) => pb::DeadLetterSource::Group,
            }
            .into(),
            group_id: self.group.clone(),
            reasons: self.reason.iter().map(reason).collect::<Result<_, _>>()?,
            dead_after: self.younger_than.and_then(ago),
            dead_before: self.older_than.and_then(ago),
            not_replayed: self.not_replayed,
        })
    }
}

impl ChooseArgs {
    /// Ids, a filter or --all: one of them, so that a forgotten argument does not mean everything.
    pub(super) fn which(&self) -> Result<Which, Failure> {
        let filter = self.filter.to_pb()?;
        let filtered = filter != pb::DeadLetterFilter::default();
        match (self.ids.is_empty(), filtered || self.all) {
            (false, false) => Ok(Which::Ids(pb::DeadLetterIdList { ids: self.ids.clone() })),
            (true, true) => Ok(Which::Filter(filter)),
            (true, false) => Err(Failure::Usage(anyhow!("name dead letters, give a filter, or say --all"))),
            (false, true) => Err(Failure::Usage(anyhow!("give ids or a filter, not both"))),
        }
    }
}
