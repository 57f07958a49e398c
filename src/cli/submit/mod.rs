//! `frameway submit`.

mod frames;
mod report;

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connect::ConnectArgs;
use super::streams::{self, key_value};
use crate::client::Client;
use crate::client::publish::{BatchSender, PublishOptions, PublishSummary};
use crate::console::sources;
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;
use crate::shutdown;
use frames::{Reader, Sequences};
use report::Report;

/// The part of the maximum message size that a batch leaves free for everything except pictures.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 20;
/// The maximum number of stream ids in a printed message.
const MAX_PRINTED_IDS: usize = 5;
/// The number of frames that are read ahead.
const FRAMES_AHEAD: usize = 16;

/// Submit picture files as frames: files, folders, patterns.
///
/// The streams must be registered: the submitter does not choose their settings, which include
/// privacy masks. A server with the embedded queue forgets its streams when it stops.
///
/// Frames are sent in the order of the arguments, sorted within a folder or pattern. Without
/// --stream, a single file goes to a stream that is named after it, and the files of a folder go to
/// a stream that is named after the folder. Refused frames are printed with the reason; frames that
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
  frameway submit recordings/north-gate --stream north-gate --rate 10
  frameway submit 'recordings/*/*.jpg' --batch 32
  frameway submit frame.raw --raw-format nv12 --width 1920 --height 1080 --stream cam-1
  frameway submit road/ --repeat 100 --json")]
pub(super) struct SubmitArgs {
    /// Files, folders or quoted patterns (`*`, `?`, `[ab]`, `**`).
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

    /// Frames per second of all streams together. Default: as fast as they are accepted.
    #[arg(long, value_name = "FPS", value_parser = positive)]
    rate: Option<f64>,

    /// Maximum frames per call.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// Number of times to submit everything.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,

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

fn positive(text: &str) -> Result<f64, String> {
    let rule = "must be a number above 0, at most 100000";
    let number: f64 = text.parse().map_err(|_| rule)?;
    if number > 0.0 && number <= 100_000.0 { Ok(number) } else { Err(rule.to_owned()) }
}

/// Submits everything and reports.
pub(super) async fn run(args: SubmitArgs) -> Result<(), Failure> {
    let files = sources::expand(&args.paths, args.raw_format.is_some())?;
    let streams = match &args.stream {
        Some(stream) => vec![checked_stream(stream)?; files.len()],
        None => sources::default_streams(&files),
    };
    let publisher = match &args.publisher {
        Some(publisher) => publisher.clone(),
        None => format!("submit-{}", sources::sanitise(&host_name())).chars().take(64).collect(),
    };
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let mut client = args.connect.connect().await?;
    let info = client.server_info().await.ok().unwrap_or_default();
    let limits = info.limits.unwrap_or_default();
    let mut names = streams.clone();
    names.sort();
    names.dedup();
    let missing = streams::missing(&mut client, &names).await?;
    if !missing.is_empty() {
        register_missing(&mut client, &missing, args.register, info.auto_registration).await?;
    }
    let first_number = args.first_number.unwrap_or_else(microseconds_now);
    let total = files.len() as u64 * args.repeat;
    let mut report = Report::new(args.json, total, &names, &publisher, first_number);
    let reader = Reader::new(&args, files, streams, publisher.clone(), Sequences::from(first_number));
    if !args.unary {
        let options = PublishOptions {
            publisher_id: publisher,
            batch_frames: args.batch as usize,
            patience: args.retry_for,
            ..Default::default()
        };
        let ended = submit_stream(reader, &client, options, args.rate, &stop, &mut report).await;
        report.finish();
        ended?;
        return report.result();
    }
    let sender = BatchSender::new(&client).patience(args.retry_for).stop_on(stop.clone());
    let limits = BatchLimits {
        frames: match limits.max_batch_frames {
            0 => args.batch.min(100) as usize,
            max => args.batch.min(max) as usize,
        },
        bytes: match limits.max_message_bytes {
            0 => (32 << 20) - MESSAGE_MARGIN_BYTES,
            max => max.saturating_sub(MESSAGE_MARGIN_BYTES),
        },
    };
    let ended = submit_batches(reader, sender, limits, args.rate, &stop, &mut report).await;
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

/// Submits over one long call, and over further calls when it ends.
async fn submit_stream(
    mut reader: Reader,
    client: &Client,
    options: PublishOptions,
    rate: Option<f64>,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), Failure> {
    let (frames, intake) = mpsc::channel(FRAMES_AHEAD);
    let mut read = Ok(());
    let reading = async {
        let start = Instant::now();
        let mut number: u64 = 0;
        read = loop {
            let mut frame = match reader.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            };
            if let Some(rate) = rate {
                sleep_until(start + Duration::from_secs_f64(number as f64 / rate)).await;
            }
            number += 1;
            reader.set_capture_time(&mut frame);
            if stop.is_cancelled() || frames.send(frame).await.is_err() {
                break Ok(());
            }
        };
        drop(frames);
        std::future::pending::<Infallible>().await
    };
    let decided = |frame: pb::Frame, decision| report.record(&frame, decision);
    let published = tokio::select! {
        ended = client.publish(options, intake, stop.clone(), decided) => ended,
        never = reading => match never {},
    };
    let PublishSummary { retries, reconnects, given_up } =
        published.map_err(|error| failure_while("submitting", error))?;
    (report.retries, report.reconnects) = (retries, reconnects);
    report.interrupted = stop.is_cancelled();
    match given_up {
        Some(why) if !report.interrupted => Err(gave_up(&why)),
        Some(_) | None => read,
    }
}

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
struct BatchLimits {
    frames: usize,
    bytes: u64,
}

async fn submit_batches(
    mut reader: Reader,
    sender: BatchSender,
    limits: BatchLimits,
    rate: Option<f64>,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), Failure> {
    let start = Instant::now();
    let due = |number: u64| rate.map(|rate| start + Duration::from_secs_f64(number as f64 / rate));
    let mut sent: u64 = 0;
    let mut carried = None;
    loop {
        let mut batch: Vec<pb::Frame> = Vec::new();
        let mut bytes = 0;
        while batch.len() < limits.frames {
            // Send the batch without the frames that are not due yet.
            let due = due(sent + batch.len() as u64).filter(|due| *due > Instant::now());
            if let Some(due) = due {
                let stopped = stop.run_until_cancelled(sleep_until(due));
                if !batch.is_empty() || stopped.await.is_none() {
                    break;
                }
            }
            let next = match carried.take() {
                Some(frame) => Some(frame),
                None => reader.next()?,
            };
            let Some(mut frame) = next else { break };
            reader.set_capture_time(&mut frame);
            let size = frame.data.len() as u64;
            if !batch.is_empty() && bytes + size > limits.bytes {
                carried = Some(frame);
                break;
            }
            bytes += size;
            batch.push(frame);
        }
        if batch.is_empty() || stop.is_cancelled() {
            report.interrupted = stop.is_cancelled();
            return Ok(());
        }
        sent += batch.len() as u64;
        let frames = batch.clone();
        let result = sender.send(batch).await.map_err(|error| failure_while("submitting", error))?;
        let given_up = result.given_up.clone();
        report.record_batch(&frames, result);
        if let Some(why) = given_up {
            report.interrupted = stop.is_cancelled();
            return if stop.is_cancelled() { Ok(()) } else { Err(gave_up(&why)) };
        }
    }
}

fn gave_up(why: &str) -> Failure {
    Failure::Failed(anyhow!("gave up: {why}"))
}

fn checked_stream(stream: &str) -> Result<String, Failure> {
    match stream.parse::<crate::domain::StreamId>() {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(Failure::Usage(anyhow!("--stream {stream}: {error}"))),
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
