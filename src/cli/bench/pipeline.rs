//! `frameway bench pipeline`.

use clap::Args;

use super::ceiling::Ceiling;
use super::load::{KEPT_FRAMES, Load, Measured};
use super::report::Report;
use super::{CommonArgs, machine, mean_bytes};
use crate::cli::Failure;
use crate::cli::streams::Reencode;
use crate::pb::v1 as pb;

/// Frames a second through the whole way: cameras as fast as they can, gRPC, queue, worker, gRPC, subscriber.
///
/// `efficiency` is the frames a second as a share of `ceiling_fps`: what all cores would do if each decoded and
/// encoded these pictures as fast as one does alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway bench pipeline
  frameway bench pipeline --source dense-1080p.jpg --redis-url redis://localhost:6379/0 --json
  frameway bench pipeline --source traffic.mp4 --cameras 8 --reencode auto")]
pub(super) struct PipelineArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many cameras.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// Most frames of all cameras together that are sent and not yet delivered.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,

    /// When the worker encodes a picture anew.
    #[arg(long, value_enum, default_value = "always")]
    reencode: Reencode,

    /// JPEG quality of the output.
    #[arg(long, value_name = "QUALITY", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
}

pub(super) async fn run(args: PipelineArgs) -> Result<(), Failure> {
    let PipelineArgs { common, cameras, in_flight, reencode, quality } = args;
    let pictures = common.pictures().await?;
    let first = Ceiling::look(&pictures, quality).await?;
    let load = Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: None,
        in_flight: in_flight as usize,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: Some(quality.into()),
            reencode_mode: reencode.to_pb().into(),
            ..Default::default()
        },
    };
    let measured = load.run(common.redis_url.as_deref(), None).await?;
    let ceiling = first.mean(Ceiling::look(&pictures, quality).await?);
    let held = Held {
        in_flight: in_flight as usize,
        // With the embedded queue, what is kept lies in the server's memory.
        kept: if common.redis_url.is_some() { 0 } else { cameras as usize * KEPT_FRAMES as usize },
        cameras: cameras as usize,
        picture_bytes: mean_bytes(&pictures),
    };
    report(&measured, ceiling, &held, reencode).print("pipeline", common.json);
    measured.check()
}

/// What a server must hold.
struct Held {
    in_flight: usize,
    kept: usize,
    cameras: usize,
    picture_bytes: usize,
}

impl Held {
    /// What it may take for that, in MiB: 64 MB, 1.2 times the bytes, and 64 kB a stream.
    fn memory_bound_mb(&self) -> f64 {
        let bytes = (self.in_flight + self.kept) * self.picture_bytes;
        (64e6 + 1.2 * bytes as f64 + 64e3 * self.cameras as f64) / f64::from(1 << 20)
    }
}

fn report(measured: &Measured, ceiling: Ceiling, held: &Held, reencode: Reencode) -> Report {
    let cores = machine::cores();
    let frames = measured.frames.max(1) as f64;
    let (codec, analysis) = (ceiling.codec_ms, ceiling.analysis_ms);
    let cpu = measured.cpu_ms_per_frame();
    let mut report = Report::default();
    report
        .number("fps", measured.fps(), "frames a second, delivered")
        .number("codec_ms", codec, "decoding to planes and encoding from planes, one thread")
        .number("analysis_ms", analysis, "all measures, one thread")
        .number("ceiling_fps", ceiling.fps(cores), "cores x 1000 / codec_ms");
    // Where pictures are passed on, the ceiling is none, and its codec's time not spent.
    if reencode == Reencode::Always {
        report.number("efficiency", measured.fps() / ceiling.fps(cores), "fps / ceiling_fps").number(
            "cpu_ms_other",
            cpu - codec - analysis,
            "processor time a frame, neither codec nor measures",
        );
    }
    report
        .figure("lost", measured.lost, "accepted and not delivered once, in order")
        .number(
            "mb_per_s",
            measured.bytes as f64 / 1e6 / measured.seconds,
            "submitted, million bytes a second",
        )
        .number("cpu_ms_per_frame", cpu, "processor time of all processes")
        .number("cpu_ms_server", measured.cpu.server / frames, "of it, server and worker")
        .number("cpu_ms_redis", measured.cpu.redis / frames, "of it, Redis")
        .number("cpu_ms_clients", measured.cpu.clients / frames, "of it, cameras and subscriber")
        .number("peak_rss_mb", measured.peak_rss_mb, "most memory of server and worker, MiB")
        .number("memory_bound_mb", held.memory_bound_mb(), "64 MB, 1.2 x the bytes held, 64 kB a stream")
        .number("p50_ms", measured.latency.ms(0.5), "from camera to subscriber, under this load")
        .figure("frames", measured.frames, "measured")
        .figure("passed_through", measured.passed_through, "of them, not encoded anew")
        .figure("in_flight", held.in_flight, "most frames sent and not yet delivered");
    report
}
