use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Listen;
use crate::domain::{AllowedOrigin, ValidationError};

/// The access of callers.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// File that says who may call and what each caller may do (see `frameway keys --help` and
    /// docs/security.md). It is read again when it changes. Unset: everybody may do everything.
    #[arg(long, env = "FRAMEWAY_ACCESS_FILE", value_name = "FILE")]
    pub access_file: Option<PathBuf>,

    /// Require credentials for reflection, too.
    #[arg(long, env = "FRAMEWAY_PRIVATE_REFLECTION")]
    pub private_reflection: bool,

    /// Listen on an address that other machines can reach although callers are not authenticated
    /// or connections are not encrypted. Everybody who reaches the port can then read or change
    /// frames.
    #[arg(long, env = "FRAMEWAY_INSECURE")]
    pub insecure: bool,
}

impl AccessArgs {
    /// Refuses to be reached by other machines without TLS and authentication.
    pub(super) fn check(self, listen: &Listen, has_tls: bool) -> Result<Self, ValidationError> {
        if self.is_exposed(listen, has_tls) && !self.insecure {
            let missing = match (has_tls, self.access_file.is_some()) {
                (false, false) => "--tls-cert and --tls-key, and --access-file",
                (false, true) => "--tls-cert and --tls-key",
                (true, _) => "--access-file",
            };
            let rule = format!(
                "{listen} can be reached by other machines: set {missing} (see docs/security.md); or listen on \
                 127.0.0.1 or a Unix socket"
            );
            return Err(ValidationError::new("--listen", rule));
        }
        Ok(self)
    }

    /// Refuses to let all web pages call a server that does not authenticate. Whoever may reach the
    /// server could then be used by any page that they open. With authentication, a page needs a key
    /// or a token of its own: browsers never add one by themselves, and answers do not permit them to
    /// add cookies or certificates.
    pub(super) fn check_origins(&self, origins: &[AllowedOrigin]) -> Result<(), ValidationError> {
        if self.access_file.is_none() && !self.insecure && origins.contains(&AllowedOrigin::Any) {
            let rule = "* lets every web page call this server in the name of whoever opens the page: set \
                        --access-file, or name the origins";
            return Err(ValidationError::new("--web-origin", rule));
        }
        Ok(())
    }

    /// Reports whether other machines can reach the server without TLS or authentication.
    #[must_use]
    pub fn is_exposed(&self, listen: &Listen, has_tls: bool) -> bool {
        !listen.is_local() && (!has_tls || self.access_file.is_none())
    }
}
