//! Access: who may call what, over real gRPC.

// A test names the answer that it expects and fails with any other.
#![allow(clippy::wildcard_enum_match_arm)]

mod access_file;
#[allow(dead_code, reason = "the other suite uses the rest of it")]
#[path = "../skew/caller.rs"]
mod caller;
mod callers;
mod changes;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/http1.rs"]
mod http1;
mod matrix;
mod ownership;
mod quotas;
mod scaler;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/server.rs"]
mod server;
mod tokens;
mod web;

use std::time::Duration;

use frameway::client::{Client, ConnectOptions, Credentials};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::server::TestServer;

/// The maximum time from the change of the file, or from the expiry of credentials, to the end of a
/// call.
const END_WITHIN: Duration = Duration::from_secs(15);

/// Connects, and sends an API key or a token with every call.
async fn connect(server: &TestServer, bearer: &str) -> Client {
    let options = ConnectOptions::new(&server.address.to_string()).expect("an address");
    let credentials = Credentials::text(bearer).expect("a header");
    options.credentials(credentials).connect().await.expect("connects")
}

/// Waits for the end of a call, for at most [`END_WITHIN`], and returns its status.
async fn ended<T>(events: &mut Streaming<T>) -> Status {
    let end = async {
        loop {
            match events.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the call ended with OK"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(END_WITHIN, end).await.expect("ends in time")
}

/// Returns a request with an API key or a token.
fn with_bearer<T>(bearer: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {bearer}").parse().expect("metadata");
    request.metadata_mut().insert("authorization", value);
    request
}

/// Returns the reason in the ErrorInfo of a status, without the prefix of the enum.
fn reason(status: &Status) -> String {
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    reason.unwrap_or_default().trim_start_matches("ERROR_REASON_").to_owned()
}
