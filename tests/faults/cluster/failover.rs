//! Rows 40, 41 and 43: a master that is killed, replaced as planned, and frozen until it wakes as an
//! old master.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::scene::{REPLICAS, SHARDS, Scene, wait_until};
use crate::campaign::{rounds, seeded_rng, slow_rounds};
use crate::common::cluster::Cluster;
use crate::common::eventually;

/// The maximum time until frames are accepted again after an unplanned failover, from the moment when
/// the new master has its replica.
const RECOVERY: Duration = Duration::from_secs(10);
/// The same after a planned one.
const PLANNED: Duration = Duration::from_secs(2);
/// The time after which a killed node is started again.
const DOWN: Duration = Duration::from_secs(5);
/// The time for which a node is frozen.
const FROZEN: Duration = Duration::from_secs(15);
/// The minimum time that a shard is observed while it has no replica: longer than the server waits for
/// one.
const ALONE: Duration = Duration::from_secs(4);

const NOT_REACHED: &str = "ERROR_REASON_DURABILITY_NOT_REACHED";

/// The period in which a shard had no replica, and its old master was not there.
struct Alone {
    from: Instant,
    to: Instant,
}

/// Lets a master be away, and return as a replica; asserts that no frame is accepted meanwhile.
async fn away(
    scene: &mut Scene,
    shard: usize,
    down: Duration,
    goes: fn(&mut Cluster, usize),
    returns: fn(&mut Cluster, usize),
) -> Duration {
    scene.load().await;
    let began = Instant::now();
    let alone = tokio::task::block_in_place(|| {
        let cluster = &mut scene.cluster;
        let before = cluster.master(shard);
        goes(cluster, before);
        let after = cluster.wait_for_another_than(before, shard);
        let from = Instant::now();
        wait_until((began + down).max(from + ALONE));
        let to = Instant::now();
        returns(cluster, before);
        cluster.wait_for_replicas(after, REPLICAS);
        Alone { from, to }
    });
    let took = scene.recovered(shard, RECOVERY).await;
    scene.stop().await;
    for (number, camera) in scene.cameras.iter().enumerate() {
        let promised = camera.promised_between(alone.from, alone.to);
        if number == shard {
            assert_eq!(promised, 0, "frames were accepted although no replica had them");
            assert!(camera.refusals(NOT_REACHED) > 0, "no frame was unconfirmed");
        } else {
            assert!(promised > 0, "the other shards go on");
        }
        camera.assert_refused_with_delays();
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced_and_nothing_promised_is_lost() {
    let mut rng = seeded_rng();
    let mut scene = Scene::start().await;
    scene.fails_over();
    let (rounds, mut longest) = (rounds(1), Duration::ZERO);
    for _ in 0..rounds {
        let shard = rng.random_range(0..SHARDS);
        let took = away(&mut scene, shard, DOWN, Cluster::kill, Cluster::restart).await;
        longest = longest.max(took);
    }
    scene.record((40, "cluster: kill -9 of a master"), rounds, longest, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_of_a_shard_loses_nothing() {
    let mut rng = seeded_rng();
    let mut scene = Scene::start().await;
    scene.fails_over();
    let (rounds, mut longest) = (rounds(2), Duration::ZERO);
    for _ in 0..rounds {
        let shard = rng.random_range(0..SHARDS);
        scene.load().await;
        tokio::task::block_in_place(|| {
            let cluster = &scene.cluster;
            let after = cluster.fail_over(cluster.master(shard));
            cluster.wait_for_replicas(after, REPLICAS);
        });
        longest = longest.max(scene.recovered(shard, PLANNED).await);
        scene.stop().await;
        scene.cameras.iter().for_each(|camera| camera.assert_refused_with_delays());
    }
    scene.record((41, "cluster: CLUSTER FAILOVER"), rounds, longest, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_master_that_wakes_after_the_failover_confirms_nothing() {
    let mut rng = seeded_rng();
    let mut scene = Scene::start().await;
    scene.fails_over();
    let (rounds, mut longest) = (slow_rounds(1, 20), Duration::ZERO);
    for _ in 0..rounds {
        let shard = rng.random_range(0..SHARDS);
        let took = away(&mut scene, shard, FROZEN, Cluster::freeze, Cluster::thaw).await;
        longest = longest.max(took);
        // What the old master still executed when it woke is gone, and was not confirmed.
        eventually("the replicas are equal to their masters", || async {
            tokio::task::block_in_place(|| are_equal(&scene.cluster)).then_some(())
        })
        .await;
    }
    scene.record((43, "cluster: SIGSTOP of a master"), rounds, longest, "");
}

/// Reports whether every replica has as many keys as its master.
fn are_equal(cluster: &Cluster) -> bool {
    (0..SHARDS).all(|shard| {
        let master = cluster.master(shard);
        let size = |node: usize| cluster.nodes[node].cli(&["DBSIZE"]);
        cluster.replicas(master).into_iter().all(|replica| size(replica) == size(master))
    })
}
