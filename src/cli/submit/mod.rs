//! `frameway submit`.

mod cameras;
mod frames;
mod pace;
mod report;
mod send;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::connect::ConnectArgs;
use super::streams::{self, key_value};
use crate::client::Client;
use crate::client::publish::{BatchSender, PublishOptions};
use crate::console::output::bytes;
use crate::console::{Failure, sources};
use crate::pb::v1 as pb;
use crate::shutdown;
use cameras::{Camera, Cameras, NO_PICTURE};
use frames::Reader;
use pace::{Pace, Rate};
use report::{NOT_A_PICTURE, Report, Scope, TOO_LARGE};
use send::{BatchLimits, submit_batches, submit_stream};

/// The maximum number of stream ids in a printed message.
const MAX_PRINTED_IDS: usize = 5;

/// Submit pictures as frames: files, folders, patterns, videos, or a pipe.
///
/// The streams must be registered: the submitter does not choose their settings, which include
/// privacy masks. A server with the embedded queue forgets its streams when it stops.
///
/// A folder stands for the pictures and videos in it and in its subfolders. Without --stream, each
/// folder that contains pictures is a stream of its name, and so is each video, or a single file. The
/// frames of a stream are sent in the order of the arguments, sorted within a folder or pattern;
/// streams take turns. Videos need the program ffmpeg. The path - stands for standard input: JPEG
/// pictures that follow one another (MJPEG), as ffmpeg writes them.
///
/// Files that are no pictures are not sent. Refused frames are printed with the reason; frames that
/// the server cannot accept now (queue full, restarting) are sent again until --retry-for is over.
///
/// Every frame has a publisher sequence, so that a frame that is sent again is not stored twice.
/// These sequences start at the clock's microseconds: running the same command again submits new
/// frames, and none is refused as a repeat. To resume an interrupted run, give the --publisher and
/// --first-number that it printed: frames that are stored already count as duplicates then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway submit photo.jpg --register
  frameway submit cams --fps 5                        # a stream for each folder in cams
  frameway submit 'cams/*' --fps 5 --repeat forever   # simulates cameras
  frameway submit recordings/north-gate --stream north-gate --rate 10
  frameway submit 'recordings/*/*.jpg' --batch 32
  frameway submit road.mp4 --fps 5 --capture-time now
  ffmpeg -i rtsp://camera/live -f mjpeg - | frameway submit - --stream north-gate --capture-time now
  frameway submit frame.raw --raw-format nv12 --width 1920 --height 1080 --stream cam-1
  frameway submit road/ --repeat 100 --json")]
pub(super) struct SubmitArgs {
    /// Files, folders or quoted patterns of both (`*`, `?`, `[ab]`, `**`), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// The stream that all frames go to.
    #[arg(long, value_name = "ID")]
    stream: Option<String>,

    /// Register missing streams with the default settings: no privacy masks. Without this flag,
    /// nothing is submitted if a stream is not registered.
    #[arg(long)]
    register: bool,

    /// The publisher id; each publisher numbers its frames of a stream. Two runs into one stream at
    /// the same time need different ids. Default: submit-HOST.
    #[arg(long, value_name = "ID")]
    publisher: Option<String>,

    /// Publisher sequence of the first frame of each stream. Default: microseconds since 1970.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..(1 << 53)))]
    first_number: Option<u64>,

    /// Frames per second of each stream. So many pictures per second are taken from a video. Default:
    /// all pictures, as fast as they are accepted.
    #[arg(long, value_name = "FPS", value_parser = positive, conflicts_with = "rate")]
    fps: Option<f64>,

    /// Frames per second of all streams together.
    #[arg(long, value_name = "FPS", value_parser = positive)]
    rate: Option<f64>,

    /// Maximum frames per call.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// Number of times to submit the pictures of each stream, or forever.
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: Repeat,

    /// The files contain raw pixels in this format.
    #[arg(long, value_name = "FORMAT", value_enum, requires_all = ["width", "height"])]
    raw_format: Option<RawFormat>,

    /// Width of raw pictures.
    #[arg(long, value_name = "PIXELS", requires = "raw_format")]
    width: Option<u32>,

    /// Height of raw pictures.
    #[arg(long, value_name = "PIXELS", requires = "raw_format")]
    height: Option<u32>,

    /// Capture time to set on each frame.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "none")]
    capture_time: CaptureTime,

    /// Attributes for each frame in addition to file=NAME; repeatable.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = key_value)]
    attributes: Vec<(String, String)>,

    /// W3C trace context of each frame. With the sampled flag, as in 00-...-...-01, a server that has
    /// a trace collector traces them.
    #[arg(
        long,
        env = "TRACEPARENT",
        value_name = "TRACEPARENT",
        default_value = "",
        hide_default_value = true
    )]
    traceparent: String,

    /// Maximum time to retry without progress; 0s disables retries.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    retry_for: Duration,

    /// Send each batch as a separate call and wait for its answer (SubmitFrameBatch), instead of
    /// all over one call.
    #[arg(long)]
    unary: bool,

    /// Print one JSON object at the end, without progress.
    #[arg(long)]
    json: bool,
}

/// A format of raw pixels.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RawFormat {
    /// Red, green, blue.
    Rgb8,
    /// Blue, green, red.
    Bgr8,
    /// Luma only.
    Gray8,
    /// A luma plane, then interleaved chroma.
    Nv12,
    /// A luma plane, then two chroma planes.
    I420,
}

impl RawFormat {
    fn to_pb(self) -> pb::PictureFormat {
        match self {
            Self::Rgb8 => pb::PictureFormat::Rgb8,
            Self::Bgr8 => pb::PictureFormat::Bgr8,
            Self::Gray8 => pb::PictureFormat::Gray8,
            Self::Nv12 => pb::PictureFormat::Nv12,
            Self::I420 => pb::PictureFormat::I420,
        }
    }
}

/// The source of a frame's capture time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CaptureTime {
    /// No capture time.
    None,
    /// The time of submission, like a live camera.
    Now,
    /// The time when the file was last modified.
    File,
}

/// The number of rounds through the pictures of each stream; `None` for no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Repeat(Option<u64>);

impl std::str::FromStr for Repeat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" {
            return Ok(Self(None));
        }
        let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
        rounds.map(|rounds| Self(Some(rounds))).ok_or("must be a number from 1, or forever")
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let rule = "must be a number above 0, at most 100000";
    let number: f64 = text.parse().map_err(|_| rule)?;
    if number > 0.0 && number <= 100_000.0 { Ok(number) } else { Err(rule.to_owned()) }
}

/// Submits everything and reports.
pub(super) async fn run(args: SubmitArgs) -> Result<(), Failure> {
    let found = Cameras::find(&args)?;
    let publisher = match &args.publisher {
        Some(publisher) => publisher.clone(),
        None => format!("submit-{}", sources::sanitise(&host_name())).chars().take(64).collect(),
    };
    let first_number = args.first_number.unwrap_or_else(microseconds_now);
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let mut names: Vec<String> = found.cameras.iter().map(|camera| camera.stream.clone()).collect();
    names.sort();
    let is_live = found.cameras.iter().any(Camera::is_live);
    let total = found.total(args.repeat.0);
    let mut reader = Reader::new(&args, found.cameras, publisher.clone(), first_number);
    match stop.run_until_cancelled(reader.prepare()).await {
        Some(prepared) => prepared?,
        None => return Err(Failure::Failed(anyhow!("interrupted: nothing was sent"))),
    }
    let mut client = args.connect.connect().await?;
    let info = client.server_info().await.ok().unwrap_or_default();
    let missing = streams::missing(&mut client, &names).await?;
    if !missing.is_empty() {
        register_missing(&mut client, &missing, args.register, info.auto_registration).await?;
    }
    let limits = info.limits.unwrap_or_default();
    let max_bytes = limits.max_picture_bytes;
    let too_large = if max_bytes == 0 { Vec::new() } else { reader.leave_out_larger(max_bytes) };
    let left_out = (too_large.len() as u64).saturating_mul(args.repeat.0.unwrap_or_default());
    let total = total.map(|total| total.saturating_sub(left_out));
    let scope = Scope { total, endless: is_live || args.repeat.0.is_none() };
    let mut report = Report::new(args.json, scope, &names, &publisher, first_number);
    for (file, stream) in &found.no_pictures {
        report.left_out(file, stream, NOT_A_PICTURE, NO_PICTURE);
    }
    for (file, stream) in &too_large {
        let why =
            format!("larger than a picture may be: {} (--max-picture-bytes of the server)", bytes(max_bytes));
        report.left_out(file, stream, TOO_LARGE, &why);
    }
    let rate = args.fps.map(Rate::EachStream).or(args.rate.map(Rate::Together));
    let pace = Pace::new(rate, is_live);
    let ended = if args.unary {
        let sender = BatchSender::new(&client).patience(args.retry_for).stop_on(stop.clone());
        let limits = BatchLimits::of(args.batch, &limits);
        submit_batches(reader, sender, limits, pace, &stop, &mut report).await
    } else {
        let options = PublishOptions {
            publisher_id: publisher,
            batch_frames: args.batch as usize,
            patience: args.retry_for,
            ..Default::default()
        };
        submit_stream(reader, &client, options, pace, &stop, &mut report).await
    };
    report.finish();
    ended?;
    report.result()
}

/// Registers the missing streams if `register` is set. Otherwise, fails unless the server registers
/// them by itself. Reports, even with --json, that the streams have no privacy masks: the server
/// may have forgotten masks that they had.
async fn register_missing(
    client: &mut Client,
    missing: &[String],
    register: bool,
    server_registers: bool,
) -> Result<(), Failure> {
    let (first, all) = (&missing[0], join_first(missing));
    let defaults = "with the default settings: no privacy masks";
    if register {
        streams::register_default(client, missing).await?;
        eprintln!("registered {all} {defaults}");
    } else if server_registers {
        eprintln!("the server registers {all} {defaults}");
    } else {
        return Err(Failure::Failed(anyhow!(
            "not registered: {all}. Register each with its settings (frameway streams register {first} ...), \
             or submit with --register to register {defaults}"
        )));
    }
    Ok(())
}

/// Joins the first few of many ids.
fn join_first(ids: &[String]) -> String {
    match ids.get(..MAX_PRINTED_IDS) {
        Some(first) if ids.len() > MAX_PRINTED_IDS => {
            format!("{} and {} more", first.join(", "), ids.len() - MAX_PRINTED_IDS)
        }
        _ => ids.join(", "),
    }
}

fn host_name() -> String {
    let read = |file: &str| std::fs::read_to_string(file).ok();
    let name = std::env::var("HOSTNAME").ok().or_else(|| read("/proc/sys/kernel/hostname"));
    let name = name.or_else(|| read("/etc/hostname")).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "host".to_owned() } else { name.to_owned() }
}

fn microseconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}
