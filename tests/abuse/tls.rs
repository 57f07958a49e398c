//! TLS handshakes that do not end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::certificates::Authority;
use crate::common::spawn;
use crate::hostile::Target;
use crate::trial::Trial;

/// The maximum number of connections from one address in these tests.
const PER_ADDRESS: usize = 200;

/// The files of a server with TLS.
struct Files {
    folder: TempDir,
    ca: String,
}

impl Files {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new("test"));
        let identity = authority.issue(&["127.0.0.1"]);
        let write = |name, text| std::fs::write(folder.path().join(name), text).expect("writes");
        write("cert.pem", identity.certificate);
        write("key.pem", identity.key);
        Self { folder, ca: authority.pem }
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = self.folder.path();
        path.join(name).to_str().expect("a path").to_owned()
    }
}

/// Returns the first message of a client.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(RootCertStore::empty());
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).expect("writes");
    hello
}

/// Some clients send nothing, some begin the first message, some send all of it and never answer,
/// and some send it byte by byte.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a second loopback address")]
async fn half_open_handshakes_end_at_their_deadline_and_take_the_places_of_one_address() {
    let files = Files::new();
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let limits = ["--max-connections-per-address", "200", "--max-connections", "250"];
    let flags = [&["--tls-cert", &certificate, "--tls-key", &key][..], &limits].concat();
    let hello = client_hello();
    let attack = |target: Target| async move {
        let mut held = Vec::new();
        for n in 0..2 * PER_ADDRESS {
            let Ok(mut socket) = target.connect().await else { continue };
            let hello = hello.clone();
            held.push(spawn(async move {
                let (mut reader, mut writer) = socket.split();
                let send = async {
                    let (at_once, later) = hello.split_at([0, 3, hello.len(), 6][n % 4]);
                    writer.write_all(at_once).await?;
                    for byte in later.iter().filter(|_| n % 4 == 3) {
                        sleep(Duration::from_millis(200)).await;
                        writer.write_all(&[*byte]).await?;
                    }
                    std::future::pending::<std::io::Result<()>>().await
                };
                let mut answer = Vec::new();
                // The client only closes its connection after the server has.
                tokio::select! {
                    _ = reader.read_to_end(&mut answer) => {}
                    _failed = send => {}
                }
            }));
        }
        target.over.cancelled().await;
        held
    };
    let trial = Trial::of("half-open TLS handshakes").flags(&flags).ca(&files.ca);
    let server = trial.descriptors(PER_ADDRESS as u64 + 20).run(attack).await;
    let log = server.log();
    assert!(log.contains("closing new connections of an address that has its maximum"), "{log}");
}
