//! The flags that say which server to use.

use clap::Args;

use crate::client::{Client, parse_address};
use crate::console::{Failure, SecurityArgs};

/// The choice of a server.
#[derive(Debug, Clone, Args)]
pub(super) struct ConnectArgs {
    /// The server: HOST:PORT, https://HOST:PORT for TLS, or unix:/run/frameway.sock.
    #[arg(long, env = "FRAMEWAY_ADDRESS", value_name = "ADDRESS", default_value = "http://127.0.0.1:7400",
          value_parser = parse_address)]
    pub(super) address: String,

    #[command(flatten)]
    security: SecurityArgs,
}

impl ConnectArgs {
    /// Opens the connection.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        Ok(self.security.options(&self.address)?.connect().await?)
    }
}
