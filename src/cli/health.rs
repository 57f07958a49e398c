//! `frameway health`.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::connect::ConnectArgs;
use crate::console::output::{print, print_json, short};
use crate::console::{Failure, refused};

/// Ask a server for its health: exit code 0 if it is SERVING, 1 if it is not, or cannot be reached.
///
/// A server is healthy while its queue backend answers and it is not draining. Use this command for
/// health checks of containers, and in scripts that wait for a server to start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway health
  frameway health --address frames.example:7400 --timeout 2s
  until frameway health; do sleep 1; done")]
pub(super) struct HealthArgs {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Maximum wait for the answer.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks for the health and prints it.
pub(super) async fn run(args: HealthArgs) -> Result<(), Failure> {
    let address = args.connect.address.clone();
    let asked = tokio::time::timeout(args.timeout, ask(&args.connect)).await;
    let late = || {
        Failure::Failed(anyhow!(
            "{address} did not answer within {}",
            humantime::format_duration(args.timeout)
        ))
    };
    let status = asked.unwrap_or_else(|_| Err(late()));
    let word = match &status {
        Ok(status) => short(status.as_str_name(), ""),
        Err(_) => "UNREACHABLE".to_owned(),
    };
    if args.json {
        print_json(&json!({ "address": address, "status": word }));
    } else if status.is_ok() {
        print(&format!("{word}\n"));
    }
    if status? == ServingStatus::Serving {
        return Ok(());
    }
    Err(Failure::Failed(anyhow!("{address} is {word}: its queue backend does not answer, or it is draining")))
}

async fn ask(connect: &ConnectArgs) -> Result<ServingStatus, Failure> {
    let client = connect.connect().await?;
    let mut health = HealthClient::new(client.channel());
    let mut answer = health.check(HealthCheckRequest::default()).await;
    // The server may have closed the connection just before the call was sent. The second call
    // opens a new one.
    if answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
        answer = health.check(HealthCheckRequest::default()).await;
    }
    let answer = answer.map_err(|status| refused("asking for the health", &status))?;
    Ok(answer.into_inner().status())
}
