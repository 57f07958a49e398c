//! The common setup and end of most rows: a server, cameras, a publisher, a subscriber; then a wait
//! for recovery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::eventually;
use crate::common::redis::RedisServer;
use crate::ledger::{Ledger, Verdict};
use crate::process::Process;
use crate::traffic::{Client, Load, Publisher, client, delivered, register, streams, subscribe};
use crate::usage::Usage;

/// The maximum time to recover after a fault. Frames that waited meanwhile are processed then, at the
/// speed of the machine; the table shows how long it took.
pub(crate) const RECOVERY: Duration = Duration::from_secs(45);

/// The number of frames that are promised before a fault begins.
const PROMISED_BEFORE_FAULT: usize = 6;

/// The processes under test, cameras, and the ledger of publishers and subscribers.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) processes: Vec<Process>,
    pub(crate) client: Client,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) streams: Vec<String>,
    before: Usage,
}

impl Stage {
    /// Starts a server with its own worker on a Redis.
    pub(crate) async fn on(redis: &RedisServer) -> (Self, Publisher) {
        let server = Process::server(&["--redis-url", &redis.url()]);
        let url = server.url();
        Self::with(vec![server], &url, redis).await
    }

    /// Uses these processes, with the API at `url`, and two cameras with first frames that were
    /// delivered.
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

    /// Lets the publisher submit in the background, and waits until frames are promised.
    pub(crate) async fn under_load(&self, publisher: Publisher) -> Load {
        let promised = self.ledger.promised_count();
        let load = publisher.keep_submitting(1);
        eventually("frames promised before the fault", || async {
            (self.ledger.promised_count() >= promised + PROMISED_BEFORE_FAULT).then_some(())
        })
        .await;
        load
    }

    /// Waits until a new frame of each stream and all earlier ones were received, and returns the
    /// time that this took.
    ///
    /// # Panics
    /// Panics if this takes longer than [`RECOVERY`].
    pub(crate) async fn recovered(&self, publisher: &mut Publisher) -> Duration {
        let start = Instant::now();
        publisher.submit(1).await;
        delivered(&self.ledger, self.ledger.promised_count()).await;
        let took = start.elapsed();
        assert!(took <= RECOVERY, "it took {took:?} until all frames were there again");
        took
    }

    /// Ends the test: asserts that everything promised was received, and that nothing is left
    /// behind in the processes and in Redis.
    pub(crate) async fn settled(&self, redis: &RedisServer) -> Verdict {
        let verdict = self.ledger.check();
        self.before.returns(&self.processes.iter().collect::<Vec<_>>(), Some(redis)).await;
        verdict
    }
}
