//! The client's side of TLS: whom it trusts, its certificate, and why a handshake failed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The CAs and the certificate of a client, in PEM.
#[derive(Clone, Default)]
pub(super) struct Tls {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Does not show the private key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn trust(&mut self, ca: Vec<u8>) {
        self.ca = Some(ca);
    }

    pub(super) fn identify(&mut self, certificate: Vec<u8>, key: Vec<u8>) {
        self.identity = Some((certificate, key));
    }

    /// Reports whether anything applies to TLS only.
    pub(super) fn is_set(&self) -> bool {
        self.ca.is_some() || self.identity.is_some()
    }

    /// Returns tonic's settings.
    ///
    /// # Errors
    /// Returns a text that says which file is not PEM.
    pub(super) fn config(&self, handshake_timeout: Duration) -> Result<ClientTlsConfig, String> {
        let mut config = ClientTlsConfig::new().timeout(handshake_timeout);
        config = match &self.ca {
            None => config.with_native_roots(),
            Some(ca) if !has_block(ca, "CERTIFICATE") => {
                return Err("the CA file contains no PEM certificate".to_owned());
            }
            Some(ca) => config.ca_certificate(Certificate::from_pem(ca)),
        };
        if let Some((certificate, key)) = &self.identity {
            if !has_block(certificate, "CERTIFICATE") {
                return Err("the client certificate's file contains no PEM certificate".to_owned());
            }
            if !has_block(key, "PRIVATE KEY") {
                return Err("the file of the client certificate's key contains no PEM private key".to_owned());
            }
            config = config.identity(Identity::from_pem(certificate, key));
        }
        Ok(config)
    }
}

/// Reports whether PEM text has a block whose kind ends with `kind`, such as `EC PRIVATE KEY`.
fn has_block(pem: &[u8], kind: &str) -> bool {
    String::from_utf8_lossy(pem)
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{kind}-----")))
}

/// Explains why tonic does not take the settings.
pub(super) fn unusable(error: &str) -> String {
    if error.contains("no native certs") {
        return "this system has no CA certificates: install them (package ca-certificates), or pass the CA's \
                certificate (--ca FILE)"
            .to_owned();
    }
    let error = error.trim_end_matches('.');
    format!("the CA or the client certificate cannot be used: {error}: check the PEM files")
}

/// The reason why a connection fails, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) why: String,
    /// The caller has to change its own settings. Otherwise, a later try may succeed.
    pub(super) lasting: bool,
}

/// Explanations: a part of an error's text, what to say, and whether the failure lasts.
///
/// HTTP/2 passes on only the text of its connection's error, so the text is all that can be read.
type Causes = &'static [(&'static str, &'static str, bool)];

/// The text of hyper's error for a request that waited for its turn when the connection closed. It
/// is last in each list, because the error that closed the connection may be known, too.
const CLOSED_BEFORE_THE_CALL: &str = "operation was canceled";

/// The causes of failures with `https`.
const WITH_TLS: Causes = &[
    (
        "UnknownIssuer",
        "the server's certificate is not from a trusted CA: pass the CA's certificate (--ca FILE)",
        false,
    ),
    (
        "CaUsedAsEndEntity",
        "the server's certificate is that of a CA: give the server a certificate of its own, signed by the CA",
        false,
    ),
    (
        "certificate expired",
        "the server's certificate has expired: renew it, or set this machine's clock if it is wrong",
        false,
    ),
    (
        "certificate not valid yet",
        "the server's certificate is not valid yet: check the clocks of this machine and of the server",
        false,
    ),
    (
        "not valid for name",
        "the server's certificate is for another name: connect by a name in it, or make one with this name",
        false,
    ),
    (
        "received fatal alert: CertificateRequired",
        "the server requires a client certificate: pass one (--cert FILE --key FILE)",
        true,
    ),
    (
        "received fatal alert: UnknownCA",
        "the server does not trust the CA of the client certificate: pass one from a CA in its --tls-client-ca",
        true,
    ),
    ("received fatal alert: CertificateExpired", "the client certificate has expired: renew it", true),
    (
        "received fatal alert: BadCertificate",
        "the server refuses the client certificate: pass one from a CA in its --tls-client-ca",
        true,
    ),
    (
        "received fatal alert: DecryptError",
        "the server refuses the client certificate: pass one from a CA in its --tls-client-ca",
        true,
    ),
    (
        "received fatal alert: NoApplicationProtocol",
        "the server does not offer HTTP/2 over TLS: check the address",
        true,
    ),
    ("HTTP/2 was not negotiated", "the server does not offer HTTP/2 over TLS: check the address", true),
    ("received corrupt message", "the server does not speak TLS: use http://", true),
    (
        "tls handshake eof",
        "the server closed the connection during the TLS handshake: use http:// if it speaks plaintext",
        false,
    ),
    (
        CLOSED_BEFORE_THE_CALL,
        "the server closed the connection before the call was sent: retry; it may require a client certificate \
         (--cert FILE --key FILE)",
        false,
    ),
];

/// The causes of failures with `http`.
const IN_PLAINTEXT: Causes = &[
    // The code of GOAWAY with which Frameway refuses plaintext.
    ("security properties do not meet minimum requirements", "the server speaks TLS: use https://", true),
    // An alert of TLS, or an answer of HTTP/1, is read as the header of a frame.
    (
        "connection error detected: frame with invalid size",
        "the server does not speak HTTP/2 in plaintext: use https:// if it speaks TLS",
        true,
    ),
    (
        CLOSED_BEFORE_THE_CALL,
        "the server closed the connection before the call was sent: retry; use https:// if it speaks TLS",
        false,
    ),
];

/// Explains the error of a connection to `address`, if TLS is the reason.
pub(super) fn explain(error: &(dyn StdError + 'static), address: &str) -> Option<Explanation> {
    let causes = match address.split_once("://") {
        Some(("https", _)) => WITH_TLS,
        Some(("http", _)) => IN_PLAINTEXT,
        _ => return None,
    };
    let texts: Vec<_> = chain(error).map(ToString::to_string).collect();
    let (text, why, lasting) = causes.iter().find_map(|(part, why, lasting)| {
        Some((texts.iter().find(|text| text.contains(part))?, why, *lasting))
    })?;
    // The rest of this text says which names the certificate has.
    let names = text.split_once("; certificate is ").map(|(_, names)| format!(" (it is {names})"));
    Some(Explanation { why: format!("{why}{}", names.unwrap_or_default()), lasting })
}

/// Returns the error and its sources, from the outermost to the innermost.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &'static str, address: &str) -> Option<String> {
        explain(&std::io::Error::other(text), address).map(|explanation| explanation.why)
    }

    #[test]
    fn an_error_is_explained_for_the_scheme_of_the_address() {
        let unknown = "invalid peer certificate: UnknownIssuer";
        assert!(why(unknown, "https://a:1").is_some_and(|why| why.contains("--ca")));
        assert_eq!(why(unknown, "http://a:1"), None);
        assert_eq!(why("connection refused", "https://a:1"), None);
        let name =
            "invalid peer certificate: certificate not valid for name \"a\"; certificate is only valid for b";
        let text = why(name, "https://a:1").unwrap_or_default();
        assert!(text.ends_with("(it is only valid for b)"), "{text}");
    }

    #[test]
    fn files_that_are_not_pem_are_named() {
        for (ca, cert, key, says) in [
            ("x", "-----BEGIN CERTIFICATE-----", "-----BEGIN EC PRIVATE KEY-----", "CA"),
            ("-----BEGIN CERTIFICATE-----", "x", "-----BEGIN PRIVATE KEY-----", "client certificate's file"),
            ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----", "x", "private key"),
        ] {
            let mut tls = Tls::default();
            tls.trust(ca.into());
            tls.identify(cert.into(), key.into());
            let error = tls.config(Duration::from_secs(1)).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!format!("{tls:?}").contains("KEY"), "{tls:?}");
        }
    }
}
