//! The flags for a stream's settings, for `register` and `update`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use prost_types::FieldMask;

use super::output::OutputArgs;
use super::scene::SceneArgs;
use crate::config::ByteSize;
use crate::console::output::{is_set, pb_duration};
use crate::pb::v1 as pb;

/// Settings of a stream. A setting that is not given follows the server's default (`register`) or
/// stays (`update`).
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct SettingsArgs {
    /// A label for selecting streams; repeatable.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,

    /// A display name.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Maximum frames to keep.
    #[arg(long, value_name = "N")]
    retain_frames: Option<u64>,

    /// Maximum age of frames to keep, for example 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    retain_age: Option<Duration>,

    /// Maximum bytes to keep, for example 4GiB.
    #[arg(long, value_name = "BYTES")]
    retain_bytes: Option<ByteSize>,

    /// Maximum frames waiting for a worker.
    #[arg(long, value_name = "N")]
    queue_frames: Option<u64>,

    /// Maximum bytes waiting for a worker, for example 64MiB.
    #[arg(long, value_name = "BYTES")]
    queue_bytes: Option<ByteSize>,

    /// Action when --queue-frames or --queue-bytes is reached: refuse new frames, or drop the
    /// oldest waiting ones.
    #[arg(long, value_name = "POLICY", value_enum)]
    queue_overflow: Option<Overflow>,

    /// Time without a frame after which the stream counts as stalled.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stall_timeout: Option<Duration>,

    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The behaviour of a stream whose queue is full.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Overflow {
    /// Refuse new frames, with a retry delay.
    Reject,
    /// Drop the oldest waiting frames, and report them to subscribers.
    DropOldest,
}

impl SettingsArgs {
    /// Returns the settings as a stream, and an update mask that names those that were given.
    pub(super) fn into_stream(self, id: &str) -> (pb::Stream, FieldMask) {
        let Self {
            labels,
            name,
            retain_frames,
            retain_age,
            retain_bytes,
            queue_frames,
            queue_bytes,
            queue_overflow,
            stall_timeout,
            scene,
            output,
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
        let retention = [
            given("retention.max_frames", retain_frames.is_some()),
            given("retention.max_age", retain_age.is_some()),
            given("retention.max_bytes", retain_bytes.is_some()),
        ];
        if retention.contains(&true) {
            stream.retention = Some(pb::RetentionPolicy {
                max_frames: retain_frames.filter(is_set),
                max_age: retain_age.map(pb_duration),
                max_bytes: retain_bytes.map(|size| size.0).filter(is_set),
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
                max_frames: queue_frames.filter(is_set),
                max_bytes: queue_bytes.map(|size| size.0).filter(is_set),
                overflow: overflow.into(),
            });
        }
        given("stall_timeout", stall_timeout.is_some());
        stream.stall_timeout = stall_timeout.map(pb_duration);
        output.write(&mut stream, &mut paths);
        scene.write(&mut stream, &mut paths);
        (stream, FieldMask { paths })
    }
}

/// Parses `key=value`.
pub(in crate::cli) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::each_alone;
    use crate::grpc;

    #[test]
    fn the_update_mask_has_only_given_settings() {
        let args = SettingsArgs {
            labels: vec![key_value("site=north").unwrap()],
            retain_frames: Some(10),
            output: OutputArgs { keep_original: Some(false), ..Default::default() },
            ..Default::default()
        };
        let (stream, mask) = args.into_stream("cam");
        assert_eq!(mask.paths, ["labels", "retention.max_frames", "output.keep_original"]);
        assert_eq!(stream.labels["site"], "north");
        assert_eq!(stream.retention.and_then(|keep| keep.max_frames), Some(10));
        let (stream, mask) = SettingsArgs::default().into_stream("cam");
        assert!(mask.paths.is_empty());
        assert_eq!(stream, pb::Stream { stream_id: "cam".to_owned(), ..Default::default() });
    }

    #[test]
    fn the_server_applies_every_setting_by_the_path_that_names_it() {
        let flags = each_alone::<SettingsArgs>();
        assert!(flags.len() > 30, "only {} flags", flags.len());
        for (flag, args) in flags {
            let (wanted, mask) = args.into_stream("cam");
            assert!(!mask.paths.is_empty(), "{flag} is not in the mask");
            // The flag alone, merged into a stream without settings, gives what was sent.
            let current = pb::Stream { stream_id: "cam".to_owned(), ..Default::default() };
            let merged = grpc::mask::merge(&grpc::registry::MASK_RULES, &mask.paths, &current, &wanted);
            assert_eq!(merged.map_err(|fault| fault.message), Ok(wanted), "{flag}: {:?}", mask.paths);
        }
    }

    #[test]
    fn a_value_may_contain_an_equals_sign() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_value("=b").is_err());
        assert!(key_value("ab").is_err());
    }
}
