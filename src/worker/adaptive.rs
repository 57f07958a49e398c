//! Quality steered to a budget of bytes. What is known of a stream's last pictures lives in this process: after a restart, or
//! on another worker, it is learnt anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::domain::{AdaptiveQuality, StreamId, Timestamp};

/// Most streams that are remembered.
const MOST_STREAMS: usize = 4096;
/// The window of `max_bytes_per_second`, in tenths of a second.
const WINDOW: i64 = 100;
/// How many qualities are tried between the first one and the least.
const TRIES: usize = 3;
/// By how much the quality rises again from one picture to the next.
const STEP_UP: u8 = 3;

/// What one picture may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Most bytes.
    pub(super) bytes: u64,
    /// The quality to try first.
    pub(super) first: u8,
    /// The lowest one.
    pub(super) least: u8,
}

impl Allowance {
    /// A fixed quality, whatever it takes.
    pub(super) fn fixed(quality: u8) -> Self {
        Self { bytes: u64::MAX, first: quality, least: quality }
    }
}

#[derive(Debug, Default)]
struct Steered {
    /// By tenths of a second of received time: frames, and bytes of their pictures.
    spent: VecDeque<(i64, u64, u64)>,
    quality: Option<u8>,
}

/// The streams whose quality is steered.
#[derive(Debug, Default)]
pub(super) struct Steering(Mutex<HashMap<StreamId, Steered>>);

impl Steering {
    /// What the next picture may take, which was received at `received`.
    pub(super) fn allow(
        &self,
        stream: &StreamId,
        policy: AdaptiveQuality,
        quality: u8,
        received: Timestamp,
    ) -> Allowance {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= MOST_STREAMS && !streams.contains_key(stream) {
            // The one that was longest without a picture; an unregistered one goes this way, too.
            let newest = |(_, steered): &(&StreamId, &Steered)| steered.spent.back().map(|(at, ..)| *at);
            if let Some(oldest) = streams.iter().min_by_key(newest).map(|(stream, _)| stream.clone()) {
                streams.remove(&oldest);
            }
        }
        let steered = streams.entry(stream.clone()).or_default();
        let now = tenths(received);
        while steered.spent.front().is_some_and(|(at, ..)| *at <= now - WINDOW) {
            steered.spent.pop_front();
        }
        let AdaptiveQuality { max_bytes_per_frame, max_bytes_per_second, min_quality } = policy;
        let mut bytes = if max_bytes_per_frame == 0 { u64::MAX } else { u64::from(max_bytes_per_frame) };
        if max_bytes_per_second > 0 {
            let (frames, spent) =
                steered.spent.iter().fold((0, 0), |sum, (_, frames, bytes)| (sum.0 + frames, sum.1 + bytes));
            // An even share at the rate at which frames come, and half of what is left: of ten seconds, or at the start of the time
            // since and a second, so that the first pictures do not starve the last ones.
            let first = steered.spent.front().map_or(now, |(at, ..)| *at);
            let window = (now - first).clamp(10, WINDOW).unsigned_abs();
            let share = max_bytes_per_second.saturating_mul(window) / (10 * (frames + 1));
            let elapsed = (now - first + 10).clamp(10, WINDOW).unsigned_abs();
            let left = (max_bytes_per_second.saturating_mul(elapsed) / 10).saturating_sub(spent);
            bytes = bytes.min(share).min(left / 2);
        }
        steered.note(now, 1, 0);
        let least = min_quality.min(quality);
        Allowance { bytes, first: steered.quality.unwrap_or(quality).clamp(least, quality), least }
    }

    /// A picture was made: what it took, at which quality (`None` = it was passed on), of what it might have taken.
    pub(super) fn spent(
        &self,
        stream: &StreamId,
        received: Timestamp,
        bytes: u64,
        quality: Option<u8>,
        allowance: Allowance,
    ) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(steered) = streams.get_mut(stream) else { return };
        steered.note(tenths(received), 0, bytes);
        if let Some(quality) = quality {
            // Up again only from where there is room.
            let step = if bytes <= allowance.bytes { STEP_UP } else { 0 };
            steered.quality = Some(quality.saturating_add(step));
        }
    }
}

impl Steered {
    fn note(&mut self, at: i64, frames: u64, bytes: u64) {
        match self.spent.iter_mut().rfind(|(one, ..)| *one == at) {
            Some((_, f, b)) => (*f, *b) = (*f + frames, *b + bytes),
            // Received times never go back within a stream; what is noted late counts for the newest.
            None => match self.spent.back_mut().filter(|(one, ..)| *one > at) {
                Some((_, f, b)) => (*f, *b) = (*f + frames, *b + bytes),
                None => self.spent.push_back((at, frames, bytes)),
            },
        }
    }
}

fn tenths(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(100_000)
}

/// Encodes at the highest quality found that fits, in a few tries; at the least where none does.
pub(super) fn encode_within<E>(
    allowance: Allowance,
    mut encode: impl FnMut(u8) -> Result<Bytes, E>,
) -> Result<(Bytes, u8), E> {
    let Allowance { bytes: most, first, least } = allowance;
    let fits = |encoded: &Bytes| encoded.len() as u64 <= most;
    // Nothing fits: no use in looking for it.
    let first = if most == 0 { least } else { first };
    let encoded = encode(first)?;
    if fits(&encoded) || first <= least {
        return Ok((encoded, first));
    }
    let (mut low, mut high, mut found) = (least, first, None);
    for _ in 0..TRIES {
        if high - low <= 1 {
            break;
        }
        let quality = low + (high - low) / 2;
        let encoded = encode(quality)?;
        if fits(&encoded) {
            (low, found) = (quality, Some((encoded, quality)));
        } else {
            high = quality;
        }
    }
    match found {
        Some(found) => Ok(found),
        None => Ok((encode(least)?, least)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of a kilobyte a step of quality.
    fn picture(quality: u8) -> Result<Bytes, ()> {
        Ok(Bytes::from(vec![0; usize::from(quality) * 1024]))
    }

    #[test]
    fn the_quality_is_found_in_a_few_tries() {
        let mut tries = 0;
        let mut counted = |quality| {
            tries += 1;
            picture(quality)
        };
        let allowance = Allowance { bytes: 40 << 10, first: 85, least: 30 };
        let (encoded, quality) = encode_within(allowance, &mut counted).unwrap();
        assert!((33..=40).contains(&quality), "{quality}");
        assert_eq!(encoded.len(), usize::from(quality) << 10);
        assert!(tries <= 5, "{tries}");
        let (_, quality) = encode_within(Allowance { bytes: 1, ..allowance }, picture).unwrap();
        assert_eq!(quality, 30, "the least, though it does not fit");
        let (_, quality) = encode_within(Allowance::fixed(85), picture).unwrap();
        assert_eq!(quality, 85);
    }

    #[test]
    fn a_stream_keeps_to_its_bytes_a_second() {
        let (steering, stream) = (Steering::default(), "cam".parse().unwrap());
        let policy =
            AdaptiveQuality { max_bytes_per_frame: 0, max_bytes_per_second: 200 << 10, min_quality: 5 };
        let mut sizes = Vec::new();
        for frame in 0..300 {
            let received = Timestamp::from_micros(1_000_000_000 + frame * 100_000);
            let allowance = steering.allow(&stream, policy, 85, received);
            let (encoded, quality) = encode_within(allowance, picture).unwrap();
            steering.spent(&stream, received, encoded.len() as u64, Some(quality), allowance);
            sizes.push(encoded.len());
        }
        for window in sizes.windows(100) {
            let total: usize = window.iter().sum();
            // What the lowest quality takes goes over it.
            assert!(total <= 10 * (200 << 10) * 101 / 100, "{total}");
        }
        let last: usize = sizes[200..].iter().sum();
        assert!(last > 10 * (200 << 10) * 7 / 10, "the budget is used: {last}");
    }

    #[test]
    fn a_frames_budget_holds_and_the_quality_comes_back() {
        let (steering, stream) = (Steering::default(), "cam".parse().unwrap());
        let policy =
            AdaptiveQuality { max_bytes_per_frame: 40 << 10, max_bytes_per_second: 0, min_quality: 30 };
        let now = Timestamp::now();
        let allowance = steering.allow(&stream, policy, 85, now);
        steering.spent(&stream, now, 40 << 10, Some(40), allowance);
        let next = steering.allow(&stream, policy, 85, now);
        assert_eq!((next.bytes, next.first), (40 << 10, 43));
        steering.spent(&stream, now, 10, Some(84), allowance);
        assert_eq!(steering.allow(&stream, policy, 85, now).first, 85);
        // What does not fit at the least is not tried higher again and again.
        steering.spent(&stream, now, 50 << 10, Some(30), allowance);
        assert_eq!(steering.allow(&stream, policy, 85, now).first, 30);
        let mut tries = 0;
        let all = encode_within(Allowance { bytes: 0, ..allowance }, |quality| {
            tries += 1;
            picture(quality)
        });
        assert_eq!((all.map(|(_, quality)| quality), tries), (Ok(30), 1));
    }
}
