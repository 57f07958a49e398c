//! A Redis to connect to: its address, its TLS, and the user that logs in.

use std::fmt;
use std::io;
use std::path::PathBuf;

use redis::{ConnectionAddr, RedisError};
use serde::{Deserialize, Serialize};

use super::resp::explained;
use super::tls;
use super::url::RedisUrl;
use crate::queue::{Error, Result};

/// The user that logs in to a Redis, and the files of its TLS. All files are read at every connect,
/// so that they can be replaced while the program runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSecurity {
    /// The name of the user, unless the URL contains it. None = the user `default`.
    pub user: Option<String>,
    /// The file of the password, unless the URL contains it.
    pub password_file: Option<PathBuf>,
    /// The certificates of the CAs that may sign the certificate of Redis (PEM). None = those of
    /// the system.
    pub ca: Option<PathBuf>,
    /// The client certificate, with its chain (PEM).
    pub certificate: Option<PathBuf>,
    /// The private key of the client certificate (PEM).
    pub key: Option<PathBuf>,
}

/// A user and its password.
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

/// A Redis to connect to.
pub(super) struct Target {
    pub(super) address: ConnectionAddr,
    pub(super) database: i64,
    is_tls: bool,
    user: Option<String>,
    password: Option<String>,
    security: RedisSecurity,
}

/// Writes nothing that is secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads the URL and tries to read the files.
    ///
    /// # Errors
    /// [`Error::Unsuitable`]: the URL is not valid, or a file cannot be used.
    pub(super) fn new(url: &RedisUrl, security: &RedisSecurity) -> Result<Self> {
        let info = url.parse()?;
        let settings = info.redis_settings();
        let target = Self {
            address: info.addr().clone(),
            database: settings.db(),
            is_tls: url.is_tls(),
            user: settings.username().map(str::to_owned).or_else(|| security.user.clone()),
            password: settings.password().map(str::to_owned),
            security: security.clone(),
        };
        let unusable = |error: io::Error| Error::Unsuitable(error.to_string());
        target.login().map_err(unusable)?;
        target.tls().map_err(unusable)?;
        Ok(target)
    }

    /// Returns the user that logs in, if any; reads its password if it is in a file.
    pub(super) fn login(&self) -> io::Result<Option<Login>> {
        let password = match (&self.security.password_file, &self.password) {
            (Some(file), _) => {
                let text = tls::in_file("password", file, std::fs::read_to_string(file))?;
                let password = text.strip_suffix('\n').unwrap_or(&text);
                let password = password.strip_suffix('\r').unwrap_or(password);
                if password.is_empty() {
                    return Err(io::Error::other(format!("the password file {} is empty", file.display())));
                }
                password.to_owned()
            }
            (None, Some(password)) => password.clone(),
            (None, None) => return Ok(None),
        };
        Ok(Some(Login { user: self.user.clone(), password }))
    }

    /// Returns the error of a failed attempt to connect.
    pub(super) fn unreachable(&self, error: &RedisError) -> Error {
        let mut why = explained(&error.to_string());
        // A port with TLS ends the connection without a word.
        if !self.is_tls && why.ends_with("Redis closed it") {
            why.push_str("; if this port of Redis speaks TLS, the URL must begin with rediss://");
        }
        Error::Unreachable(why)
    }

    /// Returns the settings of TLS from the files as they are now; `None` without TLS.
    pub(super) fn tls(&self) -> io::Result<Option<tls::Settings>> {
        self.is_tls.then(|| tls::settings(&self.security)).transpose()
    }
}
