//! The output of `frameway submit`: refusals, and a summary at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use crate::client::publish::{Decision, SentBatch};
use crate::client::{describe_item, reason_name};
use crate::console::Failure;
use crate::console::output::{bytes, print, print_json, span};
use crate::pb::v1 as pb;

/// The maximum number of refusals that are printed; further ones are only counted.
const MAX_PRINTED: u64 = 50;

/// Counts decisions and prints refusals.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    bar: ProgressBar,
    start: Instant,
    total: u64,
    streams: Vec<String>,
    publisher: String,
    first_number: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    unconfirmed: u64,
    bytes: u64,
    /// The number of frames that were sent again, counted each time.
    pub(super) retries: u64,
    /// The number of calls after the first.
    pub(super) reconnects: u64,
    reasons: BTreeMap<String, u64>,
    /// The user interrupted the run.
    pub(super) interrupted: bool,
}

impl Report {
    pub(super) fn new(
        json: bool,
        total: u64,
        streams: &[String],
        publisher: &str,
        first_number: u64,
    ) -> Self {
        // The bar is drawn on standard error, and only if that is a terminal.
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} frames  {per_sec}  {msg}  {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            json,
            bar,
            start: Instant::now(),
            total,
            streams: streams.to_vec(),
            publisher: publisher.to_owned(),
            first_number,
            accepted: 0,
            duplicates: 0,
            refused: 0,
            unconfirmed: 0,
            bytes: 0,
            retries: 0,
            reconnects: 0,
            reasons: BTreeMap::new(),
            interrupted: false,
        }
    }

    /// Counts the decisions about a batch and prints its refusals.
    pub(super) fn record_batch(&mut self, frames: &[pb::Frame], sent: SentBatch) {
        self.retries += sent.retries;
        for (frame, decision) in frames.iter().zip(sent.decisions) {
            self.record(frame, decision);
        }
    }

    /// Counts the decision about a frame and prints its refusal, if there is one.
    pub(super) fn record(&mut self, frame: &pb::Frame, decision: Decision) {
        match decision {
            Decision::Accepted { .. } => {
                self.accepted += 1;
                self.bytes += frame.data.len() as u64;
            }
            Decision::Duplicate { .. } => self.duplicates += 1,
            Decision::Refused(error) => {
                self.refused += 1;
                self.refusal(frame, "refused", &error);
            }
            Decision::Unconfirmed(error) => {
                self.unconfirmed += 1;
                if let Some(error) = error {
                    self.refusal(frame, "not confirmed", &error);
                }
            }
        }
        self.bar.set_position(self.accepted + self.duplicates + self.refused);
        self.bar.set_message(format!("{} refused, {}", self.refused, bytes(self.bytes)));
    }

    fn refusal(&mut self, frame: &pb::Frame, what: &str, error: &pb::ItemError) {
        *self.reasons.entry(reason_name(error)).or_default() += 1;
        let printed: u64 = self.reasons.values().sum();
        if printed > MAX_PRINTED {
            return;
        }
        let file = frame.attributes.get("file").map_or("", String::as_str);
        let mut line = format!("{what}: {file} in {}: {}", frame.stream_id, describe_item(error));
        if error.reason() == pb::ErrorReason::OutOfOrder {
            line.push_str(" - is another run with this --publisher submitting to the stream?");
        }
        if error.reason() == pb::ErrorReason::StreamNotFound {
            line.push_str(" - was the server restarted? Register the stream with its settings");
        }
        if printed == MAX_PRINTED {
            line.push_str("\nfurther refusals are only counted");
        }
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Prints the summary.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed();
        let rate = (self.accepted + self.duplicates) as f64 / seconds.as_secs_f64().max(1e-6);
        if self.json {
            print_json(&json!({
                "frames": self.total,
                "accepted": self.accepted,
                "duplicates": self.duplicates,
                "rejected": self.refused,
                "unconfirmed": self.unconfirmed,
                "not_sent": self.not_sent(),
                "retries": self.retries,
                "reconnects": self.reconnects,
                "bytes": self.bytes,
                "seconds": (seconds.as_secs_f64() * 1e3).round() / 1e3,
                "fps": (rate * 10.0).round() / 10.0,
                "reasons": self.reasons,
                "streams": self.streams,
                "publisher": self.publisher,
                "first_number": self.first_number,
            }));
            return;
        }
        print(&format!(
            "accepted {}, duplicates {}, refused {}, {} in {} ({rate:.1} frames/s)\n",
            self.accepted,
            self.duplicates,
            self.refused,
            bytes(self.bytes),
            span(seconds),
        ));
        if self.retries > 0 {
            print(&format!("sent again {} times\n", self.retries));
        }
        if self.reconnects > 0 {
            print(&format!("reconnected {} times\n", self.reconnects));
        }
        if self.unconfirmed + self.not_sent() > 0 {
            eprintln!(
                "to resume, run the command again with --publisher {} --first-number {}",
                self.publisher, self.first_number,
            );
        }
    }

    fn not_sent(&self) -> u64 {
        self.total.saturating_sub(self.accepted + self.duplicates + self.refused + self.unconfirmed)
    }

    /// Fails if the run was interrupted or a frame was refused.
    pub(super) fn result(&self) -> Result<(), Failure> {
        let failed = |text: String| Err(Failure::Failed(anyhow!(text)));
        if self.interrupted {
            return failed(format!(
                "interrupted: {} of {} frames were not sent",
                self.not_sent() + self.unconfirmed,
                self.total
            ));
        }
        if self.refused > 0 {
            let reasons: Vec<String> =
                self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            return failed(format!(
                "{} of {} frames were refused: {}",
                self.refused,
                self.total,
                reasons.join(", ")
            ));
        }
        Ok(())
    }
}
