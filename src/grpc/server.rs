//! The gRPC server: builds the services and the layers around them.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::service::Routes;
use tower::{Service, ServiceBuilder};

use super::admin_service::AdminHandlers;
use super::config::GrpcConfig;
use super::counters::Counters;
use super::dead_letter_service::DeadLetterHandlers;
use super::dead_letters::DeadLetterOperations;
use super::delivery::with_own_body;
use super::erase::Eraser;
use super::frames::FrameReader;
use super::group_acks::GroupAcks;
use super::group_service::GroupHandlers;
use super::groups::GroupOperations;
use super::health::{self, Health, HealthWatch};
use super::info::ServerInfo;
use super::layers::{
    Methods, Receiving, Unread, admission, around, gate, hold_received, identification, measure, refusals,
    request_id,
};
use super::list_frames::FrameLister;
use super::message_size::{DECODE_SLACK_BYTES, MAX_CONTROL_MESSAGE_BYTES, MAX_RESPONSE_BYTES};
use super::queue_service::QueueHandlers;
use super::registry::Registry;
use super::registry_service::RegistryHandlers;
use super::scaler::ScalerHandlers;
use super::sent::Sent;
use super::settings::SettingsCache;
use super::streaming_service::StreamingHandlers;
use super::submit::Submitter;
use super::submit_frames::{self, SubmitFrames};
use super::web::{Origins, WebBody, web};
use crate::access::Access;
use crate::domain::AllowedOrigin;
use crate::hub::{Consumers, Hub};
use crate::metrics::Metrics;
use crate::pb::admin::v1beta1::admin_service_server::AdminServiceServer;
use crate::pb::externalscaler::external_scaler_server::ExternalScalerServer;
use crate::pb::v1::consumer_group_service_server::ConsumerGroupServiceServer;
use crate::pb::v1::dead_letter_service_server::DeadLetterServiceServer;
use crate::pb::v1::queue_service_server::QueueServiceServer;
use crate::pb::v1::stream_registry_service_server::StreamRegistryServiceServer;
use crate::pb::v1::streaming_service_server::StreamingServiceServer;
use crate::queue::Queue;
use crate::traces::Traces;

/// The observers of the services: metrics of all calls and frames, and traces of some frames.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Traces,
}

/// The gRPC services of one server.
#[derive(Debug)]
pub(crate) struct Grpc {
    routes: Routes,
    config: GrpcConfig,
    access: Arc<Access>,
    metrics: Arc<Metrics>,
    health: HealthWatch,
    /// The calls in progress.
    pub(crate) calls: TaskTracker,
    /// Tells the calls of publishers to end. It is cancelled after the health service has reported
    /// the drain, so that a client that is asked to reconnect is not sent back to this server.
    pub(crate) drain_streams: CancellationToken,
}

impl Grpc {
    /// Builds the services. They report NOT_SERVING until [`Grpc::watch_backend`] has seen the
    /// backend answer.
    pub(crate) async fn new(
        config: GrpcConfig,
        access: Arc<Access>,
        queue: Arc<dyn Queue>,
        hub: Arc<Hub>,
        consumers: Arc<Consumers>,
        Observers { metrics, traces }: Observers,
        draining: CancellationToken,
    ) -> Self {
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = HealthWatch::new(Arc::clone(&queue), reporter).await;
        let calls = TaskTracker::new();
        let state = ServerState { health: health.state(), calls: calls.clone(), traces, draining };
        let routes = services(config, queue, hub, consumers, &metrics, state).add_service(health_service);
        let routes = with_reflection(routes).prepare();
        Self { routes, config, access, metrics, health, calls, drain_streams: CancellationToken::new() }
    }

    /// Returns the service that handles all requests: the routes, and around them the layers that
    /// all services share. The first layer is the outermost.
    /// Web pages of `origins` may call.
    pub(crate) fn service(
        &self,
        origins: &[AllowedOrigin],
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<> {
        let max_message_bytes = self.config.limits.max_message_bytes;
        let GrpcConfig { max_concurrent_submits, .. } = self.config;
        let receiving = Receiving::new(max_concurrent_submits * max_message_bytes);
        let methods = Arc::new(Methods::new(&self.metrics.rpc));
        let refused = self.metrics.access.refused.clone();
        let origins = Arc::new(Origins::new(origins.to_vec()));
        ServiceBuilder::new()
            .map_request(|request: Request<Incoming>| Unread::of(request))
            // The layers below know no other protocol than gRPC.
            .layer(web(Arc::clone(&origins), self.config.limits, Arc::clone(&receiving)))
            .layer(around(request_id))
            // Includes the calls that the layers below refuse.
            .layer(around(move |request: &mut Request<_>| measure(&methods, request)))
            .layer(gate(admission(self.config.max_calls, origins)))
            // Admission is cheaper, and stops floods before their callers are identified.
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(gate(identification(Arc::clone(&self.access), self.config.private_reflection, refused)))
            .map_request(move |request: Request<_>| receiving.watch(request))
            .layer(around(hold_received::<WebBody<Unread<Incoming>>, _>))
            .layer(around(move |request: &mut Request<_>| refusals(request, max_message_bytes)))
            .map_response(with_own_body)
            .service(self.routes.clone())
    }

    /// Probes the backend and updates the health service until `draining`, and then reports the
    /// drain. Uses a thread with a runtime and a connection of its own, so that a busy server sees
    /// an answer of the backend in time.
    pub(crate) async fn watch_backend(self: Arc<Self>, draining: CancellationToken) {
        let (grpc, stop) = (Arc::clone(&self), draining.clone());
        let watch = async move { grpc.health.run(stop).await };
        if let Err(error) = health::run_on_own_thread("health", watch).await {
            tracing::error!(
                error,
                "cannot start the health thread; checking the backend on the main runtime"
            );
            self.health.run(draining).await;
        }
    }

    /// Waits until the health service has reported that the server drains.
    pub(crate) async fn wait_until_draining(&self) {
        let mut state = self.health.state();
        let _changed = state.wait_for(|health| *health == Health::Draining).await;
    }

    /// Waits until the health service has reported SERVING for the first time.
    pub(crate) async fn wait_until_serving(&self) {
        // Fails only when the sender is gone, and `self` holds the sender.
        let mut state = self.health.state();
        let _changed = state.wait_for(|health| *health == Health::Serving).await;
    }
}

/// The state of the server that handlers can see.
struct ServerState {
    health: watch::Receiver<Health>,
    calls: TaskTracker,
    traces: Traces,
    draining: CancellationToken,
}

/// Builds the services of the contract.
fn services(
    config: GrpcConfig,
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    consumers: Arc<Consumers>,
    metrics: &Metrics,
    state: ServerState,
) -> Routes {
    let ServerState { health, calls, traces, draining } = state;
    let GrpcConfig { limits, budget, backend, .. } = config;
    let auto_register = config.max_auto_registered_streams;
    let settings = Arc::new(SettingsCache::new(Arc::clone(&queue), Arc::clone(&hub), auto_register));
    let counters = Arc::new(Counters::new(queue.partitions(), metrics.frames.clone()));
    let submitter = Arc::new(Submitter::new(
        Arc::clone(&queue),
        Arc::clone(&hub),
        Arc::clone(&settings),
        limits,
        config.max_concurrent_submits,
        Arc::clone(&counters),
        traces.clone(),
    ));
    let streaming = StreamingHandlers {
        submit_frames: SubmitFrames {
            submitter: Arc::clone(&submitter),
            queue: Arc::clone(&queue),
            budget,
            limits,
            grace: submit_frames::MAX_GRACE.min(config.drain_timeout / 4),
        },
        submitter,
        frames: FrameReader::new(Arc::clone(&queue), Arc::clone(&hub)),
        lister: FrameLister::new(Arc::clone(&queue)),
        hub: Arc::clone(&hub),
        queue: Arc::clone(&queue),
        info: ServerInfo::new(config, health),
        sent: Sent { counters: Arc::clone(&counters), traces },
        auto_register: auto_register.is_some(),
        acks: GroupAcks::new(Arc::clone(&queue), Arc::clone(&consumers), metrics.groups.answers.clone()),
        consumers: Arc::clone(&consumers),
        calls: calls.clone(),
        draining: draining.clone(),
    };
    let scaler =
        ScalerHandlers::new(Arc::clone(&queue), Arc::clone(&consumers), calls.clone(), draining.clone());
    let registry = RegistryHandlers {
        registry: Registry::new(Arc::clone(&queue), settings),
        eraser: Eraser::new(Arc::clone(&queue)),
        hub: Arc::clone(&hub),
        partitions: config.partitions,
        calls,
        draining,
    };
    let groups =
        GroupHandlers { operations: GroupOperations::new(Arc::clone(&queue), Arc::clone(&consumers)) };
    let dead_letters =
        DeadLetterHandlers { operations: DeadLetterOperations::new(Arc::clone(&queue), consumers) };
    let queues = QueueHandlers { queue: Arc::clone(&queue), counters: Arc::clone(&counters), budget };
    let admin = AdminHandlers { queue, hub, counters, backend };
    macro_rules! control {
        ($server:ident, $handlers:ident) => {
            $server::new($handlers)
                .max_decoding_message_size(MAX_CONTROL_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_RESPONSE_BYTES)
        };
    }
    let streaming = StreamingServiceServer::new(streaming)
        .max_decoding_message_size(limits.max_message_bytes + DECODE_SLACK_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    Routes::new(streaming)
        .add_service(control!(StreamRegistryServiceServer, registry))
        .add_service(control!(ConsumerGroupServiceServer, groups))
        .add_service(control!(DeadLetterServiceServer, dead_letters))
        .add_service(control!(QueueServiceServer, queues))
        .add_service(control!(AdminServiceServer, admin))
        .add_service(control!(ExternalScalerServer, scaler))
}

/// Adds reflection in its current version and in the one that older clients ask for.
fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(crate::pb::EXTERNAL_SCALER_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The messages of google.rpc: clients that learn messages by reflection need them to
            // show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "reflection is disabled: the built-in descriptors do not parse");
            routes
        }
    }
}
