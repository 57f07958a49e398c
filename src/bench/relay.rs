//! `frameway-bench relay`.

use std::time::Duration;

use clap::Args;

use super::load::{Load, check_lost};
use super::redis::raw_hop;
use super::report::Report;
use super::rounds::RoundsArgs;
use super::{CommonArgs, mean_bytes};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Measure the frames per second in relay mode, as a share of what Redis alone moves.
///
/// The streams' mode is RELAY: no picture is read, measured or encoded. The limit is one hop
/// through the same Redis with its client library alone: XADD, XREADGROUP, XACK and XDEL of the
/// same number of bytes, in batches.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench relay --redis-url redis://localhost:6379/0
  frameway-bench relay --redis-url redis://localhost:6379/0 --width 1280 --height 720 --json")]
pub(super) struct RelayArgs {
    #[command(flatten)]
    common: CommonArgs,

    #[command(flatten)]
    rounds: RoundsArgs,

    /// Number of cameras.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// Maximum frames of all cameras together that are sent and not yet delivered.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,

    /// Frames in a batch of the raw hop.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    raw_batch: u16,
}

/// The duration of one measurement of the limit.
const HOP_TIME: Duration = Duration::from_secs(3);

pub(super) async fn run(args: RelayArgs) -> Result<(), Failure> {
    let RelayArgs { common, rounds, cameras, in_flight, raw_batch } = args;
    let Some(url) = common.redis_url.clone() else {
        return Err(Failure::Usage(anyhow::anyhow!(
            "--redis-url is needed: the limit is measured on that Redis"
        )));
    };
    let pictures = common.pictures().await?;
    let mean = mean_bytes(&pictures);
    let raw = async || {
        raw_hop(&url, mean, raw_batch.into(), HOP_TIME).await.map_err(|error| Failure::Failed(error.into()))
    };
    let load = Load {
        cameras: cameras as usize,
        pictures,
        fps: None,
        in_flight: in_flight as usize,
        seconds: common.seconds(),
        output: pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() },
    };
    let round = async || {
        let first = raw().await?;
        let measured = load.run(&common, None).await?;
        let raw_fps = f64::midpoint(first, raw().await?);
        let mut report = Report::default();
        report
            .number("fps", measured.fps(), "frames per second, delivered")
            .number("raw_redis_fps", raw_fps, "frames of that size per second, one hop through Redis alone")
            .number("ratio_to_raw_redis", measured.fps() / raw_fps, "")
            .number(
                "mb_per_s",
                measured.bytes as f64 / 1e6 / measured.seconds,
                "submitted, million bytes per second",
            )
            .number("cpu_ms_per_frame", measured.cpu_ms_per_frame(), "processor time of all processes")
            .figure("lost", measured.lost, "frames that were lost, delivered twice or out of order")
            .figure("picture_bytes", mean, "mean size of a picture")
            .figure("frames", measured.frames, "frames delivered during the measurement")
            .figure(
                "passed_through",
                measured.passed_through,
                "frames that were passed on without being encoded",
            );
        Ok((report, measured.lost))
    };
    let (report, lost) = rounds.run(round).await?;
    report.print("relay", common.json);
    check_lost(lost)
}
