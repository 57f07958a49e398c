//! `frameway health`.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Failure;
use super::client::ConnectArgs;
use super::fault;
use super::output::{print, print_json};

/// Ask a server whether it is healthy: exit code 0 if it is SERVING, 1 if not or not reachable.
///
/// The server is healthy while its queue backend answers and it does not drain. Made for container health checks and
/// scripts that wait for a server to come up.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway health
  frameway health --address frames.example:7400 --timeout 2s
  until frameway health; do sleep 1; done")]
pub(super) struct HealthArgs {
    #[command(flatten)]
    connect: ConnectArgs,

    /// How long to wait for the answer.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks, prints and answers.
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
        Ok(status) => fault::short(status.as_str_name(), ""),
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
    Err(Failure::Failed(anyhow!("{address} is {word}: its queue backend is away, or it drains")))
}

async fn ask(connect: &ConnectArgs) -> Result<ServingStatus, Failure> {
    let client = connect.connect().await?;
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(client.channel).check(request).await;
    let answer = answer.map_err(|status| fault::refused("asking for its health", &status))?;
    Ok(answer.into_inner().status())
}
