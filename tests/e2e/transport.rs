//! The layers around all handlers: requests that no handler sees, and the common parts of all
//! responses.

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_types::StatusExt as _;

use crate::frames::{next, selector, subscribe};
use crate::raw::{self, Body, Frame, Raw, framed, framed_bytes};
use crate::server::{PATIENCE, TestServer};
use crate::{fact, name, reason};

const STREAMING: &str = "/frameway.v1.StreamingService";
const REGISTRY: &str = "/frameway.v1.StreamRegistryService";
const GROUPS: &str = "/frameway.v1.ConsumerGroupService";
const QUEUES: &str = "/frameway.v1.QueueService";

fn assert_refused(status: &Status, code: Code, wanted: R) {
    assert_eq!((status.code(), reason(status)), (code, name(wanted)), "{status:?}");
}

fn live(stream: &str) -> pb::SubscribeFramesRequest {
    let selectors = vec![selector(stream, Position::Live(pb::StartLive {}))];
    pb::SubscribeFramesRequest { selectors, ..Default::default() }
}

async fn is_registered(server: &TestServer, stream: &str) -> bool {
    let request = pb::GetStreamRequest { stream_id: stream.to_owned() };
    server.registry().get_stream(request).await.is_ok()
}

#[tokio::test]
async fn a_deadline_that_passes_at_the_server_is_deadline_exceeded_with_its_reason() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    let streaming = ["SubmitFrameBatch", "GetFrames", "SubmitFrames", "SubscribeFrames", "ConsumeFrames"];
    let paths = streaming.map(|method| format!("{STREAMING}/{method}"));
    for path in paths.into_iter().chain([format!("{REGISTRY}/RegisterStream")]) {
        let answer = client.call(&path, &[("grpc-timeout", "300m")], Body::Endless(Vec::new())).await;
        assert_refused(&answer.refusal(), Code::DeadlineExceeded, R::DeadlineExceeded);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_deadline_holds_for_the_whole_life_of_a_stream() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let client = Raw::connect(server.address).await;
    let health = HealthCheckRequest { service: String::new() };
    let setup = pb::submit_frames_request::Request::Setup(pb::SubmitSetup {
        publisher_id: "agent".to_owned(),
        ..Default::default()
    });
    for (path, body) in [
        (format!("{STREAMING}/SubscribeFrames"), Body::Whole(framed(&live("cam")))),
        (format!("{REGISTRY}/WatchStreams"), Body::Whole(framed(&pb::WatchStreamsRequest::default()))),
        ("/grpc.health.v1.Health/Watch".to_owned(), Body::Whole(framed(&health))),
        (
            format!("{STREAMING}/SubmitFrames"),
            Body::Endless(framed(&pb::SubmitFramesRequest { request: Some(setup) })),
        ),
    ] {
        let answer = client.call(&path, &[("grpc-timeout", "1S")], body).await;
        assert!(!answer.body.is_empty(), "{path} had begun");
        assert_refused(&answer.refusal(), Code::DeadlineExceeded, R::DeadlineExceeded);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_arrives_after_its_deadline_is_not_executed() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    for (at, value) in ["0S", "0H", "1n"].into_iter().enumerate() {
        let stream_id = format!("cam-{at}");
        let stream = pb::Stream { stream_id: stream_id.clone(), ..Default::default() };
        let request = Body::Whole(framed(&pb::RegisterStreamRequest { stream: Some(stream) }));
        let path = format!("{REGISTRY}/RegisterStream");
        let answer = client.call(&path, &[("grpc-timeout", value)], request).await;
        assert_refused(&answer.refusal(), Code::DeadlineExceeded, R::DeadlineExceeded);
        assert!(!is_registered(&server, &stream_id).await, "{value}");
    }
    for value in ["", "5", "S", "1s", "-1S", "123456789S"] {
        let request = Body::Whole(framed(&pb::GetServerInfoRequest {}));
        let path = format!("{STREAMING}/GetServerInfo");
        let answer = client.call(&path, &[("grpc-timeout", value)], request).await;
        assert_refused(&answer.refusal(), Code::InvalidArgument, R::ProtocolViolation);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_grpc_is_answered_with_415_and_not_executed() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let client = Raw::connect(server.address).await;
    let request = framed(&pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() });
    let path = format!("{REGISTRY}/UnregisterStream");
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json",
        "application/grpc-web-text",
        "application/connect+proto",
        "application/proto",
        "application/grpc+json",
        "",
    ] {
        let body = Body::Whole(request.clone());
        let answer = client.send("POST", &path, &[("content-type", content_type)], body).await;
        assert_eq!((answer.http.as_u16(), answer.status().is_none()), (415, true), "{content_type}");
        assert!(is_registered(&server, "cam").await, "{content_type} was executed");
    }
    let answer = client.send("POST", &path, &[], Body::Whole(request.clone())).await;
    assert_eq!(answer.http.as_u16(), 415, "no content type");
    let answer = client.send("GET", "/", &[], Body::Whole(Vec::new())).await;
    assert_eq!(answer.http.as_u16(), 415);
    assert!(String::from_utf8_lossy(&answer.body).contains("gRPC"));
    let grpc = [("content-type", "application/grpc")];
    let answer = client.send("PUT", &path, &grpc, Body::Whole(request.clone())).await;
    assert_eq!(answer.http.as_u16(), 405);
    assert!(is_registered(&server, "cam").await, "PUT was executed");

    let proto = [("content-type", "application/grpc+proto"), ("te", "trailers")];
    let answer = client.send("POST", &path, &proto, Body::Whole(request)).await;
    assert_eq!(answer.status().map(|status| status.code()), Some(Code::Ok));
    assert!(!is_registered(&server, "cam").await);
    server.stop().await;
}

#[tokio::test]
async fn http_1_is_answered_with_plain_text() {
    let server = TestServer::start(|_| {}).await;
    for request in ["GET / HTTP/1.1\r\nhost: server\r\n\r\n", "POST /x HTTP/1.1\r\nupgrade: h2c\r\n\r\n"] {
        let mut socket = TcpStream::connect(server.address).await.expect("connects");
        socket.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = String::new();
        let read = timeout(PATIENCE, socket.read_to_string(&mut answer)).await;
        read.expect("the server ends it").expect("with plain text");
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("gRPC over HTTP/2"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn cancelling_many_calls_at_once_does_not_end_the_connection() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut socket = raw::by_hand(server.address).await;
    let bystander = raw::request_frames(1, &format!("{STREAMING}/SubscribeFrames"), &live("cam"));
    socket.write_all(&bystander).await.expect("sends");
    // All requests are in one write, so that the server reads many before it handles one.
    let mut flood = Vec::new();
    for stream in (3..).step_by(2).take(1000) {
        flood.extend(raw::request_frames(stream, &format!("{STREAMING}/SubscribeFrames"), &live("cam")));
        let cancel = 8_u32.to_be_bytes().to_vec();
        Frame { kind: raw::RST_STREAM, flags: 0, stream, payload: cancel }.write(&mut flood);
    }
    let last = 5001;
    let info = format!("{STREAMING}/GetServerInfo");
    flood.extend(raw::request_frames(last, &info, &pb::GetServerInfoRequest {}));
    let (mut reader, mut writer) = socket.into_split();
    let (sent, answered) = tokio::join!(writer.write_all(&flood), async {
        loop {
            let frame = timeout(PATIENCE, Frame::read_from(&mut reader)).await.expect("in time");
            let frame = frame.expect("the connection is open");
            assert_ne!(frame.kind, raw::GOAWAY, "{}", String::from_utf8_lossy(&frame.payload));
            let ended = frame.kind == raw::RST_STREAM || frame.flags & raw::END_STREAM != 0;
            assert!(
                !(frame.stream == 1 && ended && frame.kind <= raw::RST_STREAM),
                "the bystander's call ended"
            );
            if frame.stream == last && frame.kind == raw::DATA {
                return;
            }
        }
    });
    sent.expect("sends");
    let () = answered;
    server.stop().await;
}

#[tokio::test]
async fn one_connection_carries_many_subscriptions_and_other_calls() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut open = Vec::new();
    for _ in 0..1000 {
        let position = Position::Live(pb::StartLive {});
        let mut events = subscribe(&server, selector("cam", position), 0).await;
        assert!(matches!(next(&mut events).await, Some(Event::Checkpoint(_))));
        open.push(events);
    }
    let mut client = server.streaming();
    let info = timeout(PATIENCE, client.get_server_info(pb::GetServerInfoRequest {})).await;
    let info = info.expect("a call beside them is served").expect("and answered").into_inner();
    let limits = info.limits.expect("limits");
    assert!(limits.max_calls_per_connection > limits.max_subscriptions, "{limits:?}");
    drop(open);
    server.stop().await;
}

#[tokio::test]
async fn subscriptions_beyond_the_limit_are_refused_and_leave_room_for_other_calls() {
    let server = TestServer::start(|config| config.server.max_subscriptions = 3).await;
    server.register(&["cam"]).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await);
    }
    for _ in 0..10 {
        let refused = server.streaming().subscribe_frames(live("cam")).await.expect_err("too many");
        assert_refused(&refused, Code::ResourceExhausted, R::TooManySubscriptions);
    }
    assert!(is_registered(&server, "cam").await);
    server.stop().await;
}

#[tokio::test]
async fn too_much_metadata_gets_a_status_and_keeps_the_connection() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut bystander = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    assert!(matches!(next(&mut bystander).await, Some(Event::Checkpoint(_))));
    for size in [17 << 10, 70 << 10] {
        let mut request = Request::new(pb::GetServerInfoRequest {});
        request.metadata_mut().insert("x-large", "a".repeat(size).parse().expect("a value"));
        let refused = server.streaming().get_server_info(request).await.expect_err("too much");
        assert_refused(&refused, Code::ResourceExhausted, R::MetadataTooLarge);
        assert_eq!(fact(&refused, "limit").as_deref(), Some("16384"));
        assert!(refused.get_error_details().retry_info().is_none());
    }
    let mut request = Request::new(pb::GetServerInfoRequest {});
    request.metadata_mut().insert("x-large", "a".repeat(15 << 10).parse().expect("a value"));
    server.streaming().get_server_info(request).await.expect("is within the limit");
    server.submit(vec![crate::server::frame("cam", 1)]).await;
    assert!(matches!(next(&mut bystander).await, Some(Event::Frame(_))), "the bystander's call ended");
    server.stop().await;
}

#[tokio::test]
async fn errors_that_quote_the_request_stay_short() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let client = Raw::connect(server.address).await;
    for unit in ["x", "x.", "\u{e9}", "\u{1f4f7}"] {
        let long = unit.repeat(50_000);
        let stream = Some(pb::Stream { stream_id: "cam".to_owned(), ..Default::default() });
        let update_mask = Some(prost_types::FieldMask { paths: vec![long.clone()] });
        let update = pb::UpdateStreamRequest { stream, update_mask, ..Default::default() };
        let stats = pb::GetQueueStatsRequest { queue_id: long.clone() };
        let get = pb::GetStreamRequest { stream_id: long.clone() };
        let group = pb::GetConsumerGroupRequest { group_id: long.clone() };
        let target = Some(pb::pause_queue_request::Target::QueueId(long.clone()));
        let pause = pb::PauseQueueRequest { target, ..Default::default() };
        for (path, body) in [
            (format!("{REGISTRY}/UpdateStream"), framed(&update)),
            (format!("{REGISTRY}/GetStream"), framed(&get)),
            (format!("{QUEUES}/GetQueueStats"), framed(&stats)),
            (format!("{GROUPS}/GetConsumerGroup"), framed(&group)),
            (format!("{QUEUES}/PauseQueue"), framed(&pause)),
        ] {
            let answer = client.call(&path, &[], Body::Whole(body)).await;
            let bytes: usize =
                answer.fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            assert!(bytes < 4096, "{path}: {bytes} bytes");
            let status = answer.refusal();
            assert_ne!(status.code(), Code::Ok, "{path}");
            assert!(!reason(&status).is_empty() && status.message().chars().count() <= 512, "{status:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn compressed_messages_are_refused_with_a_reason() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    for encoding in ["gzip", "deflate", "zstd"] {
        let mut body = framed(&pb::GetServerInfoRequest {});
        body[0] = 1;
        let path = format!("{STREAMING}/GetServerInfo");
        let answer = client.call(&path, &[("grpc-encoding", encoding)], Body::Whole(body)).await;
        assert_refused(&answer.refusal(), Code::Unimplemented, R::NotImplemented);
        let accepted = answer.fields.get("grpc-accept-encoding").and_then(|value| value.to_str().ok());
        assert_eq!(accepted, Some("identity"), "{encoding}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_service_refuses_a_message_that_is_too_large() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    for (path, limit) in [
        (format!("{GROUPS}/CreateConsumerGroup"), 4 << 20),
        ("/grpc.health.v1.Health/Check".to_owned(), 4 << 20),
        (format!("{STREAMING}/SubmitFrameBatch"), 32 << 20),
        (format!("{REGISTRY}/RegisterStream"), 4 << 20),
        (format!("{STREAMING}/SubmitFrames"), 32 << 20),
    ] {
        // The size is announced: the server does not need the rest.
        let mut body = vec![0];
        body.extend(u32::to_be_bytes(limit + (1 << 20)));
        let answer = client.call(&path, &[], Body::Endless(body)).await;
        let refused = answer.refusal();
        assert_refused(&refused, Code::ResourceExhausted, R::BatchTooLarge);
        assert_eq!(fact(&refused, "limit"), Some(limit.to_string()), "{path}");
    }
    let info = server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("answers");
    let limits = info.into_inner().limits.expect("limits");
    assert_eq!((limits.max_message_bytes, limits.max_control_message_bytes), (32 << 20, 4 << 20));
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_method_is_not_implemented_and_named() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    let long = format!("{STREAMING}/{}", "x".repeat(5000));
    for path in [&format!("{STREAMING}/SubmitVideo"), "/frameway.v2.Other/Get", "/", "/x", &long] {
        let answer = client.call(path, &[], Body::Whole(framed_bytes(&[]))).await;
        let refused = answer.refusal();
        assert_refused(&refused, Code::Unimplemented, R::NotImplemented);
        let start: String = path.chars().take(100).collect();
        assert!(refused.message().contains(&start) && refused.message().contains("version"), "{refused:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_that_are_not_a_message_are_an_invalid_argument() {
    let server = TestServer::start(|_| {}).await;
    let client = Raw::connect(server.address).await;
    for path in [
        format!("{STREAMING}/SubmitFrameBatch"),
        format!("{STREAMING}/SubscribeFrames"),
        format!("{STREAMING}/SubmitFrames"),
        format!("{QUEUES}/GetQueueStats"),
        "/grpc.health.v1.Health/Check".to_owned(),
    ] {
        for body in [framed_bytes(&[0xff; 20]), vec![7, 0, 0, 0, 0], vec![0, 0, 0, 0, 9, 1]] {
            let answer = client.call(&path, &[], Body::Whole(body)).await;
            assert_refused(&answer.refusal(), Code::InvalidArgument, R::ProtocolViolation);
        }
    }
    // A call without a message is refused.
    let path = format!("{QUEUES}/GetQueueStats");
    let answer = client.call(&path, &[], Body::Whole(Vec::new())).await;
    assert_refused(&answer.refusal(), Code::InvalidArgument, R::ProtocolViolation);
    server.stop().await;
}

#[tokio::test]
async fn every_bad_glob_is_reported_under_the_same_path() {
    let server = TestServer::start(|_| {}).await;
    for glob in ["[", "a{b", &"x".repeat(300), ""] {
        let by = pb::stream_match::Selector::Glob(glob.to_owned());
        let streams = vec![pb::StreamMatch { selector: Some(by) }];
        let one = pb::StreamSelector { streams: streams.clone(), ..Default::default() };
        let request = pb::SubscribeFramesRequest { selectors: vec![one], ..Default::default() };
        let refused = server.streaming().subscribe_frames(request).await.expect_err("a bad glob");
        assert_refused(&refused, Code::InvalidArgument, R::InvalidField);
        assert_eq!(fact(&refused, "field").as_deref(), Some("selectors[0].streams[0].glob"), "{glob}");
        let request = pb::WatchStreamsRequest { streams, ..Default::default() };
        let refused = server.registry().watch_streams(request).await.expect_err("a bad glob");
        assert_eq!(fact(&refused, "field").as_deref(), Some("streams[0].glob"), "{glob}");
    }
    server.stop().await;
}
