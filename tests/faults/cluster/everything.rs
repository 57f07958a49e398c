//! Row 47: every process of ours and every node of the cluster is restarted in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::scene::{REPLICAS, SHARDS, stream_of};
use crate::campaign::slow_rounds;
use crate::common::cluster::{Cluster, Shape};
use crate::common::redis::Persistence;
use crate::common::{eventually, spawn};
use crate::ledger::Ledger;
use crate::live::{Camera, Servers, small_pictures};
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{accounted, client, register, subscribe};

/// The frames that are promised, and those that are delivered, between two restarts.
const BETWEEN: usize = 2 * SHARDS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_and_every_node_is_restarted_and_nothing_is_lost_or_repeated() {
    let shape = Shape { persistence: Persistence::AofEverysec, ..Shape::of(SHARDS, REPLICAS) };
    let mut cluster = tokio::task::block_in_place(|| Cluster::start(&shape));
    let (url, replicas) = (cluster.url(), REPLICAS.to_string());
    let redis = ["--redis-url", &url, "--wait-replicas", &replicas];
    let api = [&["--role", "api"][..], &redis].concat();
    let (mut a, mut b) = (Process::server(&api), Process::server(&api));
    let (mut c, mut d) = (Process::worker(&redis), Process::worker(&redis));
    let (ledger, pictures) = (Arc::new(Ledger::default()), small_pictures());
    ledger.fails_over();
    let streams: Vec<String> = (0..SHARDS).map(|shard| stream_of(&cluster, shard)).collect();
    register(&client(&a.url()), &streams).await;
    subscribe(client(&a.url()), Arc::clone(&ledger), streams.clone());
    let servers = Servers::new(&[a.url(), b.url()]);
    let (stop, stopping) = watch::channel(false);
    let cameras: Vec<_> = streams
        .iter()
        .map(|stream| spawn(Camera::new(&servers, &ledger, stream, &pictures).run(stopping.clone())))
        .collect();
    flows(&ledger).await;

    let (rounds, mut longest) = (slow_rounds(1, 20), Duration::ZERO);
    for _ in 0..rounds {
        for process in [&mut a, &mut c, &mut b, &mut d] {
            let status = tokio::task::block_in_place(|| process.terminate());
            assert!(status.success(), "ended with {status}:\n{}", process.log());
            tokio::task::block_in_place(|| process.restart());
            longest = longest.max(flows(&ledger).await);
        }
        for node in 0..cluster.nodes.len() {
            tokio::task::block_in_place(|| restart(&mut cluster, node));
            longest = longest.max(flows(&ledger).await);
        }
    }
    stop.send_replace(true);
    for camera in cameras {
        camera.await.expect("the camera ends well");
    }
    accounted(&ledger).await;
    let verdict = ledger.check();
    let restarts = rounds * (4 + cluster.nodes.len() as u32);
    record(Row::of(47, "cluster: everything restarted in turn", restarts, &verdict).recovered(longest));
}

/// Restarts a node as an operator does: if it is a master, its replica becomes the master first.
fn restart(cluster: &mut Cluster, node: usize) {
    let master = (0..SHARDS).map(|shard| cluster.master(shard)).find(|master| *master == node);
    let master = match master {
        Some(master) => cluster.fail_over(master),
        None => {
            let has = |master: &usize| cluster.replicas(*master).contains(&node);
            (0..SHARDS).map(|shard| cluster.master(shard)).find(has).expect("a replica has a master")
        }
    };
    cluster.wait_for_replicas(master, REPLICAS);
    cluster.kill(node);
    cluster.restart(node);
    cluster.settle();
    cluster.wait_for_replicas(master, REPLICAS);
}

/// Waits until frames are promised and delivered, and returns the time that this took.
async fn flows(ledger: &Ledger) -> Duration {
    let start = Instant::now();
    let (promised, delivered) = (ledger.promised_count(), ledger.delivered_count());
    eventually("frames flow", || async {
        let flow =
            ledger.promised_count() >= promised + BETWEEN && ledger.delivered_count() >= delivered + BETWEEN;
        flow.then_some(())
    })
    .await;
    start.elapsed()
}
