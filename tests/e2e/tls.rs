//! TLS: handshakes, certificates, their replacement, and clients that speak something else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frameway::access::AccessFile;
use frameway::app::App;
use frameway::client::{Client, ConnectOptions, Credentials, Error};
use frameway::config::{Config, TlsSettings};
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::shutdown::Tasks;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::certificates::{Authority, Identity};
use crate::common::{eventually, log};
use crate::frames::{next, selector};
use crate::http1::Http1;
use crate::raw::{Frame, PREFACE, SETTINGS};
use crate::server::{PATIENCE, TestServer, frame};

/// A server with TLS, and its files.
struct Secure {
    address: SocketAddr,
    settings: TlsSettings,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    _folder: TempDir,
}

impl Secure {
    async fn start(identity: &Identity, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with_client_ca(identity, None, change).await
    }

    async fn start_with_client_ca(
        identity: &Identity,
        client_ca: Option<&str>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let settings = TlsSettings {
            certificate: path("cert.pem"),
            key: path("key.pem"),
            client_ca: client_ca.map(|_| path("ca.pem")),
            require_client_certificate: client_ca.is_some(),
        };
        if let Some(ca) = client_ca {
            std::fs::write(path("ca.pem"), ca).expect("writes");
        }
        write(&settings, identity);
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.worker.worker_threads = Some(1);
        config.tls = Some(settings.clone());
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        assert!(app.address().url().starts_with("https://127.0.0.1:"), "{}", app.address().url());
        let address = app.address().tcp().expect("a TCP address");
        let stop = CancellationToken::new();
        let running = Tasks::new().spawn("server under test", app.run(stop.clone()));
        Self { address, settings, stop, running, _folder: folder }
    }

    /// Returns the options of a client that presents a certificate.
    fn options_of(&self, ca: &str, me: &Identity) -> ConnectOptions {
        log::declare_secret(&me.key);
        self.options(ca).client_certificate(me.certificate.as_str(), me.key.as_str())
    }

    fn options(&self, ca: &str) -> ConnectOptions {
        ConnectOptions::new(&format!("https://{}", self.address)).expect("an address").ca(ca)
    }

    async fn stop(self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.running).await.expect("the server ends in time");
        ended.expect("the server does not panic").expect("the server ends well");
        log::assert_no_leak();
    }
}

fn write(settings: &TlsSettings, identity: &Identity) {
    log::declare_secret(&identity.key);
    std::fs::write(&settings.certificate, &identity.certificate).expect("writes");
    std::fs::write(&settings.key, &identity.key).expect("writes");
}

/// The names of all servers here.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

/// Returns the error of connecting and of the first call.
async fn refusal(options: &ConnectOptions) -> String {
    let tried = async { options.connect().await?.server_info().await.map(drop) };
    let error: Error = timeout(PATIENCE, tried).await.expect("in time").expect_err("it is refused");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

async fn connected(options: &ConnectOptions) -> Client {
    let client = options.connect().await.expect("connects");
    client.server_info().await.expect("answers");
    client
}

/// Completes a handshake with one version of TLS and no certificate.
async fn handshake(
    address: SocketAddr,
    ca: &str,
    version: &'static SupportedProtocolVersion,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[version]).expect("a version");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(address).await.expect("connects");
    let name = ServerName::try_from("localhost").expect("a name");
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, socket)).await.expect("in time")
}

#[tokio::test]
async fn both_versions_of_tls_carry_http2_and_grpc_web_over_http_1() {
    let ca = Authority::new("ca");
    let server = Secure::start(&ca.issue(NAMES), |_| {}).await;
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut stream = handshake(server.address, &ca.pem, version, &[b"h2"]).await.expect("a handshake");
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        stream.write_all(PREFACE).await.expect("sends");
        stream.write_all(SETTINGS).await.expect("sends");
        let first = timeout(PATIENCE, Frame::read_from(&mut stream)).await.expect("in time");
        assert_eq!(first.expect("a frame").kind, 4, "SETTINGS");
        let stream = handshake(server.address, &ca.pem, version, &[b"http/1.1"]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut browser = Http1::over(stream);
        let path = "/frameway.v1.StreamingService/GetServerInfo";
        let (answers, status) =
            browser.call::<pb::GetServerInfoResponse>(path, &[], &pb::GetServerInfoRequest {}).await;
        assert_eq!((answers.len(), status.code()), (1, tonic::Code::Ok));
        let unknown = handshake(server.address, &ca.pem, version, &[b"spdy/3"]).await;
        let error = unknown.expect_err("no protocol in common").to_string();
        assert!(error.contains("NoApplicationProtocol"), "{error}");
    }
    let mut stream =
        handshake(server.address, &ca.pem, &rustls::version::TLS13, &[]).await.expect("a handshake");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sends");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("gRPC over HTTP/2."), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn the_client_trusts_its_cas_only_and_says_what_is_wrong() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let server = Secure::start(&ca.issue(NAMES), |_| {}).await;
    connected(&server.options(&ca.pem)).await;
    let text = refusal(&server.options(&other.pem)).await;
    assert!(text.contains("not from a trusted CA") && text.contains("--ca"), "{text}");
    // Without a CA, the system's count; a system may have none.
    let system = ConnectOptions::new(&format!("https://{}", server.address)).expect("an address");
    let text = refusal(&system).await;
    assert!(text.contains("pass the CA's certificate (--ca FILE)"), "{text}");
    server.stop().await;

    let server = Secure::start(&ca.issue(&["frames.example"]), |_| {}).await;
    let text = refusal(&server.options(&ca.pem)).await;
    assert!(text.contains("another name") && text.contains("frames.example"), "{text}");
    server.stop().await;

    let server = Secure::start(&ca.issue_expired(NAMES), |_| {}).await;
    let text = refusal(&server.options(&ca.pem)).await;
    assert!(text.contains("has expired"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_certificate_is_demanded_and_verified() {
    let (ca, people) = (Authority::new("servers"), Authority::new("people"));
    let server = Secure::start_with_client_ca(&ca.issue(NAMES), Some(&people.pem), |_| {}).await;
    let with = |me: Identity| server.options_of(&ca.pem, &me);
    connected(&with(people.issue(&["camera.example"]))).await;
    let text = refusal(&server.options(&ca.pem)).await;
    assert!(text.contains("requires a client certificate") && text.contains("--cert"), "{text}");
    let text = refusal(&with(Authority::new("others").issue(&["camera.example"]))).await;
    assert!(text.contains("does not trust the CA of the client certificate"), "{text}");
    let text = refusal(&with(people.issue_expired(&["camera.example"]))).await;
    assert!(text.contains("the client certificate has expired"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn plaintext_and_tls_that_meet_are_explained() {
    let ca = Authority::new("ca");
    let secure = Secure::start(&ca.issue(NAMES), |_| {}).await;
    let plain = TestServer::start(|_| {}).await;

    let mut socket = TcpStream::connect(secure.address).await.expect("connects");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: server\r\n\r\n").await.expect("sends");
    let mut answer = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("in time").expect("plain text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("with TLS only"), "{answer}");

    let mut socket = TcpStream::connect(secure.address).await.expect("connects");
    socket.write_all(PREFACE).await.expect("sends");
    socket.write_all(SETTINGS).await.expect("sends");
    let mut frames = Vec::new();
    while let Some(frame) = timeout(PATIENCE, Frame::read_from(&mut socket)).await.expect("in time") {
        frames.push(frame);
    }
    let kinds: Vec<u8> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [4, crate::raw::GOAWAY]);
    let reason = String::from_utf8_lossy(&frames[1].payload[8..]).into_owned();
    assert!(reason.contains("TLS"), "{reason}");

    let http = ConnectOptions::new(&format!("http://{}", secure.address)).expect("an address");
    let text = refusal(&http).await;
    assert!(text.contains("the server speaks TLS: use https://"), "{text}");
    let https =
        ConnectOptions::new(&format!("https://{}", plain.address)).expect("an address").ca(ca.pem.as_str());
    let text = refusal(&https).await;
    assert!(text.contains("use http://"), "{text}");
    secure.stop().await;
    plain.stop().await;
}

#[tokio::test]
async fn half_open_handshakes_are_closed() {
    let ca = Authority::new("ca");
    let server =
        Secure::start(&ca.issue(NAMES), |config| config.server.handshake_timeout = Duration::from_secs(1))
            .await;
    // The beginning of a ClientHello.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for sent in [&b""[..], &hello[..1], &hello[..], &PREFACE[..10], b"G"] {
        let mut socket = TcpStream::connect(server.address).await.expect("connects");
        socket.write_all(sent).await.expect("sends");
        let end = async { while matches!(socket.read(&mut [0; 1024]).await, Ok(1..)) {} };
        timeout(PATIENCE, end).await.expect("the server closes it");
    }
    let mut silent =
        handshake(server.address, &ca.pem, &rustls::version::TLS13, &[b"h2"]).await.expect("a handshake");
    let end = async { while matches!(silent.read(&mut [0; 1024]).await, Ok(1..)) {} };
    timeout(PATIENCE, end).await.expect("the server closes it");
    connected(&server.options(&ca.pem)).await;
    server.stop().await;
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_open_ones_continue() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = Secure::start(&old.issue(NAMES), |_| {}).await;
    let mut client = connected(&server.options(&old.pem)).await;
    let stream = pb::Stream { stream_id: "cam".to_owned(), ..Default::default() };
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    client.registry.register_stream(request).await.expect("registers");
    let request = pb::SubscribeFramesRequest {
        selectors: vec![selector("cam", Position::Live(pb::StartLive {}))],
        ..Default::default()
    };
    let mut events = client.streaming.subscribe_frames(request).await.expect("subscribes").into_inner();
    assert!(matches!(next(&mut events).await, Some(Event::Checkpoint(_))));

    // The certificate is half written; then it is whole, and its key is not written yet.
    let identity = new.issue(NAMES);
    let certificate = identity.certificate.as_str();
    let file = server.settings.certificate.to_str().expect("UTF-8");
    for (text, says) in [
        (&certificate[..certificate.len() / 2], "a block without an end"),
        (certificate, "is not the key of the first certificate"),
    ] {
        std::fs::write(file, text).expect("writes");
        let lines = eventually("the log says that the files cannot be used", || async {
            Some(log::lines_with(&[file, says])).filter(|lines| !lines.is_empty())
        });
        let lines = lines.await;
        assert!(lines.len() == 1 && lines[0].contains("ERROR"), "{lines:#?}");
        connected(&server.options(&old.pem)).await;
    }

    write(&server.settings, &identity);
    eventually("new connections get the new certificate", || async {
        server.options(&new.pem).connect().await.ok()
    })
    .await;
    refusal(&server.options(&old.pem)).await;
    let request = pb::SubmitFrameBatchRequest { frames: vec![frame("cam", 1)] };
    client.streaming.submit_frame_batch(request).await.expect("the open connection continues");
    // The subscription continues. A checkpoint comes from time to time.
    while !matches!(next(&mut events).await.expect("not the end"), Event::Frame(_)) {}
    drop((client, events));
    server.stop().await;
}

#[tokio::test]
async fn a_client_certificate_names_the_caller() {
    let (ca, people) = (Authority::new("servers"), Authority::new("people"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("access.toml");
    std::fs::write(&file, "[principals.viewer]\ngrants = ['read:*']\ncertificates = ['viewer.example']\n")
        .expect("writes");
    let mut access = AccessFile::open(&file).expect("opens");
    let key = access.create_key("agent", &[], &["publish:*".to_owned()], None).expect("a key").reveal();
    access.save(&file).expect("is saved");
    log::declare_secret(&key);
    let use_file = |config: &mut Config| config.access.access_file = Some(file);
    let server = Secure::start_with_client_ca(&ca.issue(NAMES), Some(&people.pem), use_file).await;
    let by = |identity: &Identity| server.options_of(&ca.pem, identity);
    let viewer = people.issue(&["viewer.example"]);
    let mut client = connected(&by(&viewer)).await;
    client.registry.list_streams(pb::ListStreamsRequest::default()).await.expect("the viewer may read");
    // A key counts more than the certificate of the connection.
    let credentials = Credentials::text(&key).expect("a key");
    let mut client = connected(&by(&viewer).credentials(credentials)).await;
    let refused = client.registry.list_streams(pb::ListStreamsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "the agent may only publish");
    for stranger in [people.issue(&["other.example"]), people.issue(&[])] {
        let refused = refusal(&by(&stranger)).await;
        assert!(refused.contains("CREDENTIALS_INVALID"), "{refused}");
    }
    server.stop().await;
}
