//! The flags that select dead letters.

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use crate::console::Failure;
use crate::pb::v1 as pb;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    Worker,
    Group,
}

/// The conditions on dead letters. A dead letter must meet all that are given.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct FilterArgs {
    /// Frames of this stream.
    #[arg(long, value_name = "STREAM", default_value = "", hide_default_value = true)]
    stream: String,

    /// Frames of this work queue, for example p07.
    #[arg(long, value_name = "QUEUE", default_value = "", hide_default_value = true)]
    queue: String,

    /// Frames that workers gave up, or that consumer groups gave up.
    #[arg(long)]
    source: Option<Source>,

    /// Frames that this consumer group gave up.
    #[arg(long, value_name = "GROUP", default_value = "", hide_default_value = true)]
    group: String,

    /// Frames that were given up for this reason, for example DECODE_TRUNCATED; repeatable.
    #[arg(long, value_name = "REASON")]
    reason: Vec<String>,

    /// Frames that were given up within the last AGE, for example 1h.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    younger_than: Option<Duration>,

    /// Frames that were given up more than AGE ago.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// Dead letters that were not replayed yet.
    #[arg(long)]
    not_replayed: bool,

    /// An expression over the fields of a dead letter, for example 'attempts > 1 AND receive_time
    /// >= "2026-01-31T12:00:00Z"'.
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
}

/// The selection of dead letters: by id, by filter, or all.
#[derive(Debug, Clone, Args)]
pub(super) struct ChooseArgs {
    /// Ids of dead letters.
    pub(super) ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// All dead letters.
    #[arg(long)]
    all: bool,

    /// Maximum number for a filter or --all, the oldest ones [default: all].
    #[arg(long, value_name = "N")]
    pub(super) max: Option<u32>,

    /// Show what would be done without changing anything.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// The reason, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) because: String,
}

pub(super) enum Target {
    Ids(Vec<String>),
    /// Those that match; with an empty filter, all.
    Filter(String),
}

impl FilterArgs {
    /// Returns the conditions as a filter expression; empty if none is given.
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
        // Clamp an age that reaches back before 1970 instead of leaving its term out: without a
        // term, `--older-than` alone would select every dead letter.
        let ago = |age: Duration| {
            let time = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
            humantime::format_rfc3339_micros(time.max(SystemTime::UNIX_EPOCH))
        };
        if let Some(time) = self.younger_than.map(ago) {
            terms.push(format!("dead_letter_time >= \"{time}\""));
        }
        if let Some(time) = self.older_than.map(ago) {
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
        None => Err(Failure::Usage(anyhow!(
            "--reason {name}: unknown reason; write one of ErrorReason, for example DECODE_TRUNCATED"
        ))),
    }
}

impl ChooseArgs {
    /// Returns the target. Exactly one of ids, a filter and --all must be given, so that a
    /// forgotten argument does not select everything.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        let filter = self.filter.text()?;
        require_one(&self.ids, &filter, self.all)?;
        if self.ids.is_empty() {
            return Ok(Target::Filter(filter));
        }
        match self.max {
            None => Ok(Target::Ids(self.ids.clone())),
            Some(_) => Err(Failure::Usage(anyhow!("--max needs a filter or --all"))),
        }
    }
}

/// Checks that exactly one of ids, a filter and `--all` is given.
pub(super) fn require_one(ids: &[String], filter: &str, all: bool) -> Result<(), Failure> {
    match [!ids.is_empty(), !filter.is_empty(), all].iter().filter(|given| **given).count() {
        1 => Ok(()),
        0 => Err(Failure::Usage(anyhow!("name dead letters by id, or give a filter or --all"))),
        _ => Err(Failure::Usage(anyhow!("ids, a filter and --all exclude each other: give one of them"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        choose: ChooseArgs,
    }

    fn filter(arguments: &[&str]) -> String {
        let cli = Cli::try_parse_from([&["discard"], arguments].concat()).expect("good arguments");
        match cli.choose.target().expect("a target") {
            Target::Filter(filter) => filter,
            Target::Ids(_) => panic!("{arguments:?} gave no filter"),
        }
    }

    #[test]
    fn an_age_from_before_1970_is_clamped_to_1970() {
        // The second age is longer than a 64-bit clock can go back.
        for age in ["100years", "500000000000years"] {
            assert_eq!(
                filter(&["--older-than", age]),
                "dead_letter_time < \"1970-01-01T00:00:00.000000Z\"",
                "{age}"
            );
            assert_eq!(
                filter(&["--younger-than", age]),
                "dead_letter_time >= \"1970-01-01T00:00:00.000000Z\"",
                "{age}"
            );
        }
    }
}
