//! The flags of TLS and credentials that all programs share.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::Failure;
use crate::client::{ConnectOptions, Credentials};

/// The variable of an API key. There is no flag for it, because other users of a machine can see
/// the command lines of its processes.
const API_KEY: &str = "FRAMEWAY_API_KEY";

/// The variables that are read without being those of a flag. The last one is for tests.
pub(crate) const VARIABLES: [&str; 2] = [API_KEY, "FRAMEWAY_TEST_CRASH"];

/// The TLS and the credentials of a connection.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArgs {
    /// PEM file with the CAs that the server's certificate may be from. Default: the system's CAs.
    /// Needs an https:// address.
    #[arg(long, env = "FRAMEWAY_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// PEM file with the certificate to present to the server. Needs --key.
    #[arg(long, env = "FRAMEWAY_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// PEM file with the private key of --cert.
    #[arg(long, env = "FRAMEWAY_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// File with the API key to send with every call; it is read again when it changes. The key
    /// itself can be in the environment variable FRAMEWAY_API_KEY.
    #[arg(long, env = "FRAMEWAY_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// File with the token (JWT) to send with every call; it is read again when it changes.
    #[arg(long, env = "FRAMEWAY_TOKEN_FILE", value_name = "FILE", conflicts_with = "api_key_file")]
    token_file: Option<PathBuf>,

    /// Send the key or token also in plaintext to other machines. Everyone on the path can read and
    /// use it.
    #[arg(long, env = "FRAMEWAY_PLAINTEXT_CREDENTIALS")]
    plaintext_credentials: bool,
}

impl SecurityArgs {
    /// Returns the options of a connection to `address`.
    pub(crate) fn options(&self, address: &str) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::new(address)?;
        if let Some(ca) = &self.ca {
            options = options.ca(read("--ca", ca)?);
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            options = options.client_certificate(read("--cert", certificate)?, read("--key", key)?);
        }
        if let Some(credentials) = self.credentials()? {
            options = options.credentials(credentials);
        }
        Ok(if self.plaintext_credentials { options.allow_plaintext_credentials() } else { options })
    }

    fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        if let Some(file) = self.api_key_file.as_ref().or(self.token_file.as_ref()) {
            return Ok(Some(Credentials::file(file)?));
        }
        match std::env::var(API_KEY) {
            Ok(key) => {
                let credentials = Credentials::text(&key).map_err(|error| {
                    Failure::Usage(anyhow!("the environment variable {API_KEY} cannot be used: {error}"))
                })?;
                Ok(Some(credentials))
            }
            Err(_) => Ok(None),
        }
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let read = std::fs::read(path).with_context(|| format!("reading {} for {flag}", path.display()));
    read.map_err(Failure::Usage)
}
