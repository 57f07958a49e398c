//! TLS on one side only, and on both.

use std::fs;
use std::path::Path;

use frameway::client::subscribe::Subscription;
use frameway::client::{Client, Error};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::frames::{follow, frames, publish, request};
use crate::support::processes::Server;
use crate::support::{scenario, soon};

/// A CA, and the files of servers that it has certified.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), issuer }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes a certificate for a name, and its key. Returns the flags of a server.
    fn flags(&self, name: &str) -> Vec<String> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.folder.path().join(format!("{name}.{kind}"));
        let write = |path: &Path, text: String| {
            fs::write(path, text).unwrap();
            path.display().to_string()
        };
        let certificate = write(&file("pem"), certificate.pem());
        let key = write(&file("key"), key.serialize_pem());
        ["--tls-cert", &certificate, "--tls-key", &key, "--auto-register"].map(str::to_owned).into()
    }
}

async fn server(flags: &[String]) -> Server {
    Server::start(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
}

fn port(server: &Server) -> &str {
    server.address.rsplit(':').next().unwrap()
}

/// Returns the error of a client, at connect or with the first call.
async fn error_of(connected: Result<Client, Error>) -> String {
    match connected {
        Ok(client) => soon("the call ends", client.server_info()).await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn plaintext_to_tls() {
    scenario("plaintext-to-tls", async {
        let server = server(&Authority::new().flags("localhost")).await;
        let plain = format!("127.0.0.1:{}", port(&server));
        let text = error_of(Client::connect(&plain).await).await;
        assert!(text.contains("TLS") && text.contains("https://"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn tls_to_plaintext() {
    scenario("tls-to-plaintext", async {
        let server = Server::start(&[]).await;
        let secure = format!("https://127.0.0.1:{}", port(&server));
        let text = error_of(Client::connect(&secure).await).await;
        assert!(text.contains("TLS") && text.contains("http://"), "{text}");
    })
    .await;
}

/// Each address has its own name in its own certificate.
#[tokio::test]
async fn two_addresses_with_tls() {
    let authority = Authority::new();
    let mut first = server(&authority.flags("localhost")).await;
    let second = server(&authority.flags("127.0.0.1")).await;
    let address = |name: &str, server: &Server| format!("https://{name}:{}", port(server));
    let options = frameway::client::ConnectOptions::new(&address("localhost", &first)).unwrap();
    let options = options.or(&address("127.0.0.1", &second)).unwrap().ca(authority.pem());
    let client = options.connect().await.unwrap();
    let before = client.server_info().await.unwrap().server_id;
    first.kill();
    assert_ne!(client.server_info().await.unwrap().server_id, before);
    publish(&client, frames("cam", 1..=5)).await;
    follow(&mut Subscription::new(&client, request(&["cam"])), 5).await;

    // The names are checked: none is taken for the other.
    let swapped = frameway::client::ConnectOptions::new(&address("localhost", &second)).unwrap();
    let text = swapped.ca(authority.pem()).connect().await.unwrap_err().to_string();
    assert!(text.contains("another name"), "{text}");
}
