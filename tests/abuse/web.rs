//! Attacks over HTTP/1.1: the port that serves gRPC also serves gRPC-Web and posted frames.

use std::time::Duration;

use frameway::pb::v1 as pb;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::common::spawn;
use crate::hostile::{INFO, Target};
use crate::raw::framed;
use crate::trial::Trial;

const POST: &str = "POST /v1/streams/honest/frames HTTP/1.1\r\nhost: a\r\n";

/// Sends bytes one by one, until the server ends the connection.
async fn trickle(target: &Target, first: &str, then: &'static [u8]) {
    let Ok(mut socket) = target.connect().await else { return };
    let first = first.to_owned();
    spawn(async move {
        let _closed_already = socket.write_all(first.as_bytes()).await;
        while socket.write_all(then).await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    });
}

#[tokio::test]
async fn http_1_headers_that_trickle_end_their_connection() {
    let attack = |target: Target| async move {
        for _ in 0..100 {
            trickle(&target, POST, b"x-a: b\r\n").await;
        }
        target.over.cancelled().await;
    };
    Trial::of("slow HTTP/1 headers").run(attack).await;
}

/// A picture of a known length, one of an unknown length, and JSON.
#[tokio::test]
async fn http_1_bodies_that_trickle_end() {
    let attack = |target: Target| async move {
        let known = format!("{POST}content-type: image/jpeg\r\ncontent-length: 1000000\r\n\r\n");
        let chunked = format!("{POST}content-type: image/jpeg\r\ntransfer-encoding: chunked\r\n\r\n");
        let json = format!("{POST}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
        for _ in 0..40 {
            trickle(&target, &known, b"x").await;
            trickle(&target, &chunked, b"1\r\nx\r\n").await;
            trickle(&target, &json, b"1\r\n[\r\n").await;
        }
        target.over.cancelled().await;
    };
    Trial::of("slow HTTP/1 bodies").run(attack).await;
}

/// Bodies of chunks that never end, of large ones and of single bytes.
#[tokio::test]
async fn chunks_without_end_take_bounded_memory() {
    let attack = |target: Target| async move {
        let large = [b"10000\r\n".to_vec(), vec![b'['; 0x10000], b"\r\n".to_vec()].concat();
        let small = b"1\r\n[\r\n".repeat(2000);
        for at in 0..16 {
            let Ok(mut socket) = target.connect().await else { continue };
            let (piece, over) =
                (if at % 2 == 0 { large.clone() } else { small.clone() }, target.over.clone());
            spawn(async move {
                let head =
                    format!("{POST}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
                let _closed_already = socket.write_all(head.as_bytes()).await;
                while !over.is_cancelled() && socket.write_all(&piece).await.is_ok() {
                    // So that the attack leaves the honest client a processor.
                    sleep(Duration::from_millis(10)).await;
                }
            });
        }
        target.over.cancelled().await;
    };
    // So the large messages that are received may have 32 MiB together.
    let flags = ["--max-concurrent-submits", "1"];
    Trial::of("endless chunks").flags(&flags).memory_growth(96).run(attack).await;
}

/// Thousands of requests are sent ahead, and no answer is read.
#[tokio::test]
async fn requests_that_are_sent_ahead_take_bounded_memory() {
    let attack = |target: Target| async move {
        let body = framed(&pb::GetServerInfoRequest {});
        let head = format!(
            "POST {INFO} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let ahead = [head.as_bytes(), &body].concat().repeat(100);
        for _ in 0..20 {
            let Ok(mut socket) = target.connect().await else { continue };
            let (ahead, over) = (ahead.clone(), target.over.clone());
            spawn(async move {
                let flood = async {
                    while socket.write_all(&ahead).await.is_ok() {
                        sleep(Duration::from_millis(20)).await;
                    }
                };
                tokio::select! {
                    () = flood => {}
                    () = over.cancelled() => {}
                }
            });
        }
        target.over.cancelled().await;
    };
    Trial::of("HTTP/1 requests ahead").run(attack).await;
}

#[tokio::test]
async fn huge_http_1_headers_are_refused() {
    let attack = |target: Target| async move {
        let line = format!("x-long: {}\r\n", "y".repeat(60_000));
        while !target.is_over() {
            let Ok(mut socket) = target.connect().await else { continue };
            let head = format!("{POST}{}", line.repeat(20));
            let _refused_already = socket.write_all(head.as_bytes()).await;
            let mut answer = Vec::new();
            let _reset = socket.read_to_end(&mut answer).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "));
            sleep(Duration::from_millis(5)).await;
        }
    };
    Trial::of("huge HTTP/1 headers").run(attack).await;
}

/// Subscribers that read nothing while frames are published.
#[tokio::test]
async fn http_1_subscribers_that_never_read_are_bounded() {
    let attack = |target: Target| async move {
        let all = pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) };
        let selector = pb::StreamSelector { streams: vec![all], ..Default::default() };
        let body = framed(&pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() });
        let head = format!(
            "POST /frameway.v1.StreamingService/SubscribeFrames HTTP/1.1\r\nhost: a\r\n\
             content-type: application/grpc-web\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut held = Vec::new();
        for _ in 0..50 {
            let Ok(mut socket) = target.connect().await else { continue };
            let _closed_already = socket.write_all(&[head.as_bytes(), &body].concat()).await;
            held.push(socket);
        }
        target.over.cancelled().await;
        // The bytes that the kernel holds for them are no longer needed.
        drop(held);
    };
    Trial::of("HTTP/1 streams never read").run(attack).await;
}
