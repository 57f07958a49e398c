//! Client certificates.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate that a client presented and TLS verified. The transport adds it to the extensions
/// of each request of the connection.
#[derive(Debug, Clone)]
pub struct ClientCertificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The URIs and DNS names of its subject alternative name.
    names: Vec<String>,
    expires: Option<SystemTime>,
}

impl ClientCertificate {
    /// Reads the names and the date of expiry of a certificate in DER. The common name is not used:
    /// no authority checks it. A certificate that cannot be read has no name.
    #[must_use]
    pub fn new(der: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Self(Arc::new(Inner { names: Vec::new(), expires: None }));
        };
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().filter_map(usable).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        let expires = u64::try_from(certificate.validity().not_after.timestamp()).ok();
        let expires = expires.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        Self(Arc::new(Inner { names, expires }))
    }

    /// Returns the names that can name a principal.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// Returns the time from which the certificate is not valid any more.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.expires
    }
}

/// Returns the text of a name that can name a principal.
fn usable(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(text) | GeneralName::URI(text) = name {
        return Some((*text).to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: Vec<rcgen::SanType>) -> ClientCertificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "common");
        params.subject_alt_names = names;
        ClientCertificate::new(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn only_uris_and_dns_names_can_name_a_principal() {
        use rcgen::SanType;
        let names = vec![
            SanType::URI("spiffe://city/agent".try_into().unwrap()),
            SanType::DnsName("agent.example".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::Rfc822Name("a@example".try_into().unwrap()),
        ];
        assert_eq!(certificate(names).names(), ["spiffe://city/agent", "agent.example"]);
        assert!(certificate(Vec::new()).names().is_empty(), "the common name does not count");
        assert!(certificate(Vec::new()).expires().is_some());
        assert!(ClientCertificate::new(b"no certificate").names().is_empty());
    }
}
