//! `frameway plan`.

mod estimate;
mod fit;
mod machine;
mod show;

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::Reencode;
use crate::bench::quick;
use crate::config::ByteSize;
use crate::console::Failure;
use crate::console::output::{print, print_json};
use crate::domain::Partitions;
use crate::domain::limits::{MAX_RETENTION_AGE, MAX_STREAMS, RequestLimits};
use estimate::Demand;
use machine::Machine;

/// The frames per second of docs/performance.md, on the machine of that page, with pictures of
/// 1920x1080 and 354 kB: of AUTO and ALWAYS.
const AUTO_FPS: f64 = 164.5;
const ALWAYS_FPS: f64 = 98.5;
/// The cores of that machine.
const CORES: f64 = 2.0;
/// The processor time of a relayed frame on that page, in milliseconds.
const RELAY_MS: f64 = 2.2;
/// The bytes of a thumbnail of the default size: a mean of drawn pictures, see docs/sizing.md.
const THUMBNAIL_BYTES: u64 = 2_500;

/// Compute what a number of cameras needs: processor, Redis with its settings, network and disk, what
/// of it does not fit on this machine, and what would.
///
/// docs/sizing.md has the formulas and their limits.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway plan --cameras 40 --fps 5 --bytes 200kB --keep 1h
  frameway plan --cameras 40 --fps 5 --bytes 200kB --keep 1h --keep-originals --json
  frameway plan --cameras 40 --fps 5 --bytes 200kB --keep 10m --reencode relay
  frameway plan --cameras 40 --fps 5 --keep 10m --measure --source 'pictures/*.jpg'
  frameway plan --cameras 8 --fps 15 --keep 10m --measure --redis-url redis://localhost:6379/0")]
pub(super) struct PlanArgs {
    /// Number of cameras: each is a stream.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_STREAMS as u64))]
    cameras: u64,

    /// Frames per second of each camera, from 0.00001 (one a day) to 1000.
    #[arg(long, value_name = "FPS", value_parser = fps)]
    fps: f64,

    /// Mean size of a picture of a camera. Default with --measure: that of the measured pictures.
    #[arg(long, value_name = "SIZE", required_unless_present = "measure", value_parser = picture_size)]
    bytes: Option<ByteSize>,

    /// Time for which frames are kept, at most 30 days.
    #[arg(long, value_name = "TIME", value_parser = keep)]
    keep: Duration,

    /// Mean size of a processed picture. Default: --bytes; with --measure and without --bytes, the
    /// measured size.
    #[arg(long, value_name = "SIZE", value_parser = picture_size)]
    processed_bytes: Option<ByteSize>,

    /// Keep the submitted pictures, too.
    #[arg(long)]
    keep_originals: bool,

    /// Condition for encoding a picture again.
    #[arg(long, value_enum, default_value = "auto")]
    reencode: Reencode,

    /// Number of subscribers that receive every processed picture.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=4_096))]
    subscribers: u64,

    /// Number of partitions of the store, as for frameway serve.
    #[arg(long, value_name = "N", default_value_t = Partitions::default().count())]
    partitions: u16,

    /// Measure the processor time of a frame on this machine, instead of using the figures of
    /// docs/performance.md. Takes as many seconds as --seconds says and a few more; nothing else
    /// should run.
    #[arg(long)]
    measure: bool,

    /// Real pictures to measure with instead of drawn ones of 1920x1080: a file, a folder or a quoted
    /// pattern.
    #[arg(long, value_name = "PATH", requires = "measure")]
    source: Option<String>,

    /// Measure with the queue in this Redis, which nothing else uses, instead of in memory.
    #[arg(long, value_name = "URL", requires = "measure")]
    redis_url: Option<String>,

    /// Duration of the measurement.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "measure",
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the processor time of a frame is from.
#[derive(Debug, Clone, Copy)]
enum Cost {
    /// docs/performance.md.
    Documented,
    /// A run on this machine.
    Measured(quick::Quick),
}

fn fps(text: &str) -> Result<f64, String> {
    let fps = text.parse::<f64>().ok().filter(|fps| (0.000_01..=1_000.0).contains(fps));
    fps.ok_or_else(|| "must be from 0.00001 (one frame a day) to 1000".to_owned())
}

fn picture_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    let most = ByteSize(RequestLimits::default().max_picture_bytes as u64);
    if size.0 == 0 || size > most { Err(format!("must be from 1 byte to {most}")) } else { Ok(size) }
}

fn keep(text: &str) -> Result<Duration, String> {
    let keep = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(1)..=MAX_RETENTION_AGE;
    if bounds.contains(&keep) { Ok(keep) } else { Err("must be from 1s to 30days".to_owned()) }
}

/// Returns the processor time of a frame by docs/performance.md, in milliseconds.
fn documented_ms(reencode: Reencode) -> Option<f64> {
    match reencode {
        Reencode::Auto => Some(CORES * 1e3 / AUTO_FPS),
        Reencode::Always => Some(CORES * 1e3 / ALWAYS_FPS),
        Reencode::Relay => Some(RELAY_MS),
        Reencode::Never => None,
    }
}

pub(super) async fn run(args: PlanArgs) -> Result<(), Failure> {
    let partitions = Partitions::new(args.partitions)
        .map_err(|_| Failure::Usage(anyhow!("--partitions must be a power of two from 1 to 1024")))?;
    let (cost, ms) = if args.measure {
        let quick =
            quick::measure(args.source.clone(), args.redis_url.clone(), args.reencode, args.seconds).await?;
        (Cost::Measured(quick), quick.cpu_ms_per_frame)
    } else {
        let unknown = || anyhow!("docs/performance.md has no figure for --reencode never: use --measure");
        (Cost::Documented, documented_ms(args.reencode).ok_or_else(|| Failure::Usage(unknown()))?)
    };
    let given = args.bytes.map(|size| size.0);
    let (submitted, processed) = match cost {
        Cost::Measured(quick) => {
            (given.unwrap_or(quick.submitted_bytes), given.unwrap_or(quick.processed_bytes))
        }
        Cost::Documented => (given.unwrap_or_default(), given.unwrap_or_default()),
    };
    let demand = Demand {
        cameras: args.cameras,
        fps: args.fps,
        submitted_bytes: submitted,
        processed_bytes: args.processed_bytes.map_or(processed, |size| size.0),
        thumbnail_bytes: THUMBNAIL_BYTES,
        keep: args.keep,
        keeps_originals: args.keep_originals,
        relays: args.reencode == Reencode::Relay,
        subscribers: args.subscribers,
        partitions,
        cpu_ms_per_frame: ms,
    };
    let (plan, machine) = (demand.plan(), Machine::read());
    if plan.is_beyond_all() {
        return Err(Failure::Usage(anyhow!(
            "{} frames with their pictures are more than any store holds: give less of --cameras, --fps, --bytes or --keep",
            plan.kept_frames
        )));
    }
    let short = fit::shortages(&plan, &machine);
    // A figure of another machine cannot be compared with a measured one.
    let relay_ms = if args.measure { None } else { Some(RELAY_MS) };
    let would_fit =
        if short.is_empty() { Vec::new() } else { fit::alternatives(&demand, &machine, relay_ms) };
    let shown = show::Shown {
        demand: &demand,
        plan: &plan,
        cost,
        machine: &machine,
        short: &short,
        would_fit: &would_fit,
    };
    if args.json {
        print_json(&shown.as_json());
    } else {
        print(&shown.as_text());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page has the figures that the plan uses.
    #[test]
    fn the_processor_times_are_those_of_the_page() {
        let page = include_str!("../../../docs/performance.md");
        assert!(page.contains(&format!("({AUTO_FPS} to {ALWAYS_FPS} frames/s)")));
        assert!(page.contains(&format!("one machine with {CORES} cores")));
        assert!(page.contains(&format!("A frame takes {RELAY_MS} ms of processor time.")));
    }

    #[test]
    fn flags_have_bounds() {
        assert!(fps("0").is_err() && fps("1001").is_err() && fps("NaN").is_err());
        assert!(fps("1e-300").is_err() && fps("inf").is_err() && fps("-1").is_err());
        assert_eq!((fps("0.5"), fps("0.00001")), (Ok(0.5), Ok(0.000_01)));
        assert!(picture_size("0").is_err() && picture_size("1GiB").is_err());
        assert!(keep("0s").is_err() && keep("31days").is_err());
    }
}
