//! The server of the demo: a complete server in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::anyhow;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::client::Client;
use crate::config::{Backend, Config, Listen, Namespace, RedisSettings, RedisUrl};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// The maximum wait until the backend answers for the first time.
const SERVING_DEADLINE: Duration = Duration::from_secs(5);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum wait for the worker's leases, after which the cameras start anyway.
const WORKER_DEADLINE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The default log filter. It hides log messages about events that the demo reports itself.
const DEFAULT_LOG_FILTER: &str = "error,frameway::app::backend=off,frameway::grpc::health=off";

/// A running server.
#[derive(Debug)]
pub(super) struct DemoServer {
    address: String,
    stop: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
}

impl DemoServer {
    /// Starts on a free port, with the queue in memory or in a Redis.
    ///
    /// # Errors
    /// Fails if the server cannot start.
    pub(super) async fn start(redis_url: Option<String>, namespace: Namespace) -> Result<Self, Failure> {
        let mut config = Config::default();
        if let Some(url) = &redis_url
            && !url.contains("://")
        {
            return Err(Failure::Usage(anyhow!(
                "--redis-url must be a URL such as redis://localhost:6379/0"
            )));
        }
        if let Some(url) = redis_url {
            config.queue.backend = Backend::Redis(RedisSettings { namespace, ..RedisSettings::new(url) });
        }
        config.server.listen = Listen::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.server.drain_timeout = DRAIN_TIMEOUT;
        config.log.log = std::env::var("FRAMEWAY_LOG").unwrap_or_else(|_| DEFAULT_LOG_FILTER.to_owned());
        config.log.init().map_err(|error| Failure::Usage(error.into()))?;
        let app = App::start(config).await.map_err(Failure::Usage)?;
        let address = app.address().url();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(app.run(stop.clone()));
        Ok(Self { address, stop, running })
    }

    /// Returns the server's address as a URL.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Waits until the server ends by itself, which is always a failure, and returns the reason.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => panic.into(),
            Some(Ok(Ok(()))) | None => anyhow!("the server stopped"),
        }
    }

    /// Drains and stops the server.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            if let Ok(Err(error)) = ended {
                eprintln!("cannot stop the server: {error:#}");
            }
        }
    }
}

/// Waits until the health of the server is SERVING, and returns its info.
///
/// # Errors
/// Fails if the backend does not answer in time.
pub(super) async fn wait_until_serving(
    client: &mut Client,
    redis_url: Option<&str>,
) -> Result<pb::GetServerInfoResponse, Failure> {
    let deadline = Instant::now() + SERVING_DEADLINE;
    loop {
        let why = match client.server_info().await {
            Ok(info) if info.health() == pb::ServerHealth::Serving => return Ok(info),
            Ok(info) => info.health_message,
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            let failure = match redis_url {
                Some(url) => anyhow!("cannot use Redis: is it running at {}? ({why})", RedisUrl::from(url)),
                None => anyhow!("the server does not serve: {why}"),
            };
            return Err(Failure::Failed(failure));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Waits until every partition has a worker, so that latencies do not include the start of a
/// worker.
pub(super) async fn wait_for_worker(client: &mut Client) {
    let deadline = Instant::now() + WORKER_DEADLINE;
    while Instant::now() < deadline {
        let held =
            |one: &pb::PartitionStats| one.queue.as_ref().is_some_and(|queue| !queue.worker_id.is_empty());
        if stats(client).await.is_none_or(|stats| stats.partitions.iter().all(held)) {
            return;
        }
        sleep(POLL_INTERVAL).await;
    }
}

async fn stats(client: &mut Client) -> Option<pb::GetQueueStatsResponse> {
    let answer = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
    answer.ok().map(tonic::Response::into_inner)
}
