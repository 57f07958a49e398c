//! All processes are replaced, one after the other, while frames flow; and a command survives a
//! restart of its server.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::campaign::rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{eventually, spawn};
use crate::ledger::Ledger;
use crate::live::{Camera, Servers, Viewer, small_pictures};
use crate::process::Process;
use crate::traffic::{client, delivered, pictures, register, streams, subscribe};

/// The time between two health checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

async fn serves(url: &str) -> bool {
    let Ok(endpoint) = tonic::transport::Endpoint::from_shared(url.to_owned()) else { return false };
    let Ok(channel) = endpoint.connect_timeout(Duration::from_secs(5)).connect().await else { return false };
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_servers_and_workers_is_not_noticed() {
    let redis = RedisServer::start();
    let url = redis.url();
    let api = ["--role", "api", "--redis-url", &url];
    let (mut a, mut b) = (Process::server(&api), Process::server(&api));
    let worker = ["--redis-url", &url];
    let (mut c, mut d) = (Process::worker(&worker), Process::worker(&worker));
    let (ledger, streams, pictures) = (Arc::new(Ledger::default()), streams(6), small_pictures());
    register(&client(&a.url()), &streams).await;
    subscribe(client(&a.url()), Arc::clone(&ledger), streams.clone());
    let servers = Servers::new(&[a.url(), b.url()]);
    let viewer = Arc::new(Viewer::default());
    spawn(Arc::clone(&viewer).run(servers.clone(), streams.clone(), Duration::ZERO));
    let (stop, stopping) = watch::channel(false);
    let cameras: Vec<_> = streams
        .iter()
        .map(|stream| spawn(Camera::new(&servers, &ledger, stream, &pictures).run(stopping.clone())))
        .collect();
    let urls = servers.urls.clone();
    let mut done = stopping.clone();
    let looking = spawn(async move {
        let (mut looks, mut dark) = (0_u32, 0_u32);
        while !*done.borrow_and_update() {
            // One after the other: the second server is asked if the first does not serve.
            let mut any = false;
            for url in &urls {
                any = any || serves(url).await;
            }
            looks += 1;
            // A check takes time: the first server may be back when the second one stops.
            if !any && !serves(&urls[0]).await {
                dark += 1;
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        (looks, dark)
    });

    for _ in 0..rounds(1) {
        for process in [&mut a, &mut c, &mut b, &mut d] {
            let before = ledger.delivered_count();
            let status = tokio::task::block_in_place(|| process.terminate());
            assert!(status.success(), "ended with {status}:\n{}", process.log());
            tokio::task::block_in_place(|| process.restart());
            // Wait until frames flow before the next process is stopped.
            delivered(&ledger, before + 2 * streams.len()).await;
        }
    }
    stop.send_replace(true);
    for camera in cameras {
        camera.await.expect("the camera ends well");
    }
    delivered(&ledger, ledger.promised_count()).await;
    ledger.check();
    eventually("the viewer has all", || async { (viewer.count() >= ledger.promised_count()).then_some(()) })
        .await;
    viewer.check();
    let (looks, dark) = looking.await.expect("no panic");
    assert!(looks > 10, "{looks} looks");
    assert_eq!(dark, 0, "no server was SERVING in {dark} of {looks} looks");
    println!("a rolling restart, {} frames at stake, 0 lost; {looks} looks", ledger.promised_count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_submit_command_survives_restarts_of_its_server() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let mut server = Process::server(&["--redis-url", &redis.url()]);
    let folder = tempfile::TempDir::with_prefix("frameway-pictures-").expect("a folder");
    for (number, picture) in pictures(8).into_iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.jpg")), picture).expect("a picture");
    }
    let total = 8 * 40;
    let command = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["submit", "--json", "--register", "--stream", "cam-1", "--repeat", "40", "--rate", "100"])
        .args(["--address", &server.url()])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let accepted = async || {
        let request = frameway::pb::v1::GetStreamRequest { stream_id: "cam-1".into() };
        let answer = client(&server.url()).registry.get_stream(request).await.ok()?.into_inner();
        Some(answer.stream?.status?.accepted_sequence)
    };
    eventually("frames come", || async { accepted().await.filter(|&count| count > 20) }).await;
    // Once with SIGKILL, once with SIGTERM.
    tokio::task::block_in_place(|| server.restart());
    let accepted = async || {
        let request = frameway::pb::v1::GetStreamRequest { stream_id: "cam-1".into() };
        let answer = client(&server.url()).registry.get_stream(request).await.ok()?.into_inner();
        Some(answer.stream?.status?.accepted_sequence)
    };
    eventually("more frames come", || async { accepted().await.filter(|&count| count > 100) }).await;
    assert!(tokio::task::block_in_place(|| server.terminate()).success());
    tokio::task::block_in_place(|| server.restart());
    let output = tokio::task::block_in_place(|| command.wait_with_output()).expect("the command ends");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{why}");
    let summary: serde_json::Value = serde_json::from_str(said.trim()).expect("JSON");
    let number = |name: &str| summary[name].as_u64().unwrap_or_default();
    assert_eq!(number("accepted") + number("duplicates"), total, "{said}");
    assert!(number("reconnects") >= 2, "{said}");
    let request = frameway::pb::v1::GetStreamRequest { stream_id: "cam-1".into() };
    let stream =
        client(&server.url()).registry.get_stream(request).await.expect("is there").into_inner().stream;
    let stored = stream.and_then(|stream| stream.status).map(|status| status.accepted_sequence);
    assert_eq!(stored, Some(total), "each frame once");
}
