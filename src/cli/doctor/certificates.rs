//! Reads the dates of the certificates in a PEM file, and judges them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::pem::Pem;

use super::finding::{Finding, days};

/// The remaining time at which a warning is due.
pub(super) const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The maximum size of a file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Certificate {
    /// Its subject, for example `CN=frames.example`.
    name: String,
    valid_from: SystemTime,
    expires: SystemTime,
}

/// Judges every certificate of a file.
pub(super) fn judge(subject: &'static str, file: &Path, now: SystemTime) -> Vec<Finding> {
    match read(file) {
        Ok(certificates) if certificates.is_empty() => {
            let found = format!("{} contains no certificate in PEM", file.display());
            vec![Finding::error(subject, found, "write the PEM text of the certificate to it").page(PAGE)]
        }
        Ok(certificates) => certificates.iter().map(|one| judge_dates(subject, one, now)).collect(),
        Err(why) => {
            let found = format!("cannot read {}: {why}", file.display());
            vec![
                Finding::error(subject, found, "correct the path, or the permissions of the file").page(PAGE),
            ]
        }
    }
}

const PAGE: &str = "docs/security.md#1-certificates";

fn judge_dates(subject: &'static str, certificate: &Certificate, now: SystemTime) -> Finding {
    let Certificate { name, valid_from, expires } = certificate;
    let date = humantime::format_rfc3339_seconds(*expires);
    if let Some(early) = valid_from.duration_since(now).ok().filter(|early| !early.is_zero()) {
        let found = format!("{name} is not valid yet: it will be in {}", days(early));
        return Finding::error(
            subject,
            found,
            "set the clock of this machine, or make the certificate again",
        )
        .page(PAGE);
    }
    match expires.duration_since(now) {
        Err(late) => {
            let found = format!("{name} expired {} ago, at {date}", days(late.duration()));
            Finding::error(subject, found, "replace it").page(PAGE)
        }
        Ok(left) if left <= EXPIRES_SOON => {
            let found = format!("{name} expires in {}, at {date}", days(left));
            Finding::warning(subject, found, "replace it; a running server reads the new file by itself")
                .page(PAGE)
        }
        Ok(left) => Finding::ok(subject, format!("{name} expires in {}", days(left))),
    }
}

/// Reads the certificates. Other blocks of the file, for example keys, are passed over.
fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let mut text = Vec::new();
    let opened = File::open(file).map_err(|error| error.to_string())?;
    opened.take(MAX_FILE_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for pem in Pem::iter_from_buffer(&text) {
        // The errors may quote the file, which may contain a key.
        let pem = pem.map_err(|_| "it is not valid PEM".to_owned())?;
        if pem.label != "CERTIFICATE" {
            continue;
        }
        let certificate =
            pem.parse_x509().map_err(|_| "it contains a certificate that cannot be parsed".to_owned())?;
        let time =
            |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let validity = certificate.validity();
        found.push(Certificate {
            name: name(&certificate.subject().to_string()),
            valid_from: time(validity.not_before.timestamp()),
            expires: time(validity.not_after.timestamp()),
        });
    }
    Ok(found)
}

/// Returns a subject in printable characters of a bounded number.
fn name(subject: &str) -> String {
    const MAX_CHARS: usize = 100;
    let text: String = subject.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
    if text.is_empty() { "a certificate without a subject".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let day = Duration::from_secs(24 * 60 * 60);
        let start = UNIX_EPOCH + 1_000 * day;
        let certificate =
            Certificate { name: "CN=a".to_owned(), valid_from: start, expires: start + 100 * day };
        for (now, level, says) in [
            (start - day, Level::Error, "not valid yet"),
            (start, Level::Ok, "expires in 100 days"),
            (start + 69 * day, Level::Ok, "expires in 31 days"),
            (start + 70 * day, Level::Warning, "expires in 30 days"),
            (start + 105 * day, Level::Error, "expired 5 days ago, at 1973-01-05T00:00:00Z"),
        ] {
            let finding = judge_dates("certificate", &certificate, now);
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.found.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn a_file_is_read_and_never_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["frames.example".to_owned()]).unwrap();
        let key = signing_key.serialize_pem();
        std::fs::write(&file, format!("{key}{}", cert.pem())).unwrap();
        let [certificate] = read(&file).unwrap().try_into().unwrap();
        assert!(certificate.expires > SystemTime::now() && !certificate.name.is_empty());
        for (text, says) in [
            (key.as_str(), "contains no certificate"),
            ("-----BEGIN CERTIFICATE-----\nsecret", "not valid PEM"),
            ("-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n", "cannot be parsed"),
        ] {
            std::fs::write(&file, text).unwrap();
            let found = format!("{:?}", judge("certificate", &file, SystemTime::now()));
            assert!(found.contains(says) && !found.contains("secret"), "{found}");
        }
        let found = format!("{:?}", judge("certificate", &folder.path().join("none"), SystemTime::now()));
        assert!(found.contains("No such file"), "{found}");
    }
}
