//! Row 44: a shard loses all of its data.

use std::time::{Duration, Instant};

use frameway::pb::v1::GapReason;
use rand::RngExt as _;

use super::scene::{SHARDS, Scene};
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
    let (mut scene, shard) = (Scene::start().await, rng.random_range(0..SHARDS));
    scene.cameras[shard].loses_all();
    for _ in 0..rounds {
        scene.load().await;
        let began = Instant::now();
        tokio::task::block_in_place(|| scene.cluster.lose(shard));
        register(&scene.client, &scene.cameras[shard].streams).await;
        longest = longest.max(scene.recovered(shard, RECOVERY).await);
        scene.stop().await;
        for (number, camera) in scene.cameras.iter().enumerate() {
            let told = camera.ledger.missing_for(GapReason::BackendFailover);
            if number == shard {
                assert!(told > 0, "the loss was not told");
                continue;
            }
            assert_eq!(told, 0, "a shard that lost nothing tells of a failover");
            let paused = camera.longest_pause(began);
            assert!(paused < NOT_NOTICED, "another shard paused for {paused:?}");
            let refusals = &camera.publisher().refusals;
            assert!(refusals.is_empty(), "another shard refused: {refusals:?}");
        }
    }
    scene.record((44, "cluster: a shard loses all its data"), rounds, longest, "");
}
