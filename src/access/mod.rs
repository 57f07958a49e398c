//! Access: who calls, and what each caller may do.
//!
//! The access file names *principals*. A caller is one of them by an API key, a token of an
//! identity provider, or a client certificate. A principal has *grants*, by itself or through
//! roles. The file is read again when it changes.

mod caller;
mod certificate;
mod edit;
mod error;
mod file;
mod grant;
mod key;
mod quota;
mod rules;
#[cfg(test)]
mod tests;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::metrics::{AccessMetrics, ReloadResult};

pub use caller::{Caller, Principal};
pub use certificate::ClientCertificate;
pub use edit::{AccessFile, ListedKey};
pub use error::{Denied, FileError};
use file::Source;
pub use grant::{Grant, Permissions};
pub use key::{ApiKey, KeyDigest};
pub use quota::{Exceeded, Quota, RegisteredStreams, Usage};
use rules::Rules;

/// The interval at which the files are looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// The rules in force.
#[derive(Debug)]
pub struct Access {
    /// `None` if the server does not authenticate.
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Closed {
    file: PathBuf,
    rules: watch::Sender<Arc<Rules>>,
    /// The digest of the contents that were read last, whether they were usable or not.
    seen: parking_lot::Mutex<Option<[u8; 32]>>,
}

/// The reason why a call must end although its caller was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The credentials were revoked or have expired.
    Revoked,
    /// The caller may do something else than before: it has to call again.
    Changed,
}

impl Access {
    /// Accepts every caller, and lets it do everything.
    #[must_use]
    pub fn open() -> Self {
        Self { closed: None }
    }

    /// Accepts the callers that the access file names.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn by_file(file: &Path) -> Result<Self, FileError> {
        let source = Source::read(file)?;
        let digest = source.digest();
        let rules = Arc::new(source.rules(None)?);
        let seen = parking_lot::Mutex::new(Some(digest));
        Ok(Self { closed: Some(Closed { file: file.to_owned(), rules: watch::Sender::new(rules), seen }) })
    }

    /// Reports whether callers are authenticated.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Returns the number of principals; 0 if the server does not authenticate.
    #[must_use]
    pub fn principals(&self) -> usize {
        self.closed.as_ref().map_or(0, |closed| closed.rules.borrow().principals.len())
    }

    /// Returns the time at which the next API key expires, of those that have not expired yet.
    #[must_use]
    pub fn next_key_expiry(&self) -> Option<SystemTime> {
        let now = SystemTime::now();
        let rules = Arc::clone(&self.closed.as_ref()?.rules.borrow());
        rules.keys.values().filter_map(|key| key.expires).filter(|expires| *expires > now).min()
    }

    /// Identifies a caller by the bearer token of its call, or else by the certificate of its
    /// connection.
    ///
    /// # Errors
    /// The credentials are missing or not accepted.
    pub fn identify(
        &self,
        bearer: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Caller, Denied> {
        let Some(closed) = &self.closed else { return Ok(Caller::anybody()) };
        let rules = Arc::clone(&closed.rules.borrow());
        match (bearer, certificate) {
            (Some(bearer), _) => rules.by_bearer(bearer),
            (None, Some(certificate)) => rules.by_certificate(certificate),
            (None, None) => Err(Denied::Missing),
        }
    }

    /// Waits until the caller's call must end. Does not end if the caller stays accepted.
    pub async fn ended(&self, caller: &Caller) -> Ended {
        let (Some(closed), Some(session)) = (&self.closed, &caller.session) else {
            return std::future::pending().await;
        };
        let mut rules = closed.rules.subscribe();
        let mut ends = session.ends;
        loop {
            // Rules that were replaced since the caller was identified count, too.
            let now = Arc::clone(&rules.borrow_and_update());
            match now.find(&session.credential) {
                Err(_) => return Ended::Revoked,
                Ok((principal, _))
                    if principal.name.as_ref() != caller.name()
                        || principal.permissions != *caller.permissions() =>
                {
                    return Ended::Changed;
                }
                // The file may say now that the credentials expire earlier.
                Ok((_, now_ends)) => ends = [ends, now_ends].into_iter().flatten().min(),
            }
            drop(now);
            tokio::select! {
                () = until(ends) => return Ended::Revoked,
                changed = rules.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
        }
    }

    /// Reads the files again if they have changed. If they cannot be used, the old rules stay in
    /// force; the error is returned once.
    ///
    /// # Errors
    /// The files have changed and cannot be used.
    pub fn reload(&self) -> Result<bool, FileError> {
        let Some(closed) = &self.closed else { return Ok(false) };
        let mut seen = closed.seen.lock();
        let source = match Source::read(&closed.file) {
            Ok(source) => source,
            // Reported once, until the file can be read again.
            Err(error) => return if seen.take().is_some() { Err(error) } else { Ok(false) },
        };
        let digest = source.digest();
        if *seen == Some(digest) {
            return Ok(false);
        }
        *seen = Some(digest);
        let before = Arc::clone(&closed.rules.borrow());
        let rules = source.rules(Some(&before))?;
        closed.rules.send_replace(Arc::new(rules));
        Ok(true)
    }

    /// Reads the files again whenever they change, and logs it. Runs until it is dropped.
    pub async fn follow(self: Arc<Self>, metrics: AccessMetrics) {
        let Some(closed) = &self.closed else { return std::future::pending().await };
        let file = closed.file.display();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let access = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || access.reload()).await {
                Ok(Ok(true)) => {
                    metrics.reloads.of(ReloadResult::InForce).inc();
                    tracing::info!(%file, "the access file has changed and is in force");
                }
                Ok(Ok(false)) => {}
                Err(error) => tracing::error!(%error, "the access file was not looked at"),
                Ok(Err(error)) => {
                    metrics.reloads.of(ReloadResult::Unusable).inc();
                    tracing::error!(
                        %error,
                        "the access file has changed and cannot be used; the old rules stay in force"
                    );
                }
            }
        }
    }
}

/// Waits until a time, by the system's clock; for ever if there is none.
async fn until(time: Option<SystemTime>) {
    let Some(time) = time else { return std::future::pending().await };
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        // The system's clock may be set meanwhile.
        tokio::time::sleep(left.min(LOOK_INTERVAL)).await;
    }
}
