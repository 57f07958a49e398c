//! Requests that trickle, lie about their length, or do not end.

use std::time::Duration;

use bytes::Bytes;
use frameway::pb::v1 as pb;
use frameway::pb::v1::stream_match::Selector as By;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;
use tonic::codegen::http::Request;

use crate::common::spawn;
use crate::hostile::{SUBMIT, Target, encoded, headers, streams};
use crate::raw::{DATA, END_STREAM, HEADERS, framed, header_block};
use crate::trial::Trial;

/// Encodes calls that subscribe to every stream.
pub(crate) fn subscriptions(count: usize) -> Vec<u8> {
    let all = pb::StreamMatch { selector: Some(By::Glob("*".to_owned())) };
    let selector = pb::StreamSelector { streams: vec![all], ..Default::default() };
    let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
    let call = |stream| {
        let body = encoded(DATA, END_STREAM, stream, framed(&request));
        [headers(stream, "/frameway.v1.StreamingService/SubscribeFrames"), body].concat()
    };
    streams().take(count).flat_map(call).collect()
}

#[tokio::test]
async fn headers_that_trickle_end_their_connection() {
    let attack = |target: Target| async move {
        let block = encoded(HEADERS, 0, 1, header_block(SUBMIT));
        for _ in 0..100 {
            let Ok(mut socket) = target.greet().await else { continue };
            let block = block.clone();
            spawn(async move {
                for byte in block {
                    if socket.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_millis(500)).await;
                }
            });
        }
        target.over.cancelled().await;
    };
    Trial::of("slow headers").run(attack).await;
}

#[tokio::test]
async fn bodies_that_trickle_end_with_a_status() {
    let attack = |target: Target| async move {
        let message = pb::SubmitFrameBatchRequest { frames: vec![crate::server::frame("none", 1)] };
        let message = framed(&message);
        for _ in 0..20 {
            let Ok(peer) = target.peer().await else { continue };
            let message = message.clone();
            spawn(async move {
                let open: Vec<u8> = streams().take(50).flat_map(|stream| headers(stream, SUBMIT)).collect();
                peer.send(&open).await;
                let trickle = async {
                    for byte in message {
                        let piece = |stream| encoded(DATA, 0, stream, vec![byte]);
                        peer.send(&streams().take(50).flat_map(piece).collect::<Vec<_>>()).await;
                        sleep(Duration::from_millis(500)).await;
                    }
                };
                // The client closes its connection when the server has ended the calls.
                tokio::select! {
                    () = trickle => {}
                    () = peer.calls_ended(50) => {}
                }
            });
        }
        target.over.cancelled().await;
    };
    Trial::of("slow bodies").run(attack).await;
}

/// Each call announces a message of almost the maximum size, and sends ten bytes of it. The client
/// closes its connections when the server has ended the calls.
#[tokio::test]
async fn a_length_that_is_not_sent_takes_no_memory() {
    let attack = |target: Target| async move {
        for _ in 0..10 {
            let Ok(peer) = target.peer().await else { continue };
            for stream in streams().take(50) {
                let mut body = vec![0];
                body.extend((32_u32 << 20).to_be_bytes());
                body.extend([0; 10]);
                peer.send(&[headers(stream, SUBMIT), encoded(DATA, 0, stream, body)].concat()).await;
            }
            spawn(async move { peer.calls_ended(50).await });
        }
        target.over.cancelled().await;
    };
    Trial::of("lying lengths").run(attack).await;
}

/// 8 MiB of each of 16 messages arrive, and their ends do not.
#[tokio::test]
async fn large_messages_that_do_not_end_take_bounded_memory() {
    let attack = |target: Target| async move {
        let socket = target.connect().await.expect("connects");
        let (requests, connection) = h2::client::handshake(socket).await.expect("speaks HTTP/2");
        let connection = spawn(connection);
        let mut ends = Vec::new();
        for _ in 0..16 {
            let request = Request::post(format!("http://server{SUBMIT}"));
            let request = request.header("content-type", "application/grpc").body(()).expect("a request");
            let mut requests = requests.clone().ready().await.expect("the connection is open");
            let (answer, mut body) = requests.send_request(request, false).expect("is sent");
            let mut header = vec![0];
            header.extend((31_u32 << 20).to_be_bytes());
            let _refused_already = body.send_data(header.into(), false);
            ends.push((answer, body));
        }
        drop(requests);
        spawn(async move {
            let piece = Bytes::from(vec![0; 64 << 10]);
            for _ in 0..(8 << 20) / piece.len() {
                for (_, body) in &mut ends {
                    let _refused_already = body.send_data(piece.clone(), false);
                }
                // 100 MiB a second, so that the attack leaves the honest client a processor.
                sleep(Duration::from_millis(10)).await;
            }
            // The client closes its connection when the server has ended the calls.
            for (answer, _) in ends {
                let _answered = answer.await;
            }
            connection.abort();
        });
        target.over.cancelled().await;
    };
    // So the large messages that are received may have 32 MiB together.
    let flags = ["--max-concurrent-submits", "1"];
    Trial::of("large unfinished messages").flags(&flags).memory_growth(80).run(attack).await;
}
