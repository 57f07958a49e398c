//! Floods of frames on one connection.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::common::DEADLINE;
use crate::hostile::{
    CONTINUATION, ENHANCE_YOUR_CALM, GoAway, INFO, PING, SETTINGS_FRAME, SUBMIT, Target, encoded, headers,
    streams,
};
use crate::process::Process;
use crate::raw::{DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, header_block};
use crate::trial::Trial;

/// The maximum number of frames in one write of a flood, and the size from which on it has no more.
const BURST: usize = 200;
const BURST_BYTES: usize = 64 << 10;

/// Repeats `burst` until the end of the attack, on a new connection whenever the server ends one.
/// Returns the reasons for which it did.
async fn repeat(target: Target, mut burst: impl FnMut(u32) -> Vec<u8>) -> Vec<GoAway> {
    let mut reasons = Vec::new();
    while !target.is_over() {
        let Ok(peer) = target.peer().await else { continue };
        let mut streams = streams();
        while !target.is_over() {
            let mut bytes = Vec::new();
            for stream in streams.by_ref().take(BURST) {
                bytes.extend(burst(stream));
                if bytes.len() >= BURST_BYTES {
                    break;
                }
            }
            if !peer.send(&bytes).await {
                reasons.extend(peer.end().await);
                break;
            }
            // Up to 200,000 frames a second. Without a pause, the attack would take the processor
            // of its own machine from the honest client.
            sleep(Duration::from_millis(1)).await;
        }
        // A client that is refused again and again connects again and again.
        sleep(Duration::from_millis(5)).await;
    }
    reasons
}

/// Encodes a call and its cancellation, in 28 bytes: the headers of the first call of a connection
/// fill the table of HPACK, and those of the others are indices in it.
fn cancelled_call(stream: u32) -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // POST, http
    if stream == 1 {
        let fields = [
            (":authority", "server"),
            (":path", INFO),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        for (name, value) in fields {
            block.push(0x40); // A literal header field with incremental indexing.
            for text in [name, value] {
                block.push(text.len() as u8);
                block.extend(text.as_bytes());
            }
        }
    } else {
        // The static table ends at 61, and the newest field is the first one after it.
        block.extend([65, 64, 63, 62].map(|index| 0x80 | index));
    }
    let reset = encoded(RST_STREAM, 0, stream, 8_u32.to_be_bytes().to_vec());
    [encoded(HEADERS, END_HEADERS, stream, block), reset].concat()
}

/// Runs a flood that the server must end by itself.
async fn ended_by_the_server(attack: &'static str, burst: impl FnMut(u32) -> Vec<u8> + Send + 'static) {
    let (report, reported) = std::sync::mpsc::channel();
    let flood = |target: Target| async move {
        report.send(repeat(target, burst).await).expect("the test waits");
    };
    Trial::of(attack).run(flood).await;
    let reasons = reported.recv().expect("the attack ran");
    assert!(!reasons.is_empty(), "the server ended no connection");
    assert!(reasons.iter().all(|reason| reason.code == ENHANCE_YOUR_CALM), "{reasons:?}");
}

#[tokio::test]
async fn calls_that_are_reset_at_once_do_not_delay_others() {
    let attack = |target: Target| async move {
        repeat(target, cancelled_call).await;
    };
    Trial::of("rapid reset").run(attack).await;
}

/// A client of 5,120 calls, the maximum, that cancels all of them at once, keeps its connection, on
/// which others may call.
#[tokio::test]
async fn a_client_that_cancels_all_its_calls_keeps_its_connection() {
    let server = Process::server(&[]);
    let target = Target::new(&server, CancellationToken::new());
    let peer = target.peer().await.expect("connects");
    let mut streams = streams();
    for _ in 0..3 {
        let all: Vec<u8> = streams.by_ref().take(5120).flat_map(cancelled_call).collect();
        assert!(peer.send(&all).await, "the server ended the connection");
    }
    let stream = streams.next().expect("another stream");
    let body = encoded(DATA, END_STREAM, stream, vec![0; 5]);
    peer.send(&[headers(stream, INFO), body].concat()).await;
    timeout(DEADLINE, peer.calls_ended(1)).await.expect("the next call is answered");
    assert!(peer.send(&encoded(PING, 0, 0, vec![7; 8])).await, "the server ended the connection");
}

/// Through a proxy, many clients share a connection. One whose calls are refused before their
/// messages arrive must not end it for the others.
#[tokio::test]
async fn calls_that_are_refused_before_their_messages_arrive_keep_their_connection() {
    const CALLS: usize = 3000;
    let server = Process::server(&[]);
    let target = Target::new(&server, CancellationToken::new());
    let peer = target.peer().await.expect("connects");
    let unknown = "/frameway.v1.StreamingService/SubmitFromTheFuture";
    let numbers: Vec<u32> = streams().take(CALLS).collect();
    for (round, some) in numbers.chunks(500).enumerate() {
        let calls: Vec<u8> = some.iter().flat_map(|stream| headers(*stream, unknown)).collect();
        assert!(peer.send(&calls).await, "the server ended the connection");
        let refused = 500 * (round + 1);
        timeout(DEADLINE, peer.calls_ended(refused)).await.expect("the calls are refused");
        let message = |stream: &u32| encoded(DATA, END_STREAM, *stream, vec![0; 5]);
        let messages: Vec<u8> = some.iter().flat_map(message).collect();
        assert!(peer.send(&messages).await, "the server ended the connection");
    }
    let stream = 2 * CALLS as u32 + 1;
    let body = encoded(DATA, END_STREAM, stream, vec![0; 5]);
    assert!(peer.send(&[headers(stream, INFO), body].concat()).await, "the server ended the connection");
    timeout(DEADLINE, peer.calls_ended(CALLS + 1)).await.expect("the next call is answered");
    assert!(peer.send(&encoded(PING, 0, 0, vec![7; 8])).await, "the server ended the connection");
}

#[tokio::test]
async fn a_header_block_of_endless_continuations_ends_its_connection() {
    ended_by_the_server("CONTINUATION flood", |stream| {
        if stream == 1 {
            encoded(HEADERS, 0, 1, header_block(SUBMIT))
        } else {
            encoded(CONTINUATION, 0, 1, Vec::new())
        }
    })
    .await;
}

#[tokio::test]
async fn empty_data_frames_without_end_end_their_connection() {
    ended_by_the_server("empty DATA flood", |stream| {
        if stream == 1 { headers(1, SUBMIT) } else { encoded(DATA, 0, 1, Vec::new()) }
    })
    .await;
}

#[tokio::test]
async fn pings_do_not_delay_others() {
    let attack = |target: Target| async move {
        repeat(target, |_| encoded(PING, 0, 0, vec![7; 8])).await;
    };
    Trial::of("ping flood").run(attack).await;
}

#[tokio::test]
async fn settings_do_not_delay_others() {
    let attack = |target: Target| async move {
        repeat(target, |_| encoded(SETTINGS_FRAME, 0, 0, Vec::new())).await;
    };
    Trial::of("SETTINGS flood").run(attack).await;
}

#[tokio::test]
async fn ten_thousand_metadata_entries_end_their_connection() {
    let mut block = header_block(INFO);
    for entry in 0..10_000 {
        let name = format!("x-{entry}");
        block.push(0);
        block.push(name.len() as u8);
        block.extend(name.as_bytes());
        block.push(20);
        block.extend([b'v'; 20]);
    }
    let frames = in_frames(&block);
    ended_by_the_server("10,000 metadata entries", frames).await;
}

/// Each byte of the block after the first entry stands for 4,000 bytes.
#[tokio::test]
async fn metadata_that_repeats_a_compressed_entry_ends_its_connection() {
    let mut block = header_block(INFO);
    // A literal header field with incremental indexing, whose value has 4,000 bytes.
    block.extend([0x40, 1, b'x', 0x7F]);
    block.extend([(4000 - 127) as u32 as u8 & 0x7F | 0x80, ((4000 - 127) >> 7) as u8]);
    block.extend([b'v'; 4000]);
    // The first entry of the dynamic table.
    block.extend([0x80 | 62; 10_000]);
    let frames = in_frames(&block);
    ended_by_the_server("HPACK bomb", frames).await;
}

/// Splits a header block into frames of 16 KiB.
fn in_frames(block: &[u8]) -> impl Fn(u32) -> Vec<u8> + Send + 'static {
    let pieces: Vec<Vec<u8>> = block.chunks(16 << 10).map(<[u8]>::to_vec).collect();
    move |stream| {
        let frames = pieces.iter().enumerate().map(|(n, piece)| {
            let flags = if n + 1 == pieces.len() { END_HEADERS } else { 0 };
            encoded(if n == 0 { HEADERS } else { CONTINUATION }, flags, stream, piece.clone())
        });
        frames.collect::<Vec<_>>().concat()
    }
}
