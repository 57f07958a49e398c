//! How a stream's frames are thinned out: one sampler for subscriptions and consumer groups, so that both send the same.

use std::time::Duration;

use crate::domain::{OutputEntry, Sampling, Sequence, Timestamp};

/// A rate so low that its interval is longer is taken for this one: ten years.
const MOST_SECONDS_BETWEEN: f64 = 3.2e8;

/// How far the sampling of one stream is. It looks at the frames that the filter passes, in order; the last one it may look
/// at more than once.
#[derive(Debug, Clone, Default)]
pub(super) struct Sampler {
    /// Frames that passed the filter since the last nth one, that one included; 0 = the next one is an nth.
    counted: u32,
    /// From this received time on the next one may be sent.
    due: Option<Timestamp>,
    /// The frame that was counted last, and whether it is an nth.
    last: Option<(Sequence, bool)>,
    admitted: Option<Sequence>,
}

impl Sampler {
    /// Reads what [`Self::write`] wrote. Any other text is taken for that of a stream that begins.
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

    /// Returns as text all that the next frame depends on: the frames counted, and the received time from which on one is due.
    pub(super) fn write(&self) -> String {
        match (self.counted, self.due) {
            (0, None) => String::new(),
            (counted, None) => format!("{counted}:"),
            (counted, Some(due)) => format!("{counted}:{}", due.as_micros()),
        }
    }

    /// Whether sampling leaves out a frame that passed the filter.
    pub(super) fn leaves_out(&mut self, sampling: &Sampling, entry: &OutputEntry) -> bool {
        !self.is_nth(sampling.every_nth, entry.sequence) || !self.is_due(sampling.max_fps, entry)
    }

    /// Whether a frame that passed the filter is the first or an nth.
    pub(super) fn is_nth(&mut self, nth: u32, sequence: Sequence) -> bool {
        if let Some((last, is_nth)) = self.last
            && last == sequence
        {
            return is_nth;
        }
        let nth = nth.max(1);
        // It may have been counted for a larger nth, before the settings changed.
        let place = self.counted % nth;
        self.counted = (place + 1) % nth;
        self.last = Some((sequence, place == 0));
        place == 0
    }

    /// Whether a frame is due. Due times lie on a grid of the interval, so that frames that come at another rate are not
    /// thinned out to less than what was asked for. A frame that comes a whole interval late begins a new grid, from which
    /// frames may be early by half of it: cameras jitter, and one that is as fast as the grid must not lose every other frame.
    pub(super) fn is_due(&mut self, max_fps: Option<f64>, entry: &OutputEntry) -> bool {
        let Some(fps) = max_fps else { return true };
        if self.admitted == Some(entry.sequence) {
            return true;
        }
        let received = entry.receive_time;
        let interval = Duration::from_secs_f64((1.0 / fps).min(MOST_SECONDS_BETWEEN));
        // None is further ahead than an interval, unless the rate was lower when it was set.
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
        // The sampler does not look at it.
        let body =
            OutputBody::Tombstone(Box::new(Tombstone { header, kind: TombstoneKind::Dropped, attempts: 0 }));
        OutputEntry {
            stream_id: "cam".parse().unwrap(),
            sequence: Sequence::new(number).unwrap(),
            previous_sequence: number - 1,
            given_before: None,
            receive_time: Timestamp::from_micros(received_micros),
            publish_time: Timestamp::from_micros(received_micros),
            body,
            dead_letter: None,
        }
    }

    /// The received times that are sent; the sampler is kept as text between any two frames, as for a group.
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
    fn every_nth_and_max_fps_thin_a_stream_out_one_after_the_other() {
        let times = millis((0..10).map(|n| n * 100));
        let third = Sampling { max_fps: None, every_nth: 3 };
        assert_eq!(sent(third, &times), millis([0, 300, 600, 900]));
        assert_eq!(sent(fps(5.0), &times), millis([0, 200, 400, 600, 800]));
        // Of every third frame, those that are due.
        assert_eq!(sent(Sampling { every_nth: 3, ..fps(2.5) }, &times), millis([0, 600, 900]));
    }

    #[test]
    fn a_rate_just_below_that_of_the_camera_leaves_few_frames_out() {
        let times = millis((0..100).map(|n| n * 100));
        assert_eq!(sent(fps(9.0), &times).len(), 90);
        assert_eq!(sent(fps(9.0), &times[..10]).len(), 9);
    }

    #[test]
    fn a_camera_that_is_a_hair_slower_than_the_rate_loses_hardly_any_frames_though_it_jitters() {
        let mut rng = StdRng::seed_from_u64(7);
        let times: Vec<i64> = (0..10_000).map(|n| n * 100_030 + rng.random_range(-1_000..1_000)).collect();
        let kept = sent(fps(10.0), &times).len();
        assert!(kept > 9_950, "{kept} of 10,000");
    }

    #[test]
    fn no_span_of_time_has_more_frames_than_the_rate_allows_but_for_two() {
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
    fn a_frame_that_is_looked_at_twice_counts_once_and_text_keeps_all_that_matters() {
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
                    "seed {seed}: {number} looked at twice"
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
        // At the old rate the next would be due in a quarter of an hour.
        assert!(!sampler.leaves_out(&fps(10.0), &entry(2, 100_000)));
        assert!(sampler.leaves_out(&fps(10.0), &entry(3, 110_000)));
        let mut sampler = Sampler::read("7:");
        let numbers = (1..9).filter(|number| {
            !sampler.leaves_out(&Sampling { max_fps: None, every_nth: 3 }, &entry(*number, 0))
        });
        assert_eq!(numbers.collect::<Vec<u64>>(), [3, 6]);
    }

    #[test]
    fn text_that_is_none_of_its_own_is_that_of_a_stream_that_begins() {
        for text in ["", "x", ":", "1", "99999999999:", "1:x", "1700000000000000:3"] {
            assert_eq!(Sampler::read(text).write(), "", "{text:?}");
        }
    }
}
