//! Row 44: a shard loses all of its data.

use std::time::{Duration, Instant};

use frameway::pb::v1::GapReason;
use rand::RngExt as _;

use super::scene::{Camera, SHARDS, Scene};
use crate::campaign::{seeded_rng, slow_rounds};
use crate::traffic::register;

/// The maximum time until frames are accepted again after the streams were registered again.
const RECOVERY: Duration = Duration::from_secs(10);
/// The maximum time between two promises of another shard. The machine is busy with starting servers.
const NOT_NOTICED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_lost_everything_tells_so_and_the_others_do_not_notice() {
    let mut rng = seeded_rng();
    let (rounds, mut longest) = (slow_rounds(1, 20), Duration::ZERO);
    let (mut scene, first) = (Scene::start().await, rng.random_range(0..SHARDS));
    for round in 0..rounds as usize {
        // One of the shards has what all servers share, such as the identity of the store.
        let shard = (first + round) % SHARDS;
        scene.cameras[shard].loses_all();
        let before: Vec<(u64, u64)> = scene.cameras.iter().map(noticed).collect();
        scene.load().await;
        let began = Instant::now();
        tokio::task::block_in_place(|| scene.cluster.lose(shard));
        register(&scene.client, &scene.cameras[shard].streams).await;
        longest = longest.max(scene.recovered(shard, RECOVERY).await);
        scene.stop().await;
        for (number, camera) in scene.cameras.iter().enumerate() {
            let ((told_before, refused_before), (told, refused)) = (before[number], noticed(camera));
            if number == shard {
                assert!(told > told_before, "the loss was not told");
                continue;
            }
            assert_eq!(told, told_before, "a shard that lost nothing tells of a failover");
            let refusals = &camera.publisher().refusals;
            assert_eq!(refused, refused_before, "another shard refused: {refusals:?}");
            let paused = camera.longest_pause(began);
            assert!(paused < NOT_NOTICED, "another shard paused for {paused:?}");
        }
    }
    scene.record((44, "cluster: a shard loses all its data"), rounds, longest, "");
}

/// Returns how many sequences a camera's reader was told to be lost, and how many answers were not a
/// promise.
fn noticed(camera: &Camera) -> (u64, u64) {
    (camera.ledger.missing_for(GapReason::BackendFailover), camera.publisher().refusals.values().sum())
}
