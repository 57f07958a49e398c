//! `frameway-bench latency`.

use clap::Args;

use super::CommonArgs;
use super::ceiling::Ceiling;
use super::load::{Load, check_lost};
use super::report::Report;
use super::rounds::RoundsArgs;
use crate::cli::Reencode;
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Measure the milliseconds from a camera to a subscriber, with paced cameras on a machine that is
/// otherwise idle.
///
/// With --tls-cert or --access-file, it measures without them, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench latency
  frameway-bench latency --cameras 4 --fps 15 --redis-url redis://localhost:6379/0
  frameway-bench latency --tls-cert server.pem --tls-key server.key --ca ca.pem    # and in plaintext")]
pub(super) struct LatencyArgs {
    #[command(flatten)]
    common: CommonArgs,

    #[command(flatten)]
    rounds: RoundsArgs,

    /// Number of cameras.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// Frames per second of each camera.
    #[arg(long, value_name = "FPS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,

    /// Condition for encoding a picture again.
    #[arg(long, value_enum, default_value = "always")]
    reencode: Reencode,
}

/// The maximum number of frames in flight. A machine that keeps the pace needs far fewer.
const IN_FLIGHT: usize = 256;
const QUALITY: u8 = crate::picture::DEFAULT_JPEG_QUALITY;

pub(super) async fn run(args: LatencyArgs) -> Result<(), Failure> {
    let LatencyArgs { common, rounds, cameras, fps, reencode } = args;
    let pictures = common.pictures().await?;
    let load = Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: Some(f64::from(cameras * fps)),
        in_flight: IN_FLIGHT,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: common.quality(QUALITY),
            reencode_mode: reencode.to_pb().into(),
            ..Default::default()
        },
    };
    let round = async || {
        let first = Ceiling::measure(&pictures, QUALITY).await?;
        let (measured, plaintext) = load.beside_plaintext(&common).await?;
        let ceiling = first.mean(Ceiling::measure(&pictures, QUALITY).await?);
        let (latency, codec) = (&measured.latency, ceiling.codec_ms);
        let mut report = Report::default();
        report
            .number("p50_ms", latency.ms(0.5), "half of the frames arrived sooner")
            .number("p95_ms", latency.ms(0.95), "95 of 100 arrived sooner")
            .number("p99_ms", latency.ms(0.99), "99 of 100 arrived sooner")
            .number(
                "codec_ms",
                codec,
                "decoding to planes and encoding from planes, processor time of one thread",
            )
            .number("p50_ratio_to_codec", latency.ms(0.5) / codec, "")
            .number("p99_ratio_to_codec", latency.ms(0.99) / codec, "")
            .number("fps", measured.fps(), "frames per second, delivered")
            .number("cpu_ms_per_frame", measured.cpu_ms_per_frame(), "processor time of all processes")
            .figure("lost", measured.lost, "frames that were lost, delivered twice or out of order")
            .figure("frames", measured.frames, "frames delivered during the measurement");
        if let Some(plaintext) = &plaintext {
            let p50 = plaintext.latency.ms(0.5);
            report.number("plaintext_p50_ms", p50, "without TLS and authentication").number(
                "p50_ratio_to_plaintext",
                latency.ms(0.5) / p50,
                "",
            );
        }
        Ok((report, measured.lost))
    };
    let (report, lost) = rounds.run(round).await?;
    report.print("latency", common.json);
    check_lost(lost)
}
