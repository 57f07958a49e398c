//! Row 20: one batch that is sent a thousand times concurrently.

use std::sync::Arc;

use frameway::pb::v1::{self as pb, frame_result::Outcome};
use futures::future::join_all;

use crate::campaign::slow_rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Publisher, client, delivered, register, streams, subscribe};

const TIMES: usize = 1_000;
/// Each connection carries the maximum calls that a server allows.
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_a_thousand_times_at_once_is_stored_once() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    // Two servers, so that the memory of one process does not suffice.
    let servers =
        [Process::server(&["--redis-url", &url]), Process::server(&["--role", "api", "--redis-url", &url])];
    let clients: Vec<_> = (0..CONNECTIONS).map(|n| client(&servers[n % 2].url())).collect();
    let (ledger, streams) = (Arc::new(Ledger::default()), streams(1));
    register(&clients[0], &streams).await;
    subscribe(clients[0].clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(clients[0].clone(), Arc::clone(&ledger), &streams);

    let rounds = slow_rounds(1, 20);
    for _ in 0..rounds {
        let frames = publisher.next_frames(3);
        let calls = (0..TIMES).map(|n| {
            let mut client = clients[n % clients.len()].clone();
            let request = pb::SubmitFrameBatchRequest { frames: frames.clone() };
            async move { client.streaming.submit_frame_batch(request).await }
        });
        let mut accepted = vec![0; frames.len()];
        let mut again = 0;
        for answer in join_all(calls).await {
            let results = match answer {
                Ok(answer) => answer.into_inner().results,
                Err(status) => {
                    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
                    again += 1;
                    continue;
                }
            };
            for ((frame, result), accepted) in frames.iter().zip(results).zip(&mut accepted) {
                let sequence = match result.outcome {
                    Some(Outcome::Accepted(one)) => {
                        *accepted += 1;
                        one.sequence
                    }
                    Some(Outcome::Duplicate(one)) => one.sequence,
                    Some(Outcome::Rejected(error) | Outcome::Unconfirmed(error)) => {
                        assert!(error.retry_delay.is_some(), "{error:?}");
                        again += 1;
                        continue;
                    }
                    None => panic!("no outcome"),
                };
                let digest = blake3::hash(&frame.data).as_bytes().to_vec();
                ledger.promised(&frame.stream_id, sequence, frame.publisher_sequence(), digest);
            }
        }
        println!("accepted {accepted:?} times; {again} asked to send again");
        // The answer to the stored frame may be lost, but no frame is new to two callers.
        assert!(accepted.iter().all(|&times| times <= 1), "accepted {accepted:?} times");
        publisher.settle_all(frames).await;
    }
    delivered(&ledger, ledger.promised_count()).await;
    // The following frame has the next sequence, so nothing else was stored.
    publisher.submit(1).await;
    delivered(&ledger, ledger.promised_count()).await;
    let verdict = ledger.check();
    assert_eq!(verdict.at_stake, u64::from(rounds) * 3 + 1);
    record(Row::of(20, "one batch sent 1,000 times at once", rounds, &verdict));
}
