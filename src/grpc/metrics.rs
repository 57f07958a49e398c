//! GetSystemMetrics: the totals of all frames, and the state of server, workers and backend.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use super::admin_service::AdminHandlers;
use super::convert::{stats, time};
use super::fault::Result;
use crate::domain::{PartitionId, Timestamp};
use crate::pb::admin::v1beta1 as admin;
use crate::queue::{BackendStatus, PartitionStats, WorkerTotals};

impl AdminHandlers {
    pub(crate) async fn system_metrics(&self) -> Result<admin::GetSystemMetricsResponse> {
        let all: Vec<PartitionId> = self.queue.partitions().all().collect();
        let stats = try_join_all(all.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let live = self.queue.live_workers().await?;
        let status = self.queue.status().await;
        let now = Timestamp::now();
        let total = stats::total_to_pb(&stats, self.counters.refused_in_all());
        let known =
            |bytes: fn(&BackendStatus) -> u64| status.as_ref().ok().map(bytes).filter(|&bytes| bytes > 0);
        Ok(admin::GetSystemMetricsResponse {
            collect_time: Some(time::to_pb(now)),
            account: total.account,
            completed_fps: total.completed_fps,
            server: Some(self.counters.to_pb(self.hub.stats().subscriptions)),
            workers: workers(live, &all, &stats),
            backend: Some(admin::BackendMetrics {
                kind: stats::backend_to_pb(self.backend).into(),
                reachable: status.is_ok(),
                used_bytes: known(|status| status.used_bytes),
                max_bytes: known(|status| status.max_bytes),
            }),
        })
    }
}

/// Converts the workers that have registered themselves or hold a partition.
fn workers(live: Vec<String>, all: &[PartitionId], stats: &[PartitionStats]) -> Vec<admin::WorkerMetrics> {
    let mut workers: BTreeMap<String, (Vec<u32>, WorkerTotals)> =
        live.into_iter().map(|worker| (worker, Default::default())).collect();
    for (partition, one) in all.iter().zip(stats) {
        let Some(holder) = &one.control.holder else { continue };
        let (partitions, totals) = workers.entry(holder.worker_id.clone()).or_default();
        partitions.push(partition.index() as u32);
        // The reports of the partitions are from different times: the newest one counts.
        let report = one.report.as_ref().filter(|report| report.worker_id == holder.worker_id);
        if let Some(report) = report.filter(|report| report.totals.report_time_us >= totals.report_time_us) {
            totals.clone_from(&report.totals);
        }
    }
    let moment = |micros| (micros > 0).then(|| time::to_pb(Timestamp::from_micros(micros)));
    let to_pb = |(worker_id, (partitions, totals)): (String, (Vec<u32>, WorkerTotals))| {
        let WorkerTotals { version, start_time_us, report_time_us, processed_frames, failed_frames } = totals;
        let known = report_time_us > 0;
        admin::WorkerMetrics {
            worker_id,
            version,
            start_time: moment(start_time_us),
            last_renew_time: moment(report_time_us),
            partitions,
            processed_frames: known.then_some(processed_frames),
            failed_frames: known.then_some(failed_frames),
        }
    };
    workers.into_iter().map(to_pb).collect()
}
