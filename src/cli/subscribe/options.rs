//! Which frames of the streams: the flags of a selector.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use crate::cli::moment::parse_moment;
use crate::cli::output::pb_duration;
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// Which frames; what is left out is told as gaps, with the reason.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which frames")]
pub(super) struct OptionsArgs {
    /// Start with what came in this time before now, for example 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with_all = ["from", "group"])]
    since: Option<Duration>,

    /// Start with what the server received at or after this moment: 2026-05-01T12:00:00Z, or with a zone,
    /// 2026-05-01T14:00:00+02:00; without one it is UTC. Where frames of that time are not kept any more, a line says so.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment,
          conflicts_with_all = ["from", "since", "group"])]
    from_time: Option<SystemTime>,

    /// End before what the server received at or after this moment, written as for --from-time.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, conflicts_with = "group")]
    until: Option<SystemTime>,

    /// At most this many frames a second of each stream.
    #[arg(long, value_name = "FPS", conflicts_with = "group")]
    max_fps: Option<f64>,

    /// The first frame of each stream and then each Nth.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "group")]
    every_nth: Option<u32>,

    /// Only the newest frame that is there.
    #[arg(long, conflicts_with = "group")]
    latest_only: bool,

    /// No frames that are older than this when they would be sent.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "group")]
    max_age: Option<Duration>,

    /// No frames of less quality, 0 to 1.
    #[arg(long, value_name = "SCORE", conflicts_with = "group")]
    min_quality: Option<f64>,

    /// No frames without this attribute; once for each.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = crate::cli::streams::key_value, conflicts_with = "group")]
    attributes: Vec<(String, String)>,

    /// No frames that failed the stream's validation.
    #[arg(long, conflicts_with = "group")]
    valid_only: bool,

    /// What the server does when this program is too slow.
    #[arg(long, value_name = "POLICY", value_enum, conflicts_with = "group")]
    overflow: Option<Overflow>,
}

/// What happens to a subscriber that is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Overflow {
    /// The oldest unsent frames are left out.
    DropOldest,
    /// All unsent frames but the newest are left out.
    LatestOnly,
    /// The call ends; this program goes on from its cursors.
    Disconnect,
}

/// A selector's options.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Options {
    pub(super) stop: Option<pb::StopPosition>,
    pub(super) sampling: Option<pb::Sampling>,
    pub(super) max_age: Option<prost_types::Duration>,
    pub(super) filter: Option<pb::FrameFilter>,
    pub(super) overflow: pb::OverflowPolicy,
    pub(super) rendition: Option<pb::Rendition>,
}

impl OptionsArgs {
    /// Where to start, if that is by time.
    pub(super) fn start(&self) -> Option<Position> {
        let since = self.since.map(|since| Position::Age(pb_duration(since)));
        since.or_else(|| self.from_time.map(|time| Position::ReceiveTime(time.into())))
    }

    pub(super) fn into_options(self) -> Options {
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
            rendition: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_stays_unset() {
        let plain = OptionsArgs::default();
        assert_eq!(plain.start(), None);
        let options = plain.into_options();
        assert!(options.stop.is_none() && options.sampling.is_none() && options.filter.is_none());
        let args =
            OptionsArgs { since: Some(Duration::from_secs(5)), every_nth: Some(3), ..Default::default() };
        assert!(matches!(args.start(), Some(Position::Age(age)) if age.seconds == 5));
        assert_eq!(args.into_options().sampling.and_then(|sampling| sampling.every_nth), Some(3));
    }
}
