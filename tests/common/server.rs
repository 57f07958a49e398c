//! A server for tests: in this process, on a free port, with the embedded queue. It serves when
//! `start` returns.
//!
//! ```text
//! let server = TestServer::start(|config| config.limits.max_batch_frames = 3).await;
//! server.streaming().submit_frame_batch(...).await;
//! server.stop().await;
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use frameway::app::App;
use frameway::client::Channel;
use frameway::config::{Backend, Config, RedisSettings};
use frameway::pb::admin::v1beta1::admin_service_client::AdminServiceClient;
use frameway::pb::v1 as pb;
use frameway::pb::v1::consumer_group_service_client::ConsumerGroupServiceClient;
use frameway::pb::v1::dead_letter_service_client::DeadLetterServiceClient;
use frameway::pb::v1::queue_service_client::QueueServiceClient;
use frameway::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use frameway::pb::v1::streaming_service_client::StreamingServiceClient;
use frameway::picture::{Canvas, Codec, Limits};
use frameway::shutdown::Tasks;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::clients::Clients;
use crate::common::cluster::Lent;
use crate::common::log;
use crate::common::redis::RedisServer;
use crate::common::sentinel::Topology;

/// With this environment variable, all servers keep their queue in a Redis of their own, under the
/// permissions of `docs/redis.md`, and have a worker process.
const ON_REDIS: &str = "TEST_ON_REDIS";

/// With this one, these Redis servers are behind a Sentinel each.
const ON_SENTINEL: &str = "TEST_ON_SENTINEL";

/// With this one, they keep their queue in a cluster of three masters.
const ON_CLUSTER: &str = "TEST_ON_CLUSTER";

/// The maximum time that anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    channel: Channel,
    clients: Clients,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    /// The Redis of [`ON_REDIS`].
    _redis: Option<RedisServer>,
    /// The servers of [`ON_SENTINEL`].
    _topology: Option<Topology>,
    /// The cluster of [`ON_CLUSTER`].
    _cluster: Option<Lent>,
}

impl TestServer {
    /// Starts a server with the default configuration, changed by `change`.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.worker.worker_threads = Some(1);
        let redis = std::env::var_os(ON_REDIS).map(|_| RedisServer::start());
        if let Some(redis) = &redis {
            config.queue.backend = Backend::Redis(RedisSettings::new(redis.url()));
            config.worker.worker_program = Some(env!("CARGO_BIN_EXE_frameway").into());
        }
        let topology = std::env::var_os(ON_SENTINEL).map(|_| Topology::start_small());
        if let Some(topology) = &topology {
            let mut redis = RedisSettings::new(topology.url());
            let (user, file) = topology.sentinel_login();
            redis.security.sentinel_user = Some(user);
            redis.security.sentinel_password_file = Some(file);
            config.queue.backend = Backend::Redis(redis);
            config.worker.worker_program = Some(env!("CARGO_BIN_EXE_frameway").into());
        }
        let cluster = std::env::var_os(ON_CLUSTER).map(|_| Lent::take());
        if let Some(cluster) = &cluster {
            config.queue.backend = Backend::Redis(RedisSettings::new(cluster.url()));
            config.worker.worker_program = Some(env!("CARGO_BIN_EXE_frameway").into());
        }
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        let address = app.address().tcp().expect("a TCP address");
        let stop = CancellationToken::new();
        let running = Tasks::new().spawn("server under test", app.run(stop.clone()));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let channel = Channel::from(endpoint.connect().await.expect("the server listens"));
        let clients = Clients::over(channel.clone());
        let (_redis, _topology, _cluster) = (redis, topology, cluster);
        let server = Self { address, clients, channel, stop, running, _redis, _topology, _cluster };
        server.wait_for(ServingStatus::Serving).await;
        server
    }

    pub(crate) fn streaming(&self) -> StreamingServiceClient<Channel> {
        self.clients.streaming.clone()
    }

    pub(crate) fn registry(&self) -> StreamRegistryServiceClient<Channel> {
        self.clients.registry.clone()
    }

    pub(crate) fn groups(&self) -> ConsumerGroupServiceClient<Channel> {
        self.clients.groups.clone()
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterServiceClient<Channel> {
        self.clients.dead_letters.clone()
    }

    pub(crate) fn queues(&self) -> QueueServiceClient<Channel> {
        self.clients.queues.clone()
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        self.clients.admin.clone()
    }

    pub(crate) fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Waits until the health service reports this status.
    pub(crate) async fn wait_for(&self, wanted: ServingStatus) {
        let request = HealthCheckRequest { service: String::new() };
        let mut states = self.health().watch(request).await.expect("health watches").into_inner();
        let seen = async {
            while let Some(state) = states.message().await.expect("the health service answers") {
                if state.status() == wanted {
                    return;
                }
            }
            panic!("the health service ended before it said {wanted:?}");
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("health changes in time");
    }

    /// Registers streams with default settings.
    pub(crate) async fn register(&self, ids: &[&str]) {
        for id in ids {
            self.register_with(pb::Stream { stream_id: (*id).to_owned(), ..Default::default() }).await;
        }
    }

    pub(crate) async fn register_with(&self, stream: pb::Stream) -> pb::Stream {
        let request = pb::RegisterStreamRequest { stream: Some(stream) };
        let answer = self.registry().register_stream(request).await.expect("registers");
        answer.into_inner().stream.expect("a stream")
    }

    /// Submits frames and returns the outcome of each.
    pub(crate) async fn submit(&self, frames: Vec<pb::Frame>) -> Vec<pb::frame_result::Outcome> {
        let request = pb::SubmitFrameBatchRequest { frames };
        let answer = self.streaming().submit_frame_batch(request).await.expect("submits").into_inner();
        answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
    }

    /// Tells the server to stop, without waiting.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the server, waits for its end, and checks that no secret is in the log.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        drop((self.channel, self.clients));
        let ended = tokio::time::timeout(PATIENCE, self.running).await.expect("the server ends in time");
        ended.expect("the server does not panic").expect("the server ends well");
        log::assert_no_leak();
    }
}

/// Returns a valid JPEG of one colour, selected by `shade`.
pub(crate) fn jpeg(shade: u8) -> Vec<u8> {
    let canvas = Canvas::new(64, 48, [shade, 255 - shade, 90]);
    Codec::new(Limits::default()).encode_canvas(&canvas, 85).expect("encodes").to_vec()
}

/// Returns a frame of `stream` with such a JPEG.
pub(crate) fn frame(stream: &str, shade: u8) -> pb::Frame {
    pb::Frame { stream_id: stream.to_owned(), data: jpeg(shade).into(), ..Default::default() }
}

/// Runs a task in the background. It ends with the test's runtime at the latest.
#[expect(clippy::disallowed_methods, reason = "the test's runtime is the tracker")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}
