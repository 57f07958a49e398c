//! `frameway-bench fairness`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::Args;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::load::{gap_words, prefix, register};
use super::processes::Server;
use super::report::{Report, rounded};
use super::{CommonArgs, failed};
use crate::client::Client;
use crate::client::publish::{Decision, PublishOptions};
use crate::client::subscribe::{Event, Subscription, selector};
use crate::client::time::system_time;
use crate::console::Failure;
use crate::console::cleanup::StreamCleanup;
use crate::console::latency::Latency;
use crate::console::output::timestamp;
use crate::domain::{Partitions, StreamId};
use crate::pb::v1 as pb;

/// Milliseconds from a quiet camera to a subscriber, while the camera is alone and while another
/// one sends as many frames as the server accepts.
///
/// The other camera's stream is first in the same partition, then in another one. `ratio` is a p99
/// beside the other camera as a multiple of the p99 alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench fairness
  frameway-bench fairness --seconds 20 --width 1280 --height 720 --redis-url R --json")]
pub(super) struct FairnessArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// Frames per second of the quiet camera.
    #[arg(long, value_name = "FPS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,

    /// Number of cameras that flood.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    floods: u32,
}

/// The time between the start of a load and its measurement: the flood fills its queue.
const WARM_UP: Duration = Duration::from_secs(4);
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
const DRAIN_POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
const BATCH_FRAMES: usize = 16;
/// The number of candidates among which there are names for every purpose.
const NAMES: usize = 10_000;

/// The quiet camera's frames on their way, and what is measured.
#[derive(Debug, Default)]
struct Tally {
    sent: HashMap<u64, Instant>,
    measured: Option<Measures>,
    flood_frames: u64,
}

/// The steps of a frame, in order. Each ends at a time that the delivered frame has.
const STEPS: [&str; 5] = ["accept", "wait", "process", "publish", "deliver"];

/// The latencies of the quiet camera's frames, and how long each step took.
#[derive(Debug)]
struct Measures {
    latency: Latency,
    steps: [Latency; STEPS.len()],
}

impl Measures {
    fn new() -> Self {
        Self { latency: Latency::new(), steps: std::array::from_fn(|_| Latency::new()) }
    }

    fn record(&mut self, latency: Option<Duration>, frame: &pb::ProcessedFrame) {
        self.latency.record(latency);
        let times = [
            frame.capture_time,
            frame.receive_time,
            frame.lease_time,
            frame.process_time,
            frame.publish_time,
        ];
        let now = Some(SystemTime::now());
        let times = times.map(|time| time.as_ref().map(system_time));
        let ends = times.iter().skip(1).chain([&now]);
        for ((step, begin), end) in self.steps.iter_mut().zip(&times).zip(ends) {
            step.record(begin.zip(*end).map(|(begin, end)| end.duration_since(begin).unwrap_or_default()));
        }
    }
}

pub(super) async fn run(args: FairnessArgs) -> Result<(), Failure> {
    let FairnessArgs { common, fps, floods } = args;
    let pictures = common.pictures().await?;
    let server = Server::start(&common, None).await?;
    let mut client = server.connect().await?;
    let cleanup = StreamCleanup::before(&mut client).await;
    let names = Names::choose(&prefix(), floods as usize);
    let streams = names.all();
    for stream in &streams {
        register(&mut client, stream, pb::OutputPolicy::default()).await?;
    }
    let bench = Bench {
        server: &server,
        pictures,
        seconds: common.seconds(),
        period: Duration::from_secs_f64(1.0 / f64::from(fps)),
        tally: Arc::default(),
    };
    let measured = bench.measure_all(&names).await;
    cleanup.remove(&mut client, &streams).await;
    server.stop().await;
    report(&measured?, common.json);
    Ok(())
}

/// The names of the streams.
#[derive(Debug)]
struct Names {
    quiet: String,
    same_partition: Vec<String>,
    other_partition: Vec<String>,
}

impl Names {
    fn choose(prefix: &str, floods: usize) -> Self {
        let partition = |name: &String| {
            let id = name.parse::<StreamId>().ok()?;
            Some(Partitions::default().of(&id))
        };
        let quiet = format!("{prefix}-quiet");
        let home = partition(&quiet);
        let names = (0..NAMES).map(|number| format!("{prefix}-{number}"));
        let (same, other): (Vec<_>, Vec<_>) = names.partition(|name| partition(name) == home);
        Self {
            quiet,
            same_partition: same.into_iter().take(floods).collect(),
            other_partition: other.into_iter().take(floods).collect(),
        }
    }

    fn all(&self) -> Vec<String> {
        [std::slice::from_ref(&self.quiet), &self.same_partition, &self.other_partition].concat()
    }
}

/// The latencies of the quiet camera beside a load.
#[derive(Debug)]
struct Measured {
    beside: &'static str,
    measures: Measures,
    flood_fps: f64,
}

struct Bench<'a> {
    server: &'a Server,
    pictures: Vec<Bytes>,
    seconds: Duration,
    period: Duration,
    tally: Arc<Mutex<Tally>>,
}

impl Bench<'_> {
    async fn measure_all(&self, names: &Names) -> Result<Vec<Measured>, Failure> {
        let mut tasks = JoinSet::new();
        let stop = CancellationToken::new();
        // Each of the two has a subscriber of its own, on a connection of its own.
        let floods = [names.same_partition.clone(), names.other_partition.clone()].concat();
        for streams in [vec![names.quiet.clone()], floods] {
            let client = self.server.connect().await?;
            tasks.spawn(view(client, streams, names.quiet.clone(), Arc::clone(&self.tally)));
        }
        tasks.spawn(self.camera(&names.quiet, Some(self.period), stop.clone()).await?);
        let measuring = async {
            let mut measured = Vec::new();
            for (beside, flood) in [
                ("nothing", &Vec::new()),
                ("a flood in its partition", &names.same_partition),
                ("a flood in another partition", &names.other_partition),
                ("nothing again", &Vec::new()),
            ] {
                measured.push(self.measure(beside, flood).await?);
            }
            Ok(measured)
        };
        tokio::select! {
            measured = measuring => measured,
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(failure)) => Err(failure),
                Ok(Ok(())) => Err(failed("a camera or the subscriber ended early")),
                Err(panic) => Err(Failure::Failed(panic.into())),
            },
        }
    }

    async fn measure(&self, beside: &'static str, streams: &[String]) -> Result<Measured, Failure> {
        let stop = CancellationToken::new();
        let mut flood = JoinSet::new();
        for stream in streams {
            flood.spawn(self.camera(stream, None, stop.clone()).await?);
        }
        sleep(WARM_UP).await;
        let before = {
            let mut tally = self.tally.lock();
            tally.measured = Some(Measures::new());
            tally.flood_frames
        };
        let begin = Instant::now();
        sleep(self.seconds).await;
        let (measures, flood_frames) = {
            let mut tally = self.tally.lock();
            (tally.measured.take().unwrap_or_else(Measures::new), tally.flood_frames - before)
        };
        let flood_fps = flood_frames as f64 / begin.elapsed().as_secs_f64();
        stop.cancel();
        while let Some(ended) = flood.join_next().await {
            ended.map_err(|panic| Failure::Failed(panic.into()))??;
        }
        self.drained().await?;
        let measured = Measured { beside, measures, flood_fps };
        eprintln!("beside {beside}: {}", measured.measures.latency.words().unwrap_or_default());
        Ok(measured)
    }

    /// Waits until hardly any frame waits.
    async fn drained(&self) -> Result<(), Failure> {
        let mut client = self.server.connect().await?;
        let deadline = Instant::now() + DRAIN_DEADLINE;
        while Instant::now() < deadline {
            let stats = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
            let total = stats.ok().and_then(|stats| stats.into_inner().total);
            let waiting = total.and_then(|total| total.account).map(|account| account.queued_frames);
            if waiting.is_some_and(|waiting| waiting <= 1) {
                return Ok(());
            }
            sleep(DRAIN_POLL).await;
        }
        Err(failed("the flood's frames are still waiting"))
    }

    /// Returns a camera, which sends a frame in each period, or as fast as possible.
    async fn camera(
        &self,
        stream: &str,
        period: Option<Duration>,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = Result<(), Failure>> + Send + use<>, Failure> {
        let client = self.server.connect().await?;
        let (pictures, tally, stream) = (self.pictures.clone(), Arc::clone(&self.tally), stream.to_owned());
        Ok(async move {
            let (frames, intake) = mpsc::channel(BATCH_FRAMES);
            let options = PublishOptions {
                publisher_id: stream.clone(),
                batch_frames: if period.is_some() { 1 } else { BATCH_FRAMES },
                patience: PATIENCE,
                ..Default::default()
            };
            let ends = stop.clone();
            let sends = async move {
                let mut tick = period.map(interval);
                if let Some(tick) = &mut tick {
                    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
                }
                for number in 1.. {
                    if let Some(tick) = &mut tick {
                        let due = tick.tick().await;
                        tally.lock().sent.insert(number, due);
                    }
                    let frame = pb::Frame {
                        stream_id: stream.clone(),
                        publisher_id: stream.clone(),
                        publisher_sequence: Some(number),
                        capture_time: Some(timestamp(SystemTime::now())),
                        data: pictures[number as usize % pictures.len()].clone(),
                        ..Default::default()
                    };
                    if !matches!(ends.run_until_cancelled(frames.send(frame)).await, Some(Ok(()))) {
                        return;
                    }
                }
            };
            let publishing = client.publish(options, intake, stop, |_, decision| {
                if let Decision::Refused(error) = decision {
                    eprintln!("a frame was refused: {}", error.message);
                }
            });
            let ((), published) = tokio::join!(sends, publishing);
            published.map(drop).map_err(Failure::from)
        })
    }
}

async fn view(
    client: Client,
    streams: Vec<String>,
    quiet: String,
    tally: Arc<Mutex<Tally>>,
) -> Result<(), Failure> {
    let request = pb::SubscribeFramesRequest {
        selectors: streams.iter().map(|stream| selector(stream)).collect(),
        ..Default::default()
    };
    let mut subscription = Subscription::new(&client, request);
    loop {
        match subscription.next().await? {
            Event::Frame(delivered) => {
                let (now, frame) = (Instant::now(), delivered.frame.unwrap_or_default());
                let mut tally = tally.lock();
                if frame.stream_id != quiet {
                    tally.flood_frames += 1;
                    continue;
                }
                let sent = tally.sent.remove(&frame.publisher_sequence.unwrap_or_default());
                if let Some(measured) = &mut tally.measured {
                    measured.record(sent.map(|sent| now - sent), &frame);
                }
            }
            Event::Gap(gap) => eprintln!("{}", gap_words(&gap.gap.unwrap_or_default())),
            Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber reconnects: {why}"),
            Event::End => return Ok(()),
        }
    }
}

fn report(measured: &[Measured], json: bool) {
    let p99 = |index: usize| measured.get(index).map_or(0.0, |one| one.measures.latency.ms(0.99));
    let alone = p99(0).max(p99(3));
    let row = |one: &Measured| {
        let Measures { latency, steps } = &one.measures;
        let steps: Map<_, _> =
            STEPS.iter().zip(steps).map(|(name, step)| ((*name).to_owned(), step.as_json())).collect();
        json!({
            "beside": one.beside,
            "p50_ms": rounded(latency.ms(0.5)),
            "p95_ms": rounded(latency.ms(0.95)),
            "p99_ms": rounded(latency.ms(0.99)),
            "steps": steps,
            "flood_fps": rounded(one.flood_fps),
        })
    };
    let mut report = Report::default();
    report
        .number("alone_p99_ms", alone, "99 of 100 arrived sooner; the higher one of two measurements")
        .number("same_partition_p99_ms", p99(1), "beside a flood in the same partition")
        .number("other_partition_p99_ms", p99(2), "beside a flood in another partition")
        .number("same_partition_ratio", p99(1) / alone, "as a multiple of alone")
        .number("other_partition_ratio", p99(2) / alone, "as a multiple of alone")
        .figure("all", measured.iter().map(row).collect::<Vec<Value>>(), "in the order of the measurements");
    report.print("fairness", json);
}
