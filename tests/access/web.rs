//! The same rules for callers that speak gRPC-Web, and for frames that are posted over plain HTTP.

use std::time::Duration;

use frameway::pb::v1 as pb;
use serde_json::json;
use tokio::time::sleep;
use tonic::Code;

use crate::access_file::Keys;
use crate::http1::{GRPC_WEB, Http1, Messages, Response, framed};
use crate::matrix::{GRANTS, NAMES};
use crate::reason;
use crate::server::{TestServer, jpeg};

const INFO: &str = "/frameway.v1.StreamingService/GetServerInfo";

async fn post(server: &TestServer, stream: &str, authorization: &[&str], content_type: &str) -> Response {
    let mut headers = vec![("content-type", content_type)];
    headers.extend(authorization.iter().map(|value| ("authorization", *value)));
    let mut connection = Http1::connect(server.address).await;
    connection.send("POST", &format!("/v1/streams/{stream}/frames"), &headers, &jpeg(9)).await
}

/// The row of the authorisation matrix for posted frames: they need what SubmitFrameBatch needs.
#[tokio::test]
async fn posted_frames_are_let_in_from_exactly_the_callers_with_the_grant_to_publish() {
    let principals: Vec<(String, Vec<&str>)> = GRANTS
        .iter()
        .enumerate()
        .map(|(at, grant)| (format!("p{at}"), grant.split_whitespace().collect()))
        .collect();
    let principals: Vec<(&str, &[&str])> =
        principals.iter().map(|(name, grants)| (name.as_str(), grants.as_slice())).collect();
    let keys = Keys::new(&principals);
    let server = keys.server().await;
    for id in &NAMES[..2] {
        let stream = Some(pb::Stream { stream_id: (*id).into(), ..Default::default() });
        let request = crate::with_bearer(keys.of("p6"), pb::RegisterStreamRequest { stream });
        server.registry().register_stream(request).await.expect("registers");
    }
    for (at, grant) in GRANTS.iter().enumerate() {
        let bearer = format!("Bearer {}", keys.of(&format!("p{at}")));
        for name in NAMES {
            let answer = post(&server, name, &[&bearer], "image/jpeg").await;
            let expected = match (*grant, name) {
                ("publish:own*", "own") | ("admin", "own" | "other") => 202,
                ("admin", _) => 404,
                _ => 403,
            };
            assert_eq!(answer.status, expected, "{grant:?} for {name}: {}", answer.text());
            if expected == 403 {
                assert_eq!(answer.json()["reason"], "ERROR_REASON_PERMISSION_DENIED");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn posted_frames_and_grpc_web_need_credentials() {
    let keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    let good = format!("Bearer {}", keys.of("a"));
    for (authorization, reason) in [
        (&[][..], "CREDENTIALS_MISSING"),
        (&["Bearer x"], "CREDENTIALS_INVALID"),
        (&[&good, &good], "CREDENTIALS_INVALID"),
    ] {
        let answer = post(&server, "cam", authorization, "image/jpeg").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{}", answer.text());
        assert_eq!(answer.json()["reason"], json!(format!("ERROR_REASON_{reason}")));
    }
    assert_eq!(post(&server, "cam", &[], "text/plain").await.status, 415);
    let mut connection = Http1::connect(server.address).await;
    let (_, status) =
        connection.call::<pb::GetServerInfoResponse>(INFO, &[], &pb::GetServerInfoRequest {}).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));
    let headers = [("authorization", good.as_str())];
    let (_, status) =
        connection.call::<pb::GetServerInfoResponse>(INFO, &headers, &pb::GetServerInfoRequest {}).await;
    assert_eq!(status.code(), Code::Ok);
    server.stop().await;
}

/// Without credentials, nothing of a body is received.
#[tokio::test]
async fn a_caller_without_credentials_is_refused_before_its_body_arrives() {
    let keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    let mut connection = Http1::connect(server.address).await;
    let headers =
        [("content-type", "application/json"), ("content-length", "10000000"), ("expect", "100-continue")];
    connection.head("POST", "/v1/streams/cam/frames", &headers).await;
    assert_eq!(connection.response_head().await.status, 401, "and not 100 Continue");
    server.stop().await;
}

#[tokio::test]
async fn the_quota_holds_for_posted_frames() {
    let keys = Keys::new(&[("a", &["admin"])]);
    keys.append("[principals.a.quota]\nframes_per_second = 1\n");
    let server = keys.server().await;
    let stream = Some(pb::Stream { stream_id: "cam".into(), ..Default::default() });
    let register = crate::with_bearer(keys.of("a"), pb::RegisterStreamRequest { stream });
    server.registry().register_stream(register).await.expect("registers");
    let bearer = format!("Bearer {}", keys.of("a"));
    let refused = async {
        loop {
            let answer = post(&server, "cam", &[&bearer], "image/jpeg").await;
            if answer.status != 202 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(crate::common::DEADLINE, refused).await.expect("is refused");
    assert_eq!((answer.status, &answer.json()["reason"]), (429, &json!("ERROR_REASON_QUOTA_EXCEEDED")));
    assert_eq!(answer.header("retry-after"), "1");
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_key_ends_a_subscription_over_grpc_web() {
    let mut keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    let bearer = format!("Bearer {}", keys.of("a"));
    let selector = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".into())) }],
        ..Default::default()
    };
    let body = framed(&pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() });
    let length = body.len().to_string();
    let mut connection = Http1::connect(server.address).await;
    let headers = [&GRPC_WEB[..], &[("authorization", &bearer), ("content-length", &length)]].concat();
    connection.head("POST", "/frameway.v1.StreamingService/SubscribeFrames", &headers).await;
    connection.write(&body).await.expect("sends");
    assert_eq!(connection.response_head().await.status, 200);
    let key = frameway::access::ApiKey::parse(keys.of("a")).expect("a key").id().to_owned();
    keys.edit(|file| {
        assert!(file.revoke_key(&key));
        Vec::new()
    });
    let mut messages = Messages::default();
    let ended = async {
        loop {
            match messages.next::<_, pb::SubscribeFramesResponse>(&mut connection).await {
                Ok(_) => sleep(Duration::ZERO).await,
                Err(status) => return status,
            }
        }
    };
    let status = tokio::time::timeout(crate::END_WITHIN, ended).await.expect("ends in time");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));
    server.stop().await;
}

/// The audit log names refused callers, however they call.
#[tokio::test]
async fn a_refused_caller_of_a_posted_frame_is_in_the_audit_log() {
    let keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    let mut connection = Http1::connect(server.address).await;
    let headers =
        [("content-type", "image/jpeg"), ("authorization", "Bearer nonsense"), ("x-request-id", "posted-1")];
    assert_eq!(connection.send("POST", "/v1/streams/cam/frames", &headers, &jpeg(1)).await.status, 401);
    let lines = crate::common::log::lines_with(&["authenticate", "posted-1"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    server.stop().await;
}
