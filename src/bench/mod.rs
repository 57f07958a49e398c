//! The program `frameway-bench`: it measures Frameway and, in the same run, the machine's limits.

mod bare;
mod ceiling;
mod cluster;
mod cpu;
mod fairness;
mod fanout;
mod latency;
mod load;
mod machine;
mod peers;
mod pipeline;
mod processes;
mod program;
pub(crate) mod quick;
mod redis;
mod relay;
mod report;
mod rounds;
mod scale;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use clap::{Args, Parser, Subcommand};

use crate::console::{self, Failure, SecurityArgs, sources};
use crate::picture::{Codec, Limits};
use crate::scene::Scene;
use crate::shutdown;

/// The number of pictures that are drawn if no source is given; cameras repeat them.
const DRAWN_PICTURES: u64 = 30;
/// The quality of drawn pictures, similar to a camera's.
const DRAWN_QUALITY: u8 = 90;

/// Measure how fast Frameway is on this machine, as ratios to the machine's limits.
///
/// Each benchmark starts a server (`frameway serve`) on a free port, with cameras and subscribers
/// that use the real gRPC API. It also measures a limit of the machine in the same run, so that
/// figures of different machines and days can be compared. Use a release build, with nothing else
/// running.
#[derive(Debug, Parser)]
#[command(
    name = "frameway-bench",
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  frameway-bench pipeline
  frameway-bench pipeline --source dense-1080p.jpg --redis-url redis://localhost:6379/0 --json
  frameway-bench latency --source traffic.mp4
  frameway-bench relay --redis-url redis://localhost:6379/0
  frameway-bench fanout --subscribers 200
  frameway-bench scale --cameras 1,10,100,1000
  frameway-bench scale --masters 1,2,3 --workers 1,2,4
  frameway-bench fairness --seconds 20
  frameway-bench peers --source dense-1080p.jpg --redis-url redis://localhost:6379/0

The Redis should be one that nothing else uses: its processor time is counted. The benchmark's streams are removed at the
end, unless it is interrupted."
)]
struct Bench {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Pipeline(pipeline::PipelineArgs),
    Latency(latency::LatencyArgs),
    Relay(relay::RelayArgs),
    Fanout(fanout::FanoutArgs),
    Scale(scale::ScaleArgs),
    Fairness(fairness::FairnessArgs),
    Peers(peers::PeersArgs),
    #[command(hide = true)]
    Bare(bare::BareArgs),
}

/// The flags of every benchmark.
#[derive(Debug, Clone, Args)]
struct CommonArgs {
    /// Real pictures instead of drawn ones: a file, a folder, a quoted pattern, or a video (through
    /// ffmpeg).
    #[arg(long, value_name = "PATH")]
    source: Option<String>,

    /// Queue in this Redis instead of in memory.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,

    /// Let the server serve TLS with this certificate (PEM). The clients need its CA: --ca.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,

    /// PEM file with the private key of --tls-cert.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,

    /// Let the server authenticate with this access file. The key of the clients needs the grant
    /// admin: --api-key-file.
    #[arg(long, value_name = "FILE")]
    access_file: Option<String>,

    /// Configuration file of the server, for example one that names a preset. Streams that this
    /// benchmark registers then have the server's default quality.
    #[arg(long, value_name = "FILE")]
    server_config: Option<String>,

    /// Duration of the measurement, or of each round, after a short warm-up.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// Width of the drawn pictures, or of a video after scaling.
    #[arg(long, value_name = "PIXELS", default_value_t = 1920, value_parser = clap::value_parser!(u32).range(64..=3840))]
    width: u32,

    /// Height of the drawn pictures, or of a video after scaling.
    #[arg(long, value_name = "PIXELS", default_value_t = 1080, value_parser = clap::value_parser!(u32).range(64..=2160))]
    height: u32,

    /// At the end, print one JSON object on one line.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    security: SecurityArgs,
}

impl CommonArgs {
    fn seconds(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// Returns the flags of the server's configuration file.
    fn server_config(&self) -> Vec<&str> {
        self.server_config.iter().flat_map(|file| ["--config", file]).collect()
    }

    /// Returns the quality to ask for: `None` if the server's default applies.
    fn quality(&self, quality: u8) -> Option<u32> {
        self.server_config.is_none().then_some(quality.into())
    }

    /// Returns the flags of the server's TLS and authentication.
    fn server_security(&self) -> Vec<&str> {
        [("--tls-cert", &self.tls_cert), ("--tls-key", &self.tls_key), ("--access-file", &self.access_file)]
            .into_iter()
            .filter_map(|(flag, value)| Some([flag, value.as_deref()?]))
            .flatten()
            .collect()
    }

    /// Returns the same flags without TLS and authentication; `None` if there are none.
    fn without_security(&self) -> Option<Self> {
        let plain = Self {
            tls_cert: None,
            tls_key: None,
            access_file: None,
            security: SecurityArgs::default(),
            ..self.clone()
        };
        (!self.server_security().is_empty()).then_some(plain)
    }

    /// Reads or draws the pictures that the cameras show.
    async fn pictures(&self) -> Result<Vec<Bytes>, Failure> {
        if cfg!(debug_assertions) {
            eprintln!("this is not a release build: its figures are not meaningful (cargo build --release)");
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
    (1..=DRAWN_PICTURES).map(picture).collect()
}

/// Runs the command line of `frameway-bench`.
#[must_use]
pub fn run() -> ExitCode {
    console::run("frameway-bench", run_one)
}

/// Runs one benchmark and prints its report.
async fn run_one(args: Bench) -> Result<(), Failure> {
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    // Only a signal ends the bare server, so a signal is not a failure there.
    let serves = matches!(args.benchmark, Benchmark::Bare(_));
    let running = async {
        match args.benchmark {
            Benchmark::Pipeline(args) => pipeline::run(args).await,
            Benchmark::Latency(args) => latency::run(args).await,
            Benchmark::Relay(args) => relay::run(args).await,
            Benchmark::Fanout(args) => fanout::run(args).await,
            Benchmark::Scale(args) => scale::run(args).await,
            Benchmark::Fairness(args) => fairness::run(args).await,
            Benchmark::Peers(args) => peers::run(args).await,
            Benchmark::Bare(args) => bare::run(args).await,
        }
    };
    // Dropping the benchmark ends its processes and removes its files.
    let interrupted = || if serves { Ok(()) } else { Err(failed("interrupted")) };
    Box::pin(stop.run_until_cancelled(running)).await.unwrap_or_else(interrupted)
}

/// Returns the mean size of the pictures.
fn mean_bytes(pictures: &[Bytes]) -> usize {
    pictures.iter().map(Bytes::len).sum::<usize>() / pictures.len().max(1)
}

/// Makes a failure with a reason.
fn failed(why: impl Into<String>) -> Failure {
    Failure::Failed(anyhow!(why.into()))
}
