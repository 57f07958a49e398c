use std::fmt::Display;
use std::time::Duration;

use super::{known, time};
use crate::domain::limits::{MAX_RETENTION_AGE, MAX_RETENTION_BYTES, MAX_RETENTION_FRAMES, MAX_SIDE};
use crate::domain::{ClockAction, ClockSettings, QueueSettings, RetentionSettings, ValidationSettings};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;

const MIB: u64 = 1 << 20;
const MAX_QUEUE_FRAMES: u64 = 100_000;
const MAX_QUEUE_BYTES: u64 = 64 << 30;
const MAX_AGE_BOUNDS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30 * 24 * 3600));
const CLOCK_TOLERANCE_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_secs(24 * 3600));

/// Checks that a number, if it is set, is from `min` to `max`.
pub(crate) fn bounded<N: PartialOrd + Copy + Display>(
    field: &str,
    value: Option<N>,
    min: N,
    max: N,
) -> Result<Option<N>> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            Err(Fault::invalid(field, format!("must be from {min} to {max}")))
        }
        value => Ok(value),
    }
}

pub(crate) fn retention(policy: pb::RetentionPolicy) -> Result<RetentionSettings> {
    let pb::RetentionPolicy { max_frames, max_age, max_bytes } = policy;
    Ok(RetentionSettings {
        max_frames: bounded("max_frames", max_frames, 1, MAX_RETENTION_FRAMES)?,
        max_age: time::duration_within("max_age", max_age, Duration::from_secs(1), MAX_RETENTION_AGE)?,
        max_bytes: bounded("max_bytes", max_bytes, MIB, MAX_RETENTION_BYTES)?,
    })
}

pub(crate) fn retention_to_pb(settings: RetentionSettings) -> pb::RetentionPolicy {
    let RetentionSettings { max_frames, max_age, max_bytes } = settings;
    pb::RetentionPolicy { max_frames, max_age: max_age.map(time::duration_to_pb), max_bytes }
}

pub(crate) fn queue(policy: pb::QueuePolicy) -> Result<QueueSettings> {
    let pb::QueuePolicy { max_frames, max_bytes, overflow } = policy;
    let drop_oldest = match known("overflow", overflow)? {
        pb::QueueOverflow::Unspecified => None,
        pb::QueueOverflow::Reject => Some(false),
        pb::QueueOverflow::DropOldest => Some(true),
    };
    Ok(QueueSettings {
        max_frames: bounded("max_frames", max_frames, 1, MAX_QUEUE_FRAMES)?,
        max_bytes: bounded("max_bytes", max_bytes, MIB, MAX_QUEUE_BYTES)?,
        drop_oldest,
    })
}

pub(crate) fn queue_to_pb(settings: QueueSettings) -> pb::QueuePolicy {
    let QueueSettings { max_frames, max_bytes, drop_oldest } = settings;
    let overflow = match drop_oldest {
        None => pb::QueueOverflow::Unspecified,
        Some(false) => pb::QueueOverflow::Reject,
        Some(true) => pb::QueueOverflow::DropOldest,
    };
    pb::QueuePolicy { max_frames, max_bytes, overflow: overflow.into() }
}

/// Reads the checks of accepted frames and of processed frames.
pub(crate) fn validation(policy: pb::ValidationPolicy) -> Result<(ClockSettings, ValidationSettings)> {
    let pb::ValidationPolicy {
        min_quality_score,
        min_width,
        min_height,
        max_age,
        clock_policy,
        clock_tolerance,
    } = policy;
    let min_quality_score = bounded("min_quality_score", min_quality_score, 0.0, 1.0)?;
    let action = match known("clock_policy", clock_policy)? {
        pb::ClockPolicy::Unspecified => None,
        pb::ClockPolicy::Flag => Some(ClockAction::Flag),
        pb::ClockPolicy::Reject => Some(ClockAction::Reject),
        pb::ClockPolicy::Ignore => Some(ClockAction::Ignore),
    };
    let (min, max) = MAX_AGE_BOUNDS;
    let max_age = time::duration_within("max_age", max_age, min, max)?;
    let (min, max) = CLOCK_TOLERANCE_BOUNDS;
    let tolerance = time::duration_within("clock_tolerance", clock_tolerance, min, max)?;
    let bounds = ValidationSettings {
        min_quality_score,
        min_width: bounded("min_width", min_width, 1, MAX_SIDE)?,
        min_height: bounded("min_height", min_height, 1, MAX_SIDE)?,
        max_age,
    };
    Ok((ClockSettings { tolerance, action }, bounds))
}

pub(crate) fn validation_to_pb(clock: ClockSettings, bounds: ValidationSettings) -> pb::ValidationPolicy {
    let ClockSettings { tolerance, action } = clock;
    let ValidationSettings { min_quality_score, min_width, min_height, max_age } = bounds;
    let clock_policy = match action {
        None => pb::ClockPolicy::Unspecified,
        Some(ClockAction::Flag) => pb::ClockPolicy::Flag,
        Some(ClockAction::Reject) => pb::ClockPolicy::Reject,
        Some(ClockAction::Ignore) => pb::ClockPolicy::Ignore,
    };
    pb::ValidationPolicy {
        min_quality_score,
        min_width,
        min_height,
        max_age: max_age.map(time::duration_to_pb),
        clock_policy: clock_policy.into(),
        clock_tolerance: tolerance.map(time::duration_to_pb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{QueuePolicy, RetentionPolicy};

    #[test]
    fn unset_fields_stay_unset() {
        let (r, q) = (RetentionSettings::default(), QueueSettings::default());
        assert_eq!(retention(pb::RetentionPolicy::default()), Ok(r));
        assert_eq!(retention_to_pb(r), pb::RetentionPolicy::default());
        assert_eq!(queue(pb::QueuePolicy::default()), Ok(q));
        assert_eq!(queue_to_pb(q), pb::QueuePolicy::default());
        let (clock, bounds) = (ClockSettings::default(), ValidationSettings::default());
        assert_eq!(validation(pb::ValidationPolicy::default()), Ok((clock, bounds)));
        assert_eq!(validation_to_pb(clock, bounds), pb::ValidationPolicy::default());
    }

    #[test]
    fn policies_round_trip() {
        let r = RetentionSettings::from(RetentionPolicy::default());
        let q = QueueSettings::from(QueuePolicy { drop_oldest: true, ..Default::default() });
        let bounds = ValidationSettings {
            min_quality_score: Some(0.25),
            min_width: Some(640),
            min_height: Some(360),
            max_age: Some(Duration::from_millis(2500)),
        };
        assert_eq!(retention(retention_to_pb(r)), Ok(r));
        assert_eq!(queue(queue_to_pb(q)), Ok(q));
        for action in [ClockAction::Flag, ClockAction::Reject, ClockAction::Ignore] {
            let c = ClockSettings { tolerance: Some(Duration::from_millis(1500)), action: Some(action) };
            assert_eq!(validation(validation_to_pb(c, bounds)), Ok((c, bounds)));
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        assert!(
            retention(pb::RetentionPolicy { max_frames: Some(1_000_001), ..Default::default() }).is_err()
        );
        assert!(retention(pb::RetentionPolicy { max_bytes: Some(1), ..Default::default() }).is_err());
        for min_quality_score in [-0.1, 1.1, f64::NAN] {
            let policy =
                pb::ValidationPolicy { min_quality_score: Some(min_quality_score), ..Default::default() };
            assert_eq!(validation(policy).map_err(|f| f.field), Err("min_quality_score".to_owned()));
        }
        let max_age = Some(prost_types::Duration { seconds: 0, nanos: 9_999_999 });
        let policy = pb::ValidationPolicy { max_age, ..Default::default() };
        assert_eq!(validation(policy).map_err(|f| f.field), Err("max_age".to_owned()));
    }
}
