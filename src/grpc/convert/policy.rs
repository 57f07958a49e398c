use std::time::Duration;

use super::{known, time};
use crate::domain::{ClockPolicy, QueuePolicy, RetentionPolicy};
use crate::grpc::fault::{Fault, Result, unless_set};
use crate::pb::v1 as pb;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const MAX_RETENTION_FRAMES: u64 = 1_000_000;
const MAX_RETENTION_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const MAX_QUEUE_FRAMES: u64 = 100_000;
const MAX_QUEUE_BYTES: u64 = 64 << 30;
const CLOCK_TOLERANCES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(24 * 3600));

/// A number within bounds; 0 is the default.
pub(super) fn bounded(field: &str, value: u64, least: u64, most: u64, default: u64) -> Result<u64> {
    match value {
        0 => Ok(default),
        value if (least..=most).contains(&value) => Ok(value),
        _ => Err(Fault::invalid(field, format!("must be 0 (the default) or from {least} to {most}"))),
    }
}

pub(crate) fn retention(policy: pb::RetentionPolicy) -> Result<RetentionPolicy> {
    let pb::RetentionPolicy { max_frames, max_age, max_bytes } = policy;
    let default = RetentionPolicy::default();
    let age = time::duration_within("max_age", max_age, Duration::from_secs(1), MAX_RETENTION_AGE)?;
    Ok(RetentionPolicy {
        max_frames: bounded("max_frames", max_frames, 1, MAX_RETENTION_FRAMES, default.max_frames)?,
        max_age: age.unwrap_or(default.max_age),
        max_bytes: bounded("max_bytes", max_bytes, MIB, TIB, default.max_bytes)?,
    })
}

pub(crate) fn retention_to_pb(policy: RetentionPolicy) -> pb::RetentionPolicy {
    let RetentionPolicy { max_frames, max_age, max_bytes } = policy;
    pb::RetentionPolicy { max_frames, max_age: Some(time::duration_to_pb(max_age)), max_bytes }
}

pub(crate) fn queue(policy: pb::QueuePolicy) -> Result<QueuePolicy> {
    let pb::QueuePolicy { max_frames, max_bytes, overflow } = policy;
    let default = QueuePolicy::default();
    let drop_oldest = match known("overflow", overflow)? {
        pb::QueueOverflow::Unspecified | pb::QueueOverflow::Reject => false,
        pb::QueueOverflow::DropOldest => true,
    };
    Ok(QueuePolicy {
        max_frames: bounded("max_frames", max_frames, 1, MAX_QUEUE_FRAMES, default.max_frames)?,
        max_bytes: bounded("max_bytes", max_bytes, MIB, MAX_QUEUE_BYTES, default.max_bytes)?,
        drop_oldest,
    })
}

pub(crate) fn queue_to_pb(policy: QueuePolicy) -> pb::QueuePolicy {
    let QueuePolicy { max_frames, max_bytes, drop_oldest } = policy;
    let overflow = if drop_oldest { pb::QueueOverflow::DropOldest } else { pb::QueueOverflow::Reject };
    pb::QueuePolicy { max_frames, max_bytes, overflow: overflow.into() }
}

/// Of the validation policy, the clock's part is offered.
pub(crate) fn clock(policy: pb::ValidationPolicy) -> Result<ClockPolicy> {
    let pb::ValidationPolicy {
        min_quality_score,
        min_width,
        min_height,
        max_age,
        clock_policy,
        clock_tolerance,
    } = policy;
    unless_set(min_quality_score.is_some(), "min_quality_score")?;
    unless_set(min_width != 0, "min_width")?;
    unless_set(min_height != 0, "min_height")?;
    unless_set(max_age.is_some(), "max_age")?;
    let reject = match known("clock_policy", clock_policy)? {
        pb::ClockPolicy::Unspecified | pb::ClockPolicy::Flag => false,
        pb::ClockPolicy::Reject => true,
        pb::ClockPolicy::Ignore => return Err(Fault::not_offered("clock_policy")),
    };
    let (least, most) = CLOCK_TOLERANCES;
    let tolerance = time::duration_within("clock_tolerance", clock_tolerance, least, most)?;
    Ok(ClockPolicy { tolerance: tolerance.unwrap_or(ClockPolicy::default().tolerance), reject })
}

pub(crate) fn clock_to_pb(policy: ClockPolicy) -> pb::ValidationPolicy {
    let ClockPolicy { tolerance, reject } = policy;
    let clock_policy = if reject { pb::ClockPolicy::Reject } else { pb::ClockPolicy::Flag };
    pb::ValidationPolicy {
        min_quality_score: None,
        min_width: 0,
        min_height: 0,
        max_age: None,
        clock_policy: clock_policy.into(),
        clock_tolerance: Some(time::duration_to_pb(tolerance)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::ErrorReason;

    #[test]
    fn unset_policies_are_the_defaults() {
        assert_eq!(retention(pb::RetentionPolicy::default()), Ok(RetentionPolicy::default()));
        assert_eq!(queue(pb::QueuePolicy::default()), Ok(QueuePolicy::default()));
        assert_eq!(clock(pb::ValidationPolicy::default()), Ok(ClockPolicy::default()));
    }

    #[test]
    fn policies_go_both_ways() {
        let (r, q) = (RetentionPolicy::default(), QueuePolicy { drop_oldest: true, ..Default::default() });
        let c = ClockPolicy { tolerance: Duration::from_millis(1500), reject: true };
        assert_eq!(retention(retention_to_pb(r)), Ok(r));
        assert_eq!(queue(queue_to_pb(q)), Ok(q));
        assert_eq!(clock(clock_to_pb(c)), Ok(c));
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let scored = pb::ValidationPolicy { min_quality_score: Some(0.5), ..Default::default() };
        assert_eq!(clock(scored).map_err(|f| f.reason), Err(ErrorReason::NotImplemented));
    }

    #[test]
    fn bounds_hold() {
        assert!(retention(pb::RetentionPolicy { max_frames: 1_000_001, ..Default::default() }).is_err());
        assert!(retention(pb::RetentionPolicy { max_bytes: 1, ..Default::default() }).is_err());
    }
}
