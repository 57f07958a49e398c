//! Conversions between the times of the contract and those of the standard library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::{Duration as PbDuration, Timestamp};

/// Converts a duration of the contract; a negative one becomes 0.
#[must_use]
pub fn duration(span: &PbDuration) -> Duration {
    Duration::new(u64::try_from(span.seconds).unwrap_or(0), u32::try_from(span.nanos).unwrap_or(0))
}

/// Converts a duration for the contract.
#[must_use]
pub fn pb_duration(span: Duration) -> PbDuration {
    PbDuration { seconds: span.as_secs() as i64, nanos: span.subsec_nanos() as i32 }
}

/// Converts a time of the contract; one before 1970 becomes 1970-01-01.
#[must_use]
pub fn system_time(time: &Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(time.nanos).unwrap_or(0));
    match u64::try_from(time.seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + nanos,
        Err(_) => UNIX_EPOCH,
    }
}

/// Converts a time for the contract; one before 1970 becomes 1970-01-01.
#[must_use]
pub fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_in_both_directions() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(system_time(&timestamp(time)), time);
        assert_eq!(duration(&pb_duration(Duration::from_millis(1_500))), Duration::from_millis(1_500));
        assert_eq!(duration(&PbDuration { seconds: -1, nanos: 0 }), Duration::ZERO);
    }
}
