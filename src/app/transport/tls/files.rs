//! The files of TLS: reading them, and making a configuration of them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use x509_parser::parse_x509_certificate;

use crate::config::TlsSettings;

/// The maximum size of a file. It is enough for hundreds of CAs.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files of one moment.
#[derive(Debug)]
pub(super) struct Files {
    certificate: Contents,
    key: Contents,
    client_ca: Option<Contents>,
    require_client_certificate: bool,
}

/// The contents of a file, or the reason why it cannot be read.
struct Contents {
    flag: &'static str,
    path: PathBuf,
    bytes: Result<Vec<u8>, String>,
}

/// Does not show the contents, which may be a private key.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A configuration, and the time at which its certificate expires.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) expires: SystemTime,
}

impl Files {
    /// Reads all files. A file that cannot be read is an error of [`Files::load`].
    pub(super) fn read(settings: &TlsSettings) -> Self {
        let TlsSettings { certificate, key, client_ca, require_client_certificate } = settings;
        Self {
            certificate: Contents::read("--tls-cert", certificate),
            key: Contents::read("--tls-key", key),
            client_ca: client_ca.as_ref().map(|ca| Contents::read("--tls-client-ca", ca)),
            require_client_certificate: *require_client_certificate,
        }
    }

    /// Returns a digest of the contents.
    pub(super) fn digest(&self) -> blake3::Hash {
        let mut digest = blake3::Hasher::new();
        for file in [&self.certificate, &self.key].into_iter().chain(&self.client_ca) {
            let (readable, bytes) = match &file.bytes {
                Ok(bytes) => (1, bytes.as_slice()),
                Err(error) => (0, error.as_bytes()),
            };
            digest.update(&[readable]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        digest.finalize()
    }

    /// Makes a configuration.
    ///
    /// # Errors
    /// Names the file that cannot be used, and says what to do.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = self.certificate.certificates()?;
        let expires = self.certificate.expiry(&chain)?;
        let key = self.key.signing_key(&provider)?;
        let identity = CertifiedKey::new(chain, key);
        match identity.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => bail!(self.key.problem(&format!(
                "is not the key of the first certificate in {}: give the key that the certificate was made for, and \
                 put the server's own certificate first",
                self.certificate.path.display()
            ))),
            Err(error) => bail!(self.certificate.problem(&format!("cannot be used ({error})"))),
        }
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()?), provider);
                let verifier = match self.require_client_certificate {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                let verifier =
                    verifier.build().map_err(|error| ca.problem(&format!("cannot be used ({error})")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.client_ca.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Loaded { config: Arc::new(config), expires })
    }
}

impl Contents {
    fn read(flag: &'static str, path: &Path) -> Self {
        let bytes = read_bounded(path).map_err(|error| error.to_string());
        Self { flag, path: path.to_owned(), bytes }
    }

    fn problem(&self, what: &str) -> anyhow::Error {
        anyhow!("{}: {} {what}", self.flag, self.path.display())
    }

    fn bytes(&self) -> anyhow::Result<&[u8]> {
        match &self.bytes {
            Ok(bytes) if bytes.is_empty() => Err(self.problem("is empty: write the PEM text to it")),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.problem(&format!(
                "cannot be read ({error}): give the path of a PEM file that this process may read"
            ))),
        }
    }

    fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let certificates = CertificateDer::pem_slice_iter(self.bytes()?).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| self.bad_pem(&error))?;
        if certificates.is_empty() {
            bail!(self.problem(
                "contains no certificate: give a PEM file with a block `-----BEGIN CERTIFICATE-----` for each"
            ));
        }
        Ok(certificates)
    }

    fn signing_key(&self, provider: &CryptoProvider) -> anyhow::Result<Arc<dyn rustls::sign::SigningKey>> {
        let bytes = self.bytes()?;
        let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
            if !matches!(error, pem::Error::NoItemsFound) {
                self.bad_pem(&error)
            } else if contains(bytes, b"ENCRYPTED PRIVATE KEY") {
                self.problem("is protected by a passphrase: remove it with `openssl pkey -in FILE -out FILE`")
            } else {
                self.problem(
                    "contains no private key: give a PEM file with a block `-----BEGIN PRIVATE KEY-----`",
                )
            }
        })?;
        provider.key_provider.load_private_key(key).map_err(|error| {
            self.problem(&format!(
                "is not a key that TLS can use ({error}): use ECDSA P-256 or P-384, Ed25519, or RSA with at least \
                 2048 bits"
            ))
        })
    }

    fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| {
                self.problem(&format!("contains a certificate that cannot be used ({error})"))
            })?;
        }
        Ok(roots)
    }

    /// Returns the time at which the first certificate of `chain` expires.
    fn expiry(&self, chain: &[CertificateDer<'_>]) -> anyhow::Result<SystemTime> {
        let first = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let (_, certificate) = parse_x509_certificate(first).map_err(|error| {
            self.problem(&format!("begins with a certificate that cannot be parsed ({error}): make it again"))
        })?;
        let expires = certificate.validity().not_after.timestamp();
        Ok(UNIX_EPOCH + Duration::from_secs(u64::try_from(expires).unwrap_or_default()))
    }

    fn bad_pem(&self, error: &pem::Error) -> anyhow::Error {
        // The other errors quote the bytes of the file.
        let what = if matches!(error, pem::Error::MissingSectionEnd { .. }) {
            "a block without an end"
        } else if matches!(error, pem::Error::Base64Decode(_)) {
            "a block that is not base64"
        } else {
            "a block that cannot be read"
        };
        self.problem(&format!("is no valid PEM file ({what}): write the whole PEM text to it"))
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}
