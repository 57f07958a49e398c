//! The output of `frameway submit`: refusals, and a summary at the end.

use std::collections::BTreeMap;
use std::path::Path;
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

/// The reason for a file that is no picture, among the reasons of the server.
pub(super) const NOT_A_PICTURE: &str = "NOT_A_PICTURE";
/// The reason for a file that the server would refuse, as the server names it.
pub(super) const TOO_LARGE: &str = "PICTURE_TOO_LARGE";

/// The extent of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// The number of frames to send; `None` if it is not known before the end.
    pub(super) total: Option<u64>,
    /// It is the user who ends the run.
    pub(super) endless: bool,
}

/// A printer of remarks beside the progress.
#[derive(Debug)]
pub(super) struct Remarks(ProgressBar);

impl Remarks {
    /// Prints a line on standard error.
    pub(super) fn print(&self, text: &str) {
        self.0.suspend(|| eprintln!("{text}"));
    }
}

/// Counts decisions and prints refusals.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    bar: ProgressBar,
    start: Instant,
    scope: Scope,
    streams: Vec<String>,
    publisher: String,
    first_number: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    unconfirmed: u64,
    /// The files that were not sent, because no server accepts them.
    left_out: u64,
    bytes: u64,
    /// The number of frames that were read to be sent.
    pub(super) read: u64,
    /// The ticks of the pace at which no frame was sent.
    pub(super) skipped_ticks: u64,
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
        scope: Scope,
        streams: &[String],
        publisher: &str,
        first_number: u64,
    ) -> Self {
        // The bar is drawn on standard error, and only if that is a terminal.
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(scope.total, target);
        let style = ProgressStyle::with_template(match scope.total {
            Some(_) => "{bar:30} {pos}/{len} frames  {per_sec}  {msg}  {eta} left",
            None => "{spinner} {pos} frames  {per_sec}  {msg}",
        });
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            json,
            bar,
            start: Instant::now(),
            scope,
            streams: streams.to_vec(),
            publisher: publisher.to_owned(),
            first_number,
            accepted: 0,
            duplicates: 0,
            refused: 0,
            unconfirmed: 0,
            left_out: 0,
            bytes: 0,
            read: 0,
            skipped_ticks: 0,
            retries: 0,
            reconnects: 0,
            reasons: BTreeMap::new(),
            interrupted: false,
        }
    }

    /// Returns a printer of remarks beside the progress.
    pub(super) fn remarks(&self) -> Remarks {
        Remarks(self.bar.clone())
    }

    /// Counts a file that is not sent, and prints it.
    pub(super) fn left_out(&mut self, file: &Path, stream: &str, reason: &str, why: &str) {
        self.left_out += 1;
        self.refused += 1;
        self.print_refusal(reason, || format!("not sent: {} in {stream}: {why}", file.display()));
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
        self.print_refusal(&reason_name(error), || {
            let file = frame.attributes.get("file").map_or("", String::as_str);
            let mut line = format!("{what}: {file} in {}: {}", frame.stream_id, describe_item(error));
            if error.reason() == pb::ErrorReason::OutOfOrder {
                line.push_str(" - is another run with this --publisher submitting to the stream?");
            }
            if error.reason() == pb::ErrorReason::StreamNotFound {
                line.push_str(" - was the server restarted? Register the stream with its settings");
            }
            line
        });
    }

    /// Counts a reason and prints the line, unless many were printed.
    fn print_refusal(&mut self, reason: &str, line: impl FnOnce() -> String) {
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
        let printed: u64 = self.reasons.values().sum();
        if printed > MAX_PRINTED {
            return;
        }
        let more = if printed == MAX_PRINTED { "\nfurther refusals are only counted" } else { "" };
        self.bar.suspend(|| eprintln!("{}{more}", line()));
    }

    /// Prints the summary.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed();
        let rate = (self.accepted + self.duplicates) as f64 / seconds.as_secs_f64().max(1e-6);
        if self.json {
            print_json(&json!({
                "frames": self.total(),
                "accepted": self.accepted,
                "duplicates": self.duplicates,
                "rejected": self.refused,
                "unconfirmed": self.unconfirmed,
                "not_sent": self.not_sent(),
                "skipped_ticks": self.skipped_ticks,
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
        if self.skipped_ticks > 0 {
            print(&format!("skipped {} ticks of the pace\n", self.skipped_ticks));
        }
        if self.reconnects > 0 {
            print(&format!("reconnected {} times\n", self.reconnects));
        }
        if self.unconfirmed > 0 || self.not_sent() > 0 && !self.scope.endless {
            eprintln!(
                "to resume, run the command again with --publisher {} --first-number {}",
                self.publisher, self.first_number,
            );
        }
    }

    /// Returns the number of frames to send, as far as it is known, and files that were not sent.
    fn total(&self) -> u64 {
        self.scope.total.unwrap_or(self.read) + self.left_out
    }

    fn not_sent(&self) -> u64 {
        self.total().saturating_sub(self.accepted + self.duplicates + self.refused + self.unconfirmed)
    }

    /// Fails if the run was interrupted before its end, or a frame was refused.
    pub(super) fn result(&self) -> Result<(), Failure> {
        let failed = |text: String| Err(Failure::Failed(anyhow!(text)));
        if self.interrupted && (!self.scope.endless || self.unconfirmed > 0) {
            return failed(match self.scope.total {
                Some(_) => format!(
                    "interrupted: {} of {} frames were not sent",
                    self.not_sent() + self.unconfirmed,
                    self.total()
                ),
                None => format!("interrupted: {} frames were not confirmed", self.unconfirmed),
            });
        }
        if self.refused > 0 {
            let reasons: Vec<String> =
                self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            return failed(format!(
                "{} of {} frames were refused: {}",
                self.refused,
                self.total(),
                reasons.join(", ")
            ));
        }
        Ok(())
    }
}
