//! TLS to Redis: certificates from files, and the handshake.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::peer::RedisSecurity;

/// The settings of TLS.
pub(super) type Settings = Arc<ClientConfig>;

/// The CAs that the system trusts. They are read once: that takes milliseconds.
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// Reads the files, if there is TLS.
pub(super) fn settings_if(is_tls: bool, security: &RedisSecurity) -> io::Result<Option<Settings>> {
    is_tls.then(|| settings(security)).transpose()
}

/// Reads the files.
fn settings(security: &RedisSecurity) -> io::Result<Settings> {
    let roots = match &security.ca {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("CA", file)? {
                in_file("CA", file, roots.add(certificate))?;
            }
            Arc::new(roots)
        }
        None if SYSTEM_ROOTS.is_empty() => {
            let why = "this system has no CA certificates: give the CA of Redis with --redis-ca, or install ca-certificates";
            return Err(io::Error::other(why));
        }
        None => Arc::clone(&SYSTEM_ROOTS),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let (Some(certificate), Some(key)) = (&security.certificate, &security.key) else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates("client certificate", certificate)?;
    let private = in_file("private key", key, PrivateKeyDer::from_pem_file(key).map_err(readable))?;
    let config = builder.with_client_auth_cert(chain, private);
    in_file("client certificate", certificate, config).map(Arc::new)
}

/// Does the handshake.
pub(super) async fn handshake(
    settings: Settings,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(settings).connect(name, stream).await
}

fn certificates(kind: &str, file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = in_file(kind, file, found.map_err(readable))?;
    if found.is_empty() {
        return in_file(kind, file, Err("it contains no certificate in PEM"));
    }
    Ok(found)
}

/// Adds the kind and the name of the file to an error.
pub(super) fn in_file<T, E: std::fmt::Display>(kind: &str, file: &Path, read: Result<T, E>) -> io::Result<T> {
    read.map_err(|error| io::Error::other(format!("cannot use the {kind} file {}: {error}", file.display())))
}

/// Describes an error of PEM without the contents of the file, which may be a private key.
fn readable(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it contains no private key in PEM".to_owned(),
        _ => "it is not valid PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["redis".to_owned()]).unwrap();
        let (certificate, key) = (file(&cert.pem()), file(&signing_key.serialize_pem()));
        let other = file(&rcgen::KeyPair::generate().unwrap().serialize_pem());
        let (secret, none) = (file("secret"), file(""));
        let with = |ca: &tempfile::NamedTempFile, key: &tempfile::NamedTempFile| {
            let path = |file: &tempfile::NamedTempFile| Some(file.path().to_owned());
            let [ca, certificate, key] = [path(ca), path(&certificate), path(key)];
            settings(&RedisSecurity { ca, certificate, key, ..RedisSecurity::default() })
        };
        with(&certificate, &key).unwrap();
        for (ca, key, said) in [
            (&none, &key, "no certificate in PEM"),
            (&secret, &key, "CA file"),
            (&certificate, &none, "no private key in PEM"),
            (&certificate, &secret, "private key file"),
            (&certificate, &other, "client certificate file"),
        ] {
            let error = with(ca, key).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }
}
