use std::time::Duration;

use super::{output, policy, stream, time};
use crate::domain::{PartitionId, Partitions, StreamPolicies, StreamRecord, Timestamp};
use crate::grpc::config::BackendKind;
use crate::pb::v1 as pb;
use crate::queue::{Budget, Durability, LeaseHolder, PartitionStats, QueueState, WorkerReport};

/// Converts the kind of a backend.
pub(crate) fn backend_to_pb(backend: BackendKind) -> pb::BackendKind {
    match backend {
        BackendKind::Memory => pb::BackendKind::Memory,
        BackendKind::Redis => pb::BackendKind::Redis,
        BackendKind::RedisSentinel => pb::BackendKind::RedisSentinel,
        BackendKind::RedisCluster => pb::BackendKind::RedisCluster,
    }
}

/// Returns the id of a partition's work queue in the API.
pub(crate) fn queue_id(partition: PartitionId) -> String {
    partition.to_string()
}

/// Converts the statistics of one partition; `refused` is the number of frames that this server
/// refused.
pub(crate) fn partition_to_pb(
    partition: PartitionId,
    stats: &PartitionStats,
    refused: u64,
    budget: Budget,
    now: Timestamp,
) -> pb::PartitionStats {
    let queue = queue_to_pb(partition, stats, budget, now);
    pb::PartitionStats { queue: Some(queue), stats: Some(queue_stats(stats, refused)) }
}

/// Converts the work queue of one partition.
pub(crate) fn queue_to_pb(
    partition: PartitionId,
    stats: &PartitionStats,
    budget: Budget,
    now: Timestamp,
) -> pb::Queue {
    let holder = stats.control.holder.as_ref();
    let state = match stats.control.state {
        QueueState::Running => pb::QueueState::Running,
        QueueState::Paused => pb::QueueState::Paused,
        QueueState::Draining => pb::QueueState::Draining,
    };
    pb::Queue {
        queue_id: queue_id(partition),
        partition: partition.index() as u32,
        state: state.into(),
        queued_frames: stats.depth,
        queued_bytes: stats.queued_bytes,
        max_queued_bytes: budget.work_bytes,
        in_flight_frames: stats.report.as_ref().map_or(0, |report| report.in_flight),
        oldest_age: oldest_age(stats, now),
        stream_count: stats.streams,
        worker_id: holder.map(|holder| holder.worker_id.clone()).unwrap_or_default(),
        lease_expire_time: holder.map(|holder| lease_end(holder, now)),
        state_reason: stats.control.reason.clone(),
    }
}

fn lease_end(holder: &LeaseHolder, now: Timestamp) -> prost_types::Timestamp {
    let left = i64::try_from(holder.expires_in.as_micros()).unwrap_or(i64::MAX);
    time::to_pb(Timestamp::from_micros(now.as_micros().saturating_add(left)))
}

/// Converts the statistics of all partitions together. Percentiles cannot be added up, so the
/// highest value of each is reported.
pub(crate) fn total_to_pb(all: &[PartitionStats], refused: u64) -> pb::QueueStats {
    let mut sum = PartitionStats::default();
    let mut report = WorkerReport::default();
    let mut reported = false;
    for one in all {
        let PartitionStats {
            depth,
            queued_bytes: _,
            oldest_receive_time: _,
            output_bytes,
            accepted,
            accepted_bytes,
            processed,
            failed,
            dropped,
            purged,
            erased,
            erased_processed: _,
            erased_failed: _,
            removed,
            duplicates,
            over_budget,
            published_bytes,
            trimmed,
            dead_letters,
            dead_letter_bytes,
            dead_letters_expired: _,
            streams: _,
            report: one_report,
            control: _,
        } = one;
        sum.depth += depth;
        sum.output_bytes += output_bytes;
        sum.accepted += accepted;
        sum.accepted_bytes += accepted_bytes;
        sum.processed += processed;
        sum.failed += failed;
        sum.dropped += dropped;
        sum.purged += purged;
        sum.erased += erased;
        sum.removed += removed;
        sum.duplicates += duplicates;
        sum.over_budget += over_budget;
        sum.published_bytes += published_bytes;
        sum.trimmed += trimmed;
        sum.dead_letters += dead_letters;
        sum.dead_letter_bytes += dead_letter_bytes;
        if let Some(one) = one_report {
            let WorkerReport {
                worker_id: _,
                in_flight: _,
                samples,
                frames_per_second,
                processing_p50_ms,
                processing_p95_ms,
                processing_p99_ms,
                totals: _,
            } = one;
            reported = true;
            report.samples += samples;
            report.frames_per_second += frames_per_second;
            report.processing_p50_ms = report.processing_p50_ms.max(*processing_p50_ms);
            report.processing_p95_ms = report.processing_p95_ms.max(*processing_p95_ms);
            report.processing_p99_ms = report.processing_p99_ms.max(*processing_p99_ms);
        }
    }
    sum.report = reported.then_some(report);
    queue_stats(&sum, refused)
}

fn queue_stats(stats: &PartitionStats, refused: u64) -> pb::QueueStats {
    let PartitionStats {
        depth,
        queued_bytes: _,
        oldest_receive_time: _,
        output_bytes,
        accepted,
        accepted_bytes,
        processed,
        failed,
        dropped,
        purged,
        erased,
        erased_processed: _,
        erased_failed: _,
        removed,
        duplicates,
        over_budget,
        published_bytes,
        trimmed,
        dead_letters,
        dead_letter_bytes,
        dead_letters_expired: _,
        streams: _,
        report,
        control: _,
    } = stats;
    let account = pb::FrameAccount {
        accepted_frames: *accepted,
        accepted_bytes: *accepted_bytes,
        processed_frames: *processed,
        failed_frames: *failed,
        dropped_frames: *dropped,
        purged_frames: *purged,
        erased_frames: *erased,
        removed_frames: *removed,
        queued_frames: *depth,
        duplicate_frames: *duplicates,
        rejected_frames: refused,
        output_bytes: *published_bytes,
        over_budget_frames: *over_budget,
    };
    pb::QueueStats {
        account: Some(account),
        completed_fps: report.as_ref().map(|report| report.frames_per_second),
        processing: report.as_ref().filter(|r| r.samples > 0).map(latency),
        retained_frames: (processed + failed + dropped + purged + erased).saturating_sub(*trimmed),
        retained_bytes: *output_bytes,
        dead_letter_count: *dead_letters,
        dead_letter_bytes: *dead_letter_bytes,
    }
}

fn oldest_age(stats: &PartitionStats, now: Timestamp) -> Option<prost_types::Duration> {
    stats.oldest_receive_time.map(|oldest| time::duration_to_pb(now.since(oldest)))
}

fn latency(report: &WorkerReport) -> pb::LatencyStats {
    let span = |ms: f64| {
        let span = Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
        Some(time::duration_to_pb(span))
    };
    pb::LatencyStats {
        p50: span(report.processing_p50_ms),
        p95: span(report.processing_p95_ms),
        p99: span(report.processing_p99_ms),
        sample_count: report.samples,
    }
}

/// Converts the statistics of one stream; `refused` is the number of frames that this server
/// refused.
pub(crate) fn stream_to_pb(
    record: &StreamRecord,
    refused: u64,
    partitions: Partitions,
    now: Timestamp,
) -> pb::StreamStats {
    let counters = &record.counters;
    let account = pb::FrameAccount {
        accepted_frames: counters.accepted_frames,
        processed_frames: counters.processed_frames(),
        failed_frames: counters.failed_frames,
        dropped_frames: counters.dropped_frames,
        purged_frames: counters.purged_frames,
        erased_frames: counters.erased_frames,
        removed_frames: counters.removed_frames,
        queued_frames: counters.queued_frames,
        duplicate_frames: counters.duplicate_frames,
        rejected_frames: refused,
        accepted_bytes: counters.accepted_bytes,
        output_bytes: counters.published_bytes,
        over_budget_frames: counters.over_budget_frames,
    };
    pb::StreamStats {
        stream_id: record.id.to_string(),
        queue_id: queue_id(partitions.of(&record.id)),
        status: Some(stream::status(record, partitions, now)),
        account: Some(account),
    }
}

pub(crate) fn durability_to_pb(durability: Durability) -> pb::Durability {
    match durability {
        Durability::Memory | Durability::RedisMemory => pb::Durability::Memory,
        Durability::AofEverySec => pb::Durability::AofEverysec,
        Durability::AofAlways => pb::Durability::AofAlways,
        Durability::Replicated(_) => pb::Durability::Replicated,
    }
}

/// Returns the policies of a stream without settings.
pub(crate) fn defaults_to_pb(defaults: &StreamPolicies) -> pb::ServerDefaults {
    pb::ServerDefaults {
        retention: Some(policy::retention_to_pb(defaults.retention.into())),
        output: Some(output::output_to_pb(defaults.output.into())),
        queue: Some(policy::queue_to_pb(defaults.queue.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_adds_counts_and_takes_the_highest_times() {
        let report = |fps, p99| {
            Some(WorkerReport {
                samples: 1,
                frames_per_second: fps,
                processing_p99_ms: p99,
                ..Default::default()
            })
        };
        let all = [
            PartitionStats {
                depth: 2,
                accepted: 9,
                processed: 6,
                failed: 1,
                report: report(5.0, 20.0),
                ..Default::default()
            },
            PartitionStats { depth: 1, report: report(3.0, 80.0), ..Default::default() },
            PartitionStats::default(),
        ];
        let total = total_to_pb(&all, 0);
        assert_eq!((total.account.map(|account| account.queued_frames), total.retained_frames), (Some(3), 7));
        assert_eq!(total.completed_fps, Some(8.0));
        assert_eq!(total.processing.and_then(|p| p.p99).map(|p| p.nanos), Some(80_000_000));
    }
}
