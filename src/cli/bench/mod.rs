//! `frameway bench`: how fast, beside what this machine could do at best, both measured in the same run.

mod bare;
mod ceiling;
mod fanout;
mod latency;
mod load;
mod machine;
mod pipeline;
mod processes;
mod relay;
mod report;
mod scale;

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use clap::{Args, Subcommand};

use super::{Failure, sources};
use crate::picture::{Codec, Limits};
use crate::scene::Scene;
use crate::shutdown;

/// Pictures that are drawn where no source is given; cameras show them over and over.
const DRAWN: u64 = 30;
/// Quality of drawn pictures: like a camera's.
const DRAWN_QUALITY: u8 = 90;

/// Measure how fast this machine is, as ratios to what it could do at best.
///
/// Starts a server of its own (`frameway serve`) on a free port, cameras and subscribers that use the real gRPC API, and
/// measures a limit in the same run, so that figures of different machines and moments can be compared. Run it from a
/// release build, with nothing else running.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway bench pipeline
  frameway bench pipeline --source dense-1080p.jpg --redis-url redis://localhost:6379/0 --json
  frameway bench latency --source traffic.mp4
  frameway bench relay --redis-url redis://localhost:6379/0
  frameway bench fanout --subscribers 200
  frameway bench scale --cameras 1,10,100,1000

The Redis should be one that nothing else uses: its processor time is counted. The benchmark's streams are removed at the
end, unless it is interrupted.")]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Pipeline(pipeline::PipelineArgs),
    Latency(latency::LatencyArgs),
    Relay(relay::RelayArgs),
    Fanout(fanout::FanoutArgs),
    Scale(scale::ScaleArgs),
    #[command(hide = true)]
    Bare(bare::BareArgs),
}

/// What every benchmark takes.
#[derive(Debug, Clone, Args)]
struct CommonArgs {
    /// Real pictures instead of drawn ones: a file, a folder, a quoted pattern, or a video (through ffmpeg).
    #[arg(long, value_name = "PATH")]
    source: Option<String>,

    /// Queue in this Redis instead of in memory.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,

    /// How long is measured, after a moment of warming up.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// Width of the drawn pictures, or to which a video is scaled.
    #[arg(long, value_name = "PIXELS", default_value_t = 1920, value_parser = clap::value_parser!(u32).range(64..=3840))]
    width: u32,

    /// Height of the drawn pictures, or to which a video is scaled.
    #[arg(long, value_name = "PIXELS", default_value_t = 1080, value_parser = clap::value_parser!(u32).range(64..=2160))]
    height: u32,

    /// End with one JSON object on one line.
    #[arg(long)]
    json: bool,
}

impl CommonArgs {
    fn seconds(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// The pictures that the cameras show.
    async fn pictures(&self) -> Result<Vec<Bytes>, Failure> {
        if cfg!(debug_assertions) {
            eprintln!("this is not a release build: its figures say nothing (cargo build --release)");
        }
        let args = self.clone();
        let made = tokio::task::spawn_blocking(move || match &args.source {
            Some(source) => sources::pictures(source, 30, (args.width, args.height)),
            None => draw(args.width, args.height),
        });
        made.await.map_err(|panic| Failure::Failed(panic.into()))?
    }
}

fn draw(width: u32, height: u32) -> Result<Vec<Bytes>, Failure> {
    let scene = Scene::new(1, width, height);
    let mut codec = Codec::new(Limits::default());
    let picture = |number| {
        let drawn = scene.jpeg(&mut codec, number, DRAWN_QUALITY);
        drawn.map(|(picture, _truth)| picture).map_err(|error| Failure::Failed(error.into()))
    };
    (1..=DRAWN).map(picture).collect()
}

/// Runs one benchmark and reports.
pub(super) async fn run(args: BenchArgs) -> Result<(), Failure> {
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    // A signal is how that one ends.
    let serves = matches!(args.what, What::Bare(_));
    let running = async {
        match args.what {
            What::Pipeline(args) => pipeline::run(args).await,
            What::Latency(args) => latency::run(args).await,
            What::Relay(args) => relay::run(args).await,
            What::Fanout(args) => fanout::run(args).await,
            What::Scale(args) => scale::run(args).await,
            What::Bare(args) => bare::run(args).await,
        }
    };
    // What is dropped ends its processes and removes its files.
    let interrupted = || if serves { Ok(()) } else { Err(failed("interrupted")) };
    Box::pin(stop.run_until_cancelled(running)).await.unwrap_or_else(interrupted)
}

/// Mean size of the pictures.
fn mean_bytes(pictures: &[Bytes]) -> usize {
    pictures.iter().map(Bytes::len).sum::<usize>() / pictures.len().max(1)
}

/// What did not work as it must, in words.
fn failed(why: impl Into<String>) -> Failure {
    Failure::Failed(anyhow!(why.into()))
}
