//! Quality, and then size, steered to a budget of bytes. What is known of a stream's last pictures lives in this process: after
//! a restart, or on another worker, it is learnt anew.

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
/// How many sizes are tried below the first one, at the least quality.
const SIZE_TRIES: usize = 4;
/// By how much the quality rises again from one picture to the next.
const STEP_UP: u8 = 3;
/// Pictures between two tries of a larger size: one that does not fit was encoded for nothing.
const LARGER_EVERY: u32 = 30;

/// The size of a picture that is not scaled down.
const WHOLE: u8 = 100;

/// How a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Of what the sides would be without a budget, as a percentage.
    pub(super) scale_percent: u8,
    /// The quality.
    pub(super) quality: u8,
}

/// What one picture may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Most bytes that are aimed at.
    pub(super) bytes: u64,
    /// Bytes above which the budget is exceeded.
    pub(super) limit: u64,
    /// Bytes that count as taken until it is known what the picture took.
    reserved: u64,
    /// What to try first.
    pub(super) first: Choice,
    /// The lowest of each.
    pub(super) least: Choice,
    /// A larger size to try before.
    pub(super) larger: Option<u8>,
}

impl Allowance {
    /// A fixed quality and size, whatever they take.
    pub(super) fn fixed(quality: u8) -> Self {
        let choice = Choice { scale_percent: WHOLE, quality };
        Self { bytes: u64::MAX, limit: u64::MAX, reserved: 0, first: choice, least: choice, larger: None }
    }
}

/// A picture that was made.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) choice: Choice,
}

#[derive(Debug, Default)]
struct Steered {
    /// By tenths of a second of received time: frames, and bytes of their pictures.
    spent: VecDeque<(i64, u64, u64)>,
    choice: Option<Choice>,
    /// Pictures until a larger size may be tried.
    larger_in: u32,
}

/// The streams that are steered.
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
        // What lies this many tenths back may be a little younger than the window.
        while steered.spent.front().is_some_and(|(at, ..)| *at < now - WINDOW) {
            steered.spent.pop_front();
        }
        let AdaptiveQuality { max_bytes_per_frame, max_bytes_per_second, min_quality, min_scale_percent } =
            policy;
        let mut bytes = if max_bytes_per_frame == 0 { u64::MAX } else { u64::from(max_bytes_per_frame) };
        let (mut limit, mut reserved) = (bytes, 0);
        if max_bytes_per_second > 0 {
            let (frames, spent) =
                steered.spent.iter().fold((0, 0), |sum, (_, frames, bytes)| (sum.0 + frames, sum.1 + bytes));
            let first = steered.spent.front().map_or(now, |(at, ..)| *at);
            let elapsed = (now - first).clamp(0, WINDOW).unsigned_abs();
            // An even share at the rate at which frames have come.
            let share = max_bytes_per_second.saturating_mul(elapsed.max(10)) / (10 * frames.max(1));
            // Half of what is left. At the start that is what one second may take, and nine tenths of the time since: when the
            // ten seconds are full, as much is left as one second takes, so that the first pictures do not starve the last ones.
            let earned = max_bytes_per_second.saturating_mul(100 + 9 * elapsed) / 100;
            bytes = bytes.min(share).min(earned.saturating_sub(spent) / 2);
            reserved = bytes;
            limit = limit.min((10 * max_bytes_per_second.min(u64::MAX / 10)).saturating_sub(spent));
        }
        // Until it is made: the next pictures may be asked for before.
        steered.note(now, 1, reserved);
        let least = Choice { scale_percent: min_scale_percent.min(WHOLE), quality: min_quality.min(quality) };
        let first = steered.choice.unwrap_or(Choice { scale_percent: WHOLE, quality });
        let first = Choice {
            scale_percent: first.scale_percent.clamp(least.scale_percent, WHOLE),
            quality: first.quality.clamp(least.quality, quality),
        };
        // From half-way up the quality on, a size more is worth a try.
        let is_good = first.quality >= least.quality + (quality - least.quality) / 2;
        steered.larger_in = steered.larger_in.saturating_sub(1);
        let larger = (first.scale_percent < WHOLE && is_good && steered.larger_in == 0)
            .then(|| larger(first.scale_percent));
        if larger.is_some() {
            steered.larger_in = LARGER_EVERY;
        }
        Allowance { bytes, limit, reserved, first, least, larger }
    }

    /// Notes that a picture was made: what it took, how it was encoded (`None` = it was passed on), of what it might have taken.
    /// A picture that failed took nothing.
    pub(super) fn spent(
        &self,
        stream: &StreamId,
        received: Timestamp,
        bytes: u64,
        choice: Option<Choice>,
        allowance: Allowance,
    ) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(steered) = streams.get_mut(stream) else { return };
        steered.release(tenths(received), allowance.reserved);
        steered.note(tenths(received), 0, bytes);
        if let Some(Choice { scale_percent, quality }) = choice {
            // Up again only from where there is room.
            let step = if bytes <= allowance.bytes { STEP_UP } else { 0 };
            steered.choice = Some(Choice { scale_percent, quality: quality.saturating_add(step) });
        }
    }
}

/// The next size above a smaller one: four thirds of its sides.
fn larger(scale_percent: u8) -> u8 {
    (scale_percent.saturating_add(scale_percent / 3).saturating_add(1)).min(WHOLE)
}

/// A size below one of which a picture takes `bytes` where `most` are allowed: bytes go about with the number of pixels.
fn smaller(scale_percent: u8, bytes: u64, most: u64, least: u8) -> u8 {
    let fits = f64::from(scale_percent) * (most as f64 / bytes.max(1) as f64).sqrt();
    let most = scale_percent - scale_percent / 8 - 1;
    (fits as u8).clamp(least, most.max(least))
}

impl Steered {
    /// Takes a reservation back, unless it is too old to count.
    fn release(&mut self, at: i64, reserved: u64) {
        if self.spent.front().is_none_or(|(oldest, ..)| at < *oldest) {
            return;
        }
        // As in `note`: what was noted late counts for the newest.
        let place = self.spent.iter().rposition(|(one, ..)| *one == at).unwrap_or(self.spent.len() - 1);
        if let Some((.., bytes)) = self.spent.get_mut(place) {
            *bytes = bytes.saturating_sub(reserved);
        }
    }

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

/// Encodes at the highest quality found that fits, in a few tries; where the least does not, at the largest size found that does
/// with it; at the least of both where nothing fits.
pub(super) fn encode_within<E>(
    allowance: Allowance,
    mut encode: impl FnMut(Choice) -> Result<Bytes, E>,
) -> Result<Encoded, E> {
    let Allowance { bytes: most, first, least, larger, .. } = allowance;
    let mut make = |scale_percent, quality| {
        let choice = Choice { scale_percent, quality };
        encode(choice).map(|bytes| Encoded { bytes, choice })
    };
    let fits = |encoded: &Encoded| encoded.bytes.len() as u64 <= most;
    if most == 0 {
        // Nothing fits: no use in looking for it.
        return make(least.scale_percent, least.quality);
    }
    if let Some(larger) = larger {
        let encoded = make(larger, least.quality)?;
        if fits(&encoded) {
            return Ok(encoded);
        }
    }
    let mut encoded = best_quality(first, least.quality, &fits, &mut make)?;
    for attempt in 1..=SIZE_TRIES {
        let scale_percent = encoded.choice.scale_percent;
        if fits(&encoded) || scale_percent <= least.scale_percent {
            break;
        }
        let next = match attempt {
            SIZE_TRIES => least.scale_percent,
            _ => smaller(scale_percent, encoded.bytes.len() as u64, most, least.scale_percent),
        };
        encoded = make(next, least.quality)?;
    }
    Ok(encoded)
}

/// Encodes at the highest quality found that fits, at one size; at the least where none does.
fn best_quality<E>(
    first: Choice,
    least: u8,
    fits: &impl Fn(&Encoded) -> bool,
    make: &mut impl FnMut(u8, u8) -> Result<Encoded, E>,
) -> Result<Encoded, E> {
    let Choice { scale_percent, quality: first } = first;
    let encoded = make(scale_percent, first)?;
    if fits(&encoded) || first <= least {
        return Ok(encoded);
    }
    let (mut low, mut high, mut found) = (least, first, None);
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
        None => make(scale_percent, least),
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

    /// A picture of a kilobyte a step of quality; its bytes go with its pixels.
    fn picture(choice: Choice) -> Result<Bytes, ()> {
        let scale = usize::from(choice.scale_percent);
        Ok(Bytes::from(vec![0; usize::from(choice.quality) * 1024 * scale * scale / 10_000]))
    }

    fn allowance(bytes: u64, least_scale: u8) -> Allowance {
        Allowance {
            bytes,
            limit: bytes,
            reserved: 0,
            first: Choice { scale_percent: 100, quality: 85 },
            least: Choice { scale_percent: least_scale, quality: 30 },
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
    fn where_the_least_quality_does_not_suffice_the_size_is_lowered() {
        for (most, scales) in [(20, 60..=85), (10, 40..=60), (4, 25..=40)] {
            let mut tries = 0;
            let counted = |choice| {
                tries += 1;
                picture(choice)
            };
            let Encoded { bytes, choice } = encode_within(allowance(most << 10, 25), counted).unwrap();
            assert!(bytes.len() as u64 <= most << 10, "{most} kB: {} bytes", bytes.len());
            assert!(choice.quality == 30 && scales.contains(&choice.scale_percent), "{most} kB: {choice:?}");
            assert!(tries <= 9, "{tries}");
        }
        // As far down as it may, and no further.
        let least = Choice { scale_percent: 25, quality: 30 };
        assert_eq!(encode_within(allowance(1, 25), picture).unwrap().choice, least);
        let whole = Choice { scale_percent: 100, quality: 30 };
        assert_eq!(encode_within(allowance(10 << 10, 100), picture).unwrap().choice, whole);
    }

    /// When such a picture is received, in microseconds: some come a little earlier than others.
    fn received(frame: usize, apart: i64) -> i64 {
        1_000_000_000 + frame as i64 * apart * 100_000 - [0, 30_000, 0, 60_000][frame % 4]
    }

    /// What 300 pictures take that come so many tenths of a second apart, with how they were made and whether they exceed the
    /// budget.
    fn run(
        policy: AdaptiveQuality,
        apart: i64,
        picture: impl Fn(usize, Choice) -> Result<Bytes, ()>,
    ) -> Vec<(usize, Choice, bool)> {
        let (steering, stream) = (Steering::default(), "cam".parse().unwrap());
        let mut made = Vec::new();
        for frame in 0..300 {
            let received = Timestamp::from_micros(received(frame, apart));
            let allowance = steering.allow(&stream, policy, 85, received);
            let Encoded { bytes, choice } =
                encode_within(allowance, |choice| picture(frame, choice)).unwrap();
            let size = bytes.len() as u64;
            steering.spent(&stream, received, size, Some(choice), allowance);
            made.push((bytes.len(), choice, size > allowance.limit));
        }
        made
    }

    #[test]
    fn a_stream_keeps_to_its_bytes_a_second() {
        // Budgets that need a lower quality, a smaller size, and almost the least of both; at 10, 2 and 1/3 frames a second.
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
            let told = format!("the budget is used: {last} in {seconds} s of {budget} a second");
            assert!(last as u64 > seconds * budget * used / 10, "{told}");
        }
    }

    #[test]
    fn pictures_that_are_being_made_count_as_what_they_may_take() {
        let (steering, stream) = (Steering::default(), "cam".parse().unwrap());
        let policy = AdaptiveQuality { max_bytes_per_second: 100 << 10, ..ADAPTIVE };
        let now = Timestamp::from_micros(1_000_000_000);
        let allowed = [(); 20].map(|()| steering.allow(&stream, policy, 85, now));
        let all: u64 = allowed.iter().map(|allowance| allowance.bytes).sum();
        assert!((99 << 10..=100 << 10).contains(&all), "{all}: what one second may take, for all of them");
        // Those that fail take nothing, and another may take their part.
        let took = [allowed[0].bytes].into_iter().chain([0; 19]);
        for (allowance, bytes) in allowed.into_iter().zip(took) {
            steering.spent(&stream, now, bytes, None, allowance);
        }
        let next = steering.allow(&stream, policy, 85, now);
        assert_eq!(next.limit, (1000 << 10) - allowed[0].bytes);
    }

    #[test]
    fn a_budget_that_cannot_be_kept_is_flagged_on_every_frame() {
        // The least takes 300 kB a second: after two seconds, the ten seconds' budget is gone.
        let policy = AdaptiveQuality { max_bytes_per_second: 60 << 10, min_scale_percent: 100, ..ADAPTIVE };
        let made = run(policy, 1, |_, choice| picture(choice));
        assert!(made.iter().all(|(_, choice, _)| choice.scale_percent == 100));
        assert!(!made[..15].iter().any(|(.., over)| *over), "they fit");
        assert!(made[20..].iter().all(|(.., over)| *over), "five times the budget");
        let policy = AdaptiveQuality { max_bytes_per_frame: 20 << 10, ..policy };
        assert!(run(policy, 1, |_, choice| picture(choice)).iter().all(|(.., over)| *over));
    }

    #[test]
    fn the_size_comes_back_when_there_is_room() {
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
    fn a_frames_budget_holds_and_the_quality_comes_back() {
        let (steering, stream) = (Steering::default(), "cam".parse().unwrap());
        let policy = AdaptiveQuality { max_bytes_per_frame: 40 << 10, ..ADAPTIVE };
        let now = Timestamp::now();
        let whole = |quality| Some(Choice { scale_percent: 100, quality });
        let allowance = steering.allow(&stream, policy, 85, now);
        steering.spent(&stream, now, 40 << 10, whole(40), allowance);
        let next = steering.allow(&stream, policy, 85, now);
        assert_eq!((next.bytes, next.first.quality), (40 << 10, 43));
        steering.spent(&stream, now, 10, whole(84), allowance);
        assert_eq!(steering.allow(&stream, policy, 85, now).first.quality, 85);
        // What does not fit at the least is not tried higher again and again.
        steering.spent(&stream, now, 50 << 10, whole(30), allowance);
        assert_eq!(steering.allow(&stream, policy, 85, now).first.quality, 30);
        let mut tries = 0;
        let all = encode_within(Allowance { bytes: 0, ..allowance }, |choice| {
            tries += 1;
            picture(choice)
        });
        assert_eq!((all.map(|encoded| encoded.choice), tries), (Ok(allowance.least), 1));
    }
}
