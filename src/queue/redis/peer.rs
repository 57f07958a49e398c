//! A server to connect to, and the way to log in.

use std::io;
use std::path::{Path, PathBuf};

use redis::ConnectionAddr;
use serde::{Deserialize, Serialize};

use super::tls;

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
    /// The name of the user at the Sentinels. None = the user `default`.
    pub sentinel_user: Option<String>,
    /// The file of the password at the Sentinels. None = they want none.
    pub sentinel_password_file: Option<PathBuf>,
}

/// A user and its password.
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

/// A server to connect to, and the way to log in, as the files say now.
pub(super) struct Peer {
    pub(super) address: ConnectionAddr,
    pub(super) tls: Option<tls::Settings>,
    pub(super) login: Option<Login>,
    pub(super) database: i64,
}

/// Reads a password from its file.
pub(super) fn read_password(file: &Path) -> io::Result<String> {
    let text = tls::in_file("password", file, std::fs::read_to_string(file))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(io::Error::other(format!("the password file {} is empty", file.display())));
    }
    Ok(password.to_owned())
}
