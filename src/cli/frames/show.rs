//! Lists of frames, and single ones, as text and as JSON.

use std::path::Path;
use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::cli::subscribe::json::{failures, frame_json};
use crate::cli::subscribe::save::role_name;
use crate::client::time::system_time;
use crate::console::output::{Table, bytes, short, span, time_gap_words, time_json};
use crate::pb::v1 as pb;
use crate::pb::v1::listed_frame::Outcome;

/// Formats a time in UTC, to the millisecond, with its zone.
pub(super) fn clock(time: &Timestamp) -> String {
    humantime::format_rfc3339_millis(system_time(time)).to_string()
}

fn clock_or_none(time: Option<&Timestamp>) -> String {
    time.map_or("-".to_owned(), clock)
}

/// Describes what a stream keeps.
pub(super) fn kept_words(kept: Option<&pb::KeptFrames>) -> String {
    match kept {
        None => "nothing is kept".to_owned(),
        Some(kept) => format!(
            "kept are {}-{}, received {} to {}",
            kept.oldest_sequence,
            kept.newest_sequence,
            clock_or_none(kept.oldest_receive_time.as_ref()),
            clock_or_none(kept.newest_receive_time.as_ref()),
        ),
    }
}

/// Describes why a frame has no picture.
pub(super) fn tombstone_words(tombstone: &pb::Tombstone) -> String {
    let outcome = short(tombstone.outcome().as_str_name(), "TOMBSTONE_OUTCOME_").to_lowercase();
    let reason = short(tombstone.reason().as_str_name(), "ERROR_REASON_");
    if reason.eq_ignore_ascii_case(&outcome) {
        return outcome;
    }
    format!("{outcome}: {reason} ({})", tombstone.message)
}

fn gap_words(gap: &pb::Gap) -> String {
    if let Some(words) = time_gap_words(gap) {
        return words;
    }
    let cause = |cause: &pb::GapCause| {
        let reason = short(cause.reason().as_str_name(), "GAP_REASON_");
        match cause.frames {
            Some(frames) => format!("{frames} {reason}"),
            None => format!("an unknown number {reason}"),
        }
    };
    let causes: Vec<String> = gap.causes.iter().map(cause).collect();
    format!("{} {}-{} are not kept: {}", gap.stream_id, gap.from_sequence, gap.to_sequence, causes.join(", "))
}

pub(super) fn list_text(stream: &str, list: &pb::ListFramesResponse) -> String {
    let headings =
        ["SEQUENCE", "RECEIVED", "CAPTURED", "SUBMITTED", "PICTURE", "QUALITY", "MOTION", "OUTCOME"];
    let mut table = Table::new(&headings, &[0, 4, 5, 6]);
    for listed in &list.frames {
        match &listed.outcome {
            Some(Outcome::Frame(frame)) => table.row(frame_row(frame)),
            Some(Outcome::Tombstone(tombstone)) => {
                let times = [&tombstone.receive_time, &tombstone.capture_time];
                let [received, captured] = times.map(|time| clock_or_none(time.as_ref()));
                let none = || "-".to_owned();
                let (sequence, outcome) = (tombstone.sequence.to_string(), tombstone_words(tombstone));
                table.row([sequence, received, captured, none(), none(), none(), none(), outcome]);
            }
            None => {}
        }
    }
    let mut text = if list.frames.is_empty() { String::new() } else { table.render() };
    for gap in &list.gaps {
        text.push_str(&format!("{}\n", gap_words(gap)));
    }
    let more = if list.next_page_token.is_empty() { "" } else { ", and there are more" };
    let frames = if list.frames.len() == 1 { "frame" } else { "frames" };
    let kept = kept_words(list.kept.as_ref());
    text.push_str(&format!("{} {frames} of {stream}{more}; {kept}\n", list.frames.len()));
    text
}

fn frame_row(frame: &pb::ProcessedFrame) -> [String; 8] {
    let source = frame.source.clone().unwrap_or_default();
    let format = short(source.format().as_str_name(), "PICTURE_FORMAT_").to_lowercase();
    let processed = frame.pictures.iter().find(|picture| picture.role() == pb::PictureRole::Processed);
    let score = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.2}"));
    let failures = failures(frame);
    [
        frame.sequence.to_string(),
        clock_or_none(frame.receive_time.as_ref()),
        clock_or_none(frame.capture_time.as_ref()),
        format!("{format} {}x{}, {}", source.width, source.height, bytes(source.size_bytes)),
        processed.map_or("-".to_owned(), |picture| bytes(picture.size_bytes)),
        score(frame.quality.as_ref().and_then(|quality| quality.quality_score)),
        score(frame.scene.as_ref().and_then(|scene| scene.motion_intensity)),
        if failures.is_empty() { "ok".to_owned() } else { format!("flagged {}", failures.join(", ")) },
    ]
}

pub(super) fn list_json(list: &pb::ListFramesResponse) -> Value {
    let frame = |listed: &pb::ListedFrame| match listed.outcome.as_ref()? {
        Outcome::Frame(frame) => Some(frame_json(frame, &[], None, None)),
        Outcome::Tombstone(tombstone) => Some(tombstone_json(tombstone)),
    };
    json!({
        "frames": list.frames.iter().filter_map(frame).collect::<Vec<_>>(),
        "gaps": list.gaps.iter().map(gap_json).collect::<Vec<_>>(),
        "kept": list.kept.as_ref().map(|kept| json!({
            "oldest_sequence": kept.oldest_sequence,
            "newest_sequence": kept.newest_sequence,
            "oldest_receive_time": time_json(kept.oldest_receive_time.as_ref()),
            "newest_receive_time": time_json(kept.newest_receive_time.as_ref()),
            "frame_count": kept.frame_count,
        })),
        "more": !list.next_page_token.is_empty(),
    })
}

fn tombstone_json(tombstone: &pb::Tombstone) -> Value {
    json!({
        "type": "tombstone",
        "stream_id": tombstone.stream_id,
        "sequence": tombstone.sequence,
        "outcome": short(tombstone.outcome().as_str_name(), "TOMBSTONE_OUTCOME_"),
        "reason": short(tombstone.reason().as_str_name(), "ERROR_REASON_"),
        "message": tombstone.message,
        "capture_time": time_json(tombstone.capture_time.as_ref()),
        "receive_time": time_json(tombstone.receive_time.as_ref()),
        "dead_letter_id": tombstone.dead_letter_id,
    })
}

fn gap_json(gap: &pb::Gap) -> Value {
    let cause = |cause: &pb::GapCause| {
        let reason = short(cause.reason().as_str_name(), "GAP_REASON_");
        json!({ "reason": reason, "count": cause.count, "frames": cause.frames })
    };
    let is_time = gap.end_receive_time.is_some();
    json!({
        "from_sequence": (!is_time).then_some(gap.from_sequence),
        "to_sequence": (!is_time).then_some(gap.to_sequence),
        "start_receive_time": time_json(gap.start_receive_time.as_ref()),
        "end_receive_time": time_json(gap.end_receive_time.as_ref()),
        "causes": gap.causes.iter().map(cause).collect::<Vec<_>>(),
    })
}

/// Describes a frame; if it was found by a moment, with its distance from it.
pub(super) fn frame_text(frame: &pb::ProcessedFrame, at: Option<SystemTime>, saved: Option<&Path>) -> String {
    let received = frame.receive_time.as_ref();
    let mut text = format!("frame      {} {}\n", frame.stream_id, frame.sequence);
    text.push_str(&format!("received   {}", clock_or_none(received)));
    if let (Some(at), Some(time)) = (at, received.map(system_time)) {
        text.push_str(&match (at.duration_since(time), time.duration_since(at)) {
            (Ok(earlier), _) => format!(", {} before the moment", span(earlier)),
            (_, Ok(later)) => format!(", {} after the moment", span(later)),
            (Err(_), Err(_)) => String::new(),
        });
    }
    text.push_str(&format!("\ncaptured   {}\n", clock_or_none(frame.capture_time.as_ref())));
    let source = frame.source.clone().unwrap_or_default();
    let format = short(source.format().as_str_name(), "PICTURE_FORMAT_").to_lowercase();
    text.push_str(&format!(
        "submitted  {format}, {}x{}, {}\n",
        source.width,
        source.height,
        bytes(source.size_bytes)
    ));
    let scene = frame.scene.unwrap_or_default();
    for (name, value) in [
        ("quality", frame.quality.as_ref().and_then(|quality| quality.quality_score)),
        ("motion", scene.motion_intensity),
        ("foreground", scene.foreground_ratio),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{name:<11}{value:.2}\n"));
        }
    }
    let failures = failures(frame);
    if !failures.is_empty() {
        text.push_str(&format!("flagged    {}\n", failures.join(", ")));
    }
    if let (Some(file), Some(picture)) = (saved, frame.pictures.first()) {
        text.push_str(&format!(
            "saved      {}: {}, {}x{}, {}\n",
            file.display(),
            role_name(picture),
            picture.width,
            picture.height,
            bytes(picture.size_bytes)
        ));
    }
    text
}
