//! Rows 45 and 46: the network between the server and one master is silent, while everybody else
//! reaches that master: in a cluster, and behind Sentinels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::runtime::Handle;

use super::scene::{REPLICAS, SHARDS, Scene};
use crate::campaign::{rounds, seeded_rng};
use crate::common::cluster::{Cluster, Shape};
use crate::common::sentinel::Topology;
use crate::common::{DEADLINE, eventually};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::proxy::{Proxy, Wire};
use crate::table::{Row, record};
use crate::traffic::{Publisher, accounted, client, register, streams, subscribe};

/// The time for which the network is silent: longer than the server waits for an answer.
const SILENCE: Duration = Duration::from_secs(8);
/// The maximum time until frames are accepted again, from the end of the silence.
const RECOVERY: Duration = Duration::from_secs(10);
/// The connections of Frameway begin with its user; those of replicas and Sentinels do not.
const OURS: &[u8] = b"frameway";

const SILENT: Wire = Wire { latency: Duration::ZERO, bytes_per_second: None, silent: true };

/// The proxies in front of the servers of Redis.
#[derive(Default)]
struct Proxies(std::sync::Mutex<Vec<(u16, Proxy)>>);

impl Proxies {
    /// Starts a proxy in front of a port, and returns its port.
    fn before(&self, port: u16) -> u16 {
        let starting = Proxy::to_port_only(port, OURS);
        let proxy = tokio::task::block_in_place(|| Handle::current().block_on(starting));
        let own = proxy.address().port();
        self.0.lock().expect("no panic").push((port, proxy));
        own
    }

    fn set(&self, port: u16, wire: Wire) {
        let all = self.0.lock().expect("no panic");
        let (_, proxy) = all.iter().find(|(target, _)| *target == port).expect("a proxy of ours");
        assert!(proxy.open() > 0, "nothing goes through it");
        proxy.set(wire);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_the_server_cannot_reach_loses_nothing() {
    let mut rng = seeded_rng();
    let proxies = Proxies::default();
    let cluster = tokio::task::block_in_place(|| {
        Cluster::start_behind(&Shape::of(SHARDS, REPLICAS), |port| proxies.before(port))
    });
    let mut scene = Scene::on(cluster).await;
    let (rounds, mut longest) = (rounds(1), Duration::ZERO);
    for _ in 0..rounds {
        let shard = rng.random_range(0..SHARDS);
        scene.load().await;
        let master = tokio::task::block_in_place(|| scene.cluster.master(shard));
        let port = scene.cluster.nodes[master].port();
        proxies.set(port, SILENT);
        let from = Instant::now();
        tokio::time::sleep(SILENCE).await;
        let to = Instant::now();
        proxies.set(port, Wire::default());
        longest = longest.max(scene.recovered(shard, RECOVERY).await);
        scene.stop().await;
        for (number, camera) in scene.cameras.iter().enumerate() {
            // What was under way when the silence began may have been answered.
            let promised = camera.promised_between(from + Duration::from_millis(500), to);
            assert_eq!(promised == 0, number == shard, "{promised} frames of shard {number}");
            camera.assert_refused_with_delays();
        }
        assert_eq!(tokio::task::block_in_place(|| scene.cluster.master(shard)), master, "no failover");
    }
    scene.record((45, "cluster: no way to one master"), rounds, longest, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_only_the_server_cannot_reach_loses_nothing() {
    let proxies = Proxies::default();
    let topology =
        tokio::task::block_in_place(|| Topology::start_behind(REPLICAS, |port| proxies.before(port)));
    let (url, login) = (topology.url(), topology.flags());
    let login = login.each_ref().map(String::as_str);
    let flags = ["--redis-url", &url, "--wait-replicas", &REPLICAS.to_string()];
    let server = Process::server(&[&flags[..], &login].concat());
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    publisher.patience = DEADLINE * 2;
    publisher.submit(4).await;
    accounted(&ledger).await;
    let (rounds, mut longest) = (rounds(1), Duration::ZERO);
    let primary = topology.primary();
    let port = topology.nodes[primary].port();
    let promised = async |more: usize| {
        let before = ledger.promised_count();
        eventually("frames promised", || async { (ledger.promised_count() >= before + more).then_some(()) })
            .await;
    };
    for _ in 0..rounds {
        let load = publisher.keep_submitting(1);
        promised(12).await;
        proxies.set(port, SILENT);
        tokio::time::sleep(SILENCE).await;
        proxies.set(port, Wire::default());
        let since = Instant::now();
        promised(1).await;
        let took = since.elapsed();
        assert!(took <= RECOVERY, "it took {took:?} until frames were accepted again");
        longest = longest.max(took);
        publisher = load.stop().await;
        accounted(&ledger).await;
        assert_eq!(topology.primary(), primary, "the Sentinels reach it, so it stays the primary");
    }
    let verdict = ledger.check();
    let note = format!("{} calls failed", publisher.unavailable);
    record(Row::of(46, "Sentinel: no way to the primary", rounds, &verdict).recovered(longest).note(note));
}
