//! `frameway bench scale`.

use clap::Args;
use serde_json::json;

use super::load::{self, Load};
use super::processes::Server;
use super::report::{Report, rounded};
use super::{CommonArgs, failed};
use crate::cli::Failure;
use crate::pb::v1 as pb;

/// What a frame costs when the same frames come from few cameras or from many, and with more worker processes.
///
/// The cost is the processor time of all processes for one frame, at a pace that the machine can keep.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway bench scale --width 320 --height 180
  frameway bench scale --cameras 10,1000 --redis-url redis://localhost:6379/0 --workers 1,2,4")]
pub(super) struct ScaleArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// Numbers of cameras to compare.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 10, 100, 1_000],
          value_parser = clap::value_parser!(u32).range(1..=5_000))]
    cameras: Vec<u32>,

    /// Numbers of worker processes to compare, with 16 cameras; needs --redis-url.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 2, 4],
          value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Vec<u32>,

    /// Frames a second of all cameras together.
    #[arg(long, value_name = "FPS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    total_fps: u32,
}

const IN_FLIGHT: usize = 256;
const CAMERAS_OF_WORKERS: u32 = 16;

pub(super) async fn run(args: ScaleArgs) -> Result<(), Failure> {
    let ScaleArgs { common, cameras, workers, total_fps } = args;
    let pictures = common.pictures().await?;
    let mut lost = 0;
    let cost_of = |load: Load, redis_url: Option<String>, workers: Option<u32>| async move {
        let server = Server::start(redis_url.as_deref(), workers).await?;
        let measured = load::run(&server, &load).await;
        let peak = server.peak_rss_mb();
        server.stop().await;
        Ok::<_, Failure>((measured?, peak))
    };
    let load = |cameras: u32| Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: Some(total_fps.into()),
        in_flight: IN_FLIGHT,
        seconds: common.seconds(),
        output: pb::OutputPolicy::default(),
        prefix: format!("bench-{:08x}", rand::random::<u32>()),
    };
    let (mut by_cameras, mut by_workers) = (Vec::new(), Vec::new());
    for &count in &cameras {
        let (measured, peak) = cost_of(load(count), common.redis_url.clone(), None).await?;
        eprintln!(
            "{count} cameras: {:.2} ms a frame, {:.1} frames/s",
            measured.cpu_ms_per_frame(),
            measured.fps()
        );
        lost += measured.lost;
        by_cameras.push((count, measured, peak));
    }
    if common.redis_url.is_some() {
        for &count in &workers {
            let (measured, _) =
                cost_of(load(CAMERAS_OF_WORKERS), common.redis_url.clone(), Some(count)).await?;
            eprintln!(
                "{count} workers: {:.2} ms a frame, {:.1} frames/s",
                measured.cpu_ms_per_frame(),
                measured.fps()
            );
            lost += measured.lost;
            by_workers.push((count, measured));
        }
    }
    let cost = |cameras: u32| {
        by_cameras.iter().find(|(count, ..)| *count == cameras).map(|(_, m, _)| m.cpu_ms_per_frame())
    };
    let mut report = Report::default();
    let rows = by_cameras.iter().map(|(cameras, measured, peak)| {
        json!({ "cameras": cameras, "cost_per_frame": rounded(measured.cpu_ms_per_frame()), "fps": rounded(measured.fps()),
                "p99_ms": rounded(measured.latency.ms(0.99)), "peak_rss_mb": rounded(*peak) })
    });
    report.figure("by_cameras", rows.collect::<Vec<_>>(), "processor ms a frame of all processes");
    if let (Some(ten), Some(thousand)) = (cost(10), cost(1_000)) {
        report.number("ratio_1000_to_10", thousand / ten, "cost of a frame, 1,000 cameras to 10");
    }
    if !by_workers.is_empty() {
        let rows = by_workers.iter().map(|(workers, measured)| {
            json!({ "workers": workers, "cost_per_frame": rounded(measured.cpu_ms_per_frame()), "fps": rounded(measured.fps()),
                    "p99_ms": rounded(measured.latency.ms(0.99)) })
        });
        report.figure("by_workers", rows.collect::<Vec<_>>(), "the same, by worker processes");
    }
    report.figure("lost", lost, "accepted and not delivered once, in order");
    report.print("scale", common.json);
    if lost > 0 {
        return Err(failed(format!("{lost} frames were lost, came twice or out of order")));
    }
    Ok(())
}
