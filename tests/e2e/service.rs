//! The services that clients use first: health, reflection and server information; and methods that
//! do not exist.

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use tokio_stream::once;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::server::{TestServer, frame};
use crate::{name, reason, stream_stats};

#[tokio::test]
async fn health_is_reported_for_the_server_and_each_service() {
    let server = TestServer::start(|_| {}).await;
    for service in std::iter::once("").chain(SERVICES) {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = server.health().check(request).await.expect("known").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    assert_eq!(server.health().check(request).await.expect_err("unknown").code(), Code::NotFound);
    server.stop().await;
}

const SERVICES: [&str; 6] = [
    "frameway.v1.StreamingService",
    "frameway.v1.StreamRegistryService",
    "frameway.v1.ConsumerGroupService",
    "frameway.v1.DeadLetterService",
    "frameway.v1.QueueService",
    "frameway.admin.v1beta1.AdminService",
];

/// Calls reflection in one of its versions, whose messages differ only in their package.
macro_rules! reflected_services {
    ($server:ident, $version:ident) => {{
        use reflection::server_reflection_request::MessageRequest;
        use reflection::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::$version as reflection;
        let mut client = reflection::server_reflection_client::ServerReflectionClient::new($server.channel());
        let request = reflection::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let answers = client.server_reflection_info(once(request)).await.expect("reflects");
        let answer = answers.into_inner().message().await.expect("answers").expect("an answer");
        match answer.message_response {
            Some(MessageResponse::ListServicesResponse(list)) => {
                list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    }};
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let server = TestServer::start(|_| {}).await;
    for listed in [reflected_services!(server, v1), reflected_services!(server, v1alpha)] {
        for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
            assert!(listed.iter().any(|one| one == service), "{service} in {listed:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn server_info_has_the_limits_in_force() {
    let server = TestServer::start(|config| {
        config.queue.backend = frameway::config::Backend::Memory;
        config.limits.max_batch_frames = 17;
    })
    .await;
    let info = server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("answers");
    let info = info.into_inner();
    assert_eq!(info.health(), pb::ServerHealth::Serving);
    assert_eq!(info.backend_kind(), pb::BackendKind::Memory);
    assert_eq!(info.durability(), pb::Durability::Memory);
    assert_eq!(info.partition_count, 32);
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    let limits = info.limits.expect("limits");
    assert_eq!((limits.max_batch_frames, limits.max_message_bytes), (17, 32 << 20));
    server.stop().await;
}

#[tokio::test]
async fn queue_stats_count_what_was_accepted() {
    let server = TestServer::start(|config| config.server.role = frameway::config::Role::Api).await;
    server.register(&["a", "b"]).await;
    server.submit(vec![frame("a", 1), frame("a", 2), frame("b", 1)]).await;
    let request = pb::GetQueueStatsRequest::default();
    let stats = server.queues().get_queue_stats(request).await.expect("answers").into_inner();
    let total = stats.total.expect("a total");
    let account = total.account.expect("an account");
    assert_eq!((account.queued_frames, account.accepted_frames), (3, 3));
    assert_eq!(stats.partitions.len(), 32);
    let of_queues: u64 =
        stats.partitions.iter().filter_map(|one| one.queue.as_ref()).map(|one| one.queued_frames).sum();
    assert_eq!(of_queues, 3);
    let streams = stream_stats(&server).await;
    let depths: Vec<u64> = streams.iter().filter_map(|s| s.status).map(|s| s.queued_frames).collect();
    assert_eq!(depths, [2, 1]);
    let request = pb::GetQueueStatsRequest { queue_id: "p99".into() };
    let missing = server.queues().get_queue_stats(request).await.expect_err("no such queue");
    assert_eq!((missing.code(), reason(&missing)), (Code::NotFound, name(R::QueueNotFound)));
    server.stop().await;
}
