//! A busy server that is asked to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use tokio::sync::watch;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::common::redis::RedisServer;
use crate::common::{eventually, spawn};
use crate::ledger::Ledger;
use crate::live::{Camera, Servers, Viewer, small_pictures};
use crate::process::Process;
use crate::traffic::{client, delivered, register, selector, streams, subscribe};

const CAMERAS: usize = 15;
const VIEWERS: usize = 25;
const SLOW_VIEWERS: usize = 5;
/// Subscribers that stopped reading.
const STALLED: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_with_50_streams_ends_in_20_s_with_code_0_and_its_clients_continue_elsewhere() {
    let redis = RedisServer::start();
    let url = redis.url();
    let _worker = Process::worker(&["--redis-url", &url]);
    let mut one = Process::server(&["--role", "api", "--redis-url", &url]);
    let other = Process::server(&["--role", "api", "--redis-url", &url]);
    let (ledger, streams, pictures) = (Arc::new(Ledger::default()), streams(CAMERAS), small_pictures());
    register(&client(&other.url()), &streams).await;
    // The witness stays connected; all others begin at the first server.
    subscribe(client(&other.url()), Arc::clone(&ledger), streams.clone());
    let servers = Servers::new(&[one.url(), other.url()]);
    let mut viewers = Vec::new();
    for n in 0..VIEWERS + SLOW_VIEWERS {
        let viewer = Arc::new(Viewer::default());
        let followed = vec![streams[n % CAMERAS].clone(), streams[(n + 7) % CAMERAS].clone()];
        let pause = Duration::from_millis(if n < VIEWERS { 0 } else { 20 });
        spawn(Arc::clone(&viewer).run(servers.clone(), followed.clone(), pause));
        viewers.push((viewer, followed));
    }
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let selectors = streams.iter().map(|stream| selector(stream, None)).collect();
        let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
        stalled.push(client(&one.url()).streaming.subscribe_frames(request).await.expect("subscribes"));
    }
    let (stop, stopping) = watch::channel(false);
    let cameras: Vec<_> = streams
        .iter()
        .map(|stream| spawn(Camera::new(&servers, &ledger, stream, &pictures).run(stopping.clone())))
        .collect();
    let all = CAMERAS + VIEWERS + SLOW_VIEWERS;
    eventually("50 open streams", || async {
        (servers.seen.open.load(Ordering::Relaxed) == all).then_some(())
    })
    .await;
    delivered(&ledger, 10 * CAMERAS).await;

    let channel = tonic::transport::Endpoint::from_shared(one.url()).expect("an address").connect_lazy();
    let watch = HealthCheckRequest { service: String::new() };
    let mut health = HealthClient::new(channel).watch(watch).await.expect("watches").into_inner();
    let first = health.message().await.expect("answers").expect("a state");
    assert_eq!(first.status(), ServingStatus::Serving);
    assert_eq!(servers.seen.drained.load(Ordering::Relaxed), 0);
    let said = spawn(async move { health.message().await.ok().flatten().map(|state| state.status()) });

    let start = Instant::now();
    let status = tokio::task::block_in_place(|| one.terminate());
    let took = start.elapsed();
    assert!(status.success(), "ended with {status}:\n{}", one.log());
    assert!(took < Duration::from_secs(20), "took {took:?}:\n{}", one.log());
    assert_eq!(said.await.expect("no panic"), Some(ServingStatus::NotServing));
    let drained = servers.seen.drained.load(Ordering::Relaxed);
    assert!(drained >= CAMERAS + VIEWERS, "{drained} of {all} calls ended with a drain");
    drop(stalled);

    // Everything continues at the other server.
    let promised = ledger.promised_count();
    eventually("everyone is back", || async {
        let open = servers.seen.open.load(Ordering::Relaxed);
        (open == all && ledger.promised_count() >= promised + 10 * CAMERAS).then_some(())
    })
    .await;
    stop.send_replace(true);
    for camera in cameras {
        camera.await.expect("the camera ends well");
    }
    delivered(&ledger, ledger.promised_count()).await;
    ledger.check();
    for (viewer, followed) in &viewers {
        let wanted = ledger.promised_of(followed);
        eventually("a viewer has all", || async { (viewer.count() >= wanted).then_some(()) }).await;
        viewer.check();
        assert_eq!(viewer.count(), wanted);
    }
    println!(
        "a server stopped in {took:?} under {all} streams, {} frames at stake, 0 lost",
        ledger.promised_count()
    );
}
