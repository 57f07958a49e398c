//! The gRPC front: handlers, and the one place where the wire meets the domain.
//!
//! A handler converts (`convert`), asks the queue port or the hub, and converts back. What goes wrong becomes a
//! `fault::Fault`, and that a status or an item's error, in one place.

mod ack_id;
mod admin_service;
mod audit;
pub(crate) mod codec;
mod connection_end;
mod convert;
mod counters;
mod dead_letter_service;
mod dead_letters;
mod delivery;
#[cfg(test)]
mod documented;
mod fault;
mod filter;
mod frames;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod group_acks;
mod group_service;
mod groups;
mod health;
mod info;
mod mask;
mod metrics;
mod operate;
mod page;
mod queue_service;
mod reflect;
mod registry;
mod registry_service;
mod settings;
mod status;
mod streaming_service;
mod submit;
mod submit_frames;
mod subscribe;
mod unknown;
mod watch_streams;

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

pub(crate) use connection_end::ConnectionEnd;
pub use fault::ERROR_DOMAIN;
pub(crate) use front::Front;

use crate::config::{Config, Role};
use crate::domain::Timestamp;
use crate::hub::{Consumers, Hub};
use crate::pb::admin::v1beta1::admin_service_server::{self, AdminServiceServer};
use crate::pb::v1 as pb;
use crate::pb::v1::consumer_group_service_server::{self, ConsumerGroupServiceServer};
use crate::pb::v1::dead_letter_service_server::{self, DeadLetterServiceServer};
use crate::pb::v1::queue_service_server::{self, QueueServiceServer};
use crate::pb::v1::stream_registry_service_server::{self, StreamRegistryServiceServer};
use crate::pb::v1::streaming_service_server::{self, StreamingServiceServer};
use crate::queue::Queue;
use admin_service::AdminHandlers;
use counters::Counters;
use dead_letter_service::DeadLetterHandlers;
use dead_letters::DeadLetterDesk;
use delivery::ByReference;
use frames::FrameReader;
use front::Admission;
use group_acks::GroupAcks;
use group_service::GroupHandlers;
use groups::GroupDesk;
use health::{Health, HealthWatch};
use info::ServerInfo;
use queue_service::QueueHandlers;
use registry::Registry;
use registry_service::RegistryHandlers;
use settings::SettingsCache;
use streaming_service::StreamingHandlers;
use submit::Submitter;
use submit_frames::SubmitFrames;

/// The names of all services of the contract.
pub(crate) const SERVICES: [&str; 6] = [
    streaming_service_server::SERVICE_NAME,
    stream_registry_service_server::SERVICE_NAME,
    consumer_group_service_server::SERVICE_NAME,
    dead_letter_service_server::SERVICE_NAME,
    queue_service_server::SERVICE_NAME,
    admin_service_server::SERVICE_NAME,
];

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
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Metadata that the transport still takes, so that calls with too much get a status; a call beyond this gets HTTP 431, one
/// of four times as much ends its connection. Clients that send it in frames of 16 KiB may send six.
const MAX_HEADER_BYTES: u32 = 96 << 10;
/// Guards against floods of resets by the server's own errors; hyper's default for servers is none.
const MAX_LOCAL_RESETS: usize = 1024;

/// The services of one server.
#[derive(Debug)]
pub(crate) struct Grpc {
    /// What serves requests.
    pub(crate) front: Front,
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
        let life = Life { health: health.state(), calls: calls.clone(), draining };
        let routes = services(config, queue, hub, consumers, life).add_service(health_service);
        let routes = with_reflection(routes);
        let admission = Admission::new(config.server.max_calls());
        let front = Front::new(routes, admission, config.limits.max_message_bytes);
        Self { front, health, calls, drain_streams }
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
}

/// The services of the contract, ready to be routed.
fn services(
    config: &Config,
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    consumers: Arc<Consumers>,
    life: Life,
) -> Routes {
    let Life { health, calls, draining } = life;
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
    let backend_kind = match config.queue.redis_url {
        Some(_) => pb::BackendKind::Redis,
        None => pb::BackendKind::Memory,
    };
    let streaming = StreamingHandlers {
        submit_frames: SubmitFrames {
            submitter: Arc::clone(&submitter),
            queue: Arc::clone(&queue),
            budget: config.queue.budget,
            limits,
            grace: submit_frames::LONGEST_GRACE.min(config.server.drain_timeout / 4),
        },
        submitter,
        frames: FrameReader::new(Arc::clone(&queue), Arc::clone(&hub)),
        hub: Arc::clone(&hub),
        queue: Arc::clone(&queue),
        info: server_info(config, auto_register, backend_kind, health),
        counters: Arc::clone(&counters),
        auto_register: config.server.auto_register,
        acks: GroupAcks::new(Arc::clone(&queue), Arc::clone(&consumers)),
        consumers: Arc::clone(&consumers),
        calls: calls.clone(),
        draining: draining.clone(),
    };
    let registry = RegistryHandlers {
        registry: Registry::new(Arc::clone(&queue), settings),
        hub: Arc::clone(&hub),
        partitions: config.queue.partitions,
        calls,
        draining,
    };
    let groups = GroupHandlers { desk: GroupDesk::new(Arc::clone(&queue), Arc::clone(&consumers)) };
    let dead_letters = DeadLetterHandlers { desk: DeadLetterDesk::new(Arc::clone(&queue), consumers) };
    let queues = QueueHandlers {
        queue: Arc::clone(&queue),
        counters: Arc::clone(&counters),
        budget: config.queue.budget,
    };
    let admin = AdminHandlers { queue, hub, counters, backend_kind };
    macro_rules! plain {
        ($server:ident, $handlers:ident) => {
            $server::new($handlers)
                .max_decoding_message_size(MAX_PLAIN_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_RESPONSE_BYTES)
        };
    }
    let streaming = StreamingServiceServer::new(streaming)
        .max_decoding_message_size(limits.max_message_bytes + DECODE_SLACK_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    Routes::new(ByReference(streaming))
        .add_service(ByReference(plain!(StreamRegistryServiceServer, registry)))
        .add_service(plain!(ConsumerGroupServiceServer, groups))
        .add_service(plain!(DeadLetterServiceServer, dead_letters))
        .add_service(plain!(QueueServiceServer, queues))
        .add_service(plain!(AdminServiceServer, admin))
}

fn server_info(
    config: &Config,
    auto_register: Option<usize>,
    kind: pb::BackendKind,
    health: watch::Receiver<Health>,
) -> ServerInfo {
    ServerInfo {
        server_id: format!("{:016x}", rand::random::<u64>()),
        start_time: Timestamp::now(),
        role: match config.server.role {
            Role::All => pb::ServerRole::All,
            Role::Api | Role::Worker => pb::ServerRole::Api,
        },
        limits: config.limits,
        max_streams: config.queue.max_streams,
        max_subscriptions: config.server.max_subscriptions as usize,
        max_calls: config.server.max_calls(),
        max_calls_per_connection: config.server.max_calls_per_connection(),
        auto_register,
        partitions: config.queue.partitions,
        kind,
        health,
    }
}

/// Adds reflection, in the version of today and in the one that older clients ask for.
fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // google.rpc, so that clients that know messages by reflection can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "no reflection: the compiled descriptors do not parse");
            routes
        }
    }
}

/// HTTP/2 with every limit set: the defaults of hyper leave several open.
pub(crate) fn http2(max_calls_per_connection: u32) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_HTTP2_FRAME_BYTES)
        .max_concurrent_streams(max_calls_per_connection)
        .keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .adaptive_window(false)
        .max_header_list_size(MAX_HEADER_BYTES)
        // A client may cancel all its calls at once, before the server has looked at one of them. That must not end its
        // connection, which others may share.
        .max_pending_accept_reset_streams(max_calls_per_connection as usize)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS);
    builder
}
