//! Row 42: slots of three partitions move to another master and back, with pictures in them.

use std::time::Duration;

use frameway::domain::Partitions;

use super::scene::{SHARDS, Scene};
use crate::campaign::rounds;
use crate::traffic::accounted;

/// The frames of each camera that are stored before its slot moves.
const STORED: u64 = 60;
/// The maximum time until frames are accepted again after a move.
const RECOVERY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_lose_nothing_and_are_no_failover() {
    let mut scene = Scene::start().await;
    let mut slots = Vec::new();
    for camera in &mut scene.cameras {
        camera.fill(STORED).await;
        accounted(&camera.ledger).await;
        let partition = Partitions::default().of(&camera.streams[0].parse().expect("an id"));
        slots.push(scene.cluster.slot(partition));
    }
    let (rounds, mut longest, mut keys) = (rounds(1), Duration::ZERO, 0);
    for _ in 0..rounds {
        scene.load().await;
        for there in [true, false] {
            for (shard, &slot) in slots.iter().enumerate() {
                let to = if there { (shard + 1) % SHARDS } else { shard };
                let cluster = &scene.cluster;
                tokio::task::block_in_place(|| {
                    let owner = cluster.owner(slot).expect("the nodes agree");
                    let count = cluster.nodes[owner].cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]);
                    keys += count.parse::<u64>().expect("a number");
                    cluster.move_slot(slot, to);
                });
                longest = longest.max(scene.recovered(shard, RECOVERY).await);
            }
        }
        scene.stop().await;
    }
    assert!(keys > u64::from(rounds) * 6 * STORED, "{keys} keys moved, pictures among them");
    // A gap of a failover would have been a fault of the ledger.
    scene.cameras.iter().for_each(|camera| camera.assert_refused_with_delays());
    let note = format!("{keys} keys moved; ");
    scene.record((42, "cluster: slots move there and back"), rounds, longest, &note);
}
