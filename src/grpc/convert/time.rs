use std::ops::RangeInclusive;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::grpc::fault::{Fault, Result};

const NANOS_PER_MICRO: i32 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MAX_NANOS: i32 = 999_999_999;
/// The range of a `google.protobuf.Timestamp`, the years 1 to 9999, in seconds since 1970.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
const MAX_HEARTBEAT: Duration = Duration::from_secs(60);
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
/// The maximum age of a start position, 36,500 days: nothing is retained for so long.
pub(crate) const MAX_START_AGE: Duration = Duration::from_secs(36_500 * 86_400);

pub(crate) fn to_pb(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        // This fits: the remainder is below a million, and the factor is a thousand.
        nanos: micros.rem_euclid(MICROS_PER_SECOND) as i32 * NANOS_PER_MICRO,
    }
}

/// Reads a time, rounded down to microseconds.
pub(crate) fn from_pb(field: &str, time: prost_types::Timestamp) -> Result<Timestamp> {
    let prost_types::Timestamp { seconds, nanos } = time;
    if !(0..=MAX_NANOS).contains(&nanos) {
        return Err(Fault::invalid(field, "nanos must be from 0 to 999,999,999"));
    }
    if !SECONDS.contains(&seconds) {
        return Err(Fault::invalid(field, "must be in the years 1 to 9999"));
    }
    Ok(Timestamp::from_micros(seconds * MICROS_PER_SECOND + i64::from(nanos / NANOS_PER_MICRO)))
}

pub(crate) fn duration_to_pb(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        // This fits: the number is below 10^9.
        nanos: span.subsec_nanos() as i32,
    }
}

/// Returns `later` minus `earlier`, which is negative if `later` is before `earlier`.
pub(crate) fn difference_to_pb(later: Timestamp, earlier: Timestamp) -> prost_types::Duration {
    let micros = later.as_micros().saturating_sub(earlier.as_micros());
    prost_types::Duration {
        seconds: micros / MICROS_PER_SECOND,
        nanos: (micros % MICROS_PER_SECOND) as i32 * NANOS_PER_MICRO,
    }
}

/// Reads a duration and checks its bounds; returns `None` if it is unset.
pub(crate) fn duration_within(
    field: &str,
    span: Option<prost_types::Duration>,
    min: Duration,
    max: Duration,
) -> Result<Option<Duration>> {
    let Some(prost_types::Duration { seconds, nanos }) = span else { return Ok(None) };
    let bad = || {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        Fault::invalid(field, format!("must be from {min} to {max}"))
    };
    if !(0..=MAX_NANOS).contains(&nanos) {
        return Err(bad());
    }
    let seconds = u64::try_from(seconds).map_err(|_| bad())?;
    let span = Duration::new(seconds, nanos.unsigned_abs());
    if (min..=max).contains(&span) { Ok(Some(span)) } else { Err(bad()) }
}

/// Reads the heartbeat interval of a call; returns the default if it is unset.
pub(crate) fn heartbeat(field: &str, interval: Option<prost_types::Duration>) -> Result<Duration> {
    let interval = duration_within(field, interval, MIN_HEARTBEAT, MAX_HEARTBEAT)?;
    Ok(interval.unwrap_or(DEFAULT_HEARTBEAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, -5_000_001] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(from_pb("t", to_pb(time)).unwrap(), time);
            assert!((0..1_000_000_000).contains(&to_pb(time).nanos));
        }
    }

    #[test]
    fn times_out_of_range_are_refused() {
        let (first, last) = SECONDS.into_inner();
        assert!(from_pb("t", prost_types::Timestamp { seconds: first, nanos: 0 }).is_ok());
        assert!(from_pb("t", prost_types::Timestamp { seconds: last, nanos: MAX_NANOS }).is_ok());
        let nanos = [(0, -1), (0, 1_000_000_000)];
        let seconds = [first - 1, last + 1, i64::MAX, i64::MIN].map(|seconds| (seconds, 0));
        for (seconds, nanos) in nanos.into_iter().chain(seconds) {
            assert!(from_pb("t", prost_types::Timestamp { seconds, nanos }).is_err());
        }
    }

    #[test]
    fn durations_have_bounds() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let within =
            |seconds, nanos| duration_within("d", Some(prost_types::Duration { seconds, nanos }), min, max);
        assert_eq!(within(1, 0), Ok(Some(min)));
        assert_eq!(within(59, 999_999_999).unwrap().map(|d| d.as_secs()), Some(59));
        for (seconds, nanos) in [(0, 999_999_999), (60, 1), (-1, 0), (5, -1), (i64::MAX, 0)] {
            assert!(within(seconds, nanos).is_err());
        }
        assert_eq!(duration_within("d", None, min, max), Ok(None));
    }

    #[test]
    fn heartbeats_have_a_default_and_bounds() {
        let every = |seconds| heartbeat("h", Some(prost_types::Duration { seconds, nanos: 0 }));
        assert_eq!(heartbeat("h", None), Ok(Duration::from_secs(10)));
        assert_eq!(every(1), Ok(Duration::from_secs(1)));
        assert_eq!(every(60), Ok(Duration::from_secs(60)));
        assert!(every(0).is_err() && every(61).is_err());
    }

    #[test]
    fn differences_may_be_negative() {
        let (early, late) = (Timestamp::from_micros(1_500_000), Timestamp::from_micros(4_000_000));
        assert_eq!(difference_to_pb(late, early), prost_types::Duration { seconds: 2, nanos: 500_000_000 });
        assert_eq!(difference_to_pb(early, late), prost_types::Duration { seconds: -2, nanos: -500_000_000 });
    }
}
