//! `frameway-bench pipeline`.

use clap::Args;

use super::ceiling::Ceiling;
use super::load::{KEPT_FRAMES, Load, Measured, check_lost};
use super::report::Report;
use super::rounds::RoundsArgs;
use super::{CommonArgs, machine, mean_bytes};
use crate::cli::Reencode;
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Measure the frames per second that pass through the whole service: from cameras that submit as
/// fast as possible, through gRPC, queue and worker, to a subscriber.
///
/// The limits are processor times of one thread: `codec_ms` of decoding and encoding these pictures,
/// `picture_ms` of what the worker does with them, which is less for a JPEG that is transcoded.
/// `cpu_ratio_to_codec` compares the processor time of the whole service with `codec_ms`, so other
/// programs on the machine hardly change it. `efficiency` is the frames per second as a share of
/// `ceiling_fps`: the frames per second of all cores if they only decoded and encoded. It exceeds 1
/// for JPEGs that are transcoded.
///
/// With --tls-cert or --access-file, it measures without them, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench pipeline
  frameway-bench pipeline --source dense-1080p.jpg --redis-url redis://localhost:6379/0 --json
  frameway-bench pipeline --source traffic.mp4 --cameras 8 --reencode auto
  frameway-bench pipeline --tls-cert server.pem --tls-key server.key --ca ca.pem \\
    --access-file access.toml --api-key-file admin.key    # and in plaintext")]
pub(super) struct PipelineArgs {
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

    /// Condition for encoding a picture again.
    #[arg(long, value_enum, default_value = "always")]
    reencode: Reencode,

    /// JPEG quality of the output, unless --server-config says it.
    #[arg(long, value_name = "QUALITY", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
}

pub(super) async fn run(args: PipelineArgs) -> Result<(), Failure> {
    let PipelineArgs { common, rounds, cameras, in_flight, reencode, quality } = args;
    let pictures = common.pictures().await?;
    let load = Load {
        cameras: cameras as usize,
        pictures: pictures.clone(),
        fps: None,
        in_flight: in_flight as usize,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: common.quality(quality),
            reencode_mode: reencode.to_pb().into(),
            ..Default::default()
        },
    };
    let held = Held {
        in_flight: in_flight as usize,
        // With the embedded queue, kept frames are in the server's memory.
        kept: if common.redis_url.is_some() { 0 } else { cameras as usize * KEPT_FRAMES as usize },
        cameras: cameras as usize,
        picture_bytes: mean_bytes(&pictures),
    };
    let round = async || {
        let first = Ceiling::measure(&pictures, quality).await?;
        let (measured, plaintext) = load.beside_plaintext(&common).await?;
        let ceiling = first.mean(Ceiling::measure(&pictures, quality).await?);
        let mut report = report(&measured, ceiling, &held, reencode);
        if let Some(plaintext) = &plaintext {
            let cpu = plaintext.cpu_ms_per_frame();
            report
                .number("plaintext_fps", plaintext.fps(), "without TLS and authentication")
                .number("fps_ratio_to_plaintext", measured.fps() / plaintext.fps(), "")
                .number("plaintext_cpu_ms_per_frame", cpu, "without TLS and authentication")
                .number("cpu_ratio_to_plaintext", measured.cpu_ms_per_frame() / cpu, "");
        }
        Ok((report, measured.lost))
    };
    let (report, lost) = rounds.run(round).await?;
    report.print("pipeline", common.json);
    check_lost(lost)
}

/// The number of frames and streams that a server holds in memory.
struct Held {
    in_flight: usize,
    kept: usize,
    cameras: usize,
    picture_bytes: usize,
}

impl Held {
    /// Returns the bound that the server's memory should not exceed, in MiB: the sum of 64 MB, 1.2
    /// times the bytes of the frames, and 64 kB for each stream.
    fn memory_bound_mb(&self) -> f64 {
        let bytes = (self.in_flight + self.kept) * self.picture_bytes;
        (64e6 + 1.2 * bytes as f64 + 64e3 * self.cameras as f64) / f64::from(1 << 20)
    }
}

fn report(measured: &Measured, ceiling: Ceiling, held: &Held, reencode: Reencode) -> Report {
    let cores = machine::cores();
    let frames = measured.frames.max(1) as f64;
    let Ceiling { codec_ms: codec, analysis_ms: analysis, picture_ms: picture } = ceiling;
    let cpu = measured.cpu_ms_per_frame();
    let mut report = Report::default();
    report
        .number("fps", measured.fps(), "frames per second, delivered")
        .number(
            "codec_ms",
            codec,
            "decoding to planes and encoding from planes, processor time of one thread",
        )
        .number("analysis_ms", analysis, "all measures, one thread")
        .number("picture_ms", picture, "picture and measures as the worker makes them, one thread")
        .number("ceiling_fps", ceiling.fps(cores), "cores x 1000 / codec_ms");
    // If pictures are not always encoded, the ceiling does not apply.
    if reencode == Reencode::Always {
        report
            .number("efficiency", measured.fps() / ceiling.fps(cores), "fps / ceiling_fps")
            .number("cpu_ratio_to_codec", cpu / codec, "cpu_ms_per_frame / codec_ms")
            .number("cpu_ms_other", cpu - picture, "cpu_ms_per_frame without picture_ms");
    }
    report
        .figure("lost", measured.lost, "frames that were lost, delivered twice or out of order")
        .number(
            "mb_per_s",
            measured.bytes as f64 / 1e6 / measured.seconds,
            "submitted, million bytes per second",
        )
        .number("cpu_ms_per_frame", cpu, "processor time of all processes")
        .number("cpu_ms_server", measured.cpu.server / frames, "the part of server and worker")
        .number("cpu_ms_redis", measured.cpu.redis / frames, "the part of Redis")
        .number("cpu_ms_clients", measured.cpu.clients / frames, "the part of cameras and subscriber")
        .number("peak_rss_mb", measured.peak_rss_mb, "maximum memory of server and worker, MiB")
        .number("memory_bound_mb", held.memory_bound_mb(), "64 MB, 1.2 x the bytes held, 64 kB per stream")
        .number(
            "delivered_kb_per_frame",
            measured.delivered_bytes as f64 / 1e3 / frames,
            "thousand bytes of the pictures that the subscriber received",
        )
        .number("p50_ms", measured.latency.ms(0.5), "from camera to subscriber, under this load")
        .figure("frames", measured.frames, "frames delivered during the measurement")
        .figure("passed_through", measured.passed_through, "frames that were passed on without being encoded")
        .figure("in_flight", held.in_flight, "maximum frames sent and not yet delivered");
    report
}
