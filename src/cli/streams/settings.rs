//! A stream's settings as flags, for `register` and `update`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use prost_types::FieldMask;

use super::scene::SceneArgs;
use crate::cli::output::pb_duration;
use crate::pb::v1 as pb;

/// Settings of a stream; what is not given follows the server's defaults (`register`) or stays (`update`).
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct SettingsArgs {
    /// A label to select streams by; once for each.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,

    /// A name for people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Keep the submitted bytes beside the processed picture.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    keep_original: Option<bool>,

    /// Quality of the output, 1 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    quality: Option<u32>,

    /// When a picture is encoded again.
    #[arg(long, value_name = "MODE", value_enum)]
    reencode: Option<Reencode>,

    /// Longer side of the thumbnail in pixels; 0 = none.
    #[arg(long, value_name = "PIXELS")]
    thumbnail_size: Option<u32>,

    /// Frames that are kept.
    #[arg(long, value_name = "N")]
    retain_frames: Option<u64>,

    /// How long frames are kept, for example 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    retain_age: Option<Duration>,

    /// Bytes that are kept.
    #[arg(long, value_name = "BYTES")]
    retain_bytes: Option<u64>,

    /// Frames that may wait for a worker.
    #[arg(long, value_name = "N")]
    queue_frames: Option<u64>,

    /// Bytes that may wait for a worker.
    #[arg(long, value_name = "BYTES")]
    queue_bytes: Option<u64>,

    /// What happens when more would wait: new frames are refused, or the oldest waiting ones dropped.
    #[arg(long, value_name = "POLICY", value_enum)]
    queue_overflow: Option<Overflow>,

    /// Time without a frame after which the stream counts as stalled.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stall_timeout: Option<Duration>,

    #[command(flatten)]
    scene: SceneArgs,
}

/// What happens when a stream's queue is full.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Overflow {
    /// New frames are refused, with a retry delay.
    Reject,
    /// The oldest waiting frames are dropped, and told to subscribers.
    DropOldest,
}

/// When a picture is encoded again.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reencode {
    /// Every picture is.
    Always,
    /// No picture is.
    Never,
}

impl SettingsArgs {
    /// The settings as a stream, and the mask that names those that were given.
    pub(super) fn into_stream(self, id: &str) -> (pb::Stream, FieldMask) {
        let Self {
            labels,
            name,
            keep_original,
            quality,
            reencode,
            thumbnail_size,
            retain_frames,
            retain_age,
            retain_bytes,
            queue_frames,
            queue_bytes,
            queue_overflow,
            stall_timeout,
            scene,
        } = self;
        let mut paths = Vec::new();
        let mut given = |path: &str, is_given: bool| {
            if is_given {
                paths.push(path.to_owned());
            }
            is_given
        };
        let mut stream = pb::Stream { stream_id: id.to_owned(), ..Default::default() };
        given("labels", !labels.is_empty());
        stream.labels = labels.into_iter().collect();
        given("display_name", name.is_some());
        stream.display_name = name.unwrap_or_default();
        let output = [
            given("output.keep_original", keep_original.is_some()),
            given("output.quality", quality.is_some()),
            given("output.reencode_mode", reencode.is_some()),
            given("output.thumbnail_size", thumbnail_size.is_some()),
        ];
        if output.contains(&true) {
            let mode = reencode.map_or(pb::ReencodeMode::Unspecified, |mode| match mode {
                Reencode::Always => pb::ReencodeMode::Always,
                Reencode::Never => pb::ReencodeMode::Never,
            });
            stream.output = Some(pb::OutputPolicy {
                keep_original: keep_original.unwrap_or_default(),
                quality: quality.unwrap_or_default(),
                reencode_mode: mode.into(),
                thumbnail_size,
                ..Default::default()
            });
        }
        let retention = [
            given("retention.max_frames", retain_frames.is_some()),
            given("retention.max_age", retain_age.is_some()),
            given("retention.max_bytes", retain_bytes.is_some()),
        ];
        if retention.contains(&true) {
            stream.retention = Some(pb::RetentionPolicy {
                max_frames: retain_frames.unwrap_or_default(),
                max_age: retain_age.map(pb_duration),
                max_bytes: retain_bytes.unwrap_or_default(),
            });
        }
        let queue = [
            given("queue.max_frames", queue_frames.is_some()),
            given("queue.max_bytes", queue_bytes.is_some()),
            given("queue.overflow", queue_overflow.is_some()),
        ];
        if queue.contains(&true) {
            let overflow = queue_overflow.map_or(pb::QueueOverflow::Unspecified, |policy| match policy {
                Overflow::Reject => pb::QueueOverflow::Reject,
                Overflow::DropOldest => pb::QueueOverflow::DropOldest,
            });
            stream.queue = Some(pb::QueuePolicy {
                max_frames: queue_frames.unwrap_or_default(),
                max_bytes: queue_bytes.unwrap_or_default(),
                overflow: overflow.into(),
            });
        }
        given("stall_timeout", stall_timeout.is_some());
        stream.stall_timeout = stall_timeout.map(pb_duration);
        scene.put(&mut stream, &mut paths);
        (stream, FieldMask { paths })
    }
}

/// `key=value`.
pub(in crate::cli) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_names_what_was_given_and_nothing_else() {
        let args = SettingsArgs {
            labels: vec![key_value("site=north").unwrap()],
            retain_frames: Some(10),
            keep_original: Some(false),
            ..Default::default()
        };
        let (stream, mask) = args.into_stream("cam");
        assert_eq!(mask.paths, ["labels", "output.keep_original", "retention.max_frames"]);
        assert_eq!(stream.labels["site"], "north");
        assert_eq!(stream.retention.map(|keep| keep.max_frames), Some(10));
        let (stream, mask) = SettingsArgs::default().into_stream("cam");
        assert!(mask.paths.is_empty());
        assert_eq!(stream, pb::Stream { stream_id: "cam".to_owned(), ..Default::default() });
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_value("=b").is_err());
        assert!(key_value("ab").is_err());
    }
}
