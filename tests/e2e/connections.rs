//! Connections: peers that do not complete the handshake, the maximum age of a connection, and Unix
//! sockets.

use std::net::SocketAddr;
use std::time::Duration;

use frameway::app::App;
use frameway::config::{Config, Listen};
use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::streaming_service_client::StreamingServiceClient;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::shutdown::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_types::StatusExt as _;

use crate::frames::{next, selector, subscribe};
use crate::groups::{join, member};
use crate::raw::{PREFACE, SETTINGS};
use crate::reason;
use crate::server::{PATIENCE, TestServer, frame, spawn};

/// Connects, sends `first` at once and the bytes of `slow` one by one, and waits until the server
/// closes the connection.
async fn held_open(address: SocketAddr, first: &'static [u8], slow: &'static [u8]) {
    let mut socket = TcpStream::connect(address).await.expect("connects");
    socket.write_all(first).await.expect("sends");
    let (mut reader, mut writer) = socket.into_split();
    let drip = async {
        for byte in slow {
            sleep(Duration::from_millis(200)).await;
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let end = async {
        let mut buffer = [0; 1024];
        while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
    };
    tokio::select! {
        () = drip => {}
        () = end => {}
    }
}

#[tokio::test]
async fn peers_that_do_not_complete_the_handshake_block_nobody() {
    let server = TestServer::start(|config| {
        config.server.max_connections = 20;
        config.server.max_connections_per_address = Some(20);
        config.server.handshake_timeout = Duration::from_secs(2);
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..10 {
        for (first, slow) in [
            (&b""[..], &b""[..]),
            (&PREFACE[..12], b""),
            (PREFACE, b""),
            (PREFACE, &SETTINGS[..8]),
            (b"", PREFACE),
        ] {
            held.push(spawn(held_open(server.address, first, slow)));
        }
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("an endpoint");
    let began = Instant::now();
    let mut client = loop {
        match endpoint.connect().await {
            Ok(channel) => break StreamingServiceClient::new(channel),
            Err(error) => assert!(began.elapsed() < PATIENCE, "nobody can connect: {error}"),
        }
    };
    let answer = timeout(PATIENCE, client.get_server_info(pb::GetServerInfoRequest {})).await;
    answer.expect("a new client can connect").expect("and is served");
    for peer in held {
        timeout(PATIENCE, peer).await.expect("the server ends it").expect("the peer runs");
    }
    // Connections that completed the handshake stay open.
    let answer = server.streaming().get_server_info(pb::GetServerInfoRequest {}).await;
    answer.expect("the first client is still connected");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_completed_the_handshake_stays_open_without_calls() {
    let server =
        TestServer::start(|config| config.server.handshake_timeout = Duration::from_millis(500)).await;
    let mut socket = TcpStream::connect(server.address).await.expect("connects");
    socket.write_all(PREFACE).await.expect("sends");
    socket.write_all(SETTINGS).await.expect("sends");
    let mut buffer = [0; 1024];
    let ended = async { while matches!(socket.read(&mut buffer).await, Ok(1..)) {} };
    assert!(timeout(Duration::from_secs(2), ended).await.is_err(), "it was closed");
    server.stop().await;
}

/// Returns the delay in the RetryInfo of a status, in milliseconds.
fn retry_ms(status: &tonic::Status) -> u128 {
    let delay = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    delay.expect("a retry delay").as_millis()
}

fn ms(delay: Option<prost_types::Duration>) -> u128 {
    let delay: Duration = delay.expect("a delay").try_into().expect("a positive one");
    delay.as_millis()
}

#[tokio::test]
async fn a_connection_that_is_too_old_ends_its_calls_with_cursors_and_a_new_one_takes_over() {
    let server = TestServer::start(|config| {
        config.server.max_connection_age = Some(Duration::from_secs(3));
        config.server.max_connection_age_grace = Duration::from_millis(500);
    })
    .await;
    server.register(&["cam"]).await;
    let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
    let watch = server.registry().watch_streams(pb::WatchStreamsRequest::default()).await;
    let mut watch = watch.expect("watches").into_inner();

    let Some(Event::Draining(draining)) = next(&mut live).await else { panic!("draining") };
    let end = timeout(PATIENCE, live.message()).await.expect("in time").expect_err("ends with a status");
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));
    assert_eq!(ms(draining.reconnect_delay), retry_ms(&end));
    assert!((1000..=2000).contains(&retry_ms(&end)));
    let ended = loop {
        match timeout(PATIENCE, watch.message()).await.expect("in time") {
            Ok(event) => assert!(event.is_some(), "it ends with a status"),
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));

    // The same channel resumes from the cursor over another connection.
    let position = Position::Cursors(pb::CursorList { cursors: draining.cursors });
    server.submit(vec![frame("cam", 1)]).await;
    let mut resumed = subscribe(&server, selector("cam", position), 0).await;
    assert!(matches!(next(&mut resumed).await, Some(Event::Checkpoint(_))));
    assert!(matches!(next(&mut resumed).await, Some(Event::Frame(_))));
    server.stop().await;
}

#[tokio::test]
async fn a_group_member_and_a_publisher_on_a_connection_that_is_too_old_get_draining() {
    let server = TestServer::start(|config| {
        config.server.max_connection_age = Some(Duration::from_secs(3));
        config.server.max_connection_age_grace = Duration::from_millis(500);
    })
    .await;
    server.register(&["cam"]).await;
    let streams = vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) }];
    let group = pb::ConsumerGroup { group_id: "site".to_owned(), streams, ..Default::default() };
    let create = pb::CreateConsumerGroupRequest { group: Some(group) };
    server.groups().create_consumer_group(create).await.expect("creates");
    let mut joined = join(&server, member("site", "one")).await;
    let setup = pb::SubmitSetup { publisher_id: "agent".to_owned(), ..Default::default() };
    let setup = pb::SubmitFramesRequest { request: Some(pb::submit_frames_request::Request::Setup(setup)) };
    let (requests, sent) = tokio::sync::mpsc::channel(1);
    requests.send(setup).await.expect("is open");
    let sent = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut publisher = server.streaming().submit_frames(sent).await.expect("opens").into_inner();

    let reported = loop {
        let message = timeout(PATIENCE, joined.message()).await.expect("in time").expect("no error yet");
        match message.and_then(|message| message.event).expect("an event") {
            consume_frames_response::Event::Draining(draining) => break ms(draining.reconnect_delay),
            _ => continue,
        }
    };
    let end = timeout(PATIENCE, joined.message()).await.expect("in time").expect_err("ends with a status");
    assert_eq!(
        (end.code(), reason(&end).as_str(), retry_ms(&end)),
        (Code::Unavailable, "ERROR_REASON_DRAINING", reported)
    );

    let reported = loop {
        let message = timeout(PATIENCE, publisher.message()).await.expect("in time").expect("no error yet");
        match message.and_then(|message| message.event).expect("an event") {
            pb::submit_frames_response::Event::Draining(draining) => break ms(draining.reconnect_delay),
            _ => continue,
        }
    };
    let end = timeout(PATIENCE, publisher.message()).await.expect("in time").expect_err("ends with a status");
    assert_eq!(
        (end.code(), reason(&end).as_str(), retry_ms(&end)),
        (Code::Unavailable, "ERROR_REASON_DRAINING", reported)
    );
    server.stop().await;
}

/// Starts a server that listens on `listen`, calls it at `url`, and stops it.
async fn served_on(listen: &str, url: impl Fn(&App) -> String) {
    let mut config = Config::default();
    config.server.listen = listen.parse::<Listen>().expect("an address to listen on");
    config.worker.worker_threads = Some(1);
    let app = App::start(config).await.expect("the server starts");
    let url = url(&app);
    let stop = CancellationToken::new();
    let running = Tasks::new().spawn("server under test", app.run(stop.clone()));
    let channel = Endpoint::from_shared(url).expect("an endpoint").connect().await.expect("connects");
    let mut client = StreamingServiceClient::new(channel);
    let info = timeout(PATIENCE, client.get_server_info(pb::GetServerInfoRequest {})).await;
    info.expect("in time").expect("answers");
    drop(client);
    stop.cancel();
    timeout(PATIENCE, running).await.expect("ends in time").expect("no panic").expect("ends well");
}

fn on_port(host: &'static str) -> impl Fn(&App) -> String {
    move |app| format!("http://{host}:{}", app.address().tcp().expect("a TCP address").port())
}

#[tokio::test]
async fn every_form_of_listen_address_is_served() {
    for listen in ["localhost:0", ":0", "0", "0.0.0.0:0"] {
        served_on(listen, on_port("127.0.0.1")).await;
    }
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        served_on("[::1]:0", on_port("[::1]")).await;
        served_on("[::]:0", on_port("127.0.0.1")).await;
        served_on(":0", on_port("[::1]")).await;
    }
}

#[tokio::test]
async fn a_unix_socket_is_served_removed_at_the_end_and_replaced_when_stale() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.sock");
    let listen = format!("unix:{}", path.display());
    served_on(&listen, |app| app.address().url()).await;
    assert!(!path.exists(), "the socket is left");

    // Nobody listens on the socket that a killed server left.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    served_on(&listen, |app| app.address().url()).await;
    assert!(!path.exists(), "the socket is left");

    let taken = std::os::unix::net::UnixListener::bind(&path).expect("binds");
    let mut config = Config::default();
    config.server.listen = listen.parse().expect("an address");
    let error = format!("{:#}", App::start(config).await.expect_err("another server listens there"));
    assert!(error.contains(&listen) && error.contains("another server"), "{error}");
    drop(taken);

    // A file that is not a socket is not removed.
    std::fs::remove_file(&path).expect("is removed");
    std::fs::write(&path, "data").expect("is written");
    let mut config = Config::default();
    config.server.listen = listen.parse().expect("an address");
    App::start(config).await.expect_err("a file is in the way");
    assert_eq!(std::fs::read_to_string(&path).expect("is there"), "data");
}
