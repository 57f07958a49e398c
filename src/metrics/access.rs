//! Callers and certificates.

use super::families::{Counter, Families, Reading};
use super::label::{Per, label};

/// The reason for which a call was refused before its handler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefusal {
    /// It had no credentials.
    Missing,
    /// Its credentials are not accepted.
    Invalid,
    /// Its caller may not call the method.
    Denied,
    /// Its caller already has as many calls as its quota allows.
    Quota,
}

label!(CallRefusal: Missing = "missing", Invalid = "invalid", Denied = "denied", Quota = "quota");

/// The result of reading changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// The new contents are in force.
    InForce,
    /// They cannot be used: the old ones stay in force.
    Unusable,
}

label!(ReloadResult: InForce = "in_force", Unusable = "unusable");

/// The metrics of callers and certificates.
#[derive(Debug, Clone)]
pub struct AccessMetrics {
    /// Refused calls.
    pub refused: Per<CallRefusal, Counter>,
    /// Changes of the access file.
    pub reloads: Per<ReloadResult, Counter>,
    /// Changes of the TLS files.
    pub tls_reloads: Per<ReloadResult, Counter>,
    /// The number of principals.
    pub principals: Reading,
    /// The time at which the next API key expires, seconds since the Unix epoch.
    pub next_key_expiry: Reading,
    /// The time at which the server's certificate expires, seconds since the Unix epoch.
    pub certificate_expiry: Reading,
}

impl Default for AccessMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl AccessMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        Self {
            refused: families.counter_per(
                "reason",
                (
                    "access_refused",
                    "Calls that were refused because of their caller",
                    "`invalid`: a key was revoked or has expired, or somebody guesses; the log has the reason and the \
                     address. `denied`: a grant is missing.",
                ),
            ),
            reloads: families.counter_per(
                "result",
                (
                    "access_reloads",
                    "Changes of the access file that were noticed",
                    "`unusable`: the file has a mistake and the old rules stay in force; the log says which line.",
                ),
            ),
            tls_reloads: families.counter_per(
                "result",
                (
                    "tls_reloads",
                    "Changes of the TLS files that were noticed",
                    "`unusable`: new connections use the old certificate; the log says why.",
                ),
            ),
            principals: families.reading((
                "access_principals",
                "Principals in the access file in force; absent without one",
                "Check it after a change of the file.",
            )),
            next_key_expiry: families.reading((
                "access_next_key_expiry_timestamp_seconds",
                "Time at which the next API key in the access file expires; absent if none does",
                "Issue a new key before (`frameway keys`).",
            )),
            certificate_expiry: families.reading((
                "tls_certificate_expiry_timestamp_seconds",
                "Time at which the server's TLS certificate expires; absent without TLS",
                "Replace the files before: the server notices within 10 s.",
            )),
        }
    }
}
