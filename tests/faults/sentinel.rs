//! Rows 37 to 39: a primary with two replicas and three Sentinels. The primary is killed, replaced
//! as planned, and frozen until it wakes as an old primary. All replicas must have a frame before it
//! is accepted, so no promised frame may be lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;

use crate::campaign::{rounds, slow_rounds};
use crate::common::redis::RedisServer;
use crate::common::sentinel::Topology;
use crate::common::{DEADLINE, eventually};
use crate::ledger::{Ledger, Verdict};
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Client, Publisher, accounted, client, register, streams, subscribe};

const REPLICAS: usize = 2;
/// The maximum time until frames are accepted and delivered again, from the moment when both
/// replicas follow the new primary.
const RECOVERY: Duration = Duration::from_secs(10);
/// The frames that are promised before each fault.
const PROMISED_BEFORE_FAULT: usize = 12;

/// Counts the accepted frames in a Redis.
const COUNT_ACCEPTED: &str = "local sum = 0
    for _, key in ipairs(redis.call('KEYS', 'frameway:{p*}:counts')) do
      sum = sum + (redis.call('HGET', key, 'accepted') or 0)
    end
    return sum";

/// The servers of Redis, a server of ours on them, cameras, and the ledger.
struct Scene {
    topology: Topology,
    client: Client,
    ledger: Arc<Ledger>,
    _server: Process,
}

impl Scene {
    async fn start() -> (Self, Publisher) {
        let topology = Topology::start(REPLICAS);
        let (url, login, replicas) = (topology.url(), topology.flags(), REPLICAS.to_string());
        let login = login.each_ref().map(String::as_str);
        let server =
            Process::server(&[&["--redis-url", &url, "--wait-replicas", &replicas][..], &login].concat());
        let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
        ledger.fails_over();
        register(&client, &streams).await;
        subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
        let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
        // While an old primary still has replicas, none of its frames is confirmed.
        publisher.patience = DEADLINE * 2;
        publisher.submit(4).await;
        accounted(&ledger).await;
        (Self { topology, client, ledger, _server: server }, publisher)
    }

    /// Lets a fault happen under load, and waits for the recovery; returns the publisher, and the
    /// time from when `fault` ended.
    async fn round(
        &mut self,
        publisher: Publisher,
        fault: impl FnOnce(&mut Topology, usize),
    ) -> (Publisher, Duration) {
        let promised = self.ledger.promised_count();
        let load = publisher.keep_submitting(1);
        eventually("frames promised before the fault", || async {
            (self.ledger.promised_count() >= promised + PROMISED_BEFORE_FAULT).then_some(())
        })
        .await;
        let before = self.topology.primary();
        tokio::task::block_in_place(|| fault(&mut self.topology, before));
        let since = Instant::now();
        let promised = self.ledger.promised_count();
        eventually("new promises after the fault", || async {
            (self.ledger.promised_count() > promised).then_some(())
        })
        .await;
        let publisher = load.stop().await;
        accounted(&self.ledger).await;
        let took = since.elapsed();
        assert!(took <= RECOVERY, "it took {took:?} until frames were accepted and delivered again");
        self.is_replicated().await;
        (publisher, took)
    }

    /// Waits until the server reports that all replicas have every accepted frame. Sentinel may still
    /// connect replicas anew.
    async fn is_replicated(&self) {
        eventually("all replicas confirm frames", || async {
            let answer = self.client.streaming.clone().get_server_info(pb::GetServerInfoRequest {}).await;
            let info = answer.expect("an answer").into_inner();
            let replicated = (info.durability(), info.durability_replicas, info.warnings.len())
                == (pb::Durability::Replicated, REPLICAS as u32, 0);
            replicated.then_some(())
        })
        .await;
    }

    /// Returns the verdict: nothing that was promised is lost, repeated or out of order.
    fn verdict(&self) -> Verdict {
        self.ledger.check()
    }
}

/// Returns what the table says besides the numbers.
fn note(verdict: &Verdict, publisher: &Publisher) -> String {
    format!(
        "{} frames were delivered before they were confirmed, lost, and delivered again; {} calls failed",
        verdict.unconfirmed, publisher.unavailable
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_is_replaced_and_nothing_promised_is_lost() {
    let (mut scene, mut publisher) = Scene::start().await;
    let (rounds, mut longest) = (rounds(2), Duration::ZERO);
    for _ in 0..rounds {
        let took;
        (publisher, took) = scene
            .round(publisher, |topology, before| {
                topology.nodes[before].kill_hard();
                let after = topology.wait_for_another_than(before);
                // It returns as a replica, as its rewritten configuration would tell it.
                topology.nodes[before].restart();
                topology.nodes[before].replicate(&topology.nodes[after]);
                topology.wait_for_replicas(after, REPLICAS);
            })
            .await;
        longest = longest.max(took);
    }
    let verdict = scene.verdict();
    let row = Row::of(37, "Sentinel: kill -9 of the primary", rounds, &verdict).recovered(longest);
    record(row.note(note(&verdict, &publisher)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_nothing_if_all_replicas_are_waited_for() {
    let (mut scene, mut publisher) = Scene::start().await;
    let (rounds, mut longest) = (slow_rounds(1, 100), Duration::ZERO);
    for _ in 0..rounds {
        let took;
        (publisher, took) = scene
            .round(publisher, |topology, before| {
                let said = topology.sentinels[0].cli(&["SENTINEL", "FAILOVER", "fw"]);
                assert_eq!(said, "OK");
                let after = topology.wait_for_another_than(before);
                // Sentinel makes the old primary a replica about ten seconds later.
                topology.wait_for_replicas(after, REPLICAS);
            })
            .await;
        longest = longest.max(took);
    }
    let verdict = scene.verdict();
    let row = Row::of(38, "Sentinel: planned failover", rounds, &verdict).recovered(longest);
    record(row.note(note(&verdict, &publisher)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_that_wakes_after_the_failover_gets_no_frame() {
    let (mut scene, mut publisher) = Scene::start().await;
    let (rounds, mut longest) = (slow_rounds(1, 100), Duration::ZERO);
    for _ in 0..rounds {
        let took;
        (publisher, took) = scene
            .round(publisher, |topology, before| {
                let old = &topology.nodes[before];
                old.pause();
                let after = topology.wait_for_another_than(before);
                topology.wait_until("the server has moved", || {
                    connections(&topology.nodes[after]).is_ok_and(|count| count > 0)
                });
                old.resume();
                assert_gets_nothing(topology, before);
                topology.wait_for_replicas(after, REPLICAS);
            })
            .await;
        longest = longest.max(took);
    }
    let verdict = scene.verdict();
    let row = Row::of(39, "Sentinel: SIGSTOP of the primary", rounds, &verdict).recovered(longest);
    record(row.note(note(&verdict, &publisher)));
}

/// Returns the number of connections of Frameway's user.
fn connections(redis: &RedisServer) -> Result<usize, String> {
    let list = redis.try_cli(&["CLIENT", "LIST"])?;
    Ok(list.lines().filter(|line| line.contains("user=frameway ")).count())
}

/// Asserts that an old primary that has just woken, and takes writes, gets none of ours until it is a
/// replica. It may still execute what was in its sockets when it froze.
fn assert_gets_nothing(topology: &Topology, old: usize) {
    let node = &topology.nodes[old];
    topology.wait_until("no connection of ours is left", || connections(node) == Ok(0));
    // Its state while it is a primary; `None` as soon as it is none.
    let look = || {
        let accepted = node.try_cli(&["EVAL", COUNT_ACCEPTED, "0"]).ok()?;
        let scripts = node.try_cli(&["INFO", "commandstats"]).ok()?;
        let scripts = scripts.lines().find(|line| line.starts_with("cmdstat_evalsha:")).map(str::to_owned);
        let connections = connections(node).ok()?;
        let is_primary = node.try_cli(&["INFO", "replication"]).ok()?.contains("role:master");
        is_primary.then_some((accepted, scripts, connections))
    };
    let first = look().expect("it takes writes at first");
    let mut looked = 0;
    topology.wait_until("it becomes a replica", || match look() {
        Some(seen) => {
            assert_eq!(seen, first, "an old primary was written to");
            looked += 1;
            false
        }
        None => true,
    });
    assert!(looked > 10, "it was looked at {looked} times");
}
