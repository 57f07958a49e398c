//! `frameway info`.

use clap::Args;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use crate::console::output::{
    Table, backend_name, bytes, duration, ms_json, print, print_json, short, since, span, time_json,
};
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;

/// Show a server's version, queue backend, durability, limits and defaults.
#[derive(Debug, Args)]
#[command(
    visible_alias = "server-info",
    after_help = "\
Examples:
  frameway info
  frameway info --address frames.example:7400
  frameway info --json | jq .limits.max_batch_frames"
)]
pub(super) struct InfoArgs {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads the server info and prints it.
pub(super) async fn run(args: InfoArgs) -> Result<(), Failure> {
    let client = args.connect.connect().await?;
    let info = client.server_info().await.map_err(|error| failure_while("reading the server info", error))?;
    if args.json {
        print_json(&as_json(&args.connect.address, &info));
    } else {
        print(&as_text(&args.connect.address, &info));
    }
    Ok(())
}

fn durability(info: &pb::GetServerInfoResponse) -> String {
    let name = short(info.durability().as_str_name(), "DURABILITY_").to_lowercase();
    if info.durability() == pb::Durability::Replicated {
        return format!("{name}({})", info.durability_replicas);
    }
    name
}

fn health(info: &pb::GetServerInfoResponse) -> String {
    short(info.health().as_str_name(), "SERVER_HEALTH_")
}

fn as_text(address: &str, info: &pb::GetServerInfoResponse) -> String {
    let mut table = Table::new(&["SERVER", address], &[]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("version", format!("{} (api {})", info.version, info.api_version));
    row("server id", info.server_id.clone());
    row("role", short(info.role().as_str_name(), "SERVER_ROLE_").to_lowercase());
    row("health", [health(info), info.health_message.clone()].join(" ").trim().to_owned());
    if let Some(time) = &info.start_time {
        row("up for", span(since(time)));
    }
    row("backend", format!("{} {}", backend_name(info), info.backend_version).trim().to_owned());
    row("durability", durability(info));
    row("partitions", info.partition_count.to_string());
    if !info.cluster_id.is_empty() {
        row("cluster id", info.cluster_id.clone());
    }
    row("auto-register", if info.auto_registration { "on" } else { "off" }.to_owned());
    if let Some(limits) = &info.limits {
        row("max message", bytes(limits.max_message_bytes));
        row(
            "max picture",
            format!("{}, {} pixels per side", bytes(limits.max_picture_bytes), limits.max_picture_side),
        );
        row("max batch", format!("{} frames", limits.max_batch_frames));
        row("max streams", limits.max_streams.to_string());
    }
    if let Some(keep) = info.defaults.as_ref().and_then(|defaults| defaults.retention.as_ref()) {
        let age = keep.max_age.as_ref().map(|age| span(duration(age))).unwrap_or_default();
        row("kept by default", format!("{} frames, {age}, {}", keep.max_frames(), bytes(keep.max_bytes())));
    }
    for warning in &info.warnings {
        row("warning", warning.clone());
    }
    table.render()
}

fn as_json(address: &str, info: &pb::GetServerInfoResponse) -> Value {
    let limits = info.limits.unwrap_or_default();
    let defaults = info.defaults.unwrap_or_default();
    let keep = defaults.retention.unwrap_or_default();
    let output = defaults.output.unwrap_or_default();
    let queue = defaults.queue.unwrap_or_default();
    json!({
        "address": address,
        "version": info.version,
        "api_version": info.api_version,
        "server_id": info.server_id,
        "role": short(info.role().as_str_name(), "SERVER_ROLE_"),
        "health": health(info),
        "health_message": info.health_message,
        "start_time": time_json(info.start_time.as_ref()),
        "server_time": time_json(info.server_time.as_ref()),
        "backend": backend_name(info),
        "backend_version": info.backend_version,
        "durability": durability(info),
        "partition_count": info.partition_count,
        "cluster_id": info.cluster_id,
        "features": info.features,
        "auto_registration": info.auto_registration,
        "limits": {
            "max_message_bytes": limits.max_message_bytes,
            "max_batch_frames": limits.max_batch_frames,
            "max_picture_bytes": limits.max_picture_bytes,
            "max_picture_pixels": limits.max_picture_pixels,
            "max_picture_side": limits.max_picture_side,
            "max_streams": limits.max_streams,
            "max_selectors": limits.max_selectors,
            "dedup_window": limits.dedup_window,
        },
        "default_retention": {
            "max_frames": keep.max_frames,
            "max_age_ms": ms_json(keep.max_age.as_ref().map(duration)),
            "max_bytes": keep.max_bytes,
        },
        "default_output": { "quality": output.quality, "thumbnail_size": output.thumbnail_size },
        "default_queue": { "max_frames": queue.max_frames, "max_bytes": queue.max_bytes },
        "warnings": info.warnings,
    })
}
