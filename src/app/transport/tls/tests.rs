use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::codegen::http::{Request, Response};

use super::files::Files;
use super::*;
use crate::app::transport::{Ends, Listener, Settings, serve};
use crate::client::{Channel, Client, ConnectOptions, Credentials};
use crate::config::Config;
use crate::shutdown::Tasks;

#[path = "../../../../tests/common/certificates.rs"]
mod certificates;

use certificates::{Authority, Identity};

/// The files of a server.
struct Folder {
    folder: TempDir,
    settings: TlsSettings,
}

impl Folder {
    fn new(identity: &Identity, client_ca: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let settings = TlsSettings {
            certificate: path("cert.pem"),
            key: path("key.pem"),
            client_ca: client_ca.map(|_| path("ca.pem")),
            require_client_certificate: false,
        };
        let new = Self { folder, settings };
        new.write(identity);
        if let Some(ca) = client_ca {
            std::fs::write(new.folder.path().join("ca.pem"), ca).unwrap();
        }
        new
    }

    fn write(&self, identity: &Identity) {
        std::fs::write(&self.settings.certificate, &identity.certificate).unwrap();
        std::fs::write(&self.settings.key, &identity.key).unwrap();
    }

    fn error(&self) -> String {
        Files::read(&self.settings).load().unwrap_err().to_string()
    }
}

/// Answers with the credentials of the request in its headers.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let certificate = request.extensions().get::<ClientCertificate>();
    let names = certificate.map_or("none".to_owned(), |found| found.names().join(","));
    let mut answer = Response::new(Body::empty());
    answer.headers_mut().insert("certificate", names.parse().unwrap());
    if let Some(authorization) = request.headers().get("authorization") {
        answer.headers_mut().insert("authorization", authorization.clone());
    }
    Ok(answer)
}

/// A server that echoes; it ends with the guard.
struct Echo {
    port: u16,
    reload: Option<Reload>,
    _running: JoinHandle<()>,
    _end: DropGuard,
}

async fn serving(settings: Option<&TlsSettings>) -> Echo {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.address().tcp().unwrap().port();
    let (tls, reload) = settings.map(|settings| Tls::load(settings).unwrap()).unzip();
    let settings = Settings::new(&Config::default().server, tls, Default::default());
    let ends = Ends::default();
    let end = ends.cut.clone().drop_guard();
    let running = Tasks::new().spawn("echo", serve(listener, tower::service_fn(echo), settings, ends));
    Echo { port, reload, _running: running, _end: end }
}

/// Returns the headers `certificate` and `authorization` of an answer.
async fn ask(client: &Client) -> Result<(String, String), String> {
    let mut channel: Channel = client.channel();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.map_err(|error| error.to_string())?;
    let request = Request::post("/").body(Body::empty()).unwrap();
    let answer = channel.call(request).await.map_err(|error| error.to_string())?;
    let header = |name: &str| {
        answer.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    Ok((header("certificate"), header("authorization")))
}

fn to(port: u16, ca: &str) -> ConnectOptions {
    ConnectOptions::new(&format!("https://localhost:{port}")).unwrap().ca(ca)
}

#[tokio::test]
async fn a_request_carries_the_certificate_of_its_client() {
    let (ca, people) = (Authority::new("servers"), Authority::new("people"));
    let folder = Folder::new(&ca.issue(&["localhost"]), Some(&people.pem));
    let server = serving(Some(&folder.settings)).await;
    let anonymous = to(server.port, &ca.pem).connect().await.unwrap();
    assert_eq!(ask(&anonymous).await.unwrap().0, "none");
    for _ in 0..2 {
        let me = people.issue(&["camera.example"]);
        let options = to(server.port, &ca.pem).client_certificate(me.certificate.as_str(), me.key.as_str());
        let client = options.connect().await.unwrap();
        assert_eq!(ask(&client).await.unwrap().0, ClientCertificate::new(&me.der).names().join(","));
    }
    for (wrong, says) in [
        (Authority::new("others").issue(&["camera.example"]), "UnknownCA"),
        (people.issue_expired(&["camera.example"]), "expired"),
    ] {
        let options = to(server.port, &ca.pem).client_certificate(wrong.certificate, wrong.key);
        let refused = match options.connect().await {
            Ok(client) => ask(&client).await.unwrap_err(),
            Err(error) => error.to_string(),
        };
        let says = if says == "UnknownCA" { "does not trust the CA" } else { says };
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn credentials_go_with_every_call() {
    let server = serving(None).await;
    let options = ConnectOptions::new(&format!("127.0.0.1:{}", server.port)).unwrap();
    let client = options.credentials(Credentials::text("fwk_1_secret").unwrap()).connect().await.unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&client).await.unwrap(), ("none".to_owned(), "Bearer fwk_1_secret".to_owned()));
    }
}

#[tokio::test]
async fn a_changed_ca_holds_for_new_connections_and_a_broken_file_for_none() {
    let (ca, first, second) = (Authority::new("servers"), Authority::new("one"), Authority::new("two"));
    let folder = Folder::new(&ca.issue(&["localhost"]), Some(&first.pem));
    let mut server = serving(Some(&folder.settings)).await;
    let mut reload = server.reload.take().unwrap();
    let me = first.issue(&["camera.example"]);
    let options = to(server.port, &ca.pem).client_certificate(me.certificate.as_str(), me.key.as_str());
    let open = options.connect().await.unwrap();
    assert_ne!(ask(&open).await.unwrap().0, "none");

    let client_ca = folder.settings.client_ca.as_deref().unwrap();
    let mut change = |text: &str| {
        std::fs::write(client_ca, text).unwrap();
        reload.look(&Files::read(&folder.settings));
    };
    change("half a file");
    assert_ne!(ask(&options.connect().await.unwrap()).await.unwrap().0, "none", "the old CA holds");
    change(&second.pem);
    assert_ne!(ask(&open).await.unwrap().0, "none", "an open connection continues");
    let refused = match options.connect().await {
        Ok(client) => ask(&client).await.unwrap_err(),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("does not trust the CA"), "{refused}");
    change(&first.pem);
    assert_ne!(ask(&options.connect().await.unwrap()).await.unwrap().0, "none", "the first CA is back");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
    let ca = Authority::new("ca");
    let (one, other) = (ca.issue(&["a"]), ca.issue(&["a"]));
    let folder = Folder::new(&one, Some(&ca.pem));
    let TlsSettings { certificate, key, client_ca, .. } = folder.settings.clone();
    let client_ca = client_ca.unwrap();
    assert!(Files::read(&folder.settings).load().is_ok());
    let half = &one.certificate[..one.certificate.len() / 2];
    let encrypted = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cases: [(&Path, &str, &str, &str); 11] = [
        (&certificate, "", "--tls-cert", "is empty"),
        (&certificate, "hello", "--tls-cert", "no certificate"),
        (&certificate, &one.key, "--tls-cert", "no certificate"),
        (&certificate, half, "--tls-cert", "without an end"),
        (
            &certificate,
            "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n",
            "--tls-cert",
            "base64",
        ),
        (
            &certificate,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "--tls-cert",
            "parsed",
        ),
        (&key, &one.certificate, "--tls-key", "no private key"),
        (&key, &encrypted, "--tls-key", "passphrase"),
        (&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "--tls-key", "not a key"),
        (&key, &other.key, "--tls-key", "is not the key of the first certificate"),
        (
            &client_ca,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "--tls-client-ca",
            "cannot",
        ),
    ];
    for (path, text, flag, says) in cases {
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, text).unwrap();
        let error = folder.error();
        let names = error.starts_with(&format!("{flag}: {}", path.display()));
        assert!(names && error.contains(says), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
        std::fs::remove_file(path).unwrap();
        assert!(folder.error().contains("cannot be read"), "{}", folder.error());
        std::fs::write(path, whole).unwrap();
    }
    assert!(Files::read(&folder.settings).load().is_ok());
}

#[test]
fn files_are_compared_by_content() {
    let ca = Authority::new("ca");
    let folder = Folder::new(&ca.issue(&["a"]), None);
    let digest = || Files::read(&folder.settings).digest();
    let before = digest();
    let copy = std::fs::read(&folder.settings.certificate).unwrap();
    std::fs::write(&folder.settings.certificate, copy).unwrap();
    assert_eq!(digest(), before);
    folder.write(&ca.issue(&["a"]));
    let after = digest();
    assert_ne!(after, before);
    std::fs::remove_file(&folder.settings.key).unwrap();
    assert_ne!(digest(), after);
}

#[test]
fn an_expired_certificate_is_loaded_and_its_expiry_is_known() {
    let folder = Folder::new(&Authority::new("ca").issue_expired(&["a"]), None);
    let loaded = Files::read(&folder.settings).load().unwrap();
    let text = humantime::format_rfc3339_seconds(loaded.expires).to_string();
    assert_eq!(text, "2021-01-01T00:00:00Z");
    assert!(loaded.expires.elapsed().unwrap() > Duration::from_secs(1));
}
