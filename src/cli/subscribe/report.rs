//! The output of a subscription: each event, and a summary at the end.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::json::{failures, frame_json, omitted};
use super::save::{Summary, role_name};
use crate::client::time::system_time;
use crate::console::latency::Latency;
use crate::console::output::{bytes, print, print_json, short, since, span, time_gap_words, time_json};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;

/// The style of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One line that is updated.
    Counter,
    /// One line for each frame.
    Lines,
    /// One JSON object for each event.
    Json,
}

impl Style {
    pub(super) fn choose(json: bool, lines: bool) -> Self {
        match (json, lines) {
            (true, _) => Self::Json,
            (false, false) if io::stdout().is_terminal() && io::stderr().is_terminal() => Self::Counter,
            (false, _) => Self::Lines,
        }
    }
}

/// Frames that were not delivered for one reason.
#[derive(Debug, Clone, Copy, Default)]
struct Missing {
    /// The number of frames that can be counted.
    frames: u64,
    /// Further frames are missing; their number is unknown.
    uncounted: bool,
}

impl Missing {
    fn of(cause: &pb::GapCause) -> Self {
        let countable =
            !matches!(cause.reason(), pb::GapReason::StoreReplaced | pb::GapReason::BackendFailover);
        match cause.frames.or(countable.then_some(cause.count)) {
            Some(frames) => Self { frames, uncounted: false },
            None => Self { frames: 0, uncounted: true },
        }
    }

    fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.uncounted |= other.uncounted;
    }

    fn words(self) -> String {
        match (self.frames, self.uncounted) {
            (frames, false) => frames.to_string(),
            (0, true) => "an unknown number".to_owned(),
            (frames, true) => format!("{frames} and an unknown number more"),
        }
    }

    /// Returns the number, or null if it is unknown.
    fn as_json(self) -> Value {
        if self.uncounted { Value::Null } else { self.frames.into() }
    }
}

/// Counts events and prints them.
#[derive(Debug)]
pub(super) struct Report {
    style: Style,
    bar: ProgressBar,
    start: Instant,
    /// Something was reported.
    has_begun: bool,
    frames: u64,
    bytes: u64,
    lag: u64,
    gaps: BTreeMap<String, Missing>,
    /// The number of time spans whose frames are no longer kept. The number of these frames is
    /// unknown.
    time_gaps: u64,
    received: Latency,
    captured: Latency,
}

impl Report {
    pub(super) fn new(style: Style) -> Self {
        let counter = style == Style::Counter;
        let target = if counter { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} frames  {msg}") {
            bar.set_style(style);
        }
        if counter {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        bar.set_message("waiting for the first frame");
        Self {
            style,
            bar,
            start: Instant::now(),
            has_begun: false,
            frames: 0,
            bytes: 0,
            lag: 0,
            gaps: BTreeMap::new(),
            time_gaps: 0,
            received: Latency::new(),
            captured: Latency::new(),
        }
    }

    /// Returns the number of frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Reports that the server has fixed the start positions.
    pub(super) fn started(&mut self, streams: usize) {
        self.has_begun = true;
        if self.style == Style::Json {
            print_json(&json!({ "type": "started", "streams": streams }));
        } else {
            self.note(&format!(
                "subscribed to {streams} {}",
                if streams == 1 { "stream" } else { "streams" }
            ));
        }
    }

    /// Reports a frame that was handled.
    pub(super) fn frame(&mut self, frame: &pb::ProcessedFrame, saved: &[PathBuf]) {
        self.has_begun = true;
        self.frames += 1;
        let received = frame.receive_time.as_ref().map(since);
        let captured = frame.capture_time.as_ref().map(since);
        self.received.record(received);
        self.captured.record(captured);
        self.bytes += frame.pictures.iter().map(data_bytes).sum::<u64>();
        match self.style {
            Style::Json => print_json(&frame_json(frame, saved, received, captured)),
            Style::Lines => print(&frame_line(frame, received, captured)),
            Style::Counter => {
                self.bar.set_position(self.frames);
                self.bar.set_message(self.rates());
            }
        }
    }

    /// Reports frames that are not delivered.
    pub(super) fn gap(&mut self, gap: &pb::Gap) {
        self.has_begun = true;
        if let Some(end) = &gap.end_receive_time {
            return self.time_gap(gap, end);
        }
        let causes: Vec<(String, &pb::GapCause)> = gap
            .causes
            .iter()
            .map(|cause| (short(cause.reason().as_str_name(), "GAP_REASON_"), cause))
            .collect();
        for (reason, cause) in &causes {
            self.gaps.entry(reason.clone()).or_default().add(Missing::of(cause));
        }
        if self.style == Style::Json {
            let cause_json = |(reason, cause): &(String, &pb::GapCause)| json!({ "reason": reason, "count": cause.count, "frames": Missing::of(cause).as_json() });
            let causes: Vec<Value> = causes.iter().map(cause_json).collect();
            print_json(&json!({
                "type": "gap",
                "stream_id": gap.stream_id,
                "from_sequence": gap.from_sequence,
                "to_sequence": gap.to_sequence,
                "causes": causes,
            }));
            return;
        }
        let line = gap_line(gap, &causes);
        if self.style == Style::Lines { print(&format!("{line}\n")) } else { self.note(&line) }
    }

    /// Reports a gap of time: a time span whose frames are no longer kept.
    fn time_gap(&mut self, gap: &pb::Gap, end: &prost_types::Timestamp) {
        self.time_gaps += 1;
        let reasons: Vec<String> =
            gap.causes.iter().map(|cause| short(cause.reason().as_str_name(), "GAP_REASON_")).collect();
        if self.style == Style::Json {
            print_json(&json!({
                "type": "gap",
                "stream_id": gap.stream_id,
                "start_receive_time": time_json(gap.start_receive_time.as_ref()),
                "end_receive_time": time_json(Some(end)),
                "oldest_receive_time": time_json(gap.oldest_receive_time.as_ref()),
                "causes": reasons.iter().map(|reason| json!({ "reason": reason })).collect::<Vec<_>>(),
            }));
            return;
        }
        let line = time_gap_words(gap).unwrap_or_default();
        if self.style == Style::Lines { print(&format!("{line}\n")) } else { self.note(&line) }
    }

    /// Notes the number of frames that are published and not delivered yet.
    pub(super) fn lag(&mut self, frames: u64) {
        self.lag = frames;
        if self.style == Style::Counter && self.frames > 0 {
            self.bar.set_message(self.rates());
        }
    }

    /// Prints a remark on standard error.
    pub(super) fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Ends the output. Prints the summary, except of a run that failed before anything came.
    pub(super) fn end(&self, saving: &Summary, has_failed: bool) {
        self.bar.finish_and_clear();
        if self.has_begun || !has_failed {
            self.summary(saving);
        }
    }

    fn summary(&self, saving: &Summary) {
        let seconds = self.start.elapsed();
        if self.style == Style::Json {
            print_json(&json!({
                "type": "summary",
                "frames": self.frames,
                "bytes": self.bytes,
                "saved": saving.files,
                "saved_bytes": saving.bytes,
                "not_saved": saving.missing,
                "removed": saving.removed,
                "gaps": self.gaps.iter().map(|(reason, missing)| (reason, missing.as_json())).collect::<BTreeMap<_, _>>(),
                "time_gaps": self.time_gaps,
                "seconds": (seconds.as_secs_f64() * 1e3).round() / 1e3,
                "received_to_now": self.received.as_json(),
                "captured_to_now": self.captured.as_json(),
            }));
            return;
        }
        let mut text = format!("{} frames, {} in {}", self.frames, bytes(self.bytes), span(seconds));
        if saving.files > 0 {
            text.push_str(&format!(", {} files saved ({})", saving.files, bytes(saving.bytes)));
        }
        if saving.removed > 0 {
            text.push_str(&format!(", {} old files removed", saving.removed));
        }
        for (what, count) in &saving.missing {
            text.push_str(&format!("; {count} not saved ({what})"));
        }
        if self.gaps.is_empty() && self.time_gaps == 0 {
            text.push_str("; no gaps");
        }
        if self.time_gaps > 0 {
            text.push_str(&format!("; {} of the requested time not kept", parts(self.time_gaps)));
        }
        for (reason, missing) in &self.gaps {
            text.push_str(&format!("; {} not delivered ({reason})", missing.words()));
        }
        text.push('\n');
        for (name, latency) in [("received to now", &self.received), ("captured to now", &self.captured)] {
            if let Some(words) = latency.words() {
                text.push_str(&format!("{name}: {words}\n"));
            }
        }
        // In this style, standard output has nothing but the lines of frames and gaps.
        if self.style == Style::Lines { eprint!("{text}") } else { print(&text) }
    }

    fn rates(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        let mut text = format!(
            "{:.1}/s  {}/s",
            self.frames as f64 / seconds,
            bytes((self.bytes as f64 / seconds) as u64),
        );
        if let Some(words) = self.received.words() {
            text.push_str(&format!("  latency {words}"));
        }
        if self.lag > 0 {
            text.push_str(&format!("  lag {}", self.lag));
        }
        if !self.gaps.is_empty() {
            let mut all = Missing::default();
            self.gaps.values().for_each(|missing| all.add(*missing));
            text.push_str(&format!("  {} not delivered", all.words()));
        }
        if self.time_gaps > 0 {
            text.push_str(&format!("  {} not kept", parts(self.time_gaps)));
        }
        text
    }
}

fn gap_line(gap: &pb::Gap, causes: &[(String, &pb::GapCause)]) -> String {
    let range = match gap.to_sequence < gap.from_sequence {
        true => format!("before {}", gap.from_sequence),
        false => format!("{}-{}", gap.from_sequence, gap.to_sequence),
    };
    let cause = |(reason, cause): &(String, &pb::GapCause)| {
        let replaced = cause.reason() == pb::GapReason::StoreReplaced;
        let hint = if replaced { " (the cursor belongs to another store)" } else { "" };
        format!("{} {reason}{hint}", Missing::of(cause).words())
    };
    let causes: Vec<String> = causes.iter().map(cause).collect();
    format!("{} {range} not delivered: {}", gap.stream_id, causes.join(", "))
}

fn parts(count: u64) -> String {
    if count == 1 { "1 part".to_owned() } else { format!("{count} parts") }
}

fn data_bytes(picture: &pb::Picture) -> u64 {
    match &picture.content {
        Some(Content::Data(data)) => data.len() as u64,
        Some(Content::OmittedReason(_)) | None => 0,
    }
}

fn frame_line(frame: &pb::ProcessedFrame, received: Option<Duration>, captured: Option<Duration>) -> String {
    let mut line = format!("{} {}", frame.stream_id, frame.sequence);
    if let Some(time) = &frame.receive_time {
        line.push_str(&format!("  {}", humantime::format_rfc3339_millis(system_time(time))));
    }
    for picture in &frame.pictures {
        line.push_str(&format!("  {} {}x{}", role_name(picture), picture.width, picture.height));
        match &picture.content {
            Some(Content::Data(data)) => line.push_str(&format!(" {}", bytes(data.len() as u64))),
            Some(Content::OmittedReason(_)) | None => {
                line.push_str(&format!(" omitted: {}", omitted(picture)))
            }
        }
    }
    if let Some(score) = frame.quality.as_ref().and_then(|quality| quality.quality_score) {
        line.push_str(&format!("  quality {score:.2}"));
    }
    let scene = frame.scene.unwrap_or_default();
    for (name, share) in [("foreground", scene.foreground_ratio), ("motion", scene.motion_intensity)] {
        if let Some(share) = share {
            line.push_str(&format!("  {name} {share:.2}"));
        }
    }
    let failures = failures(frame);
    if !failures.is_empty() {
        line.push_str(&format!("  flagged {}", failures.join(", ")));
    }
    if frame.over_budget {
        line.push_str("  over budget");
    }
    for (name, latency) in [("received", received), ("captured", captured)] {
        if let Some(latency) = latency {
            line.push_str(&format!("  {name} {} ago", span(latency)));
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(reason: pb::GapReason, count: u64, frames: Option<u64>) -> pb::GapCause {
        pb::GapCause { reason: reason.into(), count, frames }
    }

    fn line(from_sequence: u64, to_sequence: u64, causes: Vec<pb::GapCause>) -> String {
        let gap =
            pb::Gap { stream_id: "cam".to_owned(), from_sequence, to_sequence, causes, ..Default::default() };
        let named: Vec<_> = gap.causes.iter().map(|one| (format!("{:?}", one.reason()), one)).collect();
        gap_line(&gap, &named)
    }

    #[test]
    fn a_gap_counts_missing_frames_and_not_skipped_sequences() {
        use pb::GapReason::{BackendFailover, Retention, StoreReplaced};
        assert_eq!(line(3, 5, vec![cause(Retention, 3, None)]), "cam 3-5 not delivered: 3 Retention");
        let jump = |frames| line(6, 40_000, vec![cause(BackendFailover, 39_995, frames)]);
        assert_eq!(jump(Some(2)), "cam 6-40000 not delivered: 2 BackendFailover");
        assert_eq!(jump(None), "cam 6-40000 not delivered: an unknown number BackendFailover");
        assert_eq!(
            line(1, 0, vec![cause(StoreReplaced, 0, None)]),
            "cam before 1 not delivered: an unknown number StoreReplaced (the cursor belongs to another store)"
        );
    }

    #[test]
    fn a_summary_adds_the_known_counts() {
        let mut all = Missing::default();
        all.add(Missing::of(&cause(pb::GapReason::Retention, 3, Some(3))));
        assert_eq!((all.words(), all.as_json()), ("3".to_owned(), 3.into()));
        all.add(Missing::of(&cause(pb::GapReason::BackendFailover, 1 << 40, None)));
        assert_eq!((all.words(), all.as_json()), ("3 and an unknown number more".to_owned(), Value::Null));
    }
}
