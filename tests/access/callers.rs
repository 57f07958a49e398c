//! Callers: their credentials, and the calls that end when the credentials do.

use std::time::SystemTime;

use frameway::access::ApiKey;
use frameway::client::Channel;
use frameway::pb::v1 as pb;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::access_file::Keys;
use crate::common::log;
use crate::server::TestServer;
use crate::{connect, ended, reason, with_bearer};

async fn info(server: &TestServer, authorization: &[&str]) -> Result<(), tonic::Status> {
    let mut request = tonic::Request::new(pb::GetServerInfoRequest {});
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().expect("metadata"));
    }
    server.streaming().get_server_info(request).await.map(drop)
}

#[tokio::test]
async fn bad_credentials_are_refused_without_a_hint() {
    let mut keys = Keys::new(&[("a", &["read:*"])]);
    let mut unusable = Vec::new();
    keys.edit(|file| {
        let expired = file.create_key("a", &[], &[], Some(SystemTime::now())).expect("a key");
        let revoked = file.create_key("a", &[], &[], None).expect("a key");
        assert!(file.revoke_key(revoked.id()));
        unusable = [expired, revoked].map(|key| format!("Bearer {}", key.reveal())).to_vec();
        Vec::new()
    });
    unusable.iter().for_each(|bearer| log::declare_secret(bearer.trim_start_matches("Bearer ")));
    let server = keys.server().await;
    let good = format!("Bearer {}", keys.of("a"));
    info(&server, &[&good]).await.expect("the key is right");
    info(&server, &[&good.replacen("Bearer", "bearer", 1)]).await.expect("a scheme has no case");

    let missing = info(&server, &[]).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));

    let other = format!("Bearer {}", ApiKey::generate().reveal());
    let cut = &good[..good.len() - 1];
    let wrong = format!("{cut}{}", if good.ends_with('A') { 'B' } else { 'A' });
    let oversized = format!("Bearer {}", "x".repeat(10_000));
    let mut answers = Vec::new();
    for bad in [
        &["Bearer"][..],
        &["Bearer "],
        &["Basic YTpi"],
        &[keys.of("a")],
        &[&other],
        &[cut],
        &[&wrong],
        &[&unusable[0]],
        &[&unusable[1]],
        &[&oversized],
        &[&good, &good],
        &[&good, &other],
        &["Bearer eyJhbGciOiJub25lIn0.e30."],
    ] {
        let status = info(&server, bad).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));
        answers.push((status.message().to_owned(), status.details().to_vec()));
    }
    let first = answers[0].clone();
    assert!(answers.iter().all(|answer| *answer == first), "{answers:?}");
    server.stop().await;
}

#[tokio::test]
async fn health_is_open_and_an_unknown_method_is_denied() {
    let keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    server.health().check(HealthCheckRequest::default()).await.expect("health needs no credentials");
    let mut grpc = tonic::client::Grpc::new(server.channel());
    let codec = tonic_prost::ProstCodec::<pb::GetServerInfoRequest, pb::GetServerInfoResponse>::default();
    grpc.ready().await.expect("the connection is open");
    let path = "/frameway.v1.StreamingService/Other".parse().expect("a path");
    let request = with_bearer(keys.of("a"), pb::GetServerInfoRequest {});
    let status = grpc.unary(request, path, codec).await.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    server.stop().await;
}

/// Lists the services by reflection.
#[tokio::test]
async fn a_server_says_whether_it_authenticates_its_callers() {
    let keys = Keys::new(&[("a", &["admin"])]);
    let request = || with_bearer(keys.of("a"), pb::GetServerInfoRequest {});
    for (server, features) in [
        (keys.server().await, &["authentication", "erase_frames", "list_frames"][..]),
        (TestServer::start(|_| {}).await, &["erase_frames", "list_frames"]),
    ] {
        let info = server.streaming().get_server_info(request()).await.expect("answers").into_inner();
        assert_eq!(info.features, features);
        server.stop().await;
    }
}

async fn reflect(channel: Channel) -> Result<usize, tonic::Status> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answer =
        client.server_reflection_info(tokio_stream::once(request)).await?.into_inner().message().await?;
    match answer.and_then(|answer| answer.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => Ok(list.service.len()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reflection_is_open_unless_it_is_private() {
    let keys = Keys::new(&[("a", &[])]);
    let server = keys.server().await;
    assert!(reflect(server.channel()).await.expect("needs no credentials") > 0);
    server.stop().await;

    let server = keys.server_with(|config| config.access.private_reflection = true).await;
    let missing = reflect(server.channel()).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));
    let stranger = ApiKey::generate().reveal();
    let wrong = reflect(connect(&server, &stranger).await.channel()).await.unwrap_err();
    assert_eq!((wrong.code(), reason(&wrong).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));
    // Any credentials will do: the contract is not secret from principals.
    assert!(reflect(connect(&server, keys.of("a")).await.channel()).await.expect("has credentials") > 0);
    server.health().check(HealthCheckRequest::default()).await.expect("health stays open");
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_key_ends_its_calls_and_another_key_of_the_principal_goes_on() {
    let mut keys = Keys::new(&[("a", &["admin"])]);
    let first = keys.of("a").to_owned();
    keys.edit(|file| {
        let second = file.create_key("a", &[], &[], None).expect("a key");
        vec![("a".to_owned(), second.reveal())]
    });
    let server = keys.server().await;
    let subscribe = |key: &str| {
        let selector = pb::StreamSelector {
            streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".into())) }],
            ..Default::default()
        };
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        with_bearer(key, request)
    };
    let (mut one, mut two) = (server.streaming(), server.streaming());
    let mut revoked = one.subscribe_frames(subscribe(&first)).await.expect("opens").into_inner();
    let mut kept = two.subscribe_frames(subscribe(keys.of("a"))).await.expect("opens").into_inner();

    keys.edit(|file| {
        let id = ApiKey::parse(&first).expect("a key").id().to_owned();
        assert!(file.revoke_key(&id));
        Vec::new()
    });
    let status = ended(&mut revoked).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));
    assert_eq!(info(&server, &[&format!("Bearer {first}")]).await.unwrap_err().code(), Code::Unauthenticated);
    // The other call still sends.
    assert!(kept.message().await.expect("goes on").is_some());
    info(&server, &[&format!("Bearer {}", keys.of("a"))]).await.expect("the other key is valid");
    server.stop().await;
}
