//! Frames by stream, for a bounded number of streams.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::families::{Counter, Counters, Families};
use crate::domain::StreamId;

/// The label value of the streams beyond the maximum.
const OTHER: &str = "other";
/// The time without frames after which a stream has no samples any more, so that another one can
/// have its place.
const IDLE: Duration = Duration::from_secs(3600);

/// The frames of a bounded number of streams, each with samples of its own; all further streams
/// share one.
#[derive(Debug, Clone)]
pub struct StreamMetrics {
    max_streams: usize,
    accepted: Counters<1>,
    accepted_bytes: Counters<1>,
    rejected: Counters<1>,
    known: Arc<Mutex<HashMap<StreamId, Known>>>,
}

#[derive(Debug)]
struct Known {
    accepted: Counter,
    accepted_bytes: Counter,
    rejected: Counter,
    seen: Instant,
}

impl StreamMetrics {
    pub(super) fn new(families: &mut Families, max_streams: usize) -> Self {
        const STREAM: (&str, &str) = (
            "stream",
            "the stream's id, or `other` beyond `--metrics-per-stream` streams; by default there are none",
        );
        Self {
            max_streams,
            accepted: families.counters(
                [STREAM],
                (
                    "stream_accepted",
                    "Frames that this server accepted, by stream",
                    "A rate of 0 for a camera that should send: it is away or frozen.",
                ),
            ),
            accepted_bytes: families.counters(
                [STREAM],
                (
                    "stream_accepted_bytes",
                    "Bytes of the pictures of accepted frames, by stream",
                    "Finds the cameras that use most of the network.",
                ),
            ),
            rejected: families.counters(
                [STREAM],
                (
                    "stream_rejected",
                    "Submitted frames that were refused, by stream",
                    "`frameway_frames_rejected_total` has the reasons.",
                ),
            ),
            known: Arc::default(),
        }
    }

    /// Counts a frame of a stream; `bytes` is the size of its picture if it was accepted.
    pub fn count(&self, stream: &StreamId, bytes: Option<u64>) {
        if self.max_streams == 0 {
            return;
        }
        let mut known = self.known.lock();
        if let Some(one) = known.get_mut(stream) {
            one.seen = Instant::now();
            return one.count(bytes);
        }
        if known.len() >= self.max_streams {
            return self.samples(OTHER.to_owned()).count(bytes);
        }
        let one = self.samples(stream.to_string());
        one.count(bytes);
        known.insert(stream.clone(), one);
    }

    fn samples(&self, stream: String) -> Known {
        let label = [("stream", stream.into())];
        Known {
            accepted: self.accepted.get_or_create_owned(&label),
            accepted_bytes: self.accepted_bytes.get_or_create_owned(&label),
            rejected: self.rejected.get_or_create_owned(&label),
            seen: Instant::now(),
        }
    }

    /// Removes the samples of streams without frames for an hour.
    pub fn forget_idle(&self) {
        self.known.lock().retain(|stream, one| {
            let stays = one.seen.elapsed() < IDLE;
            if !stays {
                let label = [("stream", stream.to_string().into())];
                for family in [&self.accepted, &self.accepted_bytes, &self.rejected] {
                    family.remove(&label);
                }
            }
            stays
        });
    }
}

impl Known {
    fn count(&self, accepted_bytes: Option<u64>) {
        match accepted_bytes {
            Some(bytes) => {
                self.accepted.inc();
                self.accepted_bytes.inc_by(bytes);
            }
            None => {
                self.rejected.inc();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_beyond_the_maximum_share_their_samples() {
        let streams = StreamMetrics::new(&mut Families::unexported(), 2);
        for (name, bytes) in [("a", Some(5)), ("b", None), ("c", Some(7)), ("d", Some(1)), ("a", Some(1))] {
            streams.count(&name.parse().unwrap(), bytes);
        }
        let count = |name: &str| {
            let label = [("stream", name.to_owned().into())];
            let value = |family: &Counters<1>| family.get(&label).map(|counter| counter.get());
            (value(&streams.accepted), value(&streams.accepted_bytes), value(&streams.rejected))
        };
        assert_eq!(count("a"), (Some(2), Some(6), Some(0)));
        assert_eq!(count("b"), (Some(0), Some(0), Some(1)));
        assert_eq!(count("other"), (Some(2), Some(8), Some(0)));
        assert_eq!(count("c"), (None, None, None));
    }
}
