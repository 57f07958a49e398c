//! `frameway-bench peers`.

mod nats;
mod pictures;

use std::time::Duration;

use clap::Args;

use super::ceiling::Ceiling;
use super::load::{Load, Measured, check_lost};
use super::report::Report;
use super::rounds::RoundsArgs;
use super::{CommonArgs, mean_bytes};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Measure what one would use instead of Frameway, and Frameway, in turns.
///
/// For pictures: libvips (`vipsthumbnail`), ffmpeg and OpenCV, which only transcode or process them on
/// one thread, and with --redis-url a pipeline written by hand with OpenCV and redis-py. For the
/// relay: NATS JetStream in memory (`nats-server` and `nats`). All ratios are of processor times, or of
/// frames per second of one run. A peer that is not installed is named as skipped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench peers --source dense-1080p.jpg
  frameway-bench peers --source dense-1080p.jpg --redis-url redis://localhost:6379/0 --rounds 5 --json
  frameway-bench peers --python venv/bin/python    # one with opencv-python-headless and redis")]
pub(super) struct PeersArgs {
    #[command(flatten)]
    common: CommonArgs,

    #[command(flatten)]
    rounds: RoundsArgs,

    /// Python with the packages opencv-python-headless and redis.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,

    /// Pictures that libvips and ffmpeg process in a round, and messages that NATS moves, in hundreds.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    hundreds: u16,
}

const QUALITY: u8 = crate::picture::DEFAULT_JPEG_QUALITY;
/// Cameras, and their frames that are sent and not yet delivered: those of the other benchmarks.
const CAMERAS: usize = 4;
const IN_FLIGHT: usize = 32;

/// The result of a peer.
#[derive(Debug, Clone, Copy)]
struct Reached {
    cpu_ms_per_frame: f64,
    fps: f64,
    /// The mean bytes of its pictures.
    bytes: f64,
}

/// The result of a peer; an error says why it was skipped.
type Attempt = Result<Reached, String>;

pub(super) async fn run(args: PeersArgs) -> Result<(), Failure> {
    let PeersArgs { common, rounds, python, hundreds } = args;
    let pictures = common.pictures().await?;
    let files = pictures::Files::write(&pictures, usize::from(hundreds) * 100)?;
    let load = |mode: pb::ReencodeMode| Load {
        cameras: CAMERAS,
        pictures: pictures.clone(),
        fps: None,
        in_flight: IN_FLIGHT,
        seconds: common.seconds(),
        output: pb::OutputPolicy {
            quality: Some(QUALITY.into()),
            reencode_mode: mode.into(),
            ..Default::default()
        },
    };
    let seconds = Duration::from_secs(2).max(common.seconds() / 2);
    let round = async || {
        let ceiling = Ceiling::measure(&pictures, QUALITY).await?;
        let service = load(pb::ReencodeMode::Always).run(&common, None).await?;
        let vips = files.vips().await?;
        let ffmpeg = files.ffmpeg(pictures.len(), service.delivered_bytes / service.frames.max(1)).await?;
        let opencv = files.opencv(&python, seconds).await?;
        let by_hand = match &common.redis_url {
            Some(url) => files.by_hand(&python, seconds, url).await?,
            None => Err("needs --redis-url".to_owned()),
        };
        let relay = load(pb::ReencodeMode::Relay).run(&common, None).await?;
        let nats = nats::relay(mean_bytes(&pictures), u32::from(hundreds) * 1_000).await?;
        let mut report = Report::default();
        add_pictures(&mut report, &service, ceiling, [vips, ffmpeg, opencv]);
        add_pair(
            &mut report,
            [
                "opencv_redis_fps",
                "fps_ratio_to_opencv_redis",
                "opencv_redis_cpu_ms",
                "cpu_ratio_to_opencv_redis",
            ],
            &service,
            &by_hand,
        );
        report.number("relay_fps", relay.fps(), "relayed frames per second, delivered").number(
            "relay_cpu_ms",
            relay.cpu_ms_per_frame(),
            "processor time of all processes per relayed frame",
        );
        add_pair(
            &mut report,
            ["nats_fps", "fps_ratio_to_nats", "nats_cpu_ms", "cpu_ratio_to_nats"],
            &relay,
            &nats,
        );
        Ok((report, service.lost + relay.lost))
    };
    let (report, lost) = rounds.run(round).await?;
    report.print("peers", common.json);
    check_lost(lost)
}

/// Adds the service, and the peers that only process pictures on one thread.
fn add_pictures(report: &mut Report, service: &Measured, ceiling: Ceiling, peers: [Attempt; 3]) {
    let cpu = service.cpu_ms_per_frame();
    report
        .number("fps", service.fps(), "frames per second of the service, delivered")
        .number("cpu_ms_per_frame", cpu, "processor time of the service, all processes")
        .number("kb_per_frame", service.delivered_bytes as f64 / 1e3 / service.frames.max(1) as f64, "")
        .number("codec_ms", ceiling.codec_ms, "libjpeg-turbo alone: decoding and encoding, one thread")
        .number(
            "picture_ms",
            ceiling.picture_ms,
            "picture and measures as the worker makes them, one thread",
        );
    let names = [
        ["libvips_cpu_ms", "cpu_ratio_to_libvips", "libvips_kb"],
        ["ffmpeg_cpu_ms", "cpu_ratio_to_ffmpeg", "ffmpeg_kb"],
        ["opencv_cpu_ms", "cpu_ratio_to_opencv", "opencv_kb"],
    ];
    for ([time, ratio, bytes], peer) in names.into_iter().zip(peers) {
        match peer {
            Ok(peer) => {
                report
                    .number(time, peer.cpu_ms_per_frame, "processor time per frame, without any queue")
                    .number(ratio, cpu / peer.cpu_ms_per_frame, "the whole service to that")
                    .number(bytes, peer.bytes / 1e3, "thousand bytes per frame");
            }
            Err(why) => {
                report.figure(time, "skipped", why);
            }
        }
    }
}

/// Adds a peer that does the same as the service.
fn add_pair(report: &mut Report, names: [&'static str; 4], service: &Measured, peer: &Attempt) {
    match peer {
        Ok(peer) => {
            report
                .number(names[0], peer.fps, "frames per second")
                .number(names[1], service.fps() / peer.fps, "")
                .number(names[2], peer.cpu_ms_per_frame, "processor time of all its processes per frame")
                .number(names[3], service.cpu_ms_per_frame() / peer.cpu_ms_per_frame, "");
        }
        Err(why) => {
            report.figure(names[0], "skipped", why.clone());
        }
    }
}
