//! A Redis that is absent, or stops and returns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::campaign::rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{eventually, spawn};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::stage::RECOVERY;
use crate::table::{Row, record};
use crate::traffic::{Publisher, client, delivered, register, streams, subscribe};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_killed_under_load_loses_nothing_that_was_accepted() {
    let mut redis = RedisServer::start_with(Persistence::AofAlways);
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(3));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);
    publisher.submit(2).await;

    let rounds = rounds(2);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        redis.kill_hard();
        let refused = publisher.unavailable;
        let sending = spawn(async move {
            for _ in 0..4 {
                publisher.submit(2).await;
            }
            publisher
        });
        eventually("health NOT_SERVING", || async {
            (health(&server).await == Some(ServingStatus::NotServing)).then_some(())
        })
        .await;
        redis.restart();
        let up = Instant::now();
        publisher = sending.await.expect("the publisher continues");
        assert!(publisher.unavailable > refused, "no call was answered UNAVAILABLE");
        delivered(&ledger, ledger.promised_count()).await;
        longest = longest.max(up.elapsed());
        assert!(longest <= RECOVERY, "it took {longest:?} until all frames were there again");
    }
    let verdict = ledger.check();
    eventually("health SERVING", || async {
        (health(&server).await == Some(ServingStatus::Serving)).then_some(())
    })
    .await;
    record(Row::of(3, "kill -9 Redis, appendfsync always", rounds, &verdict).recovered(longest));
}

async fn health(server: &Process) -> Option<ServingStatus> {
    let channel = tonic::transport::Endpoint::from_shared(server.url()).ok()?;
    let channel = channel.connect_timeout(Duration::from_secs(2)).connect().await.ok()?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.ok()?;
    Some(answer.into_inner().status())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_waits_for_a_redis_that_is_down_at_the_start() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    redis.kill_hard();
    let server = Process::server_not_ready(&["--redis-url", &url]);
    eventually("health NOT_SERVING", || async {
        (health(&server).await == Some(ServingStatus::NotServing)).then_some(())
    })
    .await;
    let status = client(&server.url())
        .streaming
        .submit_frame_batch(frameway::pb::v1::SubmitFrameBatchRequest {
            frames: vec![frameway::pb::v1::Frame {
                stream_id: "cam".to_owned(),
                data: bytes::Bytes::from_static(b"\xff\xd8\xff"),
                ..Default::default()
            }],
        })
        .await
        .expect_err("there is no queue");
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    let retry = tonic_types::StatusExt::get_details_retry_info(&status);
    assert!(retry.is_some_and(|retry| retry.retry_delay.is_some()), "no RetryInfo in {status:?}");
    assert!(server.log().contains("127.0.0.1"), "the log does not say which Redis:\n{}", server.log());

    redis.restart();
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(1));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    Publisher::new(client, Arc::clone(&ledger), &streams).submit(3).await;
    delivered(&ledger, 3).await;
    ledger.check();
}
