//! `frameway bench pipeline`.

use clap::Args;

use super::ceiling::Ceiling;
use super::load::{self, Load, Measured};
use super::processes::Server;
use super::report::Report;
use super::{CommonArgs, Reencode, failed, machine};
use crate::cli::Failure;
use crate::pb::v1 as pb;

/// Frames a second through the whole way: cameras as fast as they can, gRPC, queue, worker, gRPC, subscriber.
///
/// `efficiency` is the frames a second as a share of `ceiling_fps`: what all cores together would do if they did nothing
/// else than decode and encode these pictures.
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
    let server = Server::start(common.redis_url.as_deref(), None).await?;
    let load = Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: None,
        in_flight: in_flight as usize,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: quality.into(),
            reencode_mode: reencode.mode().into(),
            ..Default::default()
        },
        prefix: format!("bench-{:08x}", rand::random::<u32>()),
    };
    let measured = load::run(&server, &load).await;
    let peak = server.peak_rss_mb();
    server.stop().await;
    let measured = measured?;
    let ceiling = first.mean(Ceiling::look(&pictures, quality).await?);
    report(&measured, ceiling, peak, in_flight).print("pipeline", common.json);
    if measured.lost > 0 {
        return Err(failed(format!("{} frames were lost, came twice or out of order", measured.lost)));
    }
    Ok(())
}

fn report(measured: &Measured, ceiling: Ceiling, peak: f64, in_flight: u32) -> Report {
    let cores = machine::cores();
    let frames = measured.frames.max(1) as f64;
    let (codec, analysis) = (ceiling.codec_ms, ceiling.analysis_ms);
    let cpu = measured.cpu_ms_per_frame();
    let mut report = Report::default();
    report
        .number("fps", measured.fps(), "frames a second, delivered")
        .number("codec_ms", codec, "decoding to planes and encoding from planes, one thread")
        .number("analysis_ms", analysis, "all measures, one thread")
        .number("ceiling_fps", ceiling.fps(cores), "cores x 1000 / codec_ms")
        .number("efficiency", measured.fps() / ceiling.fps(cores), "fps / ceiling_fps")
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
        .number("cpu_ms_other", cpu - codec - analysis, "of it, neither codec nor measures")
        .number("peak_rss_mb", peak, "most memory of server and worker, MiB")
        .number("p50_ms", measured.latency.ms(0.5), "from camera to subscriber, under this load")
        .figure("frames", measured.frames, "measured")
        .figure("passed_through", measured.passed_through, "of them, not encoded anew")
        .figure("in_flight", in_flight, "most frames sent and not yet delivered");
    report
}
