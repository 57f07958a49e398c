//! Encodes the reports of workers.

use prost::Message as _;

use super::corrupt;
use crate::pb::storage as pb;
use crate::queue::{Result, WorkerReport, WorkerTotals};

pub(in crate::queue::redis) fn encode_report(report: &WorkerReport) -> Vec<u8> {
    let WorkerReport {
        worker_id,
        in_flight,
        samples,
        frames_per_second,
        processing_p50_ms,
        processing_p95_ms,
        processing_p99_ms,
        totals: WorkerTotals { version, start_time_us, report_time_us, processed_frames, failed_frames },
    } = report.clone();
    pb::WorkerReport {
        worker_id,
        in_flight,
        samples,
        frames_per_second,
        processing_p50_ms,
        processing_p95_ms,
        processing_p99_ms,
        version,
        start_time: start_time_us,
        report_time: report_time_us,
        processed_frames,
        failed_frames,
    }
    .encode_to_vec()
}

pub(in crate::queue::redis) fn decode_report(bytes: &[u8]) -> Result<WorkerReport> {
    let report = pb::WorkerReport::decode(bytes).map_err(|error| corrupt(&error))?;
    Ok(WorkerReport {
        worker_id: report.worker_id,
        in_flight: report.in_flight,
        samples: report.samples,
        frames_per_second: report.frames_per_second,
        processing_p50_ms: report.processing_p50_ms,
        processing_p95_ms: report.processing_p95_ms,
        processing_p99_ms: report.processing_p99_ms,
        totals: WorkerTotals {
            version: report.version,
            start_time_us: report.start_time,
            report_time_us: report.report_time,
            processed_frames: report.processed_frames,
            failed_frames: report.failed_frames,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_round_trips() {
        let report = WorkerReport {
            worker_id: "w".to_owned(),
            in_flight: 1,
            samples: 2,
            frames_per_second: 0.1,
            processing_p50_ms: 4.5,
            processing_p95_ms: 5.5,
            processing_p99_ms: 6.5,
            totals: WorkerTotals {
                version: "0.1.0".to_owned(),
                start_time_us: -7,
                report_time_us: 8,
                processed_frames: 9,
                failed_frames: 10,
            },
        };
        assert_eq!(decode_report(&encode_report(&report)), Ok(report));
    }
}
