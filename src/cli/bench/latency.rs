//! `frameway bench latency`.

use clap::Args;

use super::CommonArgs;
use super::ceiling::Ceiling;
use super::load::Load;
use super::report::Report;
use crate::cli::Failure;
use crate::cli::streams::Reencode;
use crate::pb::v1 as pb;

/// Milliseconds from a camera's hand to a subscriber's, with cameras that are paced and an idle machine beside them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway bench latency
  frameway bench latency --cameras 4 --fps 15 --redis-url redis://localhost:6379/0")]
pub(super) struct LatencyArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many cameras.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// Frames a second of each camera.
    #[arg(long, value_name = "FPS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,

    /// When the worker encodes a picture anew.
    #[arg(long, value_enum, default_value = "always")]
    reencode: Reencode,
}

/// Far more than wait unless the machine cannot keep up.
const IN_FLIGHT: usize = 256;
const QUALITY: u8 = crate::picture::DEFAULT_JPEG_QUALITY;

pub(super) async fn run(args: LatencyArgs) -> Result<(), Failure> {
    let LatencyArgs { common, cameras, fps, reencode } = args;
    let pictures = common.pictures().await?;
    let first = Ceiling::look(&pictures, QUALITY).await?;
    let load = Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: Some(f64::from(cameras * fps)),
        in_flight: IN_FLIGHT,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: Some(QUALITY.into()),
            reencode_mode: reencode.to_pb().into(),
            ..Default::default()
        },
    };
    let measured = load.run(common.redis_url.as_deref(), None).await?;
    let ceiling = first.mean(Ceiling::look(&pictures, QUALITY).await?);
    let (latency, codec) = (&measured.latency, ceiling.codec_ms);
    let mut report = Report::default();
    report
        .number("p50_ms", latency.ms(0.5), "half of the frames came sooner")
        .number("p95_ms", latency.ms(0.95), "95 of 100 came sooner")
        .number("p99_ms", latency.ms(0.99), "99 of 100 came sooner")
        .number("codec_ms", codec, "decoding to planes and encoding from planes, one thread")
        .number("p50_ratio_to_codec", latency.ms(0.5) / codec, "")
        .number("p99_ratio_to_codec", latency.ms(0.99) / codec, "")
        .number("fps", measured.fps(), "frames a second, delivered")
        .number("cpu_ms_per_frame", measured.cpu_ms_per_frame(), "processor time of all processes")
        .figure("lost", measured.lost, "accepted and not delivered once, in order")
        .figure("frames", measured.frames, "measured");
    report.print("latency", common.json);
    measured.check()
}
