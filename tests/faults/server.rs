//! Servers that are killed and stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::campaign::{rounds, seeded_rng};
use crate::common::redis::{Persistence, RedisServer};
use crate::common::spawn;
use crate::ledger::Ledger;
use crate::process::Process;
use crate::stage::RECOVERY;
use crate::table::{Row, record};
use crate::traffic::{Publisher, client, delivered, register, streams, subscribe};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_a_publisher_retries_stores_each_frame_once() {
    let mut rng = seeded_rng();
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    let mut server = Process::server(&["--role", "api", "--redis-url", &url]);
    let _worker = Process::worker(&["--redis-url", &url]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(3));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);

    let rounds = rounds(5);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let sending = spawn(async move {
            for _ in 0..4 {
                publisher.submit(2).await;
            }
            publisher
        });
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..60))).await;
        server.restart();
        let up = Instant::now();
        publisher = sending.await.expect("the publisher continues");
        delivered(&ledger, ledger.promised_count()).await;
        longest = longest.max(up.elapsed());
        assert!(longest <= RECOVERY, "it took {longest:?} until all frames were there again");
    }
    let verdict = ledger.check();
    record(Row::of(2, "kill -9 server during submit", rounds, &verdict).recovered(longest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_under_load_ends_in_time_with_code_0() {
    let redis = RedisServer::start();
    let mut server = Process::server(&["--redis-url", &redis.url()]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
    register(&client, &streams).await;
    for _ in 0..20 {
        subscribe(client.clone(), Arc::new(Ledger::default()), streams.clone());
    }
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);
    publisher.submit(2).await;
    delivered(&ledger, 2).await;
    let status = server.terminate();
    assert!(status.success(), "ended with {status}");
    server.restart();
    publisher.submit(2).await;
    delivered(&ledger, ledger.promised_count()).await;
    ledger.check();
}
