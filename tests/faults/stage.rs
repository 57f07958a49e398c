//! What most rows begin and end with: a server, cameras, a publisher, a subscriber; then the dust settles.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::eventually;
use crate::common::redis::RedisServer;
use crate::ledger::{Ledger, Verdict};
use crate::process::Process;
use crate::traffic::{Client, Load, Publisher, client, delivered, register, streams, subscribe};
use crate::usage::Usage;

/// Within so long after a fault all is as it was.
pub(crate) const RECOVERY: Duration = Duration::from_secs(15);

/// Frames that are promised before a fault begins.
const UNDER_WAY: usize = 6;

/// Processes under test, cameras, and the books of both ends.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) processes: Vec<Process>,
    pub(crate) client: Client,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) streams: Vec<String>,
    before: Usage,
}

impl Stage {
    /// A server with a worker of its own, on a Redis.
    pub(crate) async fn on(redis: &RedisServer) -> (Self, Publisher) {
        let server = Process::server(&["--redis-url", &redis.url()]);
        let url = server.url();
        Self::with(vec![server], &url, redis).await
    }

    /// These processes, of which the API listens at `url`; two cameras, of which the first frames have gone through.
    pub(crate) async fn with(processes: Vec<Process>, url: &str, redis: &RedisServer) -> (Self, Publisher) {
        let (client, ledger, streams) = (client(url), Arc::new(Ledger::default()), streams(2));
        register(&client, &streams).await;
        subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
        let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
        publisher.submit(4).await;
        delivered(&ledger, ledger.promised_count()).await;
        let mut stage = Self { processes, client, ledger, streams, before: Usage::default() };
        stage.before = stage.usage(redis);
        (stage, publisher)
    }

    fn usage(&self, redis: &RedisServer) -> Usage {
        Usage::of(&self.processes.iter().collect::<Vec<_>>(), Some(redis))
    }

    /// Has the publisher submit beside the test, and waits until that is under way.
    pub(crate) async fn under_load(&self, publisher: Publisher) -> Load {
        let promised = self.ledger.promised_count();
        let load = publisher.keep_submitting(1);
        eventually("submits under way", || async {
            (self.ledger.promised_count() >= promised + UNDER_WAY).then_some(())
        })
        .await;
        load
    }

    /// Waits until a fresh frame of each stream and all before it have come; answers how long that took.
    ///
    /// # Panics
    /// If it takes longer than recovery may.
    pub(crate) async fn recovered(&self, publisher: &mut Publisher) -> Duration {
        let start = Instant::now();
        publisher.submit(1).await;
        delivered(&self.ledger, self.ledger.promised_count()).await;
        let took = start.elapsed();
        assert!(took <= RECOVERY, "it took {took:?} until all frames were there again");
        took
    }

    /// The end: what was promised is there, and nothing is left behind in the processes and in Redis.
    pub(crate) async fn settled(&self, redis: &RedisServer) -> Verdict {
        let verdict = self.ledger.check();
        self.before.returns(&self.processes.iter().collect::<Vec<_>>(), Some(redis)).await;
        verdict
    }
}
