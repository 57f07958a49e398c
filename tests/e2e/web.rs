//! gRPC-Web over HTTP/1.1 and HTTP/2, and the origins of web pages.

use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use prost::Message as _;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::frames::selector;
use crate::http1::{GRPC_WEB, Http1, Messages, framed};
use crate::raw::{Body, Raw};
use crate::server::{TestServer, frame, jpeg};
use crate::{name, reason};

const STREAMING: &str = "/frameway.v1.StreamingService";
const REGISTRY: &str = "/frameway.v1.StreamRegistryService";
const PAGE: &str = "https://wall.example";
/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn info() -> String {
    format!("{STREAMING}/GetServerInfo")
}

fn subscribe_to(stream: &str) -> pb::SubscribeFramesRequest {
    let selectors = vec![selector(stream, Position::Earliest(pb::StartEarliest {}))];
    pb::SubscribeFramesRequest { selectors, ..Default::default() }
}

/// Begins a subscription.
async fn begin(connection: &mut Http1, request: &pb::SubscribeFramesRequest) -> Messages {
    let body = framed(request);
    let length = body.len().to_string();
    let headers = [&GRPC_WEB[..], &[("content-length", &length)]].concat();
    connection.head("POST", &format!("{STREAMING}/SubscribeFrames"), &headers).await;
    connection.write(&body).await.expect("sends");
    let head = connection.response_head().await;
    assert_eq!((head.status, head.headers["content-type"].as_str()), (200, "application/grpc-web+proto"));
    Messages::default()
}

/// Waits for the next frame of a subscription.
async fn next_frame(connection: &mut Http1, messages: &mut Messages) -> pb::ProcessedFrame {
    loop {
        let message: pb::SubscribeFramesResponse = messages.next(connection).await.expect("goes on");
        match message.event.expect("an event") {
            Event::Frame(delivered) => return delivered.frame.expect("a frame"),
            Event::Checkpoint(_) | Event::Heartbeat(_) => {}
            other @ (Event::Gap(_) | Event::Draining(_)) => panic!("{other:?}"),
        }
    }
}

/// Returns the bytes of a frame's only picture.
fn picture_of(frame: &pb::ProcessedFrame) -> &[u8] {
    match frame.pictures.first().and_then(|picture| picture.content.as_ref()) {
        Some(Content::Data(data)) => data,
        other => panic!("{other:?}"),
    }
}

/// Returns a JPEG with a comment that makes it this long, in bytes.
fn long_jpeg(bytes: usize) -> Vec<u8> {
    let short = jpeg(7);
    let mut long = short[..2].to_vec();
    while long.len() + short.len() - 2 < bytes {
        let comment = (bytes - (long.len() + short.len() - 2)).clamp(4, 60_000);
        long.extend([0xFF, 0xFE]);
        long.extend((comment as u16 - 2).to_be_bytes());
        long.extend(vec![b'x'; comment - 4]);
    }
    long.extend(&short[2..]);
    long
}

#[tokio::test]
async fn calls_and_subscriptions_over_http_1_have_their_messages_and_status() {
    let server = TestServer::start(|_| {}).await;
    let mut connection = Http1::connect(server.address).await;
    let stream = Some(pb::Stream { stream_id: "cam".into(), ..Default::default() });
    let register = pb::RegisterStreamRequest { stream };
    let path = format!("{REGISTRY}/RegisterStream");
    let (answers, status) = connection.call::<pb::RegisterStreamResponse>(&path, &[], &register).await;
    assert_eq!((answers.len(), status.code()), (1, Code::Ok));
    // The same connection carries one call after the other.
    let (_, status) = connection
        .call::<pb::RegisterStreamResponse>(
            &format!("{REGISTRY}/GetStream"),
            &[],
            &pb::GetStreamRequest { stream_id: "none".into() },
        )
        .await;
    assert_eq!((status.code(), reason(&status)), (Code::NotFound, name(R::StreamNotFound)));

    let mut subscriber = Http1::connect(server.address).await;
    let mut messages = begin(&mut subscriber, &subscribe_to("cam")).await;
    let submit = pb::SubmitFrameBatchRequest { frames: (1..=3).map(|shade| frame("cam", shade)).collect() };
    let path = format!("{STREAMING}/SubmitFrameBatch");
    let (answers, status) = connection.call::<pb::SubmitFrameBatchResponse>(&path, &[], &submit).await;
    assert_eq!((answers[0].results.len(), status.code()), (3, Code::Ok));
    for sequence in 1..=3 {
        assert_eq!(next_frame(&mut subscriber, &mut messages).await.sequence, sequence);
    }
    server.begin_to_stop();
    let status = loop {
        match messages.next::<_, pb::SubscribeFramesResponse>(&mut subscriber).await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status)), (Code::Unavailable, name(R::Draining)));
    assert_eq!(subscriber.rest().await, LAST_CHUNK, "the server closes the connection");
    drop(connection);
    server.stop().await;
}

#[tokio::test]
async fn large_pictures_pass_through_in_pieces_in_both_directions() {
    let server = TestServer::start(|_| {}).await;
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    let stream = pb::Stream { stream_id: "cam".into(), output: Some(output), ..Default::default() };
    server.register_with(stream).await;
    let mut connection = Http1::connect(server.address).await;
    let pictures = [300_000, 5_000_000].map(long_jpeg);
    for picture in &pictures {
        let frame = pb::Frame { stream_id: "cam".into(), data: picture.clone().into(), ..Default::default() };
        let submit = pb::SubmitFrameBatchRequest { frames: vec![frame] };
        let path = format!("{STREAMING}/SubmitFrameBatch");
        let (answers, status) = connection.call::<pb::SubmitFrameBatchResponse>(&path, &[], &submit).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        assert!(matches!(answers[0].results[0].outcome, Some(pb::frame_result::Outcome::Accepted(_))));
    }
    let mut request = subscribe_to("cam");
    request.selectors[0].pictures =
        Some(pb::PictureSelection { max_picture_bytes: Some(16 << 20), ..Default::default() });
    let mut messages = begin(&mut connection, &request).await;
    for picture in &pictures {
        let frame = next_frame(&mut connection, &mut messages).await;
        assert!(
            picture_of(&frame) == picture,
            "the picture of {} bytes arrives as it was sent",
            picture.len()
        );
    }
    drop(connection);
    // The same over HTTP/2, as browsers speak it over TLS.
    let client = Raw::connect(server.address).await;
    request.stop_after_frames = Some(2);
    let body = Body::Whole(framed(&request));
    let answer = client.send("POST", &format!("{STREAMING}/SubscribeFrames"), &GRPC_WEB, body).await;
    assert_eq!(answer.fields["content-type"], "application/grpc-web+proto");
    assert!(answer.status().is_none(), "the status is in the body, not in trailers");
    assert!(answer.body.len() > 5_300_000 && answer.body.ends_with(b"\r\n"), "{}", answer.body.len());
    server.stop().await;
}

#[tokio::test]
async fn methods_with_streams_of_requests_are_not_implemented_over_grpc_web() {
    let server = TestServer::start(|_| {}).await;
    let mut connection = Http1::connect(server.address).await;
    for path in [
        format!("{STREAMING}/SubmitFrames"),
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned(),
    ] {
        let (_, status) =
            connection.call::<pb::GetServerInfoResponse>(&path, &[], &pb::GetServerInfoRequest {}).await;
        assert_eq!((status.code(), reason(&status)), (Code::Unimplemented, name(R::NotImplemented)));
        assert!(status.message().contains("SubmitFrameBatch"), "{status:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn deadlines_metadata_limits_and_request_ids_hold_for_grpc_web() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut connection = Http1::connect(server.address).await;
    let headers = [("grpc-timeout", "300m")];
    let (messages, status) = connection
        .call::<pb::SubscribeFramesResponse>(
            &format!("{STREAMING}/SubscribeFrames"),
            &headers,
            &subscribe_to("cam"),
        )
        .await;
    assert!(!messages.is_empty());
    assert_eq!((status.code(), reason(&status)), (Code::DeadlineExceeded, name(R::DeadlineExceeded)));

    let long = "x".repeat(20_000);
    let headers = [&GRPC_WEB[..], &[("x-long", &long), ("x-request-id", "mine")]].concat();
    let response = connection.send("POST", &info(), &headers, &framed(&pb::GetServerInfoRequest {})).await;
    assert_eq!(response.header("x-request-id"), "mine");
    assert_eq!(reason(&response.grpc_web().1), name(R::MetadataTooLarge));

    let request = pb::SubmitFrameBatchRequest {
        frames: (0..40)
            .map(|_| pb::Frame {
                stream_id: "cam".into(),
                data: vec![0; 1 << 20].into(),
                ..Default::default()
            })
            .collect(),
    };
    let path = format!("{STREAMING}/SubmitFrameBatch");
    let (_, status) = connection.call::<pb::SubmitFrameBatchResponse>(&path, &[], &request).await;
    assert_eq!((status.code(), reason(&status)), (Code::ResourceExhausted, name(R::BatchTooLarge)));
    server.stop().await;
}

#[tokio::test]
async fn what_is_neither_grpc_web_nor_a_frame_is_refused_over_http_1_and_not_executed() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let request = framed(&pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() });
    let path = format!("{REGISTRY}/UnregisterStream");
    for (method, content_type, status) in [
        ("POST", "text/plain", 415),
        ("POST", "application/x-www-form-urlencoded", 415),
        ("POST", "application/grpc-web-text", 415),
        ("POST", "application/connect+proto", 415),
        ("POST", "application/json", 415),
        ("POST", "application/grpc", 400),
        ("GET", "application/grpc-web", 405),
        ("OPTIONS", "text/plain", 400),
        ("GET", "text/plain", 400),
    ] {
        let mut connection = Http1::connect(server.address).await;
        let response = connection.send(method, &path, &[("content-type", content_type)], &request).await;
        assert_eq!(response.status, status, "{method} {content_type}: {}", response.text());
        assert!(!response.text().is_empty());
    }
    let known = server.registry().get_stream(pb::GetStreamRequest { stream_id: "cam".into() }).await;
    known.expect("nothing was executed");
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_their_requests_take_effect() {
    let server =
        TestServer::start(|config| config.server.web_origin = vec![PAGE.parse().expect("an origin")]).await;
    server.register(&["cam"]).await;
    let remove = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    let path = format!("{REGISTRY}/UnregisterStream");
    let own = format!("http://{}", server.address);
    let rebound = [("origin", "http://evil.example"), ("host", "evil.example")];
    for foreign in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://wall.example")],
        &rebound,
    ] {
        let mut connection = Http1::connect(server.address).await;
        let headers = [&GRPC_WEB[..], foreign].concat();
        let response = connection.send("POST", &path, &headers, &framed(&remove)).await;
        assert_eq!(
            (response.status, response.header("access-control-allow-origin")),
            (403, ""),
            "{foreign:?}"
        );
        let mut client = vec![("te", "trailers")];
        client.extend(&foreign[..1]);
        let raw = Raw::connect(server.address).await;
        let answer = raw.call(&path, &client, Body::Whole(framed(&remove))).await;
        assert_eq!(answer.http.as_u16(), 403, "{foreign:?}");
    }
    let known = server.registry().get_stream(pb::GetStreamRequest { stream_id: "cam".into() }).await;
    known.expect("nothing was executed");

    let host = server.address.to_string();
    for (origin, host) in [(PAGE, "server"), (&own, host.as_str())] {
        let mut connection = Http1::connect(server.address).await;
        let headers = [&GRPC_WEB[..], &[("origin", origin), ("host", host)]].concat();
        let response =
            connection.send("POST", &info(), &headers, &framed(&pb::GetServerInfoRequest {})).await;
        assert_eq!((response.status, response.grpc_web().1.code()), (200, Code::Ok));
        assert_eq!(response.header("access-control-allow-origin"), origin);
        let exposed = response.header("access-control-expose-headers");
        for header in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"] {
            assert!(exposed.split(", ").any(|one| one == header), "{exposed}");
        }
        assert_eq!(response.header("access-control-allow-credentials"), "");
    }
    server.stop().await;
}

#[tokio::test]
async fn preflights_are_answered_for_named_origins_only() {
    let server =
        TestServer::start(|config| config.server.web_origin = vec![PAGE.parse().expect("an origin")]).await;
    let mut connection = Http1::connect(server.address).await;
    let asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-grpc-web,authorization"),
    ];
    let headers = [&asked[..], &[("origin", PAGE)]].concat();
    let response = connection.send("OPTIONS", &info(), &headers, b"").await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (204, PAGE));
    assert_eq!(response.header("access-control-allow-headers"), "content-type,x-grpc-web,authorization");
    assert_eq!(response.header("access-control-allow-methods"), "POST");
    assert_eq!(response.header("access-control-max-age"), "7200");
    let headers = [&asked[..], &[("origin", "https://evil.example")]].concat();
    let response = connection.send("OPTIONS", &info(), &headers, b"").await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (403, ""));
    // The connection still serves calls.
    let (_, status) =
        connection.call::<pb::GetServerInfoResponse>(&info(), &[], &pb::GetServerInfoRequest {}).await;
    assert_eq!(status.code(), Code::Ok);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let server = TestServer::start(|_| {}).await;
    let mut connection = Http1::connect(server.address).await;
    let body = framed(&pb::GetServerInfoRequest {});
    let mut ahead = Vec::new();
    for id in 0..50 {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\nx-request-id: r{id}\r\ncontent-length: {}\r\n\r\n",
            info(),
            body.len()
        );
        ahead.extend(head.as_bytes());
        ahead.extend(&body);
    }
    connection.write(&ahead).await.expect("sends");
    for id in 0..50 {
        let response = connection.response().await;
        assert_eq!(response.header("x-request-id"), format!("r{id}"));
        assert_eq!(response.grpc_web().1.code(), Code::Ok);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_first_request_that_does_not_arrive_ends_its_connection() {
    let server = TestServer::start(|config| config.server.handshake_timeout = Duration::from_secs(1)).await;
    let began = Instant::now();
    let mut silent = Http1::connect(server.address).await;
    silent.write(b"POST / HTTP/1.1\r\nhost: a\r\n").await.expect("sends");
    let mut trickling = Http1::connect(server.address).await;
    trickling.write(b"POST / HTTP/1.1\r\n").await.expect("sends");
    // Headers that go on arriving do not help.
    while trickling.write(b"x-a: b\r\n").await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "the connection is still open");
        sleep(Duration::from_millis(50)).await;
    }
    silent.rest().await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    server.stop().await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let server = TestServer::start(|_| {}).await;
    let line = format!("x-long: {}\r\n", "y".repeat(1000));
    for (count, line) in [(300, line.as_str()), (2000, "x-a: b\r\n")] {
        let mut connection = Http1::connect(server.address).await;
        let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n{}", info(), line.repeat(count));
        let _closed_already = connection.write(head.as_bytes()).await;
        let answer = connection.rest().await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_over_http_1_reach_their_maximum_age() {
    let change = |config: &mut frameway::config::Config| {
        config.server.max_connection_age = Some(Duration::from_secs(1));
        config.server.max_connection_age_grace = Duration::from_secs(1);
    };
    let server = TestServer::start(change).await;
    server.register(&["cam"]).await;
    let mut idle = Http1::connect(server.address).await;
    let (_, status) =
        idle.call::<pb::GetServerInfoResponse>(&info(), &[], &pb::GetServerInfoRequest {}).await;
    assert_eq!(status.code(), Code::Ok);
    let mut subscriber = Http1::connect(server.address).await;
    let mut messages = begin(&mut subscriber, &subscribe_to("cam")).await;
    let mut cursors = 0;
    let status = loop {
        match messages.next::<_, pb::SubscribeFramesResponse>(&mut subscriber).await {
            Ok(message) => {
                if let Some(Event::Draining(draining)) = message.event {
                    cursors += draining.cursors.len();
                }
            }
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status), cursors), (Code::Unavailable, name(R::Draining), 1));
    assert_eq!(subscriber.rest().await, LAST_CHUNK);
    assert_eq!(idle.rest().await, b"");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_subscription() {
    let server = TestServer::start(|config| config.server.max_subscriptions = 1).await;
    server.register(&["cam"]).await;
    let mut gone = Http1::connect(server.address).await;
    let mut messages = begin(&mut gone, &subscribe_to("cam")).await;
    messages.next::<_, pb::SubscribeFramesResponse>(&mut gone).await.expect("has begun");
    drop(gone);
    crate::common::eventually("the place of the subscription is free", async || {
        let mut connection = Http1::connect(server.address).await;
        let headers = [("grpc-timeout", "200m")];
        let path = format!("{STREAMING}/SubscribeFrames");
        let (messages, _) =
            connection.call::<pb::SubscribeFramesResponse>(&path, &headers, &subscribe_to("cam")).await;
        messages.first().map(|message| message.encoded_len())
    })
    .await;
    server.stop().await;
}

/// HTTP/1 has no pings: TCP notices that a subscriber takes nothing any more.
#[tokio::test]
async fn a_subscriber_that_reads_nothing_loses_its_connection() {
    let server = TestServer::start(|config| config.server.max_subscriptions = 1).await;
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    let stream = pb::Stream { stream_id: "cam".into(), output: Some(output), ..Default::default() };
    server.register_with(stream).await;
    let picture = long_jpeg(3_500_000);
    for _ in 0..8 {
        let frame = pb::Frame { stream_id: "cam".into(), data: picture.clone().into(), ..Default::default() };
        server.submit(vec![frame]).await;
    }
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("a small buffer");
    let socket = socket.connect(server.address).await.expect("connects");
    let mut silent = Http1::over(socket);
    let _messages = begin(&mut silent, &subscribe_to("cam")).await;
    let began = Instant::now();
    let is_free = async || {
        let mut connection = Http1::connect(server.address).await;
        let path = format!("{STREAMING}/SubscribeFrames");
        let headers = [("grpc-timeout", "100m")];
        let (_, status) =
            connection.call::<pb::SubscribeFramesResponse>(&path, &headers, &subscribe_to("none")).await;
        reason(&status) != name(R::TooManySubscriptions)
    };
    assert!(!is_free().await, "the subscription is open");
    while !is_free().await {
        assert!(began.elapsed() < Duration::from_secs(90), "the connection is still open");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(15), "{:?}", began.elapsed());
    drop(silent);
    server.stop().await;
}
