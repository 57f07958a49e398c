//! The drain of a server: subscribers get their cursors, calls finish, watchers are closed, and the
//! timeout is kept.

use std::time::Duration;

use frameway::app::App;
use frameway::config::Config;
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;

use crate::frames::{next, selector, subscribe};
use crate::reason;
use crate::server::{PATIENCE, TestServer};

#[tokio::test]
async fn subscriptions_end_with_cursors_and_health_says_so_first() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut events = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    assert!(matches!(next(&mut events).await, Some(Event::Checkpoint(_))));
    let watch = HealthCheckRequest { service: String::new() };
    let mut health = server.health().watch(watch).await.expect("watches").into_inner();
    assert_eq!(health.message().await.ok().flatten().map(|m| m.status()), Some(ServingStatus::Serving));

    let began = Instant::now();
    server.begin_to_stop();
    let Some(Event::Draining(draining)) = next(&mut events).await else { panic!("draining") };
    assert_eq!(draining.cursors.len(), 1);
    let end = timeout(PATIENCE, events.message()).await.expect("in time").expect_err("ends with a status");
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));
    let retry = end.get_error_details().retry_info().and_then(|info| info.retry_delay).expect("a delay");
    let reported: Duration =
        draining.reconnect_delay.and_then(|delay| delay.try_into().ok()).expect("a delay");
    assert_eq!(reported, retry);
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&reported), "{reported:?}");
    assert_eq!(health.message().await.ok().flatten().map(|m| m.status()), Some(ServingStatus::NotServing));
    // The open health watch would otherwise keep the server alive for ever.
    server.stop().await;
    assert!(began.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let server = TestServer::start(|_| {}).await;
    let mut config = Config::default();
    config.server.listen = server.address.into();
    let error = App::start(config).await.expect_err("the port is in use");
    let text = format!("{error:#}");
    assert!(text.contains(&server.address.to_string()) && text.contains("in use"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn the_address_file_holds_the_bound_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("address");
    let server = TestServer::start(|config| config.server.address_file = Some(file.clone())).await;
    let written = async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(text) => return text,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let text = timeout(PATIENCE, written).await.expect("is written once the server serves");
    assert_eq!(text, server.address.to_string());
    server.stop().await;
}
