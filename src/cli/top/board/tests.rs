use std::time::Instant;

use super::*;
use crate::pb::admin::v1beta1 as admin;

fn account(accepted: u64, processed: u64) -> pb::FrameAccount {
    pb::FrameAccount {
        accepted_frames: accepted,
        processed_frames: processed,
        queued_frames: accepted - processed,
        accepted_bytes: accepted * 50_000,
        ..Default::default()
    }
}

fn stream(id: &str, accepted: u64, processed: u64) -> pb::StreamStats {
    let status =
        pb::StreamStatus { state: pb::StreamState::Live.into(), retained_frames: 7, ..Default::default() };
    pb::StreamStats {
        stream_id: id.to_owned(),
        queue_id: "p00".to_owned(),
        status: Some(status),
        account: Some(account(accepted, processed)),
    }
}

fn group(id: &str, lag: u64, acked: u64) -> pb::ConsumerGroup {
    let status = pb::ConsumerGroupStatus {
        members: vec![pb::ConsumerGroupMember::default()],
        stream_count: 2,
        lag_frames: lag,
        acknowledged_frames: acked,
        redelivered_frames: 3,
        ..Default::default()
    };
    pb::ConsumerGroup { group_id: id.to_owned(), status: Some(status), ..Default::default() }
}

/// Returns a sample of a server with two streams, a queue, a worker, two groups and a dead letter.
pub(in crate::cli::top) fn sample() -> Sample {
    let queue = pb::Queue {
        queue_id: "p00".to_owned(),
        state: pb::QueueState::Paused.into(),
        state_reason: "new worker".to_owned(),
        queued_frames: 12,
        queued_bytes: 600_000,
        max_queued_bytes: 2_400_000,
        stream_count: 2,
        worker_id: "worker-1".to_owned(),
        ..Default::default()
    };
    let stats =
        pb::QueueStats { account: Some(account(300, 288)), completed_fps: Some(24.5), ..Default::default() };
    let worker = admin::WorkerMetrics {
        worker_id: "worker-1".to_owned(),
        version: "0.1.0".to_owned(),
        partitions: vec![0],
        processed_frames: Some(288),
        failed_frames: Some(0),
        ..Default::default()
    };
    let server = admin::ServerMetrics {
        subscriptions: 4,
        delivered_frames: 500,
        delivered_bytes: 10_000_000,
        resident_bytes: Some(90_000_000),
        ..Default::default()
    };
    let letter = pb::DeadLetter {
        stream_id: "north".to_owned(),
        sequence: 17,
        source: pb::DeadLetterSource::Worker.into(),
        reason: pb::ErrorReason::DecodeTruncated.into(),
        ..Default::default()
    };
    Sample {
        taken: Instant::now(),
        info: pb::GetServerInfoResponse {
            version: "0.1.0".to_owned(),
            backend_kind: pb::BackendKind::Redis.into(),
            health: pb::ServerHealth::Serving.into(),
            ..Default::default()
        },
        queues: Ok(pb::GetQueueStatsResponse {
            total: Some(stats),
            partitions: vec![pb::PartitionStats { queue: Some(queue), stats: Some(stats) }],
        }),
        streams: Ok(Rows { rows: vec![stream("north", 200, 190), stream("south", 100, 98)], more: false }),
        metrics: Ok(admin::GetSystemMetricsResponse {
            server: Some(server),
            workers: vec![worker],
            backend: Some(admin::BackendMetrics {
                used_bytes: Some(1_000_000_000),
                max_bytes: Some(4_000_000_000),
                ..Default::default()
            }),
            ..Default::default()
        }),
        groups: Ok(Rows { rows: vec![group("archive", 5, 100), group("detect", 90, 40)], more: false }),
        dead_letters: Ok(pb::ListDeadLettersResponse {
            dead_letters: vec![letter],
            kept_count: 31,
            ..Default::default()
        }),
    }
}

/// Returns the sample, and the one of two seconds earlier.
pub(in crate::cli::top) fn two_samples() -> (Sample, Sample) {
    let mut now = sample();
    let mut before = sample();
    before.taken = now.taken;
    now.taken += Duration::from_secs(2);
    before.streams = Ok(Rows { rows: vec![stream("north", 150, 150)], more: false });
    before.groups = Ok(Rows { rows: vec![group("archive", 5, 90), group("detect", 90, 41)], more: false });
    before.queues.as_mut().unwrap().total.as_mut().unwrap().account = Some(account(250, 240));
    let metrics = before.metrics.as_mut().unwrap();
    metrics.workers[0].processed_frames = Some(240);
    metrics.server.as_mut().unwrap().delivered_frames = 400;
    (now, before)
}

fn row(view: View, now: &Sample, before: Option<&Sample>, index: usize) -> Vec<String> {
    view.table(now, before).unwrap().rows[index].iter().map(|cell| cell.text.clone()).collect()
}

#[test]
fn rates_are_the_rise_of_counters_between_two_samples() {
    let (now, before) = two_samples();
    let row = |view, index| row(view, &now, Some(&before), index);
    assert_eq!(row(View::Streams, 0)[..6], ["north", "live", "25.0", "1.2 MB/s", "20.0", "10"]);
    assert_eq!(row(View::Streams, 1)[2..5], ["-", "-", "-"], "it is new");
    assert_eq!(row(View::Workers, 0)[..6], ["worker-1", "0.1.0", "-", "1", "24.0", "288"]);
    assert_eq!(row(View::Groups, 0)[3..7], ["5", "0", "-", "5.0"]);
    assert_eq!(row(View::Groups, 1)[6], "-", "the counter fell: it is another group of this name");
    let [about, frames, rest] = totals("a:1", &now, Some(&before));
    assert_eq!(about, "a:1  Frameway 0.1.0, redis, SERVING");
    assert_eq!(frames, "in 25.0/s (1.2 MB/s), done 24.0/s, waiting 12, failed 0, dropped 0, refused 0.0/s");
    assert_eq!(
        rest,
        "delivered 50.0/s (0 B/s), subscriptions 4, server memory 90.0 MB, backend 1.0 GB of 4.0 GB"
    );
}

#[test]
fn without_an_earlier_sample_no_rate_is_known() {
    let now = sample();
    assert_eq!(row(View::Streams, &now, None, 0)[2..5], ["-", "-", "-"]);
    assert_eq!(row(View::Streams, &now, Some(&now), 0)[2..5], ["-", "-", "-"], "no time has passed");
    assert!(totals("a:1", &now, None)[1].starts_with("in -/s (-), done -/s"));
    assert_eq!(row(View::Queues, &now, None, 0)[..6], ["p00", "paused", "2", "12", "600.0 kB", "25 %"]);
}

#[test]
fn the_note_says_how_many_rows_are_not_shown() {
    let mut now = sample();
    let note = |view: View, now: &Sample| view.table(now, None).unwrap().note;
    assert_eq!(note(View::Streams, &now), "");
    assert_eq!(note(View::DeadLetters, &now), "30 older dead letters are not shown");
    now.streams.as_mut().unwrap().more = true;
    now.groups.as_mut().unwrap().more = true;
    now.queues.as_mut().unwrap().partitions[0].queue.as_mut().unwrap().stream_count = 1_702;
    assert_eq!(note(View::Streams, &now), "1700 of 1702 streams are not shown");
    assert_eq!(note(View::Groups, &now), "only the first 2 groups are shown");
    now.queues = Err("PERMISSION_DENIED".to_owned());
    assert_eq!(note(View::Streams, &now), "only the first 2 streams are shown");
}

#[test]
fn a_part_that_the_server_refuses_is_named() {
    let mut now = sample();
    now.groups = Err("PERMISSION_DENIED".to_owned());
    assert_eq!(View::Groups.table(&now, None), Err("PERMISSION_DENIED".to_owned()));
    now.metrics = Err("PERMISSION_DENIED".to_owned());
    assert_eq!(totals("a:1", &now, None)[2], "the totals of the server are not known");
    assert!(View::Streams.table(&now, None).is_ok());
}
