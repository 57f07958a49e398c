//! Reads the files of TLS again when they change.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Tls;
use super::files::Files;
use crate::config::TlsSettings;
use crate::metrics::{AccessMetrics, ReloadResult};

/// The interval between two looks at the files. They are compared by content, because Kubernetes
/// replaces a link to their folder.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The remaining time at which the log begins to warn that the certificate expires.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The interval of these warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Replaces the certificates of a port when their files change.
#[derive(Debug)]
pub(crate) struct Reload {
    tls: Arc<Tls>,
    settings: TlsSettings,
    /// The digest of the files at the last look, whether they could be used or not.
    seen: blake3::Hash,
    expires: SystemTime,
    warned: Option<SystemTime>,
    metrics: AccessMetrics,
}

impl Reload {
    pub(super) fn new(tls: Arc<Tls>, settings: TlsSettings, seen: blake3::Hash, expires: SystemTime) -> Self {
        Self { tls, settings, seen, expires, warned: None, metrics: AccessMetrics::default() }
    }

    /// Returns the time at which the certificate expires.
    pub(crate) fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Looks at the files again and again, until `stop`.
    pub(crate) async fn run(mut self, metrics: AccessMetrics, stop: CancellationToken) {
        self.metrics = metrics;
        self.export_expiry();
        self.warn_of_expiry(SystemTime::now());
        let mut looks = interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let settings = self.settings.clone();
            if let Ok(files) = spawn_blocking(move || Files::read(&settings)).await {
                self.look(&files);
                self.warn_of_expiry(SystemTime::now());
            }
        }
    }

    /// Takes over files that have changed. If they cannot be used, the log says so once, and the
    /// old ones stay in force.
    pub(super) fn look(&mut self, files: &Files) {
        let digest = files.digest();
        if digest == self.seen {
            return;
        }
        self.seen = digest;
        match files.load() {
            Ok(loaded) => {
                self.tls.current.store(loaded.config);
                self.expires = loaded.expires;
                self.warned = None;
                self.metrics.tls_reloads.of(ReloadResult::InForce).inc();
                self.export_expiry();
                let expires = humantime::format_rfc3339_seconds(loaded.expires);
                tracing::info!(%expires, "the TLS files have changed: new connections use them");
            }
            Err(error) => {
                self.metrics.tls_reloads.of(ReloadResult::Unusable).inc();
                tracing::error!(
                    %error,
                    "the TLS files have changed and cannot be used: new connections use the contents from before"
                );
            }
        }
    }

    fn export_expiry(&self) {
        let since_epoch = self.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.certificate_expiry.set(Some(since_epoch.as_secs_f64()));
    }

    /// Logs once a day that the certificate expires soon or has expired.
    fn warn_of_expiry(&mut self, now: SystemTime) {
        if !warning_is_due(self.expires, self.warned, now) {
            return;
        }
        self.warned = Some(now);
        let file = self.settings.certificate.display();
        let expires = humantime::format_rfc3339_seconds(self.expires);
        if self.expires > now {
            tracing::warn!(%file, %expires, "the TLS certificate expires soon: replace it");
        } else {
            tracing::warn!(%file, %expires, "the TLS certificate has expired, clients refuse it: replace it");
        }
    }
}

fn warning_is_due(expires: SystemTime, warned: Option<SystemTime>, now: SystemTime) -> bool {
    let since = |earlier: SystemTime| now.duration_since(earlier).unwrap_or_default();
    let left = expires.duration_since(now).unwrap_or_default();
    left <= EXPIRES_SOON && warned.is_none_or(|warned| since(warned) >= WARNING_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_warns_once_a_day_in_the_last_week_and_after_it() {
        let hour = Duration::from_secs(60 * 60);
        let expires = SystemTime::UNIX_EPOCH + 1_000_000 * hour;
        let day = 24 * hour;
        assert!(!warning_is_due(expires, None, expires - 8 * day));
        for now in [expires - 7 * day, expires - hour, expires, expires + 9 * day] {
            assert!(warning_is_due(expires, None, now));
            assert!(!warning_is_due(expires, Some(now), now + 23 * hour));
            assert!(warning_is_due(expires, Some(now), now + 24 * hour));
        }
    }
}
