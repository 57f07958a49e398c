//! The gRPC front: handlers, and the one place where the wire meets the domain.
//!
//! A handler converts (`convert`), asks the queue port or the hub, and converts back. What goes wrong becomes a
//! `fault::Fault`, and that a status or an item's error, in one place.

mod ack_id;
mod audit;
mod convert;
mod counters;
mod dead_letters;
mod delivery;
mod fault;
mod filter;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod group_acks;
mod groups;
mod health;
mod info;
mod mask;
mod metrics;
mod operate;
mod oversize;
mod page;
mod queue_service;
mod registry;
mod settings;
mod status;
mod streaming_service;
mod submit;
mod submit_frames;
mod subscribe;
mod watch_streams;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::Server;

pub use fault::ERROR_DOMAIN;

use crate::config::{Config, Role};
use crate::domain::Timestamp;
use crate::hub::{Consumers, Hub};
use crate::pb::v1 as pb;
use crate::pb::v1::queue_service_server::QueueServiceServer;
use crate::pb::v1::streaming_service_server::StreamingServiceServer;
use crate::queue::Queue;
use counters::Counters;
use dead_letters::DeadLetterDesk;
use delivery::ByReference;
use frames::FrameReader;
use group_acks::GroupAcks;
use groups::GroupDesk;
use health::{Health, HealthWatch};
use info::ServerInfo;
use oversize::TellLimit;
use queue_service::QueueHandlers;
use registry::Registry;
use settings::SettingsCache;
use streaming_service::StreamingHandlers;
use submit::Submitter;
use submit_frames::SubmitFrames;

type StreamingServer = StreamingServiceServer<StreamingHandlers>;
type QueueServer = QueueServiceServer<QueueHandlers>;

/// Above the limit that handlers check, so that it is they who refuse a message that is a little too large.
const DECODE_SLACK_BYTES: usize = 64 << 10;
/// Largest request of RPCs that carry no pictures.
const MAX_PLAIN_MESSAGE_BYTES: usize = 4 << 20;
/// Largest response: what `max_picture_bytes` may ask for, and the words around it.
const MAX_RESPONSE_BYTES: usize = (32 << 20) + (4 << 20);

/// HTTP/2 flow control: what one peer may have under way unread, per call and per connection.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const MAX_HTTP2_FRAME_BYTES: u32 = 1 << 20;
const MAX_CALLS_PER_CONNECTION: u32 = 256;
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Guards against floods of resets; tonic's default switches the second one off.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 1024;

/// The services of one server.
#[derive(Debug)]
pub(crate) struct Grpc {
    /// What serves requests.
    pub(crate) routes: Routes,
    health: HealthWatch,
    /// Calls under way.
    pub(crate) calls: TaskTracker,
    /// Tells the calls of publishers to come to an end. Cancelled once health has said that the server drains: a client
    /// that is sent away must not be sent back.
    pub(crate) drain_streams: CancellationToken,
}

impl Grpc {
    /// Builds the services. They say NOT_SERVING until [`Grpc::watch_backend`] has seen the backend answer.
    pub(crate) async fn new(
        config: &Config,
        queue: Arc<dyn Queue>,
        hub: Arc<Hub>,
        consumers: Arc<Consumers>,
        draining: CancellationToken,
    ) -> Self {
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = HealthWatch::new(Arc::clone(&queue), reporter).await;
        let calls = TaskTracker::new();
        let drain_streams = CancellationToken::new();
        let life = Life {
            health: health.state(),
            calls: calls.clone(),
            draining,
            drain_streams: drain_streams.clone(),
        };
        let (streaming, operating) = services(config, queue, hub, consumers, life);
        let routes = Routes::new(streaming).add_service(operating).add_service(health_service);
        let routes = with_reflection(routes);
        Self { routes, health, calls, drain_streams }
    }

    /// Follows the backend and tells the health service, until `draining`; then tells that. Does so on a thread with a runtime
    /// and a connection of its own: however busy the server is, an answer that came is an answer in time.
    pub(crate) async fn watch_backend(self: Arc<Self>, draining: CancellationToken) {
        let (grpc, stop) = (Arc::clone(&self), draining.clone());
        let watch = async move { grpc.health.run(stop).await };
        if let Err(error) = health::on_a_thread_of_its_own("health", watch).await {
            tracing::error!(error, "no thread of its own watches the backend");
            self.health.run(draining).await;
        }
    }

    /// Waits until the server has said that it drains.
    pub(crate) async fn not_serving(&self) {
        let mut state = self.health.state();
        let _changed = state.wait_for(|health| *health == Health::Draining).await;
    }

    /// Waits until the server has said SERVING for the first time.
    pub(crate) async fn serving(&self) {
        // Fails only when the sender is gone, and that is `self`.
        let mut state = self.health.state();
        let _changed = state.wait_for(|health| *health == Health::Serving).await;
    }
}

/// What handlers know of the server's life.
struct Life {
    health: watch::Receiver<Health>,
    calls: TaskTracker,
    draining: CancellationToken,
    drain_streams: CancellationToken,
}

fn services(
    config: &Config,
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    consumers: Arc<Consumers>,
    life: Life,
) -> (TellLimit<ByReference<StreamingServer>>, QueueServer) {
    let Life { health, calls, draining, drain_streams } = life;
    let limits = config.limits;
    let auto_register = config.server.auto_register.then_some(config.server.max_auto_registered_streams);
    let settings = Arc::new(SettingsCache::new(Arc::clone(&queue), Arc::clone(&hub), auto_register));
    let max_submits = config.server.max_concurrent_submits as usize;
    let counters = Arc::new(Counters::new(queue.partitions()));
    let submitter = Submitter::new(
        Arc::clone(&queue),
        Arc::clone(&hub),
        Arc::clone(&settings),
        limits,
        max_submits,
        Arc::clone(&counters),
    );
    let submitter = Arc::new(submitter);
    let streaming = StreamingHandlers {
        submit_frames: SubmitFrames {
            submitter: Arc::clone(&submitter),
            queue: Arc::clone(&queue),
            budget: config.queue.budget,
            limits,
            draining: drain_streams,
            grace: submit_frames::LONGEST_GRACE.min(config.server.drain_timeout / 4),
        },
        submitter,
        registry: Registry::new(Arc::clone(&queue), settings),
        frames: FrameReader::new(Arc::clone(&queue), Arc::clone(&hub)),
        hub: Arc::clone(&hub),
        counters: Arc::clone(&counters),
        auto_register: config.server.auto_register,
        partitions: config.queue.partitions,
        acks: GroupAcks::new(Arc::clone(&queue), Arc::clone(&consumers)),
        consumers: Arc::clone(&consumers),
        calls,
        draining,
    };
    let operating = QueueHandlers {
        budget: config.queue.budget,
        info: ServerInfo {
            server_id: format!("{:016x}", rand::random::<u64>()),
            start_time: Timestamp::now(),
            role: match config.server.role {
                Role::All => pb::ServerRole::All,
                Role::Api | Role::Worker => pb::ServerRole::Api,
            },
            limits,
            max_streams: config.queue.max_streams,
            max_subscriptions: config.server.max_subscriptions as usize,
            auto_register,
            partitions: config.queue.partitions,
            kind: match config.queue.redis_url {
                Some(_) => pb::BackendKind::Redis,
                None => pb::BackendKind::Memory,
            },
        },
        dead_letters: DeadLetterDesk::new(Arc::clone(&queue), Arc::clone(&consumers)),
        groups: GroupDesk::new(Arc::clone(&queue), consumers),
        queue,
        hub,
        counters,
        health,
    };
    let streaming = StreamingServer::new(streaming)
        .max_decoding_message_size(limits.max_message_bytes + DECODE_SLACK_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let operating = QueueServer::new(operating)
        .max_decoding_message_size(MAX_PLAIN_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    (TellLimit::new(ByReference(streaming), limits.max_message_bytes), operating)
}

/// Adds reflection, in the version of today and in the one that older clients ask for.
fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "no reflection: the compiled descriptors do not parse");
            routes
        }
    }
}

/// A server with every limit set: the defaults of tonic and hyper leave several open.
pub(crate) fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_HTTP2_FRAME_BYTES)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_adaptive_window(Some(false))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
}
