//! Frames at the edge of a server: submitted by publishers, and sent to readers.

use super::families::{Counter, Counters, Families, Seconds};
use super::streams::StreamMetrics;

/// The metrics of frames that a server received and sent.
#[derive(Debug, Clone)]
pub struct FrameMetrics {
    /// Frames that were accepted.
    pub accepted: Counter,
    /// The bytes of their pictures.
    pub accepted_bytes: Counter,
    /// Frames that were stored before.
    pub duplicates: Counter,
    rejected: Counters<1>,
    /// Frames sent to subscribers and members of groups.
    pub delivered: Counter,
    /// The bytes of their pictures.
    pub delivered_bytes: Counter,
    /// The time from the acceptance of a frame to each sending of it.
    pub delivery_age: Seconds,
    omitted: Counters<1>,
    /// Frames by stream.
    pub streams: StreamMetrics,
}

impl Default for FrameMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported(), 0)
    }
}

impl FrameMetrics {
    pub(super) fn new(families: &mut Families, max_streams: usize) -> Self {
        Self {
            accepted: families.counter((
                "frames_accepted",
                "Frames that this server accepted",
                "The load. A sudden fall means that cameras or publishers are away.",
            )),
            accepted_bytes: families.counter((
                "frames_accepted_bytes",
                "Bytes of the pictures of accepted frames",
                "Divided by the accepted frames: the mean size of a picture.",
            )),
            duplicates: families.counter((
                "frames_duplicate",
                "Submitted frames that were stored before",
                "Publishers send again what was not answered; many duplicates mean lost connections or slow answers.",
            )),
            rejected: families.counters(
                [("reason", "an `ErrorReason` of the API, for example `STREAM_QUEUE_FULL`")],
                (
                    "frames_rejected",
                    "Submitted frames that were refused",
                    "`*_QUEUE_FULL` and `STREAM_TOO_FAST`: more comes in than workers finish; add workers, or lower the \
                     frame rate. Other reasons are mistakes of publishers.",
                ),
            ),
            delivered: families.counter((
                "frames_delivered",
                "Frames sent to subscribers and members of consumer groups",
                "Counts a frame once for each reader.",
            )),
            delivered_bytes: families.counter((
                "frames_delivered_bytes",
                "Bytes of the pictures in sent frames",
                "Plan the network by the rate of this.",
            )),
            delivery_age: families.seconds((
                "frames_delivery_age_seconds",
                "Time from the acceptance of a frame to each sending of it",
                "The delay that readers see. Readers that ask for old frames raise it; else a rise means that workers or \
                 readers do not keep up.",
            )),
            omitted: families.counters(
                [("reason", "a `GapReason` of the API, for example `SLOW_CONSUMER`")],
                (
                    "frames_omitted",
                    "Frames that readers were told they do not get, by the reason of the gap",
                    "`SAMPLED` and `FILTERED` are as requested. `SLOW_CONSUMER`: a reader does not keep up. `RETENTION`: \
                     keep frames longer. `PAYLOAD_LOST` and `BACKEND_FAILOVER`: the store lost data; look at it at once.",
                ),
            ),
            streams: StreamMetrics::new(families, max_streams),
        }
    }

    /// Returns the counter of the frames that were refused for a reason.
    #[must_use]
    pub fn rejected(&self, reason: &'static str) -> Counter {
        self.rejected.get_or_create_owned(&[("reason", reason.into())])
    }

    /// Returns the counter of the frames that readers did not get for a reason.
    #[must_use]
    pub fn omitted(&self, reason: &'static str) -> Counter {
        self.omitted.get_or_create_owned(&[("reason", reason.into())])
    }
}
