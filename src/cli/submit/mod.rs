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
use tonic::transport::Channel;

use super::Failure;
use super::client::{Client, ConnectArgs};
use super::publisher::{self, Ended, Grpc, Options};
use super::send::Sender;
use super::sources;
use super::streams::{self, key_value};
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use crate::shutdown;
use frames::{Numbers, Reader};
use report::Report;

/// A batch keeps this much of the largest message free for everything beside the pictures.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 20;
/// Streams that a message names.
const MOST_NAMED: usize = 5;
/// Frames that are read before they can be sent.
const FRAMES_AHEAD: usize = 16;

/// Submit picture files as frames: files, folders, patterns.
///
/// The streams must be registered: their settings, privacy masks among them, are not the submitter's to choose. A server with
/// the embedded queue forgets its streams when it ends.
///
/// Frames go in the order of the arguments, sorted within a folder or pattern. Without --stream, a file alone is a stream
/// of its name, and the files of a folder are a stream of the folder's name. Refused frames are printed with the reason;
/// what the server cannot take now (queue full, restarting) is sent again until --retry-for is over.
///
/// Every frame has a number, so that what is sent again is not stored twice. Numbers start at the clock's microseconds: the
/// same command run again submits new frames, and none is refused as a repeat. To go on with a run that was cut, give the
/// --publisher and --first-number that it printed: frames that are stored already count as duplicates then.
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

    /// Register streams that are not registered, with the default settings: no privacy masks. Without it nothing is submitted
    /// where a stream is not registered.
    #[arg(long)]
    register: bool,

    /// Who submits; frames of one stream and publisher are numbered together. Two runs at the same time into one stream
    /// need two names. Default: submit-HOST.
    #[arg(long, value_name = "ID")]
    publisher: Option<String>,

    /// Number of the first frame of each stream. Default: microseconds since 1970.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..(1 << 53)))]
    first_number: Option<u64>,

    /// Frames per second, all streams together. Default: as fast as they are taken.
    #[arg(long, value_name = "FPS", value_parser = positive)]
    rate: Option<f64>,

    /// Most frames in one call.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// How often everything is submitted.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,

    /// The files are bare pixels of this format.
    #[arg(long, value_name = "FORMAT", value_enum, requires_all = ["width", "height"])]
    raw_format: Option<RawFormat>,

    /// Width of raw pictures.
    #[arg(long, value_name = "PIXELS", requires = "raw_format")]
    width: Option<u32>,

    /// Height of raw pictures.
    #[arg(long, value_name = "PIXELS", requires = "raw_format")]
    height: Option<u32>,

    /// What the frames say of when they were captured.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "none")]
    capture_time: CaptureTime,

    /// Words that go with each frame, beside file=NAME; once for each.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = key_value)]
    attributes: Vec<(String, String)>,

    /// How long to try again without progress; 0s = do not.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    retry_for: Duration,

    /// Send each batch as a call of its own and wait for its answer (SubmitFrameBatch), instead of all over one call.
    #[arg(long)]
    unary: bool,

    /// Print one JSON object at the end, and no progress.
    #[arg(long)]
    json: bool,
}

/// Bare pixels.
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
    fn wire(self) -> pb::PictureFormat {
        match self {
            Self::Rgb8 => pb::PictureFormat::Rgb8,
            Self::Bgr8 => pb::PictureFormat::Bgr8,
            Self::Gray8 => pb::PictureFormat::Gray8,
            Self::Nv12 => pb::PictureFormat::Nv12,
            Self::I420 => pb::PictureFormat::I420,
        }
    }
}

/// Where a frame's capture time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CaptureTime {
    /// Nothing is said.
    None,
    /// When it is submitted, as a live camera would.
    Now,
    /// When the file was changed last.
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
        settle_missing(&mut client, &missing, args.register, info.auto_registration).await?;
    }
    let first_number = args.first_number.unwrap_or_else(microseconds_now);
    let total = files.len() as u64 * args.repeat;
    let mut report = Report::new(args.json, total, &names, &publisher, first_number);
    let reader = Reader::new(&args, files, streams, publisher.clone(), Numbers::from(first_number));
    if !args.unary {
        let options = Options {
            publisher_id: publisher,
            batch_frames: args.batch as usize,
            patience: args.retry_for,
            seed: rand::random(),
        };
        let ended = stream(reader, client.streaming, options, args.rate, &stop, &mut report).await;
        report.finish();
        ended?;
        return report.verdict();
    }
    let sender = Sender::new(client.streaming, args.retry_for, stop.clone());
    let limits = BatchLimits {
        frames: match limits.max_batch_frames {
            0 => args.batch.min(100) as usize,
            most => args.batch.min(most) as usize,
        },
        bytes: match limits.max_message_bytes {
            0 => (32 << 20) - MESSAGE_MARGIN_BYTES,
            most => most.saturating_sub(MESSAGE_MARGIN_BYTES),
        },
    };
    let ended = submit(reader, sender, limits, args.rate, &stop, &mut report).await;
    report.finish();
    ended?;
    report.verdict()
}

/// Registers the streams that are not registered, if that is asked for. What that costs is told also beside JSON: a stream that
/// had privacy masks before the server forgot it has none now.
async fn settle_missing(
    client: &mut Client,
    missing: &[String],
    register: bool,
    server_registers: bool,
) -> Result<(), Failure> {
    let (first, all) = (&missing[0], named(missing));
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

/// The first few of many ids.
fn named(ids: &[String]) -> String {
    match ids.get(..MOST_NAMED) {
        Some(first) if ids.len() > MOST_NAMED => {
            format!("{} and {} more", first.join(", "), ids.len() - MOST_NAMED)
        }
        _ => ids.join(", "),
    }
}

/// Submits over one call at a time, and over the next one where that ends.
async fn stream(
    mut reader: Reader,
    client: StreamingServiceClient<Channel>,
    options: Options,
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
            reader.capture(&mut frame);
            if stop.is_cancelled() || frames.send(frame).await.is_err() {
                break Ok(());
            }
        };
        drop(frames);
        std::future::pending::<Infallible>().await
    };
    let decided = |frame: pb::Frame, decision| report.decided(&frame, decision);
    let published = tokio::select! {
        ended = publisher::publish(Grpc(client), options, intake, stop.clone(), decided) => ended,
        never = reading => match never {},
    };
    let Ended { retries, reconnects, given_up } = published?;
    (report.retries, report.reconnects) = (retries, reconnects);
    report.interrupted = stop.is_cancelled();
    match given_up {
        Some(why) if !report.interrupted => Err(publisher::gave_up(&why)),
        Some(_) | None => read,
    }
}

/// What one call may hold.
#[derive(Debug, Clone, Copy)]
struct BatchLimits {
    frames: usize,
    bytes: u64,
}

async fn submit(
    mut reader: Reader,
    mut sender: Sender,
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
            // Frames that are not due yet do not hold up those that are.
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
            reader.capture(&mut frame);
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
        let told = batch.clone();
        let result = sender.send(batch).await?;
        let given_up = result.given_up.clone();
        report.enter(&told, result);
        if let Some(why) = given_up {
            report.interrupted = stop.is_cancelled();
            return if stop.is_cancelled() {
                Ok(())
            } else {
                Err(Failure::Failed(anyhow!("gave up: {why}")))
            };
        }
    }
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
