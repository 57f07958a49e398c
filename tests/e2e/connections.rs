//! What becomes of connections whose peers do not speak HTTP/2 as a client would.

use std::net::SocketAddr;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::queue_service_client::QueueServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Endpoint;

use crate::server::{PATIENCE, TestServer, spawn};

/// What every HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Connects, sends `first` at once and the bytes of `slow` one by one, and waits until the server ends the connection.
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
async fn peers_that_do_not_complete_the_handshake_shut_nobody_out() {
    let server = TestServer::start(|config| {
        config.server.max_connections = 20;
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
            Ok(channel) => break QueueServiceClient::new(channel),
            Err(error) => assert!(began.elapsed() < PATIENCE, "nobody gets in: {error}"),
        }
    };
    let answer = timeout(PATIENCE, client.get_server_info(pb::GetServerInfoRequest {})).await;
    answer.expect("a new client gets in").expect("and is served");
    for peer in held {
        timeout(PATIENCE, peer).await.expect("the server ends it").expect("the peer runs");
    }
    // Those that completed it stay.
    let answer = server.operating().get_server_info(pb::GetServerInfoRequest {}).await;
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
