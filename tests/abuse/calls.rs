//! Calls that are refused: bad credentials, quotas that are used up, and compressed messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frameway::pb::v1 as pb;
use tokio::time::sleep;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::access_file::Keys;
use crate::clients::Clients;
use crate::honest::{Way, with_key};
use crate::hostile::{SUBMIT, Target};
use crate::raw::{Body, Raw};
use crate::trial::Trial;

/// The number of calls that the hostile client has in progress.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn bad_credentials_in_a_loop_are_refused_without_flooding_the_log() {
    let keys = Keys::new(&[("honest", &["admin"])]);
    let path = keys.path();
    let flags = ["--access-file", path.to_str().expect("a path")];
    let refused = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&refused);
    let attack = |target: Target| async move {
        let endpoint = Endpoint::from_shared(format!("http://{}", target.address)).expect("an address");
        let clients = Clients::over(endpoint.connect().await.expect("connects"));
        let guess = |n: usize| {
            let (clients, target, count) = (clients.clone(), target.clone(), Arc::clone(&count));
            async move {
                let key = format!("fwk_guess{n}_{}", "x".repeat(43));
                while !target.is_over() {
                    let call = with_key(Some(&key), pb::GetServerInfoRequest {});
                    let status =
                        clients.streaming.clone().get_server_info(call).await.expect_err("is refused");
                    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        futures::future::join_all((0..AT_ONCE).map(guess)).await;
    };
    let server = Trial::of("bad credentials").flags(&flags).key(keys.of("honest")).run(attack).await;
    let (refused, lines) = (refused.load(Ordering::Relaxed), server.log().lines().count());
    assert!(refused > 100, "{refused} calls were refused");
    assert!(lines < 200, "the log has {lines} lines for {refused} calls");
}

/// A caller whose key is valid submits as often as it can, far above its quota, and opens more calls
/// than its quota allows.
#[tokio::test]
async fn a_flood_with_a_valid_key_ends_at_its_quota() {
    let keys = Keys::new(&[("honest", &["admin"]), ("hostile", &["publish:hostile", "manage:hostile"])]);
    keys.append("[principals.hostile.quota]\nframes_per_second = 20\ncalls = 16\n");
    let path = keys.path();
    let flags = ["--access-file", path.to_str().expect("a path")];
    let (accepted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (all_accepted, all_refused) = (Arc::clone(&accepted), Arc::clone(&refused));
    let key = keys.of("hostile").to_owned();
    let attack = |target: Target| async move {
        let way = Way { url: format!("http://{}", target.address), key: Some(key), ca: None };
        let clients = way.connect().await.expect("connects");
        let stream = pb::Stream { stream_id: "hostile".to_owned(), ..Default::default() };
        let register = pb::RegisterStreamRequest { stream: Some(stream) };
        clients.registry.clone().register_stream(way.request(register)).await.expect("is granted");
        let submit = || async {
            while !target.is_over() {
                let frames = vec![crate::server::frame("hostile", 1); 10];
                let call = way.request(pb::SubmitFrameBatchRequest { frames });
                match clients.streaming.clone().submit_frame_batch(call).await {
                    Ok(_) => {
                        all_accepted.fetch_add(10, Ordering::Relaxed);
                    }
                    Err(status) if status.code() == Code::ResourceExhausted => {
                        all_refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(status) => panic!("{status:?}"),
                }
                // Without a pause, the attack would take the processor of its own machine from the
                // honest client.
                sleep(Duration::from_millis(10)).await;
            }
        };
        futures::future::join_all((0..32).map(|_| submit())).await;
    };
    let server = Trial::of("flood with a valid key").flags(&flags).key(keys.of("honest")).run(attack).await;
    let (accepted, refused) = (accepted.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!((1..=600).contains(&accepted), "{accepted} frames were accepted");
    assert!(refused > 20, "{refused} calls were refused");
    let lines = server.log().lines().count();
    assert!(lines < 200, "the log has {lines} lines for {refused} refused calls");
}

/// Makes a gRPC message of about 1 MiB that expands to 1 GiB of zeros.
fn bomb() -> Vec<u8> {
    let (piece, mut block) = (vec![0; 16 << 20], Vec::with_capacity(1 << 20));
    // After a full flush, the compressed bytes depend on nothing before them.
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    deflate.compress_vec(&piece, &mut block, flate2::FlushCompress::Full).expect("compresses");
    assert_eq!(deflate.total_in(), piece.len() as u64);
    let gzip_header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut compressed = gzip_header.to_vec();
    compressed.extend(block.repeat(64));
    // An empty last block, and the checksum, which is read too late.
    compressed.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]);
    let mut message = vec![1];
    message.extend(u32::try_from(compressed.len()).expect("a short message").to_be_bytes());
    message.extend(compressed);
    message
}

#[tokio::test]
async fn compressed_messages_are_refused_unread() {
    const METHODS: [&str; 3] = [
        SUBMIT,
        "/frameway.v1.StreamingService/SubmitFrames",
        "/frameway.v1.StreamRegistryService/RegisterStream",
    ];
    let message = bomb();
    let attack = |target: Target| async move {
        let raw = Raw::connect(target.address).await;
        let mut methods = METHODS.into_iter().cycle();
        while !target.is_over() {
            let gzip = [("grpc-encoding", "gzip")];
            let method = methods.next().expect("another method");
            let answer = raw.call(method, &gzip, Body::Whole(message.clone())).await;
            assert_eq!(answer.refusal().code(), Code::Unimplemented, "{answer:?}");
            sleep(Duration::from_millis(5)).await;
        }
    };
    Trial::of("gzip bombs").memory_growth(64).run(attack).await;
}
