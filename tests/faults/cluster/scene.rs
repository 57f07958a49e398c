//! The common setup and end of the rows: a cluster, a server of ours on it, and a camera on each shard
//! with a ledger of its own, so that each shard can be judged by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::domain::Partitions;
use frameway::pb::v1 as pb;

use crate::common::cluster::{Cluster, Shape};
use crate::common::{DEADLINE, eventually};
use crate::ledger::{Ledger, Verdict};
use crate::live::small_pictures;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Client, Load, Publisher, accounted, client, pictures, register, subscribe};

/// The number of masters, and of cameras.
pub(super) const SHARDS: usize = 3;
/// The replicas of each master, all of which must have a frame before it is accepted.
pub(super) const REPLICAS: usize = 1;
/// The frames of each camera that are promised before a fault.
const PROMISED_BEFORE_FAULT: usize = 8;
/// The pause of a camera between two frames.
const PACE: Duration = Duration::from_millis(100);

/// The cameras of one shard, with their streams and their ledger.
pub(super) struct Camera {
    pub(super) streams: Vec<String>,
    pub(super) ledger: Arc<Ledger>,
    publisher: Option<Publisher>,
    load: Option<Load>,
}

impl Camera {
    /// Submits so many further frames, with larger pictures, which later frames have, too.
    pub(super) async fn fill(&mut self, frames: u64) {
        let publisher = self.publisher.as_mut().expect("it is not at work");
        publisher.pictures = pictures(16);
        publisher.submit(frames).await;
    }

    /// Allows the shard to lose everything, if it is told, and to be empty until its stream is
    /// registered again.
    pub(super) fn loses_all(&mut self) {
        self.ledger.loses_all();
        self.publisher.as_mut().expect("it is not at work").waits_for_streams = true;
    }

    /// Returns the publisher, which must not be at work.
    pub(super) fn publisher(&self) -> &Publisher {
        self.publisher.as_ref().expect("it was stopped")
    }

    /// Returns the number of frames that were promised between two moments.
    pub(super) fn promised_between(&self, from: Instant, to: Instant) -> usize {
        self.ledger.promises().iter().filter(|(_, _, at)| (from..to).contains(at)).count()
    }

    /// Returns the longest time between two promises after `from`.
    pub(super) fn longest_pause(&self, from: Instant) -> Duration {
        let promises = self.ledger.promises();
        let times: Vec<Instant> = promises.iter().map(|(_, _, at)| *at).filter(|at| *at >= from).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// Returns how many answers were not a promise, and named this reason or code.
    pub(super) fn refusals(&self, what: &str) -> u64 {
        let refusals = self.publisher().refusals.iter();
        refusals.filter(|((reason, _, _), _)| reason == what).map(|(_, count)| count).sum()
    }

    /// Asserts that every answer that was not a promise said when to try again.
    pub(super) fn assert_refused_with_delays(&self) {
        let without: Vec<_> = self.publisher().refusals.keys().filter(|(_, _, delayed)| !delayed).collect();
        assert!(without.is_empty(), "{:?}: refused without a delay: {without:?}", self.streams);
    }
}

/// The cluster, the server, and the cameras.
pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) client: Client,
    pub(super) cameras: Vec<Camera>,
    /// The time at which the cameras began to submit.
    began: Instant,
    /// The longest time between two promises of a camera that submitted.
    paused: Duration,
    _server: Process,
}

impl Scene {
    /// Starts everything; first frames of each camera were delivered.
    pub(super) async fn start() -> Self {
        Self::on(tokio::task::block_in_place(|| Cluster::start(&Shape::of(SHARDS, REPLICAS)))).await
    }

    /// The same, on a cluster that has just been started.
    pub(super) async fn on(cluster: Cluster) -> Self {
        let server =
            Process::server(&["--redis-url", &cluster.url(), "--wait-replicas", &REPLICAS.to_string()]);
        let client = client(&server.url());
        let (mut cameras, small) = (Vec::new(), small_pictures());
        for shard in 0..SHARDS {
            let (streams, ledger) = (vec![stream_of(&cluster, shard)], Arc::new(Ledger::default()));
            register(&client, &streams).await;
            subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
            let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
            (publisher.pace, publisher.patience) = (PACE, DEADLINE * 2);
            publisher.pictures = small.to_vec();
            publisher.submit(4).await;
            cameras.push(Camera { streams, ledger, publisher: Some(publisher), load: None });
        }
        for Camera { ledger, .. } in &cameras {
            accounted(ledger).await;
        }
        let (began, paused) = (Instant::now(), Duration::ZERO);
        Self { cluster, client, cameras, began, paused, _server: server }
    }

    /// Allows failovers of all shards.
    pub(super) fn fails_over(&self) {
        self.cameras.iter().for_each(|camera| camera.ledger.fails_over());
    }

    /// Lets all cameras submit in the background, and waits until frames of each are promised.
    pub(super) async fn load(&mut self) {
        self.began = Instant::now();
        for camera in &mut self.cameras {
            let publisher = camera.publisher.take().expect("it is not at work");
            camera.load = Some(publisher.keep_submitting(1));
        }
        for camera in &self.cameras {
            more_promised(camera, PROMISED_BEFORE_FAULT).await;
        }
    }

    /// Waits until a camera's frames are promised and delivered again, and returns the time that this
    /// took.
    ///
    /// # Panics
    /// Panics if it takes longer than the bound.
    pub(super) async fn recovered(&self, shard: usize, bound: Duration) -> Duration {
        let (start, camera) = (Instant::now(), &self.cameras[shard]);
        more_promised(camera, 1).await;
        let took = start.elapsed();
        assert!(took <= bound, "it took {took:?} until frames were accepted again; the bound is {bound:?}");
        took
    }

    /// Stops the cameras, and waits until each promised frame was delivered or reported, and all
    /// replicas have all frames.
    pub(super) async fn stop(&mut self) {
        for camera in &mut self.cameras {
            let load = camera.load.take().expect("it is at work");
            camera.publisher = Some(load.stop().await);
        }
        for camera in &self.cameras {
            self.paused = self.paused.max(camera.longest_pause(self.began));
            accounted(&camera.ledger).await;
        }
        eventually("all replicas confirm frames", || async {
            let answer = self.client.streaming.clone().get_server_info(pb::GetServerInfoRequest {}).await;
            let info = answer.ok()?.into_inner();
            let replicated = (info.durability(), info.durability_replicas, info.warnings.len())
                == (pb::Durability::Replicated, REPLICAS as u32, 0);
            replicated.then_some(())
        })
        .await;
    }

    /// Asserts that nothing that was promised is lost, repeated or out of order, and records the row.
    pub(super) fn record(&self, (number, name): (u32, &str), rounds: u32, longest: Duration, note: &str) {
        let mut all = Verdict::default();
        for camera in &self.cameras {
            let verdict = camera.ledger.check();
            all.at_stake += verdict.at_stake;
            all.lost += verdict.lost;
            all.duplicates += verdict.duplicates;
            all.unconfirmed += verdict.unconfirmed;
        }
        let unavailable: u64 = self.cameras.iter().map(|camera| camera.publisher().unavailable).sum();
        let unconfirmed = all.unconfirmed;
        let note = format!(
            "{note}a camera had no frame accepted for {:.1?} at most; {unavailable} calls failed; \
             {unconfirmed} frames were delivered before they were confirmed, lost, and delivered again",
            self.paused
        );
        record(Row::of(number, name, rounds, &all).recovered(longest).note(note));
    }
}

/// Returns a stream whose partition is in a shard.
pub(super) fn stream_of(cluster: &Cluster, shard: usize) -> String {
    let is_there = |name: &String| {
        let partition = Partitions::default().of(&name.parse().expect("an id"));
        cluster.shard_of(cluster.slot(partition)) == shard
    };
    (0..).map(|number| format!("cam-{number}")).find(is_there).expect("some id is there")
}

async fn more_promised(camera: &Camera, more: usize) {
    let before = camera.ledger.promised_count();
    eventually("frames promised", || async {
        (camera.ledger.promised_count() >= before + more).then_some(())
    })
    .await;
}

/// Waits, on a thread that may block, until a moment.
pub(super) fn wait_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}
