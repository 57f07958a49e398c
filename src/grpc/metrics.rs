//! GetSystemMetrics: the accounts of every frame, and the parts that carry them.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use super::convert::{stats, time};
use super::fault::Result;
use super::queue_service::QueueHandlers;
use crate::domain::{PartitionId, Timestamp};
use crate::pb::v1 as pb;
use crate::queue::{PartitionStats, WorkerTotals};

impl QueueHandlers {
    pub(crate) async fn system_metrics(&self) -> Result<pb::GetSystemMetricsResponse> {
        let all: Vec<PartitionId> = self.queue.partitions().all().collect();
        let stats = try_join_all(all.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let live = self.queue.live_workers().await?;
        let status = self.queue.status().await;
        let now = Timestamp::now();
        let total = stats::total_to_pb(&stats, self.counters.refused_in_all(), now);
        let (used_bytes, max_bytes) = status.as_ref().map_or((0, 0), |one| (one.used_bytes, one.max_bytes));
        Ok(pb::GetSystemMetricsResponse {
            collect_time: Some(time::to_pb(now)),
            account: total.account,
            rates: total.rates,
            end_to_end: None,
            server: Some(self.counters.to_pb(self.hub.stats().subscriptions)),
            workers: workers(live, &all, &stats),
            backend: Some(pb::BackendMetrics {
                kind: self.info.kind.into(),
                reachable: status.is_ok(),
                used_bytes,
                max_bytes,
                round_trip: None,
                failovers: 0,
                clients: 0,
            }),
        })
    }
}

/// Those that have announced themselves, and those that hold a partition.
fn workers(live: Vec<String>, all: &[PartitionId], stats: &[PartitionStats]) -> Vec<pb::WorkerMetrics> {
    let mut workers: BTreeMap<String, (Vec<u32>, WorkerTotals)> =
        live.into_iter().map(|worker| (worker, Default::default())).collect();
    for (partition, one) in all.iter().zip(stats) {
        let Some(holder) = &one.control.holder else { continue };
        let (partitions, totals) = workers.entry(holder.worker_id.clone()).or_default();
        partitions.push(partition.index() as u32);
        // The partitions' reports are of different moments: the newest holds.
        let report = one.report.as_ref().filter(|report| report.worker_id == holder.worker_id);
        if let Some(report) = report.filter(|report| report.totals.report_time_us >= totals.report_time_us) {
            totals.clone_from(&report.totals);
        }
    }
    let moment = |micros| (micros > 0).then(|| time::to_pb(Timestamp::from_micros(micros)));
    let to_pb = |(worker_id, (partitions, totals)): (String, (Vec<u32>, WorkerTotals))| {
        let WorkerTotals { version, start_time_us, report_time_us, processed_frames, failed_frames } = totals;
        pb::WorkerMetrics {
            worker_id,
            version,
            start_time: moment(start_time_us),
            last_seen_time: moment(report_time_us),
            partitions,
            processed_frames,
            failed_frames,
            cpu_time: None,
            resident_bytes: 0,
            stages: Vec::new(),
        }
    };
    workers.into_iter().map(to_pb).collect()
}
