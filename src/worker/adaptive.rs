//! Adapts the quality, and then the size, of pictures to a budget of bytes. The state of a stream
//! is kept in this process: after a restart, or on another worker, it is learnt again.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::domain::{AdaptiveQuality, StreamId, Timestamp};

/// The maximum number of streams that are remembered.
const MAX_STREAMS: usize = 4096;
/// The window of `max_bytes_per_second`, in tenths of a second.
const WINDOW: i64 = 100;
/// The number of qualities that are tried between the first and the minimum.
const TRIES: usize = 3;
/// The number of sizes that are tried below the first one, at the minimum quality.
const SIZE_TRIES: usize = 4;
/// The step by which the quality rises again from one picture to the next.
const STEP_UP: u8 = 3;
/// The number of pictures between two attempts at a larger size. An attempt that does not fit is
/// wasted work.
const LARGER_EVERY: u32 = 30;

/// The size of a picture that is not scaled down.
const WHOLE: u8 = 100;

/// The quality and the size at which a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// The sides, as a percentage of those without a budget.
    pub(super) scale_percent: u8,
    /// The quality.
    pub(super) quality: u8,
}

/// The bytes that one picture may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The target.
    pub(super) bytes: u64,
    /// The bytes above which the budget is exceeded.
    pub(super) limit: u64,
    /// The bytes that are reserved until the picture's size is known.
    reserved: u64,
    /// The quality and size to try first.
    pub(super) first: Choice,
    /// The minimum quality and size.
    pub(super) minimum: Choice,
    /// A larger size to try before the first choice.
    pub(super) larger: Option<u8>,
}

impl Allowance {
    /// Returns a fixed quality and size, without a limit.
    pub(super) fn fixed(quality: u8) -> Self {
        let choice = Choice { scale_percent: WHOLE, quality };
        Self { bytes: u64::MAX, limit: u64::MAX, reserved: 0, first: choice, minimum: choice, larger: None }
    }
}

/// An encoded picture.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) choice: Choice,
}

#[derive(Debug, Default)]
struct StreamBudget {
    /// Frames and bytes of their pictures, by tenths of a second of their times of receipt.
    spent: VecDeque<(i64, u64, u64)>,
    choice: Option<Choice>,
    /// The number of pictures until a larger size may be tried.
    larger_in: u32,
}

/// The streams with a budget.
#[derive(Debug, Default)]
pub(super) struct BudgetController(Mutex<HashMap<StreamId, StreamBudget>>);

impl BudgetController {
    /// Returns the allowance of the next picture, which was received at `received`.
    pub(super) fn allow(
        &self,
        stream: &StreamId,
        policy: AdaptiveQuality,
        quality: u8,
        received: Timestamp,
    ) -> Allowance {
        let mut streams = self.0.lock();
        if streams.len() >= MAX_STREAMS && !streams.contains_key(stream) {
            // Forget the stream whose last picture is the oldest; this forgets unregistered ones,
            // too.
            let newest = |(_, budget): &(&StreamId, &StreamBudget)| budget.spent.back().map(|(at, ..)| *at);
            if let Some(oldest) = streams.iter().min_by_key(newest).map(|(stream, _)| stream.clone()) {
                streams.remove(&oldest);
            }
        }
        let budget = streams.entry(stream.clone()).or_default();
        let now = tenths(received);
        // An entry that is exactly as old as the window is kept, since part of it may be newer.
        while budget.spent.front().is_some_and(|(at, ..)| *at < now - WINDOW) {
            budget.spent.pop_front();
        }
        let AdaptiveQuality { max_bytes_per_frame, max_bytes_per_second, min_quality, min_scale_percent } =
            policy;
        let mut bytes = if max_bytes_per_frame == 0 { u64::MAX } else { u64::from(max_bytes_per_frame) };
        let (mut limit, mut reserved) = (bytes, 0);
        if max_bytes_per_second > 0 {
            let (frames, spent) =
                budget.spent.iter().fold((0, 0), |sum, (_, frames, bytes)| (sum.0 + frames, sum.1 + bytes));
            let first = budget.spent.front().map_or(now, |(at, ..)| *at);
            let elapsed = (now - first).clamp(0, WINDOW).unsigned_abs();
            // An even share at the rate at which frames arrived.
            let share = max_bytes_per_second.saturating_mul(elapsed.max(10)) / (10 * frames.max(1));
            // At most half of the rest of the budget. In the first ten seconds, the budget grows
            // from the bytes of one second to those of ten, so that the first pictures leave enough
            // for the later ones.
            let earned = max_bytes_per_second.saturating_mul(100 + 9 * elapsed) / 100;
            bytes = bytes.min(share).min(earned.saturating_sub(spent) / 2);
            reserved = bytes;
            limit = limit.min((10 * max_bytes_per_second.min(u64::MAX / 10)).saturating_sub(spent));
        }
        // The bytes are reserved until the picture is encoded, because others may be requested before
        // that.
        budget.note(now, 1, reserved);
        let minimum =
            Choice { scale_percent: min_scale_percent.min(WHOLE), quality: min_quality.min(quality) };
        let first = budget.choice.unwrap_or(Choice { scale_percent: WHOLE, quality });
        let first = Choice {
            scale_percent: first.scale_percent.clamp(minimum.scale_percent, WHOLE),
            quality: first.quality.clamp(minimum.quality, quality),
        };
        // Above half of the quality range, a larger size is worth trying.
        let is_good = first.quality >= minimum.quality + (quality - minimum.quality) / 2;
        budget.larger_in = budget.larger_in.saturating_sub(1);
        let larger = (first.scale_percent < WHOLE && is_good && budget.larger_in == 0)
            .then(|| larger(first.scale_percent));
        if larger.is_some() {
            budget.larger_in = LARGER_EVERY;
        }
        Allowance { bytes, limit, reserved, first, minimum, larger }
    }

    /// Notes the bytes of an encoded picture, how it was encoded (`None` = it was passed through),
    /// and its allowance. A picture that failed took nothing.
    pub(super) fn record(
        &self,
        stream: &StreamId,
        received: Timestamp,
        bytes: u64,
        choice: Option<Choice>,
        allowance: Allowance,
    ) {
        let mut streams = self.0.lock();
        let Some(budget) = streams.get_mut(stream) else { return };
        budget.release(tenths(received), allowance.reserved);
        budget.note(tenths(received), 0, bytes);
        if let Some(Choice { scale_percent, quality }) = choice {
            // The quality rises again only if there is room.
            let step = if bytes <= allowance.bytes { STEP_UP } else { 0 };
            budget.choice = Some(Choice { scale_percent, quality: quality.saturating_add(step) });
        }
    }
}

/// Returns the next larger size: four thirds of the sides.
fn larger(scale_percent: u8) -> u8 {
    (scale_percent.saturating_add(scale_percent / 3).saturating_add(1)).min(WHOLE)
}

/// Returns a smaller size for a picture that takes `bytes` if `allowed` bytes are allowed. The bytes
/// are about proportional to the number of pixels.
fn smaller(scale_percent: u8, bytes: u64, allowed: u64, minimum: u8) -> u8 {
    let fits = f64::from(scale_percent) * (allowed as f64 / bytes.max(1) as f64).sqrt();
    let maximum = scale_percent - scale_percent / 8 - 1;
    (fits as u8).clamp(minimum, maximum.max(minimum))
}

impl StreamBudget {
    /// Releases a reservation, unless it is too old to count.
    fn release(&mut self, at: i64, reserved: u64) {
        if self.spent.front().is_none_or(|(oldest, ..)| at < *oldest) {
            return;
        }
        // As in `note`, a picture that was noted late counts for the newest tenth of a second.
        let place = self.spent.iter().rposition(|(one, ..)| *one == at).unwrap_or(self.spent.len() - 1);
        if let Some((.., bytes)) = self.spent.get_mut(place) {
            *bytes = bytes.saturating_sub(reserved);
        }
    }

    fn note(&mut self, at: i64, frames: u64, bytes: u64) {
        match self.spent.iter_mut().rfind(|(one, ..)| *one == at) {
            Some((_, f, b)) => (*f, *b) = (*f + frames, *b + bytes),
            // Times of receipt never decrease within a stream; a picture that is noted late counts
            // for the newest tenth of a second.
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

/// Encodes at the highest quality found that fits, in a few attempts. If the minimum quality does
/// not fit, encodes at the largest size found that fits with it; if nothing fits, at the minimum of
/// both.
pub(super) fn encode_within<E>(
    allowance: Allowance,
    mut encode: impl FnMut(Choice) -> Result<Bytes, E>,
) -> Result<Encoded, E> {
    let Allowance { bytes: allowed, first, minimum, larger, .. } = allowance;
    let mut make = |scale_percent, quality| {
        let choice = Choice { scale_percent, quality };
        encode(choice).map(|bytes| Encoded { bytes, choice })
    };
    let fits = |encoded: &Encoded| encoded.bytes.len() as u64 <= allowed;
    if allowed == 0 {
        // Nothing fits: do not search.
        return make(minimum.scale_percent, minimum.quality);
    }
    if let Some(larger) = larger {
        let encoded = make(larger, minimum.quality)?;
        if fits(&encoded) {
            return Ok(encoded);
        }
    }
    let mut encoded = best_quality(first, minimum.quality, &fits, &mut make)?;
    for attempt in 1..=SIZE_TRIES {
        let scale_percent = encoded.choice.scale_percent;
        if fits(&encoded) || scale_percent <= minimum.scale_percent {
            break;
        }
        let next = match attempt {
            SIZE_TRIES => minimum.scale_percent,
            _ => smaller(scale_percent, encoded.bytes.len() as u64, allowed, minimum.scale_percent),
        };
        encoded = make(next, minimum.quality)?;
    }
    Ok(encoded)
}

/// Encodes at the highest quality found that fits, at one size; at the minimum if none does.
fn best_quality<E>(
    first: Choice,
    minimum: u8,
    fits: &impl Fn(&Encoded) -> bool,
    make: &mut impl FnMut(u8, u8) -> Result<Encoded, E>,
) -> Result<Encoded, E> {
    let Choice { scale_percent, quality: first } = first;
    let encoded = make(scale_percent, first)?;
    if fits(&encoded) || first <= minimum {
        return Ok(encoded);
    }
    let (mut low, mut high, mut found) = (minimum, first, None);
    for _ in 0..TRIES {
        if high - low <= 1 {
            break;
        }
        let quality = low + (high - low) / 2;
        let encoded = make(scale_percent, quality)?;
        if fits(&encoded) {
            (low, found) = (quality, Some(encoded));
        } else {
            high = quality;
        }
    }
    match found {
        Some(found) => Ok(found),
        None => make(scale_percent, minimum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAPTIVE: AdaptiveQuality = AdaptiveQuality {
        max_bytes_per_frame: 0,
        max_bytes_per_second: 0,
        min_quality: 30,
        min_scale_percent: 25,
    };

    /// Returns the bytes of a picture: a kilobyte per step of quality, in proportion to its pixels.
    fn picture(choice: Choice) -> Result<Bytes, ()> {
        let scale = usize::from(choice.scale_percent);
        Ok(Bytes::from(vec![0; usize::from(choice.quality) * 1024 * scale * scale / 10_000]))
    }

    fn allowance(bytes: u64, min_scale: u8) -> Allowance {
        Allowance {
            bytes,
            limit: bytes,
            reserved: 0,
            first: Choice { scale_percent: 100, quality: 85 },
            minimum: Choice { scale_percent: min_scale, quality: 30 },
            larger: None,
        }
    }

    #[test]
    fn the_quality_is_found_in_a_few_tries() {
        let mut tries = 0;
        let counted = |choice| {
            tries += 1;
            picture(choice)
        };
        let Encoded { bytes, choice } = encode_within(allowance(40 << 10, 25), counted).unwrap();
        assert!((33..=40).contains(&choice.quality) && choice.scale_percent == 100, "{choice:?}");
        assert_eq!(bytes.len(), usize::from(choice.quality) << 10);
        assert!(tries <= 5, "{tries}");
        let fixed = encode_within(Allowance::fixed(85), picture).unwrap().choice;
        assert_eq!(fixed, Choice { scale_percent: 100, quality: 85 });
    }

    #[test]
    fn the_size_is_lowered_if_the_minimum_quality_is_not_enough() {
        for (kilobytes, scales) in [(20, 60..=85), (10, 40..=60), (4, 25..=40)] {
            let mut tries = 0;
            let counted = |choice| {
                tries += 1;
                picture(choice)
            };
            let Encoded { bytes, choice } = encode_within(allowance(kilobytes << 10, 25), counted).unwrap();
            assert!(bytes.len() as u64 <= kilobytes << 10, "{kilobytes} kB: {} bytes", bytes.len());
            assert!(
                choice.quality == 30 && scales.contains(&choice.scale_percent),
                "{kilobytes} kB: {choice:?}"
            );
            assert!(tries <= 9, "{tries}");
        }
        // The size falls to the minimum, and not below it.
        let minimum = Choice { scale_percent: 25, quality: 30 };
        assert_eq!(encode_within(allowance(1, 25), picture).unwrap().choice, minimum);
        let whole = Choice { scale_percent: 100, quality: 30 };
        assert_eq!(encode_within(allowance(10 << 10, 100), picture).unwrap().choice, whole);
    }

    /// Returns a frame's time of receipt in microseconds: some arrive a little early.
    fn received(frame: usize, apart: i64) -> i64 {
        1_000_000_000 + frame as i64 * apart * 100_000 - [0, 30_000, 0, 60_000][frame % 4]
    }

    /// Returns the bytes and the choice of 300 pictures that arrive so many tenths of a second
    /// apart, and whether each exceeds the budget.
    fn run(
        policy: AdaptiveQuality,
        apart: i64,
        picture: impl Fn(usize, Choice) -> Result<Bytes, ()>,
    ) -> Vec<(usize, Choice, bool)> {
        let (budgets, stream) = (BudgetController::default(), "cam".parse().unwrap());
        let mut made = Vec::new();
        for frame in 0..300 {
            let received = Timestamp::from_micros(received(frame, apart));
            let allowance = budgets.allow(&stream, policy, 85, received);
            let Encoded { bytes, choice } =
                encode_within(allowance, |choice| picture(frame, choice)).unwrap();
            let size = bytes.len() as u64;
            budgets.record(&stream, received, size, Some(choice), allowance);
            made.push((bytes.len(), choice, size > allowance.limit));
        }
        made
    }

    #[test]
    fn a_stream_stays_within_its_bytes_per_second() {
        // Budgets that need a lower quality, a smaller size, and almost the minimum of both; at 10, 2
        // and 1/3 frames per second.
        for (budget, apart, used) in [
            (200 << 10, 1, 7),
            (100 << 10, 1, 6),
            (30 << 10, 1, 6),
            (40 << 10, 5, 6),
            (10 << 10, 5, 6),
            (8 << 10, 30, 5),
            (2 << 10, 30, 5),
        ] {
            let policy = AdaptiveQuality { max_bytes_per_second: budget, ..ADAPTIVE };
            let made = run(policy, apart, |_, choice| picture(choice));
            for start in 0..made.len() {
                let end = received(start, apart) + 10_000_000;
                let window = (start..made.len()).take_while(|&frame| received(frame, apart) < end);
                let total: usize = window.map(|frame| made[frame].0).sum();
                assert!(
                    total as u64 <= 10 * budget,
                    "{total} in ten seconds, {budget} a second, {apart} apart"
                );
            }
            assert!(
                !made.iter().any(|(.., over)| *over),
                "none is flagged: {budget} a second, {apart} apart"
            );
            let last: usize = made[200..].iter().map(|(size, ..)| size).sum();
            let seconds = 10 * apart.unsigned_abs();
            let message = format!("the budget is used: {last} in {seconds} s of {budget} a second");
            assert!(last as u64 > seconds * budget * used / 10, "{message}");
        }
    }

    #[test]
    fn pictures_in_work_count_with_their_allowance() {
        let (budgets, stream) = (BudgetController::default(), "cam".parse().unwrap());
        let policy = AdaptiveQuality { max_bytes_per_second: 100 << 10, ..ADAPTIVE };
        let now = Timestamp::from_micros(1_000_000_000);
        let allowed = [(); 20].map(|()| budgets.allow(&stream, policy, 85, now));
        let all: u64 = allowed.iter().map(|allowance| allowance.bytes).sum();
        assert!(
            (99 << 10..=100 << 10).contains(&all),
            "{all}: together they may take the bytes of one second"
        );
        // Pictures that fail take nothing, and the next one may take their part.
        let took = [allowed[0].bytes].into_iter().chain([0; 19]);
        for (allowance, bytes) in allowed.into_iter().zip(took) {
            budgets.record(&stream, now, bytes, None, allowance);
        }
        let next = budgets.allow(&stream, policy, 85, now);
        assert_eq!(next.limit, (1000 << 10) - allowed[0].bytes);
    }

    #[test]
    fn a_budget_that_cannot_be_kept_is_flagged_on_every_frame() {
        // The minimum takes 300 kB per second, so the budget of ten seconds is spent after two.
        let policy = AdaptiveQuality { max_bytes_per_second: 60 << 10, min_scale_percent: 100, ..ADAPTIVE };
        let made = run(policy, 1, |_, choice| picture(choice));
        assert!(made.iter().all(|(_, choice, _)| choice.scale_percent == 100));
        assert!(!made[..15].iter().any(|(.., over)| *over), "they fit");
        assert!(made[20..].iter().all(|(.., over)| *over), "five times the budget");
        let policy = AdaptiveQuality { max_bytes_per_frame: 20 << 10, ..policy };
        assert!(run(policy, 1, |_, choice| picture(choice)).iter().all(|(.., over)| *over));
    }

    #[test]
    fn the_size_rises_again_when_there_is_room() {
        let policy = AdaptiveQuality { max_bytes_per_frame: 20 << 10, ..ADAPTIVE };
        // A busy scene for a while, then a calm one that takes a quarter.
        let made = run(policy, 1, |frame, choice| {
            let bytes = picture(choice)?;
            Ok(if frame < 100 { bytes } else { bytes.slice(..bytes.len() / 4) })
        });
        assert!(made[..100].iter().all(|(_, choice, _)| choice.scale_percent < 100));
        assert!(made[250..].iter().all(|(_, choice, _)| choice.scale_percent == 100), "{:?}", made.last());
        assert!(made.iter().all(|(size, ..)| *size <= 20 << 10));
        assert!(made[299].1.quality > 60, "{:?}", made.last());
    }

    #[test]
    fn the_budget_of_a_frame_holds_and_the_quality_rises_again() {
        let (budgets, stream) = (BudgetController::default(), "cam".parse().unwrap());
        let policy = AdaptiveQuality { max_bytes_per_frame: 40 << 10, ..ADAPTIVE };
        let now = Timestamp::now();
        let whole = |quality| Some(Choice { scale_percent: 100, quality });
        let allowance = budgets.allow(&stream, policy, 85, now);
        budgets.record(&stream, now, 40 << 10, whole(40), allowance);
        let next = budgets.allow(&stream, policy, 85, now);
        assert_eq!((next.bytes, next.first.quality), (40 << 10, 43));
        budgets.record(&stream, now, 10, whole(84), allowance);
        assert_eq!(budgets.allow(&stream, policy, 85, now).first.quality, 85);
        // If a picture does not fit at the minimum, the next one is not tried at a higher quality.
        budgets.record(&stream, now, 50 << 10, whole(30), allowance);
        assert_eq!(budgets.allow(&stream, policy, 85, now).first.quality, 30);
        let mut tries = 0;
        let all = encode_within(Allowance { bytes: 0, ..allowance }, |choice| {
            tries += 1;
            picture(choice)
        });
        assert_eq!((all.map(|encoded| encoded.choice), tries), (Ok(allowance.minimum), 1));
    }
}
