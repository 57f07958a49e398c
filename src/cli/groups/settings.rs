//! The flags for a group's settings.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::console::output::pb_duration;
use crate::pb::v1 as pb;

#[derive(Debug, Default, Args)]
pub(super) struct SettingsArgs {
    /// A display name.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,

    /// Time a member has to acknowledge a frame, 1s to 1h [default: 30s].
    ///
    /// After this time the frame is redelivered, to any member. Choose a little more than the
    /// slowest frame takes: with less, frames are handled twice; with more, the frames of a member
    /// that died wait longer. A member that returns within this time keeps its frames.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    ack_deadline: Option<Duration>,

    /// Maximum deliveries before a frame becomes a dead letter, 1 to 100 [default: 5].
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,

    /// Maximum unacknowledged frames of all members, up to 100,000 [default: 10,000].
    ///
    /// This limits how many frames are handled twice after a restart of all members. In addition,
    /// each member may state its own maximum when it joins. A member without one gets what it
    /// handles in about a second, at most 100 frames, while other members have room.
    #[arg(long, value_name = "N")]
    max_outstanding: Option<u32>,

    /// Assignment of frames to members [default: any].
    #[arg(long, value_enum)]
    affinity: Option<Affinity>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Affinity {
    /// Any frame to any member that has room.
    Any,
    /// All frames of a stream to one member, in order.
    Stream,
}

impl SettingsArgs {
    /// Applies the given settings and returns their paths.
    pub(super) fn apply(self, group: &mut pb::ConsumerGroup) -> Vec<String> {
        let mut paths = Vec::new();
        let mut named = |path: &str| paths.push(path.to_owned());
        if let Some(text) = self.display_name {
            group.display_name = text;
            named("display_name");
        }
        if let Some(span) = self.ack_deadline {
            group.ack_deadline = Some(pb_duration(span));
            named("ack_deadline");
        }
        if let Some(attempts) = self.max_attempts {
            group.max_delivery_attempts = Some(attempts);
            named("max_delivery_attempts");
        }
        if let Some(frames) = self.max_outstanding {
            group.max_outstanding_frames = Some(frames);
            named("max_outstanding_frames");
        }
        if let Some(affinity) = self.affinity {
            let affinity = match affinity {
                Affinity::Any => pb::GroupAffinity::Any,
                Affinity::Stream => pb::GroupAffinity::Stream,
            };
            group.affinity = affinity.into();
            named("affinity");
        }
        paths
    }
}
