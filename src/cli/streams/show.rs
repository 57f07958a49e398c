//! Streams as tables and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::facts::Facts;
use crate::console::output::{Table, bytes, duration, ms_json, short, since, span, time_json};
use crate::pb::v1 as pb;

/// Returns the state in lower case; `-` if it is unknown.
pub(in crate::cli) fn state(status: Option<&pb::StreamStatus>) -> String {
    status
        .map_or("-".to_owned(), |status| short(status.state().as_str_name(), "STREAM_STATE_").to_lowercase())
}

/// Formats a table with a row for each stream.
pub(super) fn table(streams: &[pb::Stream]) -> String {
    let headings = ["STREAM", "STATE", "FRAMES", "WAITING", "KEPT", "BYTES", "LAST FRAME", "LABELS"];
    let mut table = Table::new(&headings, &[2, 3, 4, 5, 6]);
    for stream in streams {
        let status = stream.status.unwrap_or_default();
        table.row([
            stream.stream_id.clone(),
            state(stream.status.as_ref()),
            status.accepted_frames.to_string(),
            status.queued_frames.to_string(),
            status.retained_frames.to_string(),
            bytes(status.retained_bytes),
            status
                .last_receive_time
                .as_ref()
                .map_or("never".to_owned(), |time| format!("{} ago", span(since(time)))),
            labels(stream),
        ]);
    }
    table.render()
}

fn labels(stream: &pb::Stream) -> String {
    stream.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Formats the number of frames, and the newest sequence if sequences were skipped.
fn frames(count: u64, sequence: u64) -> String {
    match count == sequence {
        true => format!("{count} frames"),
        false => format!("{count} frames, the newest has sequence {sequence}"),
    }
}

/// Formats a row for each setting, without those that follow the server's defaults.
pub(super) fn details(stream: &pb::Stream, facts: &Facts) -> String {
    let mut table = Table::new(&["STREAM", &stream.stream_id], &[]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([name.to_owned(), value]);
        }
    };
    let unless_zero = |value: u64| if value == 0 { String::new() } else { value.to_string() };
    let yes = |is: bool| if is { "yes".to_owned() } else { String::new() };
    row("name", stream.display_name.clone());
    row("state", state(stream.status.as_ref()));
    row("labels", labels(stream));
    if let Some(status) = &stream.status {
        row("accepted", frames(status.accepted_frames, status.accepted_sequence));
        row("published", frames(status.published_frames, status.published_sequence));
        row("waiting", format!("{} frames, {}", status.queued_frames, bytes(status.queued_bytes)));
        let oldest = match status.oldest_sequence {
            0 => String::new(),
            oldest => format!(", from sequence {oldest}"),
        };
        row("kept", format!("{} frames, {}{oldest}", status.retained_frames, bytes(status.retained_bytes)));
        if let Some(until) = &status.trimmed_until_receive_time {
            let bound = bound_by(
                status,
                since(until),
                &stream.effective.and_then(|one| one.retention).unwrap_or_default(),
            );
            let time = time_json(Some(until));
            row(
                "kept since",
                format!(
                    "{} ({} ago), bounded by {bound}",
                    time.as_str().unwrap_or_default(),
                    span(since(until))
                ),
            );
        }
        if let Some(time) = &status.last_receive_time {
            row("last frame", format!("{} ago", span(since(time))));
        }
        let over = status.over_budget_in_row;
        row(
            "over budget",
            if over == 0 { String::new() } else { format!("the last {over} processed frames") },
        );
        facts.rows().into_iter().for_each(|(name, value)| row(name, value));
        row("partition", status.partition.to_string());
    }
    let effective = stream.effective.unwrap_or_default();
    if let Some(keep) = &effective.retention {
        row("retain frames", unless_zero(keep.max_frames()));
        row("retain age", keep.max_age.as_ref().map(|age| span(duration(age))).unwrap_or_default());
        row("retain bytes", keep.max_bytes.map(bytes).unwrap_or_default());
    }
    if let Some(output) = &effective.output {
        row(
            "format",
            match (output.format(), output.lossless) {
                (pb::PictureFormat::Unspecified, _) => String::new(),
                (format, lossless) => {
                    let name = short(format.as_str_name(), "PICTURE_FORMAT_").to_lowercase();
                    if lossless { format!("{name}, lossless") } else { name }
                }
            },
        );
        row("max width", unless_zero(output.max_width().into()));
        row("max height", unless_zero(output.max_height().into()));
        if let Some(budget) = &output.adaptive {
            let limit = |count: u64, per: &str| (count > 0).then(|| format!("{} a {per}", bytes(count)));
            let budgets = [
                limit(budget.max_bytes_per_frame().into(), "picture"),
                limit(budget.max_bytes_per_second(), "second"),
            ];
            row("budget", budgets.into_iter().flatten().collect::<Vec<_>>().join(", "));
            row("min quality", unless_zero(budget.min_quality().into()));
            row(
                "min scale",
                budget.min_scale_percent.map(|percent| format!("{percent} %")).unwrap_or_default(),
            );
        }
        if output.chroma_subsampling() != pb::ChromaSubsampling::Unspecified {
            row("chroma", short(output.chroma_subsampling().as_str_name(), "CHROMA_SUBSAMPLING_").to_owned());
        }
        if output.huffman() != pb::HuffmanTables::Unspecified {
            row("huffman", short(output.huffman().as_str_name(), "HUFFMAN_TABLES_").to_lowercase());
        }
        row("keep metadata", yes(output.keep_metadata));
        row("keep original", yes(output.keep_original));
        row("keep unmasked original", yes(output.keep_unmasked_original));
        row("quality", unless_zero(output.quality().into()));
        row("thumbnail", output.thumbnail_size.map(|side| format!("{side} pixels")).unwrap_or_default());
        if output.reencode_mode() != pb::ReencodeMode::Unspecified {
            row("re-encode", short(output.reencode_mode().as_str_name(), "REENCODE_MODE_").to_lowercase());
        }
    }
    let masks: Vec<&str> = stream.privacy_masks.iter().map(|mask| mask.mask_id.as_str()).collect();
    row("masks", masks.join(", "));
    row("mask version", unless_zero(stream.mask_version));
    if let Some(queue) = &effective.queue {
        row("queue frames", unless_zero(queue.max_frames()));
        row("queue bytes", queue.max_bytes.map(bytes).unwrap_or_default());
        row("queue overflow", short(queue.overflow().as_str_name(), "QUEUE_OVERFLOW_").to_lowercase());
    }
    for roi in &stream.rois {
        let kind = short(roi.kind().as_str_name(), "ROI_KIND_").to_lowercase();
        row("region", format!("{} ({kind}, {} points)", roi.roi_id, roi.polygon.len()));
    }
    if let Some(validation) = &effective.validation {
        row("min quality", validation.min_quality_score.map(|score| score.to_string()).unwrap_or_default());
        row("min width", unless_zero(validation.min_width().into()));
        row("min height", unless_zero(validation.min_height().into()));
        row("max age", validation.max_age.as_ref().map(|age| span(duration(age))).unwrap_or_default());
        row("clock", short(validation.clock_policy().as_str_name(), "CLOCK_POLICY_").to_lowercase());
    }
    row(
        "stall timeout",
        effective.stall_timeout.as_ref().map(|time| span(duration(time))).unwrap_or_default(),
    );
    row("auto-registered", yes(stream.auto_registered));
    row("registered", time_json(stream.create_time.as_ref()).as_str().unwrap_or_default().to_owned());
    row("changed", time_json(stream.update_time.as_ref()).as_str().unwrap_or_default().to_owned());
    row("etag", stream.etag.clone());
    table.render()
}

/// The time by which a kept frame may exceed the maximum age: two passes of retention.
const RETENTION_SLACK: Duration = Duration::from_secs(5);

/// Names the bound of the retention policy that an output has reached. If it has reached none, the
/// memory budget or an earlier policy limits the output.
pub(super) fn bound_by(
    status: &pb::StreamStatus,
    age: Duration,
    policy: &pb::RetentionPolicy,
) -> &'static str {
    let mean = status.retained_bytes / status.retained_frames.max(1);
    if status.retained_frames >= policy.max_frames() {
        "retain frames"
    } else if policy.max_age.as_ref().is_some_and(|max| age + RETENTION_SLACK >= duration(max)) {
        "retain age"
    } else if status.retained_bytes + 2 * mean >= policy.max_bytes() {
        "retain bytes"
    } else {
        "the server's memory budget, or an earlier policy"
    }
}

/// Formats a stream with its settings and status as JSON.
pub(super) fn stream_json(stream: &pb::Stream) -> Value {
    let effective = stream.effective.unwrap_or_default();
    let retention = effective.retention.as_ref().map(|keep| {
        json!({
            "max_frames": keep.max_frames,
            "max_age_ms": ms_json(keep.max_age.as_ref().map(duration)),
            "max_bytes": keep.max_bytes,
        })
    });
    let output = effective.output.as_ref().map(|output| {
        json!({
            "format": short(output.format().as_str_name(), "PICTURE_FORMAT_"),
            "quality": output.quality,
            "lossless": output.lossless,
            "max_width": output.max_width,
            "max_height": output.max_height,
            "adaptive": output.adaptive.as_ref().map(|budget| json!({
                "max_bytes_per_frame": budget.max_bytes_per_frame,
                "max_bytes_per_second": budget.max_bytes_per_second,
                "min_quality": budget.min_quality,
                "min_scale_percent": budget.min_scale_percent,
            })),
            "keep_metadata": output.keep_metadata,
            "keep_unmasked_original": output.keep_unmasked_original,
            "chroma_subsampling": short(output.chroma_subsampling().as_str_name(), "CHROMA_SUBSAMPLING_"),
            "huffman": short(output.huffman().as_str_name(), "HUFFMAN_TABLES_"),
            "thumbnail_size": output.thumbnail_size,
            "keep_original": output.keep_original,
            "reencode_mode": short(output.reencode_mode().as_str_name(), "REENCODE_MODE_"),
        })
    });
    let queue = effective.queue.as_ref();
    let masks = stream.privacy_masks.iter().map(|mask| {
        let points: Vec<Value> = mask.polygon.iter().map(|point| json!([point.x, point.y])).collect();
        json!({ "mask_id": mask.mask_id, "polygon": points })
    });
    let masks: Vec<Value> = masks.collect();
    json!({
        "stream_id": stream.stream_id,
        "display_name": stream.display_name,
        "labels": stream.labels,
        "retention": retention,
        "output": output,
        "privacy_masks": masks,
        "mask_version": stream.mask_version,
        "queue": queue.map(|queue| json!({
            "max_frames": queue.max_frames,
            "max_bytes": queue.max_bytes,
            "overflow": short(queue.overflow().as_str_name(), "QUEUE_OVERFLOW_"),
        })),
        "rois": stream.rois.iter().map(|roi| json!({
            "roi_id": roi.roi_id,
            "kind": short(roi.kind().as_str_name(), "ROI_KIND_"),
            "polygon": roi.polygon.iter().map(|point| [point.x, point.y]).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "validation": effective.validation.as_ref().map(|validation| json!({
            "min_quality_score": validation.min_quality_score,
            "min_width": validation.min_width,
            "min_height": validation.min_height,
            "max_age_ms": ms_json(validation.max_age.as_ref().map(duration)),
            "clock_policy": short(validation.clock_policy().as_str_name(), "CLOCK_POLICY_"),
        })),
        "stall_timeout_ms": ms_json(effective.stall_timeout.as_ref().map(duration)),
        "auto_registered": stream.auto_registered,
        "create_time": time_json(stream.create_time.as_ref()),
        "update_time": time_json(stream.update_time.as_ref()),
        "etag": stream.etag,
        "status": status_json(stream.status.as_ref()),
    })
}

/// Formats a stream's status as JSON.
pub(in crate::cli) fn status_json(status: Option<&pb::StreamStatus>) -> Value {
    let Some(status) = status else { return Value::Null };
    json!({
        "state": short(status.state().as_str_name(), "STREAM_STATE_"),
        "accepted_sequence": status.accepted_sequence,
        "accepted_frames": status.accepted_frames,
        "published_frames": status.published_frames,
        "published_sequence": status.published_sequence,
        "oldest_sequence": status.oldest_sequence,
        "last_receive_time": time_json(status.last_receive_time.as_ref()),
        "queued_frames": status.queued_frames,
        "queued_bytes": status.queued_bytes,
        "retained_frames": status.retained_frames,
        "retained_bytes": status.retained_bytes,
        "over_budget_in_row": status.over_budget_in_row,
        "trimmed_until_receive_time": time_json(status.trimmed_until_receive_time.as_ref()),
        "partition": status.partition,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_that_limits_an_output_is_named() {
        let policy = pb::RetentionPolicy {
            max_frames: Some(10),
            max_age: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
            max_bytes: Some(1_000_000),
        };
        let bound = |retained_frames, retained_bytes, age| {
            let status = pb::StreamStatus { retained_frames, retained_bytes, ..Default::default() };
            bound_by(&status, Duration::from_secs(age), &policy)
        };
        assert_eq!(bound(10, 1_000, 5), "retain frames");
        assert_eq!(bound(9, 1_000, 3_598), "retain age");
        assert_eq!(bound(9, 900_000, 5), "retain bytes");
        assert!(bound(9, 9_000, 5).contains("memory budget"));
        assert!(bound(0, 0, 5).contains("memory budget"));
    }
}
