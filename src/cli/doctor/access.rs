//! Judges TLS, the access file, and the address of the server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use super::certificates::{self, EXPIRES_SOON};
use super::finding::{Finding, days};
use crate::access::{AccessFile, ListedKey};
use crate::app;
use crate::config::{Config, RedisSettings, TlsSettings};

const CERTIFICATES: &str = "docs/security.md#1-certificates";
const KEYS: &str = "docs/security.md#2-keys";
const REDIS: &str = "docs/redis.md#tls";
const FILE: &str = "docs/security.md#the-access-file";

/// Judges the TLS of the server's port.
pub(super) fn tls(config: &Config, now: SystemTime) -> Vec<Finding> {
    let Some(settings) = &config.tls else {
        return vec![if config.server.listen.is_local() {
            Finding::ok("tls", "off: only programs on this machine can connect")
        } else {
            exposed(config, "connections are not encrypted")
        }];
    };
    let TlsSettings { certificate, key, client_ca, require_client_certificate: _ } = settings;
    let mut findings = Vec::new();
    match app::check_tls(config) {
        Ok(_) => findings.push(Finding::ok("tls", "the certificate, its key and the CAs can be used")),
        Err(error) => {
            let change = "correct the files of the --tls-... flags; the server does not start with them";
            findings.push(Finding::error("tls", format!("{error:#}"), change).page(CERTIFICATES));
        }
    }
    findings.extend(certificates::judge("certificate", certificate, now));
    findings.extend(secret("private key", key));
    findings.extend(client_ca.iter().flat_map(|ca| certificates::judge("client CA", ca, now)));
    findings
}

/// Judges the protection of the connection to Redis.
pub(super) fn redis(redis: &RedisSettings, now: SystemTime) -> Vec<Finding> {
    let security = &redis.security;
    let mut findings: Vec<_> =
        security.password_file.iter().filter_map(|file| secret("redis password", file)).collect();
    let of_sentinels = security.sentinel_password_file.iter();
    findings.extend(of_sentinels.filter_map(|file| secret("sentinel password", file)));
    if redis.url.is_tls() {
        findings.extend(security.ca.iter().flat_map(|file| certificates::judge("CA of Redis", file, now)));
        let client = security.certificate.iter();
        findings.extend(client.flat_map(|file| certificates::judge("client of Redis", file, now)));
        findings.extend(security.key.iter().filter_map(|file| secret("private key", file)));
    } else if !redis.url.is_local() {
        let found = "not encrypted: everyone on the path to Redis can read the pictures and the password";
        let found = Finding::note("redis", found)
            .change("use rediss://, rediss-sentinel:// or rediss-cluster:// if the network is not trusted");
        findings.push(found.page(REDIS));
    }
    findings
}

/// Judges who may call the server.
pub(super) fn callers(config: &Config, now: SystemTime) -> Vec<Finding> {
    let Some(file) = &config.access.access_file else {
        return vec![if config.server.listen.is_local() {
            Finding::note("callers", "every program on this machine may do everything")
                .change("--access-file")
                .page(FILE)
        } else {
            exposed(config, "every caller may do everything")
        }];
    };
    let found = match app::check_access(config) {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => {
            let change = "correct the file; the server does not start with it";
            return vec![Finding::error("access file", format!("{error:#}"), change).page(FILE)];
        }
    };
    let mut findings = vec![Finding::ok("access file", found)];
    if let Some(mode) = mode(file).filter(|mode| mode & 0o022 != 0) {
        let found = format!("{} can be written by other users (mode {mode:o})", file.display());
        findings.push(
            Finding::warning("access file", found, format!("chmod go-w {}", file.display())).page(FILE),
        );
    }
    match AccessFile::open(file) {
        Ok(open) => findings.extend(keys(&open.keys(), now)),
        Err(error) => {
            findings.push(Finding::error("access file", error.to_string(), "correct the file").page(FILE))
        }
    }
    findings
}

/// Judges the expiry of API keys.
fn keys(keys: &[ListedKey], now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ListedKey { id, principal, expire_time, .. } in keys {
        let Ok(expires) = humantime::parse_rfc3339(expire_time) else { continue };
        let create = format!("frameway keys create --principal {principal}");
        match expires.duration_since(now) {
            Err(late) => {
                let found = format!("key {id} of {principal} expired {} ago", days(late.duration()));
                let change = format!("frameway keys revoke {id}; or, if it is still used, {create}");
                findings.push(Finding::warning("api key", found, change).page(KEYS));
            }
            Ok(left) if left <= EXPIRES_SOON => {
                let found = format!("key {id} of {principal} expires in {}", days(left));
                findings.push(Finding::warning("api key", found, create).page(KEYS));
            }
            Ok(_) => {}
        }
    }
    if findings.is_empty() && !keys.is_empty() {
        findings.push(Finding::ok("api keys", format!("{}; none expires within 30 days", keys.len())));
    }
    findings
}

/// Returns the finding about a server that `--insecure` lets other machines reach.
fn exposed(config: &Config, what: &str) -> Finding {
    let found = format!("other machines can reach {}, and {what} (--insecure)", config.server.listen);
    Finding::warning(
        "exposed",
        found,
        "set --tls-cert, --tls-key and --access-file, and leave out --insecure",
    )
    .page("docs/security.md")
}

/// Returns the finding about a secret file that every user can read.
fn secret(subject: &'static str, file: &Path) -> Option<Finding> {
    let mode = mode(file).filter(|mode| mode & 0o004 != 0)?;
    let found = format!("{} can be read by every user (mode {mode:o})", file.display());
    Some(Finding::warning(subject, found, format!("chmod o-r {}", file.display())).page(CERTIFICATES))
}

/// Returns the permissions of a file; `None` if it cannot be looked at.
fn mode(file: &Path) -> Option<u32> {
    Some(std::fs::metadata(file).ok()?.permissions().mode() & 0o777)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Level;
    use super::*;

    #[test]
    fn keys_are_judged_by_their_expiry() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let key = |days: Option<i64>| ListedKey {
            id: "k1".to_owned(),
            principal: "agent".to_owned(),
            create_time: String::new(),
            expire_time: days.map_or_else(String::new, |days| {
                let at = 2_000_000_000_i64 + days * 24 * 60 * 60;
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.unsigned_abs());
                humantime::format_rfc3339_seconds(at).to_string()
            }),
        };
        for (expires, level, says) in [
            (None, Level::Ok, "1; none expires"),
            (Some(31), Level::Ok, "1; none expires"),
            (Some(29), Level::Warning, "key k1 of agent expires in 29 days"),
            (Some(-2), Level::Warning, "key k1 of agent expired 2 days ago"),
        ] {
            let [finding] = keys(&[key(expires)], now).try_into().unwrap();
            assert!(finding.level == level && finding.found.contains(says), "{finding:?}");
        }
        assert!(keys(&[], now).is_empty());
    }
}
