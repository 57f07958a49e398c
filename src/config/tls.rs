use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Listen;
use crate::domain::ValidationError;

/// The TLS of the server's port.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Serve TLS with the certificate in this PEM file: the server's own first, then those of the
    /// intermediate CAs. Needs --tls-key. The files of all --tls-... flags are read again when they
    /// change; open connections continue. Not for Unix sockets.
    #[arg(long, env = "FRAMEWAY_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the private key of --tls-cert, without a passphrase.
    #[arg(long, env = "FRAMEWAY_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// PEM file with the CAs of client certificates. A certificate that a client presents must be
    /// from one of them; clients without a certificate are accepted.
    #[arg(long, env = "FRAMEWAY_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Refuse clients without a certificate from --tls-client-ca.
    #[arg(long, env = "FRAMEWAY_TLS_REQUIRE_CLIENT_CERT")]
    pub tls_require_client_cert: bool,
}

/// The files of TLS. Their contents are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// The server's certificate and those of the intermediate CAs.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The CAs of client certificates, if clients may present any.
    pub client_ca: Option<PathBuf>,
    /// Every client must present a certificate.
    pub require_client_certificate: bool,
}

impl TlsArgs {
    /// Returns `None` if TLS is off.
    pub(super) fn check(self, listen: &Listen) -> Result<Option<TlsSettings>, ValidationError> {
        let refused = |flag: &str, rule: &str| Err(ValidationError::new(flag, rule));
        let Self { tls_cert, tls_key, tls_client_ca, tls_require_client_cert } = self;
        if tls_require_client_cert && tls_client_ca.is_none() {
            return refused(
                "--tls-require-client-cert",
                "needs --tls-client-ca, the CAs of the clients' certificates",
            );
        }
        let (certificate, key) = match (tls_cert, tls_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                return refused("--tls-cert", "needs --tls-key, the private key of the certificate");
            }
            (None, Some(_)) => return refused("--tls-key", "needs --tls-cert, the certificate of the key"),
            (None, None) if tls_client_ca.is_some() => {
                return refused(
                    "--tls-client-ca",
                    "needs --tls-cert and --tls-key: clients present certificates over TLS only",
                );
            }
            (None, None) => return Ok(None),
        };
        match listen {
            Listen::Unix(_) => refused(
                "--tls-cert",
                "has no effect on a Unix socket, which is protected by the permissions of its folder: leave out the \
                 --tls flags, or give --listen a port",
            ),
            Listen::Tcp { .. } | Listen::AllInterfaces(_) => Ok(Some(TlsSettings {
                certificate,
                key,
                client_ca: tls_client_ca,
                require_client_certificate: tls_require_client_cert,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(cert: bool, key: bool, ca: bool, require: bool) -> TlsArgs {
        let file = |given: bool, name: &str| given.then(|| PathBuf::from(name));
        TlsArgs {
            tls_cert: file(cert, "cert.pem"),
            tls_key: file(key, "key.pem"),
            tls_client_ca: file(ca, "ca.pem"),
            tls_require_client_cert: require,
        }
    }

    #[test]
    fn flags_that_need_another_name_it() {
        let port = Listen::AllInterfaces(1);
        for (args, flag, says) in [
            (args(true, false, false, false), "--tls-cert", "--tls-key"),
            (args(false, true, false, false), "--tls-key", "--tls-cert"),
            (args(false, false, true, false), "--tls-client-ca", "--tls-cert and --tls-key"),
            (args(true, true, false, true), "--tls-require-client-cert", "--tls-client-ca"),
        ] {
            let error = args.check(&port).unwrap_err();
            assert!(error.field == flag && error.to_string().contains(says), "{error}");
        }
        let unix = Listen::Unix("/run/a.sock".into());
        let error = args(true, true, false, false).check(&unix).unwrap_err();
        assert!(error.to_string().contains("Unix socket"), "{error}");
        assert_eq!(TlsArgs::default().check(&unix), Ok(None));
        let settings = args(true, true, true, true).check(&port).unwrap().unwrap();
        assert!(settings.require_client_certificate && settings.client_ca.is_some());
    }
}
