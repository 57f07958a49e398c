//! The flags that select frames of the streams.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use crate::cli::time_argument::parse_time;
use crate::console::output::pb_duration;
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// The frames to receive. All other frames are reported as gaps.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection of frames")]
pub(super) struct OptionsArgs {
    /// Start with the frames received within this time before now, for example 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with_all = ["from", "group"])]
    since: Option<Duration>,

    /// Start with the frames that the server received at or after this time: 2026-05-01T12:00:00Z
    /// (UTC), or with an offset, 2026-05-01T14:00:00+02:00. If frames of that time are no longer
    /// kept, a line reports it.
    #[arg(long, value_name = "TIME", value_parser = parse_time,
          conflicts_with_all = ["from", "since", "group"])]
    from_time: Option<SystemTime>,

    /// End before the frames that the server received at or after this time, written as for
    /// --from-time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "group")]
    until: Option<SystemTime>,

    /// Maximum frames per second of each stream.
    #[arg(long, value_name = "FPS", conflicts_with = "group")]
    max_fps: Option<f64>,

    /// Only every Nth frame of each stream, beginning with the first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "group")]
    every_nth: Option<u32>,

    /// Only the newest available frame.
    #[arg(long, conflicts_with = "group")]
    latest_only: bool,

    /// Skip frames older than this at delivery.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "group")]
    max_age: Option<Duration>,

    /// Minimum quality score, 0 to 1.
    #[arg(long, value_name = "SCORE", conflicts_with = "group")]
    min_quality: Option<f64>,

    /// Only frames with this attribute; repeatable.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = crate::cli::streams::key_value, conflicts_with = "group")]
    attributes: Vec<(String, String)>,

    /// Only frames that pass the stream's validation.
    #[arg(long, conflicts_with = "group")]
    valid_only: bool,

    /// Action of the server when this client is too slow.
    #[arg(long, value_name = "POLICY", value_enum, conflicts_with = "group")]
    overflow: Option<Overflow>,
}

/// The treatment of a subscriber that is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Overflow {
    /// Skip the oldest undelivered frames.
    DropOldest,
    /// Skip all undelivered frames except the newest.
    LatestOnly,
    /// End the call; this command reconnects and resumes from its cursors.
    Disconnect,
}

/// The options of a selector.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    stop: Option<pb::StopPosition>,
    sampling: Option<pb::Sampling>,
    max_age: Option<prost_types::Duration>,
    filter: Option<pb::FrameFilter>,
    overflow: pb::OverflowPolicy,
    rendition: Option<pb::Rendition>,
}

impl OptionsArgs {
    /// Returns the start position if it is given by time.
    pub(super) fn start(&self) -> Option<Position> {
        let since = self.since.map(|since| Position::Age(pb_duration(since)));
        since.or_else(|| self.from_time.map(|time| Position::ReceiveTime(time.into())))
    }

    pub(super) fn into_options(self, rendition: Option<pb::Rendition>) -> Options {
        let sampling =
            pb::Sampling { max_fps: self.max_fps, every_nth: self.every_nth, latest_only: self.latest_only };
        let filter = pb::FrameFilter {
            min_quality_score: self.min_quality,
            attributes: self.attributes.into_iter().collect(),
            valid_only: self.valid_only,
            ..Default::default()
        };
        Options {
            stop: self
                .until
                .map(|until| pb::StopPosition { receive_time: Some(until.into()), ..Default::default() }),
            sampling: (sampling != pb::Sampling::default()).then_some(sampling),
            max_age: self.max_age.map(pb_duration),
            filter: (filter != pb::FrameFilter::default()).then_some(filter),
            overflow: match self.overflow {
                None => pb::OverflowPolicy::Unspecified,
                Some(Overflow::DropOldest) => pb::OverflowPolicy::DropOldest,
                Some(Overflow::LatestOnly) => pb::OverflowPolicy::LatestOnly,
                Some(Overflow::Disconnect) => pb::OverflowPolicy::Disconnect,
            },
            rendition,
        }
    }
}

impl Options {
    /// Applies the options to a selector.
    pub(super) fn apply(
        &self,
        selector: pb::StreamSelector,
        start: &Position,
        roles: &[pb::PictureRole],
    ) -> pb::StreamSelector {
        pb::StreamSelector {
            start: Some(pb::StartPosition { position: Some(start.clone()) }),
            pictures: Some(pictures(roles, self.rendition)),
            stop: self.stop,
            sampling: self.sampling,
            max_age: self.max_age,
            filter: self.filter.clone(),
            overflow_policy: self.overflow.into(),
            ..selector
        }
    }
}

/// Returns a selection of the pictures that are delivered with each frame.
pub(super) fn pictures(roles: &[pb::PictureRole], rendition: Option<pb::Rendition>) -> pb::PictureSelection {
    pb::PictureSelection {
        roles: roles.iter().map(|&role| role.into()).collect(),
        metadata_only: roles.is_empty(),
        rendition,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_a_flag_stay_unset() {
        let plain = OptionsArgs::default();
        assert_eq!(plain.start(), None);
        let options = plain.into_options(None);
        assert!(options.stop.is_none() && options.sampling.is_none() && options.filter.is_none());
        let args =
            OptionsArgs { since: Some(Duration::from_secs(5)), every_nth: Some(3), ..Default::default() };
        assert!(matches!(args.start(), Some(Position::Age(age)) if age.seconds == 5));
        assert_eq!(args.into_options(None).sampling.and_then(|sampling| sampling.every_nth), Some(3));
    }
}
