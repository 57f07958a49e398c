//! The split of the memory budget: how much waits, and how much is kept.

use std::time::{Duration, Instant};

use frameway::config::{ByteSize, Role};
use frameway::domain::Partitions;
use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_result::Outcome;
use frameway::queue::{Budget, Split};

use crate::server::{PATIENCE, TestServer};
use crate::stream_stats;

const BUDGET: u64 = 16 << 20;
const STREAMS: u64 = 8;
/// Redis takes little more for such a picture.
const PICTURE: usize = 60_000;

/// Starts a server with one partition and streams whose pictures are relayed.
async fn server(split: Split, role: Role) -> TestServer {
    let server = TestServer::start(|config| {
        let one = Partitions::new(1).expect("a power of two");
        config.server.role = role;
        config.limits.max_picture_bytes = 1 << 20;
        config.queue.partitions = one;
        config.queue.memory_budget = ByteSize(BUDGET);
        config.queue.budget = Budget::share(BUDGET, split, one);
    })
    .await;
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    for stream in 0..STREAMS {
        let stream = pb::Stream { stream_id: stream.to_string(), output: Some(output), ..Default::default() };
        server.register_with(stream).await;
    }
    server
}

/// Submits a frame of each stream; returns how many were accepted.
async fn submit(server: &TestServer) -> u64 {
    let frame = |stream: u64| pb::Frame {
        stream_id: stream.to_string(),
        data: vec![7; PICTURE].into(),
        ..Default::default()
    };
    let outcomes = server.submit((0..STREAMS).map(frame).collect()).await;
    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted(_))).count() as u64
}

fn split(text: &str) -> Split {
    text.parse().expect("a split")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_split_moves_the_bytes_that_may_wait() {
    for (text, percent) in [("60/30/10", 60), ("20/70/10", 20)] {
        let server = server(split(text), Role::Api).await;
        let mut waiting = 0;
        loop {
            let accepted = submit(&server).await;
            waiting += accepted * PICTURE as u64;
            if accepted == 0 {
                break;
            }
        }
        let part = BUDGET / 100 * percent;
        // The last of it stays free for streams that have fewer frames.
        assert!(waiting > part / 100 * 85 && waiting <= part, "{text}: {waiting} of {part} bytes");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_split_moves_the_bytes_that_outputs_keep() {
    for (text, percent) in [("30/60/10", 60), ("60/30/10", 30)] {
        let server = server(split(text), Role::All).await;
        let deadline = Instant::now() + PATIENCE;
        let mut accepted = 0;
        while accepted * (PICTURE as u64) < BUDGET {
            accepted += submit(&server).await;
            assert!(Instant::now() < deadline, "{text}: {accepted} frames accepted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let part = BUDGET / 100 * percent;
        let kept = loop {
            let stats: Vec<_> =
                stream_stats(&server).await.into_iter().filter_map(|one| one.status).collect();
            let kept = stats.iter().map(|status| status.retained_bytes).sum::<u64>();
            let waits = stats.iter().any(|status| status.queued_frames > 0);
            if !waits && kept <= part {
                break kept;
            }
            assert!(Instant::now() < deadline, "{text}: {kept} bytes are kept, of {part}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(kept > part / 100 * 80, "{text}: {kept} of {part} bytes");
        server.stop().await;
    }
}
