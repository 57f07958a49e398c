//! `frameway-bench scale`.

mod clusters;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use super::CommonArgs;
use super::load::{Load, Measured};
use super::report::{Report, rounded};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Measure the cost of a frame with few and with many cameras, with more worker processes, and in
/// larger clusters of Redis.
///
/// The cost is the processor time of all processes for one frame, at a pace that the machine can
/// keep.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench scale --width 320 --height 180
  frameway-bench scale --cameras 10,1000 --redis-url redis://localhost:6379/0 --workers 1,2,4
  frameway-bench scale --masters 1,2,3 --workers 1,2,4 --width 640 --height 360
  frameway-bench scale --cluster-url redis-cluster://a1,a2,a3 --cluster-url redis-cluster://b1,b2,b3,b4,b5,b6")]
pub(super) struct ScaleArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// Numbers of cameras to compare. The default is 1,10,100,1000, or none if clusters are compared.
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=2_000))]
    cameras: Option<Vec<u32>>,

    /// Numbers of worker processes to compare, with 16 cameras; needs --redis-url or clusters, with
    /// which the default is 1,2,4.
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<Vec<u32>>,

    /// Numbers of masters of Redis Clusters to compare, with each number of workers. The clusters are
    /// started on this machine with redis-server.
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with_all = ["redis_url", "cluster_url"],
          value_parser = clap::value_parser!(u32).range(1..=16))]
    masters: Vec<u32>,

    /// A Redis Cluster to compare with the other ones that are given, with each number of workers.
    /// Nothing else should use it.
    #[arg(long, value_name = "URL", conflicts_with = "redis_url")]
    cluster_url: Vec<String>,

    /// Frames per second of all cameras together.
    #[arg(long, value_name = "FPS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    total_fps: u32,
}

const IN_FLIGHT: usize = 256;
const CAMERAS_OF_WORKERS: u32 = 16;
const CAMERAS: [u32; 4] = [1, 10, 100, 1_000];

pub(super) async fn run(args: ScaleArgs) -> Result<(), Failure> {
    let ScaleArgs { common, cameras, workers, masters, cluster_url, total_fps } = args;
    if let Some(url) = cluster_url.iter().find(|url| !url.contains("-cluster://")) {
        let shown = url.split('@').next_back().unwrap_or_default();
        let why = anyhow!("--cluster-url needs redis-cluster://HOST[:PORT],..., but names {shown}");
        return Err(Failure::Usage(why));
    }
    let has_clusters = !masters.is_empty() || !cluster_url.is_empty();
    let workers = match (workers, common.redis_url.is_some() || has_clusters) {
        (Some(_), false) => {
            let why = anyhow!(
                "--workers needs --redis-url, --masters or --cluster-url: workers run in separate \
                 processes only with Redis"
            );
            return Err(Failure::Usage(why));
        }
        (Some(workers), true) => workers,
        (None, true) => vec![1, 2, 4],
        (None, false) => Vec::new(),
    };
    let cameras = cameras.unwrap_or_else(|| if has_clusters { Vec::new() } else { CAMERAS.to_vec() });
    let pictures = common.pictures().await?;
    let load = |cameras: u32| Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: Some(total_fps.into()),
        in_flight: IN_FLIGHT,
        seconds: common.seconds(),
        output: pb::OutputPolicy::default(),
    };
    let (mut by_cameras, mut by_workers) = (Vec::new(), Vec::new());
    for &count in &cameras {
        let measured = load(count).run(&common, None).await?;
        progress(count, "cameras", &measured);
        by_cameras.push((count, measured));
    }
    let by_masters =
        clusters::measure(&common, &load(CAMERAS_OF_WORKERS), &masters, &cluster_url, &workers).await?;
    for count in if has_clusters { Vec::new() } else { workers } {
        let measured = load(CAMERAS_OF_WORKERS).run(&common, Some(count)).await?;
        progress(count, "workers", &measured);
        by_workers.push((count, measured));
    }
    let one_server = || by_cameras.iter().chain(&by_workers).map(|(_, measured)| measured);
    let all = || one_server().chain(by_masters.runs.iter().map(|run| &run.measured));
    let lost: u64 = all().map(|measured| measured.lost).sum();
    let cost = |cameras: u32| {
        by_cameras.iter().find(|(count, _)| *count == cameras).map(|(_, m)| m.cpu_ms_per_frame())
    };
    let mut report = Report::default();
    let rows = |what: &str, measured: &[(u32, Measured)]| {
        let row = |(count, measured): &(u32, Measured)| {
            json!({
                what: count,
                "cost_per_frame": rounded(measured.cpu_ms_per_frame()),
                "fps": rounded(measured.fps()),
                "p99_ms": rounded(measured.latency.ms(0.99)),
                "peak_rss_mb": rounded(measured.peak_rss_mb),
            })
        };
        measured.iter().map(row).collect::<Vec<Value>>()
    };
    if !by_cameras.is_empty() {
        report.figure("by_cameras", rows("cameras", &by_cameras), "processor ms per frame of all processes");
    }
    if let (Some(ten), Some(thousand)) = (cost(10), cost(1_000)) {
        report.number("ratio_1000_to_10", thousand / ten, "cost of a frame, 1,000 cameras to 10");
    }
    if !by_workers.is_empty() {
        report.figure("by_workers", rows("workers", &by_workers), "the same, by worker processes");
    }
    by_masters.add_to(&mut report, common.json);
    report.figure("lost", lost, "frames that were lost, delivered twice or out of order");
    report.print("scale", common.json);
    all().try_for_each(Measured::check)
}

/// Prints an intermediate result.
fn progress(count: u32, what: &str, measured: &Measured) {
    eprintln!(
        "{count} {what}: {:.2} ms per frame, {:.1} frames/s",
        measured.cpu_ms_per_frame(),
        measured.fps()
    );
}
