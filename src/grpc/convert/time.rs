use std::ops::RangeInclusive;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::grpc::fault::{Fault, Result};

const NANOS_PER_MICRO: i32 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MAX_NANOS: i32 = 999_999_999;
/// The years 1 to 9999 in seconds since 1970: what a `google.protobuf.Timestamp` may be.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Greatest age to start at, further back than anything is kept: 36,500 days.
pub(crate) const MAX_START_AGE: Duration = Duration::from_secs(36_500 * 86_400);

pub(crate) fn to_pb(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        // Below a million, times a thousand: fits.
        nanos: micros.rem_euclid(MICROS_PER_SECOND) as i32 * NANOS_PER_MICRO,
    }
}

/// Whole microseconds; what is finer is cut off.
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
        // Below 10^9: fits.
        nanos: span.subsec_nanos() as i32,
    }
}

/// `later` - `earlier`, negative if it is before.
pub(crate) fn difference_to_pb(later: Timestamp, earlier: Timestamp) -> prost_types::Duration {
    let micros = later.as_micros().saturating_sub(earlier.as_micros());
    prost_types::Duration {
        seconds: micros / MICROS_PER_SECOND,
        nanos: (micros % MICROS_PER_SECOND) as i32 * NANOS_PER_MICRO,
    }
}

/// A span within bounds; `None` if it is unset.
pub(crate) fn duration_within(
    field: &str,
    span: Option<prost_types::Duration>,
    least: Duration,
    most: Duration,
) -> Result<Option<Duration>> {
    let Some(prost_types::Duration { seconds, nanos }) = span else { return Ok(None) };
    let bad = || {
        let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
        Fault::invalid(field, format!("must be from {least} to {most}"))
    };
    if !(0..=MAX_NANOS).contains(&nanos) {
        return Err(bad());
    }
    let seconds = u64::try_from(seconds).map_err(|_| bad())?;
    let span = Duration::new(seconds, nanos.unsigned_abs());
    if (least..=most).contains(&span) { Ok(Some(span)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
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
    fn spans_have_bounds() {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
        let within = |seconds, nanos| {
            duration_within("d", Some(prost_types::Duration { seconds, nanos }), least, most)
        };
        assert_eq!(within(1, 0), Ok(Some(least)));
        assert_eq!(within(59, 999_999_999).unwrap().map(|d| d.as_secs()), Some(59));
        for (seconds, nanos) in [(0, 999_999_999), (60, 1), (-1, 0), (5, -1), (i64::MAX, 0)] {
            assert!(within(seconds, nanos).is_err());
        }
        assert_eq!(duration_within("d", None, least, most), Ok(None));
    }

    #[test]
    fn differences_may_be_negative() {
        let (early, late) = (Timestamp::from_micros(1_500_000), Timestamp::from_micros(4_000_000));
        assert_eq!(difference_to_pb(late, early), prost_types::Duration { seconds: 2, nanos: 500_000_000 });
        assert_eq!(difference_to_pb(early, late), prost_types::Duration { seconds: -2, nanos: -500_000_000 });
    }
}
