//! Which dead letters a command means.

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use crate::cli::Failure;
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

    /// An expression over the fields of a dead letter, for example 'attempts > 1 AND receive_time >= "2026-01-31T12:00:00Z"'.
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
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

    /// Most that a filter or --all takes at once, to 1000; 100 unless given.
    #[arg(long, value_name = "N")]
    pub(super) max: Option<u32>,

    /// Show what would be done, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) because: String,
}

pub(super) enum Target {
    Ids(pb::DeadLetterIdList),
    Filter(String),
    All,
}

impl FilterArgs {
    /// The filter in the words of the contract; empty if nothing is asked for.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let mut terms = Vec::new();
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        for (field, value) in
            [("stream_id", &self.stream), ("queue_id", &self.queue), ("group_id", &self.group)]
        {
            if !value.is_empty() {
                terms.push(format!("{field} = {}", quoted(value)));
            }
        }
        match self.source {
            None => {}
            Some(Source::Worker) => terms.push("source = DEAD_LETTER_SOURCE_WORKER".to_owned()),
            Some(Source::Group) => terms.push("source = DEAD_LETTER_SOURCE_GROUP".to_owned()),
        }
        let reasons: Vec<String> = self.reason.iter().map(reason_term).collect::<Result<_, _>>()?;
        if !reasons.is_empty() {
            terms.push(format!("({})", reasons.join(" OR ")));
        }
        // Before 1970 nothing was given up.
        let ago = |age: Duration| {
            let time = SystemTime::now().checked_sub(age)?.max(SystemTime::UNIX_EPOCH);
            Some(humantime::format_rfc3339_micros(time))
        };
        if let Some(time) = self.younger_than.and_then(ago) {
            terms.push(format!("dead_letter_time >= \"{time}\""));
        }
        if let Some(time) = self.older_than.and_then(ago) {
            terms.push(format!("dead_letter_time < \"{time}\""));
        }
        if self.not_replayed {
            terms.push("NOT replay_time:*".to_owned());
        }
        if !self.filter.is_empty() {
            terms.push(format!("({})", self.filter));
        }
        Ok(terms.join(" AND "))
    }
}

fn reason_term(name: &String) -> Result<String, Failure> {
    let full = format!("ERROR_REASON_{}", name.to_uppercase().replace('-', "_"));
    match pb::ErrorReason::from_str_name(&full) {
        Some(_) => Ok(format!("reason = {full}")),
        None => Err(Failure::Usage(anyhow!("--reason {name}: there is no such reason"))),
    }
}

impl ChooseArgs {
    /// Ids, a filter or --all: one of them, so that a forgotten argument does not mean everything.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        let filter = self.filter.text()?;
        match (self.ids.is_empty(), filter.is_empty(), self.all) {
            (false, true, false) if self.max.is_none() => {
                Ok(Target::Ids(pb::DeadLetterIdList { ids: self.ids.clone() }))
            }
            (false, true, false) => Err(Failure::Usage(anyhow!("--max goes with a filter or --all"))),
            (true, false, false) => Ok(Target::Filter(filter)),
            (true, true, true) => Ok(Target::All),
            (true, true, false) => {
                Err(Failure::Usage(anyhow!("name dead letters, give a filter, or say --all")))
            }
            _ => Err(Failure::Usage(anyhow!("give ids, a filter or --all: one of them"))),
        }
    }
}
