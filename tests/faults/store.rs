//! Row 11: manual changes of the store.

use std::sync::Arc;
use std::time::Duration;

use frameway::pb::v1 as pb;

use crate::campaign::rounds;
use crate::common::eventually;
use crate::common::redis::{Persistence, RedisServer};
use crate::ledger::Ledger;
use crate::stage::Stage;
use crate::table::{Row, record};
use crate::traffic::{Publisher, delivered, register, subscribe};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_scripts_and_destroyed_groups_have_no_effect() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let (stage, mut publisher) = Stage::on(&redis).await;
    let rounds = rounds(3);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let refused = publisher.unavailable;
        let load = stage.under_load(publisher).await;
        redis.cli(&["SCRIPT", "FLUSH"]);
        for key in redis.cli(&["KEYS", "frameway:*:in"]).split_whitespace() {
            assert_eq!(redis.cli(&["XINFO", "GROUPS", key]), "", "a group of Redis' own on {key}");
            assert_eq!(redis.cli(&["XGROUP", "DESTROY", key, "workers"]), "0");
        }
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
        assert_eq!(publisher.unavailable, refused, "a caller noticed");
    }
    let verdict = stage.settled(&redis).await;
    record(Row::of(11, "SCRIPT FLUSH, XGROUP DESTROY", rounds, &verdict).recovered(longest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_flushall_streams_are_unknown_and_can_be_registered_again() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let (stage, mut publisher) = Stage::on(&redis).await;
    let rounds = rounds(2);
    let mut longest = Duration::ZERO;
    let mut at_stake = 0;
    for _ in 0..rounds {
        publisher.submit(2).await;
        delivered(&publisher.ledger, publisher.ledger.promised_count()).await;
        at_stake += publisher.ledger.check().at_stake;
        redis.cli(&["FLUSHALL"]);

        // Everything is unknown, and this is reported: calls do not hang and soon give no stale
        // answer.
        let request = |stream: &str| pb::GetStreamRequest { stream_id: stream.to_owned() };
        for stream in &stage.streams {
            eventually("the stream to be unknown", || async {
                let answer = stage.client.registry.clone().get_stream(request(stream)).await;
                answer.is_err_and(|status| status.code() == tonic::Code::NotFound).then_some(())
            })
            .await;
        }
        // Streams that the server still caches are detected when frames are accepted.
        let frames = publisher.next_frames(1);
        let frames_left = publisher.attempt(frames).await;
        assert!(frames_left.is_empty(), "unknown streams, and asked to retry: {:?}", publisher.refusals);
        assert!(publisher.ledger.verdict().faults.iter().all(|fault| fault.contains("not registered")));

        // Start again with a new ledger: new publishers and subscribers are served.
        let ledger = Arc::new(Ledger::default());
        // After all sequences that the lost store may have issued.
        ledger.begins_anywhere();
        register(&stage.client, &stage.streams).await;
        subscribe(stage.client.clone(), Arc::clone(&ledger), stage.streams.clone());
        publisher = Publisher::new(stage.client.clone(), Arc::clone(&ledger), &stage.streams);
        let start = std::time::Instant::now();
        for _ in 0..3 {
            publisher.submit(1).await;
            delivered(&ledger, ledger.promised_count()).await;
        }
        longest = longest.max(start.elapsed());
    }
    let verdict = publisher.ledger.check();
    let row = Row::of(11, "FLUSHALL, then registered again", rounds, &verdict).recovered(longest);
    record(Row { frames_at_stake: at_stake + verdict.at_stake, ..row });
}
