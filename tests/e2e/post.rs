//! Frames that are posted over plain HTTP: `POST /v1/streams/{id}/frames`.

use base64::Engine as _;
use frameway::pb::v1 as pb;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::common::eventually;
use crate::http1::{Http1, Response};
use crate::raw::{Body, Raw};
use crate::server::{TestServer, jpeg};
use crate::{pause_all, stream_stats};

const PATH: &str = "/v1/streams/cam/frames";

async fn post(server: &TestServer, path: &str, content_type: &str, body: &[u8]) -> Response {
    let mut connection = Http1::connect(server.address).await;
    connection.send("POST", path, &[("content-type", content_type)], body).await
}

async fn server() -> TestServer {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server
}

/// Returns the newest frame of `cam` once it has this sequence.
async fn newest(server: &TestServer, sequence: u64) -> pb::ProcessedFrame {
    eventually("the frame is published", async || {
        let request = pb::GetLatestFramesRequest { stream_ids: vec!["cam".into()], ..Default::default() };
        let found =
            server.streaming().get_latest_frames(request).await.expect("answers").into_inner().results;
        match found.into_iter().next().and_then(|result| result.outcome) {
            Some(pb::latest_frame::Outcome::Frame(frame)) if frame.sequence == sequence => Some(frame),
            _ => None,
        }
    })
    .await
}

/// Returns the number of frames that were accepted.
async fn accepted(server: &TestServer) -> u64 {
    stream_stats(server)
        .await
        .iter()
        .filter_map(|stats| stats.account.as_ref())
        .map(|account| account.accepted_frames)
        .sum()
}

fn in_json(picture: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(picture)
}

#[tokio::test]
async fn a_picture_is_accepted_and_processed_as_if_it_came_over_grpc() {
    let server = server().await;
    let path = format!(
        "{PATH}?publisher_id=agent&publisher_sequence=7&capture_time=2026-11-30T08:15:00.25Z&attribute.zone=north%20gate"
    );
    let capture_time = "2026-11-30T08:15:00.25Z".parse().expect("a time");
    // The clock of the machine may be far from that time, but not ten years.
    let answer = post(&server, &path, "image/jpeg", &jpeg(1)).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (202, "application/json"),
        "{}",
        answer.text()
    );
    let body = answer.json();
    assert_eq!((&body["outcome"], &body["sequence"]), (&json!("accepted"), &json!(1)));
    assert!(body["receive_time"].as_str().is_some_and(|time| time.ends_with('Z')), "{body}");
    assert_eq!(answer.header("x-request-id").len(), 32);
    let frame = newest(&server, 1).await;
    let publisher = (frame.publisher_id.as_str(), frame.publisher_sequence);
    assert_eq!((publisher, frame.capture_time), (("agent", Some(7)), Some(capture_time)));
    assert_eq!(frame.attributes["zone"], "north gate");

    let again = post(&server, &path, "image/jpeg", &jpeg(1)).await;
    assert_eq!((again.status, again.json()), (200, json!({"outcome": "duplicate", "sequence": 1})));
    let other = post(&server, &path, "image/jpeg", &jpeg(2)).await;
    assert_eq!(
        (other.status, &other.json()["reason"]),
        (409, &json!("ERROR_REASON_PUBLISHER_SEQUENCE_REUSED"))
    );
    assert_eq!(accepted(&server).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_frame_as_json_is_accepted() {
    let server = server().await;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    // One is decoded at once, and the other one on another thread.
    for (sequence, size) in [(1, 0), (2, 200_000)] {
        let mut picture = jpeg(sequence);
        picture.extend(vec![0; size]);
        let body = json!({"camera_id": "cam", "timestamp": now, "image": in_json(&picture)}).to_string();
        let answer = post(&server, PATH, "application/json; charset=utf-8", body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["sequence"]), (202, &json!(sequence)), "{}", answer.text());
        let frame = newest(&server, sequence.into()).await;
        assert_eq!(frame.capture_time.map(|time| time.seconds), i64::try_from(now).ok());
        assert_eq!(frame.source.expect("a source").size_bytes, picture.len() as u64);
    }
    for (body, field) in [
        ("{", Value::Null),
        (r#"{"image": "%%%"}"#, json!("image")),
        (r#"{"camera_id": "other", "image": ""}"#, json!("camera_id")),
        (r#"{"image": "", "frame_id": "x"}"#, Value::Null),
    ] {
        let answer = post(&server, PATH, "application/json", body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["outcome"]), (400, &json!("rejected")), "{body}");
        assert_eq!(answer.json()["metadata"]["field"], field, "{body}: {}", answer.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_have_the_http_status_of_their_reason() {
    let server = TestServer::start(|config| config.limits.max_picture_bytes = 100_000).await;
    server.register(&["cam"]).await;
    let large = vec![7; 100_001];
    for (path, content_type, body, status, reason) in [
        ("/v1/streams/none/frames", "image/jpeg", &jpeg(1)[..], 404, "STREAM_NOT_FOUND"),
        ("/v1/streams/a%20b/frames", "image/jpeg", &jpeg(1), 400, "INVALID_STREAM_ID"),
        (PATH, "image/jpeg", b"", 400, "PICTURE_MISSING"),
        (PATH, "image/png", &jpeg(1), 400, "PICTURE_FORMAT_MISMATCH"),
        (PATH, "image/jpeg", &large, 413, "PICTURE_TOO_LARGE"),
        ("/v1/streams/cam/frames?publisher=x", "image/jpeg", &jpeg(1), 400, "INVALID_FIELD"),
        ("/v1/streams/cam/frames?publisher_sequence=1", "image/jpeg", &jpeg(1), 400, "INVALID_FIELD"),
    ] {
        let answer = post(&server, path, content_type, body).await;
        let (found, body) = (answer.status, answer.json());
        assert_eq!((found, &body["outcome"]), (status, &json!("rejected")), "{path}: {body}");
        assert_eq!(body["reason"], format!("ERROR_REASON_{reason}"), "{path}: {body}");
        assert!(!body["message"].as_str().unwrap_or_default().is_empty());
    }
    for content_type in [
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "image/gif",
        "application/grpc",
        "",
    ] {
        let answer = post(&server, PATH, content_type, &jpeg(1)).await;
        assert_eq!(answer.status, 415, "{content_type}");
        assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains("image/jpeg")));
    }
    let mut connection = Http1::connect(server.address).await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = connection.send(method, PATH, &[("content-type", "image/jpeg")], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    }
    let headers = [("content-type", "image/jpeg"), ("content-encoding", "gzip")];
    assert_eq!(connection.send("POST", PATH, &headers, &jpeg(1)).await.status, 415);
    let headers = [("content-type", "image/jpeg"), ("origin", "https://evil.example")];
    assert_eq!(connection.send("POST", PATH, &headers, &jpeg(1)).await.status, 403);
    assert_eq!(accepted(&server).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_taken_up_to_the_limit() {
    let server = TestServer::start(|config| config.limits.max_picture_bytes = 100_000).await;
    server.register(&["cam"]).await;
    let headers = [("content-type", "image/jpeg"), ("transfer-encoding", "chunked")];
    let chunked = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let mut connection = Http1::connect(server.address).await;
    connection.head("POST", PATH, &headers).await;
    for piece in jpeg(1).chunks(7) {
        connection.write(&chunked(piece)).await.expect("sends");
    }
    connection.write(b"0\r\n\r\n").await.expect("sends");
    assert_eq!(connection.response().await.status, 202);
    // A body without end.
    connection.head("POST", PATH, &headers).await;
    let piece = chunked(&[7; 10_000]);
    let mut sent = 0;
    while sent < 100_000_000 && connection.write(&piece).await.is_ok() {
        sent += 10_000;
        if sent == 120_000 {
            let answer = connection.response().await;
            assert_eq!(
                (answer.status, &answer.json()["reason"]),
                (413, &json!("ERROR_REASON_PICTURE_TOO_LARGE"))
            );
        }
    }
    assert!((120_000..100_000_000).contains(&sent), "the server reads on after {sent} bytes");
    server.stop().await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let server = TestServer::start(|_| {}).await;
    let queue = Some(pb::QueuePolicy { max_frames: Some(1), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
    pause_all(&server).await;
    assert_eq!(post(&server, PATH, "image/jpeg", &jpeg(1)).await.status, 202);
    let answer = post(&server, PATH, "image/jpeg", &jpeg(2)).await;
    let body = answer.json();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"), "{body}");
    assert_eq!(body["reason"], "ERROR_REASON_STREAM_QUEUE_FULL");
    assert_eq!(body["retry_delay_seconds"], 0.5);
    server.stop().await;
}

#[tokio::test]
async fn frames_are_posted_over_http_2_too() {
    let server = server().await;
    let client = Raw::connect(server.address).await;
    let answer = client.send("POST", PATH, &[("content-type", "image/jpeg")], Body::Whole(jpeg(1))).await;
    assert_eq!(answer.http.as_u16(), 202, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.status().is_none(), "no gRPC status remains: {answer:?}");
    let large = vec![0; (16 << 20) + 1];
    let answer = client.send("POST", PATH, &[("content-type", "image/jpeg")], Body::Endless(large)).await;
    assert_eq!(answer.http.as_u16(), 413);
    server.stop().await;
}

#[tokio::test]
async fn curl_posts_a_picture() {
    let server = server().await;
    pause_all(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.jpg");
    let mut picture = jpeg(1);
    // Above 1 MiB, curl waits for permission before it sends the body.
    picture.resize(2 << 20, 0);
    std::fs::write(&file, picture).expect("writes");
    let url = format!("http://{}{PATH}", server.address);
    let data = format!("@{}", file.display());
    for (path, expected) in [("", "\"accepted\""), ("x", "STREAM_NOT_FOUND")] {
        let url = url.replace("cam", &format!("cam{path}"));
        let curl = Command::new("curl")
            .args(["-sS", "-m", "20", "-H", "content-type: image/jpeg", "--data-binary", &data, &url])
            .output()
            .await;
        let Ok(curl) = curl else {
            println!("skipped: no curl on this machine");
            break;
        };
        let (answer, errors) = (String::from_utf8_lossy(&curl.stdout), String::from_utf8_lossy(&curl.stderr));
        assert!(curl.status.success() && answer.contains(expected), "{answer}{errors}");
    }
    server.stop().await;
}
