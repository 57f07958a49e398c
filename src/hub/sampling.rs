//! Thins out the frames of a stream. Subscriptions and consumer groups share one sampler, so that
//! both deliver the same frames.

use std::time::Duration;

use crate::domain::{OutputEntry, Sampling, Sequence, Timestamp};

/// The longest interval between frames, in seconds: ten years. Longer intervals are reduced to it.
const MAX_INTERVAL_SECONDS: f64 = 3.2e8;

/// The state of the sampling of one stream. It sees the frames that the filter passes, in order; it
/// may see the last one more than once.
#[derive(Debug, Clone, Default)]
pub(super) struct Sampler {
    /// The number of frames since the last nth frame, counting that one; 0 if the next frame is an
    /// nth frame.
    counted: u32,
    /// The receive time from which on the next frame may be sent.
    due: Option<Timestamp>,
    /// The last counted frame, and whether it is an nth frame.
    last: Option<(Sequence, bool)>,
    /// The last frame that was due.
    admitted: Option<Sequence>,
}

impl Sampler {
    /// Reads what [`Self::write`] returned. Any other text is read as the state of a new stream.
    pub(super) fn read(text: &str) -> Self {
        let parse = |(counted, due): (&str, &str)| {
            let due = match due {
                "" => None,
                due => Some(Timestamp::from_micros(due.parse().ok()?)),
            };
            Some(Self { counted: counted.parse().ok()?, due, ..Self::default() })
        };
        text.split_once(':').and_then(parse).unwrap_or_default()
    }

    /// Returns, as text, everything on which the decision about the next frame depends: the count,
    /// and the receive time from which on a frame is due.
    pub(super) fn write(&self) -> String {
        match (self.counted, self.due) {
            (0, None) => String::new(),
            (counted, None) => format!("{counted}:"),
            (counted, Some(due)) => format!("{counted}:{}", due.as_micros()),
        }
    }

    /// Reports whether sampling leaves out a frame that passed the filter.
    pub(super) fn leaves_out(&mut self, sampling: &Sampling, entry: &OutputEntry) -> bool {
        !self.is_nth(sampling.every_nth, entry.sequence) || !self.is_due(sampling.max_fps, entry)
    }

    /// Reports whether a frame that passed the filter is the first or an nth frame.
    pub(super) fn is_nth(&mut self, nth: u32, sequence: Sequence) -> bool {
        if let Some((last, is_nth)) = self.last
            && last == sequence
        {
            return is_nth;
        }
        let nth = nth.max(1);
        // It may have been counted for a larger n, before the settings changed.
        let place = self.counted % nth;
        self.counted = (place + 1) % nth;
        self.last = Some((sequence, place == 0));
        place == 0
    }

    /// Reports whether a frame is due. Due times are one interval apart, regardless of when frames
    /// arrive. So the delivered rate does not fall below the requested rate if the camera has
    /// another rate. A frame that is late by a whole interval starts a new series, in which the next
    /// frame is due after only half an interval: cameras jitter, and a camera with exactly the
    /// requested rate must not lose every other frame.
    pub(super) fn is_due(&mut self, max_fps: Option<f64>, entry: &OutputEntry) -> bool {
        let Some(fps) = max_fps else { return true };
        if self.admitted == Some(entry.sequence) {
            return true;
        }
        let received = entry.receive_time;
        let interval = Duration::from_secs_f64((1.0 / fps).min(MAX_INTERVAL_SECONDS));
        // A due time that is further ahead than one interval was set when the requested rate was
        // lower. It no longer applies.
        let due = self.due.filter(|due| *due <= received.after(interval));
        if due.is_some_and(|due| received < due) {
            return false;
        }
        let next = due.map(|due| due.after(interval));
        self.due = Some(match next {
            None => received.after(interval),
            Some(next) if received < next => next,
            Some(_) => received.after(interval / 2),
        });
        self.admitted = Some(entry.sequence);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::domain::{
        Digest, FrameHeader, OutputBody, PictureFormat, SourceInfo, Tombstone, TombstoneKind,
    };

    fn entry(number: u64, received_micros: i64) -> OutputEntry {
        let source = SourceInfo {
            format: PictureFormat::Jpeg,
            width: 64,
            height: 48,
            row_stride_bytes: 0,
            colors: Default::default(),
            size_bytes: 0,
            digest: Digest::of(b""),
        };
        let header = FrameHeader {
            publisher: None,
            capture_time: None,
            clock_skewed: false,
            source,
            attributes: BTreeMap::new(),
            traceparent: String::new(),
            tracestate: String::new(),
            replayed_from: None,
        };
        // The sampler does not look at the body.
        let body =
            OutputBody::Tombstone(Box::new(Tombstone { header, kind: TombstoneKind::Dropped, attempts: 0 }));
        OutputEntry {
            stream_id: "cam".parse().unwrap(),
            sequence: Sequence::new(number).unwrap(),
            previous_sequence: number - 1,
            issued_before: None,
            receive_time: Timestamp::from_micros(received_micros),
            publish_time: Timestamp::from_micros(received_micros),
            body,
            dead_letter: None,
        }
    }

    /// Returns the receive times of the frames that are sent. The sampler is stored as text after
    /// each frame, as for a group.
    fn sent(sampling: Sampling, times_micros: &[i64]) -> Vec<i64> {
        let mut text = String::new();
        let mut sent = Vec::new();
        for (number, micros) in (1..).zip(times_micros) {
            let mut sampler = Sampler::read(&text);
            if !sampler.leaves_out(&sampling, &entry(number, *micros)) {
                sent.push(*micros);
            }
            text = sampler.write();
        }
        sent
    }

    fn millis(times: impl IntoIterator<Item = i64>) -> Vec<i64> {
        times.into_iter().map(|ms| ms * 1_000).collect()
    }

    fn fps(fps: f64) -> Sampling {
        Sampling { max_fps: Some(fps), every_nth: 0 }
    }

    #[test]
    fn every_nth_applies_before_max_fps() {
        let times = millis((0..10).map(|n| n * 100));
        let third = Sampling { max_fps: None, every_nth: 3 };
        assert_eq!(sent(third, &times), millis([0, 300, 600, 900]));
        assert_eq!(sent(fps(5.0), &times), millis([0, 200, 400, 600, 800]));
        // Every third frame, if it is due.
        assert_eq!(sent(Sampling { every_nth: 3, ..fps(2.5) }, &times), millis([0, 600, 900]));
    }

    #[test]
    fn a_rate_just_below_that_of_the_camera_leaves_few_frames_out() {
        let times = millis((0..100).map(|n| n * 100));
        assert_eq!(sent(fps(9.0), &times).len(), 90);
        assert_eq!(sent(fps(9.0), &times[..10]).len(), 9);
    }

    #[test]
    fn a_jittering_camera_slightly_below_the_rate_loses_few_frames() {
        let mut rng = StdRng::seed_from_u64(7);
        let times: Vec<i64> = (0..10_000).map(|n| n * 100_030 + rng.random_range(-1_000..1_000)).collect();
        let kept = sent(fps(10.0), &times).len();
        assert!(kept > 9_950, "{kept} of 10,000");
    }

    #[test]
    fn no_period_has_more_than_two_frames_above_the_rate() {
        for seed in 0..50 {
            let mut rng = StdRng::seed_from_u64(seed);
            let rate = rng.random_range(0.5..30.0);
            let mut at = 0;
            let longest = rng.random_range(1_000..400_000);
            let next = |_| {
                at += rng.random_range(0..longest);
                at
            };
            let times: Vec<i64> = (0..300).map(next).collect();
            let sent = sent(fps(rate), &times);
            for (place, from) in sent.iter().enumerate() {
                for (count, to) in (1..).zip(&sent[place..]) {
                    let allowed = (to - from) as f64 * rate * (1.0 + 1e-4) / 1e6 + 2.0;
                    assert!(f64::from(count) <= allowed, "seed {seed}: {count} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_repeated_frame_counts_once_and_the_text_keeps_the_state() {
        for seed in 0..100 {
            let mut rng = StdRng::seed_from_u64(seed);
            let sampling = Sampling {
                max_fps: rng.random_bool(0.7).then(|| rng.random_range(0.5..30.0)),
                every_nth: rng.random_range(0..6),
            };
            let (mut kept, mut text, mut at) = (Sampler::default(), String::new(), 0);
            for number in 1..200 {
                at += rng.random_range(0..200_000);
                let entry = entry(number, at);
                let left_out = kept.leaves_out(&sampling, &entry);
                assert_eq!(
                    kept.leaves_out(&sampling, &entry),
                    left_out,
                    "seed {seed}: {number}, second call"
                );
                let mut read = Sampler::read(&text);
                assert_eq!(
                    read.leaves_out(&sampling, &entry),
                    left_out,
                    "seed {seed}: {number} after {text:?}"
                );
                text = read.write();
            }
        }
    }

    #[test]
    fn new_settings_take_effect_at_once() {
        let mut sampler = Sampler::default();
        assert!(!sampler.leaves_out(&fps(0.001), &entry(1, 0)));
        // At the old rate the next frame would be due in a quarter of an hour.
        assert!(!sampler.leaves_out(&fps(10.0), &entry(2, 100_000)));
        assert!(sampler.leaves_out(&fps(10.0), &entry(3, 110_000)));
        let mut sampler = Sampler::read("7:");
        let numbers = (1..9).filter(|number| {
            !sampler.leaves_out(&Sampling { max_fps: None, every_nth: 3 }, &entry(*number, 0))
        });
        assert_eq!(numbers.collect::<Vec<u64>>(), [3, 6]);
    }

    #[test]
    fn unknown_text_is_read_as_the_state_of_a_new_stream() {
        for text in ["", "x", ":", "1", "99999999999:", "1:x", "1700000000000000:3"] {
            assert_eq!(Sampler::read(text).write(), "", "{text:?}");
        }
    }
}
