//! Quotas: how much a principal may use.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The unit in which bytes are counted, so that the counts fit the limiter.
const UNIT_BYTES: u64 = 1 << 10;
/// The number of frames that may come at once, at least: a whole batch.
const MIN_BURST_FRAMES: u32 = 100;
/// The number of units that may come at once, at least: the largest message.
const MIN_BURST_UNITS: u32 = 64 << 10;

/// The time for which a count of registered streams holds. It bounds how often all streams are
/// counted, however often a principal tries to register one.
const COUNT_MAX_AGE: Duration = Duration::from_secs(1);

/// The quota of a principal, on each server; nothing is limited by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The frames that it may submit in a second.
    pub frames_per_second: Option<NonZeroU32>,
    /// The bytes of pictures that it may submit in a second.
    pub bytes_per_second: Option<u64>,
    /// The calls that it may have in progress.
    pub calls: Option<u32>,
    /// The subscriptions, memberships and watches that it may have open.
    pub subscriptions: Option<u32>,
    /// The streams that it has registered and that are still registered, on all servers together.
    pub streams: Option<u32>,
}

/// The number of registered streams of a principal, as it was counted last.
#[derive(Debug, Default)]
pub struct RegisteredStreams(Option<(Instant, u64)>);

impl RegisteredStreams {
    /// Reports whether the count still holds.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        self.0.is_some_and(|(counted_at, _)| counted_at.elapsed() < COUNT_MAX_AGE)
    }

    /// Sets the count.
    pub fn set(&mut self, streams: u64) {
        self.0 = Some((Instant::now(), streams));
    }

    /// Counts a stream that is new.
    pub fn add(&mut self) {
        if let Some((_, streams)) = &mut self.0 {
            *streams += 1;
        }
    }
}

/// A quota that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The name of the quota, as in the access file.
    pub quota: &'static str,
    /// The quota.
    pub limit: u64,
    /// The time after which the same request may pass; `None` if it depends on the caller.
    pub retry_in: Option<Duration>,
}

/// The use that a principal makes of its quota.
#[derive(Debug)]
pub struct Usage {
    quota: Quota,
    frames: Option<DefaultDirectRateLimiter>,
    bytes: Option<DefaultDirectRateLimiter>,
    calls: Option<Arc<Semaphore>>,
    subscriptions: Option<Arc<Semaphore>>,
    streams: Mutex<RegisteredStreams>,
}

impl Usage {
    pub(super) fn new(quota: Quota) -> Self {
        let places = |count: u32| Arc::new(Semaphore::new(count as usize));
        let units = quota.bytes_per_second.map(|bytes| {
            NonZeroU32::new(u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX))
                .unwrap_or(NonZeroU32::MIN)
        });
        Self {
            quota,
            frames: quota.frames_per_second.map(|rate| limiter(rate, MIN_BURST_FRAMES)),
            bytes: units.map(|rate| limiter(rate, MIN_BURST_UNITS)),
            calls: quota.calls.map(places),
            subscriptions: quota.subscriptions.map(places),
            streams: Mutex::default(),
        }
    }

    /// Returns the quota.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Counts frames that are submitted.
    ///
    /// # Errors
    /// Too many frames or bytes were submitted. The frames may be counted although their bytes are
    /// refused.
    pub fn submit(&self, frames: usize, bytes: u64) -> Result<(), Exceeded> {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let rate = self.quota.frames_per_second.map_or(0, |rate| u64::from(rate.get()));
        take(self.frames.as_ref(), frames, "frames_per_second", rate)?;
        take(self.bytes.as_ref(), units, "bytes_per_second", self.quota.bytes_per_second.unwrap_or_default())
    }

    /// Takes a place among the calls in progress.
    ///
    /// # Errors
    /// All places are taken.
    pub fn call(&self) -> Result<Option<OwnedSemaphorePermit>, Exceeded> {
        place(self.calls.as_ref(), "calls", self.quota.calls)
    }

    /// Takes a place among the open subscriptions.
    ///
    /// # Errors
    /// All places are taken.
    pub fn subscription(&self) -> Result<Option<OwnedSemaphorePermit>, Exceeded> {
        place(self.subscriptions.as_ref(), "subscriptions", self.quota.subscriptions)
    }

    /// Waits until no other call of the principal registers a stream. Returns `None` if the
    /// principal may register any number.
    pub async fn registrations(&self) -> Option<MutexGuard<'_, RegisteredStreams>> {
        match self.quota.streams {
            Some(_) => Some(self.streams.lock().await),
            None => None,
        }
    }

    /// Checks that one more stream may be registered.
    ///
    /// # Errors
    /// All streams of the quota are registered.
    pub fn check_registration(&self, registered: &RegisteredStreams) -> Result<(), Exceeded> {
        let Some(limit) = self.quota.streams.map(u64::from) else { return Ok(()) };
        let registered = registered.0.map_or(0, |(_, streams)| streams);
        if registered < limit {
            return Ok(());
        }
        Err(Exceeded { quota: "streams", limit, retry_in: None })
    }
}

fn limiter(rate: NonZeroU32, min_burst: u32) -> DefaultDirectRateLimiter {
    let burst = NonZeroU32::new(rate.get().max(min_burst)).unwrap_or(rate);
    RateLimiter::direct(governor::Quota::per_second(rate).allow_burst(burst))
}

fn take(
    limiter: Option<&DefaultDirectRateLimiter>,
    count: u32,
    quota: &'static str,
    limit: u64,
) -> Result<(), Exceeded> {
    let (Some(limiter), Some(count)) = (limiter, NonZeroU32::new(count)) else { return Ok(()) };
    match limiter.check_n(count) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(later)) => {
            let retry_in = Some(later.wait_time_from(DefaultClock::default().now()));
            Err(Exceeded { quota, limit, retry_in })
        }
        Err(_more_than_the_burst) => Err(Exceeded { quota, limit, retry_in: None }),
    }
}

fn place(
    places: Option<&Arc<Semaphore>>,
    quota: &'static str,
    limit: Option<u32>,
) -> Result<Option<OwnedSemaphorePermit>, Exceeded> {
    let Some(places) = places else { return Ok(None) };
    let limit = u64::from(limit.unwrap_or_default());
    let taken = Arc::clone(places).try_acquire_owned();
    taken.map(Some).map_err(|_none_free| Exceeded { quota, limit, retry_in: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_limited_passes() {
        let usage = Usage::new(Quota::default());
        assert_eq!(usage.submit(1_000_000, u64::MAX), Ok(()));
        assert!(usage.call().unwrap().is_none() && usage.subscription().unwrap().is_none());
    }

    #[test]
    fn frames_over_the_rate_are_refused_with_a_delay() {
        let quota = Quota { frames_per_second: NonZeroU32::new(10), ..Quota::default() };
        let usage = Usage::new(quota);
        assert_eq!(usage.submit(MIN_BURST_FRAMES as usize, 0), Ok(()));
        let refused = usage.submit(10, 0).unwrap_err();
        assert_eq!((refused.quota, refused.limit), ("frames_per_second", 10));
        let delay = refused.retry_in.unwrap();
        assert!(delay > Duration::from_millis(500) && delay <= Duration::from_secs(1), "{delay:?}");
        assert_eq!(usage.submit(101, 0).unwrap_err().retry_in, None, "more than ever pass at once");
    }

    #[test]
    fn bytes_over_the_rate_are_refused() {
        let usage = Usage::new(Quota { bytes_per_second: Some(1 << 20), ..Quota::default() });
        assert_eq!(usage.submit(1, u64::from(MIN_BURST_UNITS) * UNIT_BYTES), Ok(()));
        assert_eq!(usage.submit(1, 1).unwrap_err().quota, "bytes_per_second");
    }

    #[test]
    fn places_are_given_back() {
        let usage = Usage::new(Quota { calls: Some(1), subscriptions: Some(0), ..Quota::default() });
        let call = usage.call().unwrap();
        assert_eq!(usage.call().unwrap_err(), Exceeded { quota: "calls", limit: 1, retry_in: None });
        drop(call);
        assert!(usage.call().is_ok());
        assert!(usage.subscription().is_err());
    }
}
