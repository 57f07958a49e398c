//! `frameway-bench fanout`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use bytes::Bytes;
use clap::Args;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::load::{gap_words, prefix};
use super::processes::{CpuMs, Program, Server};
use super::report::Report;
use super::{CommonArgs, bare, failed, mean_bytes};
use crate::client::publish::{Decision, PublishOptions};
use crate::client::subscribe::selector;
use crate::client::{Client, MAX_PICTURE_BYTES, describe, describe_item};
use crate::console::cleanup::StreamCleanup;
use crate::console::output::timestamp;
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;
use crate::pb::v1::subscribe_frames_response::Event;

/// Measure deliveries of one camera's frames to many subscribers, as a share of what gRPC alone
/// sends.
///
/// The camera's pictures are not encoded, and the camera waits for the slowest subscriber. The
/// limit is a bare server of the same gRPC library that sends a message of the same size again and
/// again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway-bench fanout
  frameway-bench fanout --subscribers 1000 --width 640 --height 360 --seconds 20")]
pub(super) struct FanoutArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// Number of cameras; they share the subscribers evenly.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// Number of subscribers, at least one for each camera.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    subscribers: u32,

    /// Maximum frames that a camera is ahead of the slowest of its subscribers.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,
}

/// The minimum number of connections that the subscribers share.
const MIN_CONNECTIONS: usize = 8;
/// The maximum number of calls on one connection; a server allows more than that by default.
const MAX_CALLS_PER_CONNECTION: usize = 200;
const WARM_UP: Duration = Duration::from_secs(2);
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The deliveries to all subscribers together.
struct Received {
    counts: Vec<AtomicU64>,
    bytes: AtomicU64,
    ready: AtomicU64,
    /// The reason why the figures are not valid: a frame was refused or not delivered.
    invalid: Mutex<Option<String>>,
}

struct Measured {
    deliveries: u64,
    bytes: u64,
    seconds: f64,
    cpu: CpuMs,
    redis_reads: u64,
}

impl Measured {
    fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }
}

pub(super) async fn run(args: FanoutArgs) -> Result<(), Failure> {
    let FanoutArgs { common, cameras, subscribers, in_flight } = args;
    if cameras > subscribers {
        return Err(Failure::Usage(anyhow!(
            "--subscribers must be at least --cameras: every camera needs one"
        )));
    }
    let pictures = common.pictures().await?;
    let mean = mean_bytes(&pictures);
    let first = bare_mb_per_s(&common, mean, subscribers as usize).await?;
    let load = Load {
        cameras: cameras as usize,
        subscribers: subscribers as usize,
        ahead: in_flight.into(),
        pictures,
    };
    let server = Server::start(&common, None).await?;
    let mut client = server.connect().await?;
    let cleanup = StreamCleanup::before(&mut client).await;
    let streams = load.register(&mut client).await?;
    let measured = load.flow(&server, common.seconds(), &streams).await;
    cleanup.remove(&mut client, &streams).await;
    server.stop().await;
    let measured = measured?;
    if measured.deliveries == 0 {
        return Err(failed("no frame was delivered in that time"));
    }
    let limit = f64::midpoint(first, bare_mb_per_s(&common, mean, subscribers as usize).await?);

    let mut report = Report::default();
    let deliveries = measured.deliveries as f64;
    report
        .number(
            "deliveries_per_s",
            deliveries / measured.seconds,
            "frames per second, all subscribers together",
        )
        .number("mb_per_s", measured.mb_per_s(), "million bytes of pictures per second")
        .number("bare_tonic_mb_per_s", limit, "the same from a bare gRPC server")
        .number("ratio_to_bare_tonic", measured.mb_per_s() / limit, "")
        .figure(
            "redis_reads",
            measured.redis_reads,
            "MGET and GET calls during the measurement, including the worker's",
        )
        .number(
            "redis_reads_per_frame",
            measured.redis_reads as f64 * f64::from(subscribers) / (deliveries * f64::from(cameras)),
            "per frame",
        )
        .number("cpu_ms_per_delivery", measured.cpu.all() / deliveries, "processor time of all processes")
        .figure("cameras", cameras, "")
        .figure("subscribers", subscribers, "")
        .figure("picture_bytes", mean, "mean size of a picture");
    report.print("fanout", common.json);
    Ok(())
}

impl Received {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            counts: (0..count).map(|_| AtomicU64::new(0)).collect(),
            bytes: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            invalid: Mutex::default(),
        })
    }

    fn deliveries(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Returns the number of deliveries to the slowest subscriber of a camera.
    fn slowest(&self, camera: usize, cameras: usize) -> u64 {
        let counts = self.counts.iter().skip(camera).step_by(cameras);
        counts.map(|count| count.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    fn invalidate(&self, why: String) {
        self.invalid.lock().get_or_insert(why);
    }

    fn invalid(&self) -> Option<String> {
        self.invalid.lock().clone()
    }
}

/// A few connections, shared by many subscribers.
struct Connections(Vec<Client>);

impl Connections {
    async fn open(server: &Server, subscribers: usize) -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for _ in 0..subscribers.div_ceil(MAX_CALLS_PER_CONNECTION).max(MIN_CONNECTIONS) {
            clients.push(server.connect().await?);
        }
        Ok(Self(clients))
    }

    fn of(&self, subscriber: usize) -> Client {
        self.0[subscriber % self.0.len()].clone()
    }
}

/// Measures the million bytes per second that gRPC alone sends to this number of subscribers.
async fn bare_mb_per_s(common: &CommonArgs, bytes: usize, subscribers: usize) -> Result<f64, Failure> {
    let bytes = bytes.to_string();
    let bare = Server::spawn(Program::Bench, &["bare", "--bytes", &bytes], None, Vec::new()).await?;
    let connections = Connections::open(&bare, subscribers).await?;
    let received = Received::new(subscribers);
    let mut readers = JoinSet::new();
    for number in 0..subscribers {
        let (client, received) = (connections.of(number), Arc::clone(&received));
        readers.spawn(async move { record(bare::subscribe(client.channel()).await, number, received).await });
    }
    let measured = measure(&bare, &received, common.seconds(), &mut readers).await;
    readers.shutdown().await;
    bare.stop().await;
    Ok(measured?.mb_per_s())
}

/// The load of a run.
struct Load {
    cameras: usize,
    subscribers: usize,
    ahead: u64,
    pictures: Vec<Bytes>,
}

impl Load {
    async fn register(&self, client: &mut Client) -> Result<Vec<String>, Failure> {
        let prefix = prefix();
        let streams: Vec<String> = (0..self.cameras).map(|number| format!("{prefix}-{number}")).collect();
        for stream in &streams {
            let output = pb::OutputPolicy {
                reencode_mode: pb::ReencodeMode::Never.into(),
                thumbnail_size: Some(0),
                ..Default::default()
            };
            let retention =
                pb::RetentionPolicy { max_frames: Some(2 * self.ahead + 16), ..Default::default() };
            let stream = pb::Stream {
                stream_id: stream.clone(),
                output: Some(output),
                retention: Some(retention),
                ..Default::default()
            };
            let answer =
                client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
            answer.map_err(|status| refused("registering the benchmark's streams", &status))?;
        }
        Ok(streams)
    }

    async fn flow(
        &self,
        server: &Server,
        seconds: Duration,
        streams: &[String],
    ) -> Result<Measured, Failure> {
        let connections = Connections::open(server, self.subscribers).await?;
        let received = Received::new(self.subscribers);
        let mut readers = JoinSet::new();
        for number in 0..self.subscribers {
            let (mut client, received) = (connections.of(number), Arc::clone(&received));
            let request = request(streams[number % streams.len()].clone());
            readers.spawn(async move {
                let call = client.streaming.subscribe_frames(request).await.map(tonic::Response::into_inner);
                record(call, number, received).await
            });
        }
        let deadline = Instant::now() + START_DEADLINE;
        while received.ready.load(Ordering::Relaxed) < self.subscribers as u64 {
            if Instant::now() > deadline {
                return Err(failed("the subscriptions did not start"));
            }
            sleep(POLL_INTERVAL).await;
        }
        let stop = CancellationToken::new();
        let mut sending = JoinSet::new();
        for (number, stream) in streams.iter().enumerate() {
            let (frames, intake) = mpsc::channel(1);
            let options = PublishOptions {
                publisher_id: "camera".to_owned(),
                batch_frames: 1,
                patience: START_DEADLINE,
                ..Default::default()
            };
            let client = server.connect().await?;
            let outcomes = Arc::clone(&received);
            sending.spawn(async move {
                let decided = |_frame, decision| match decision {
                    Decision::Accepted { .. } | Decision::Duplicate { .. } => {}
                    Decision::Refused(error) => {
                        outcomes.invalidate(format!("a frame was refused: {}", describe_item(&error)))
                    }
                    Decision::Unconfirmed(_) => outcomes.invalidate("the server did not answer".to_owned()),
                };
                let publishing = client.publish(options, intake, CancellationToken::new(), decided);
                publishing.await.map(|_summary| ()).map_err(Failure::from)
            });
            let camera = Camera {
                stream: stream.clone(),
                pictures: self.pictures.clone(),
                ahead: self.ahead,
                number,
                cameras: self.cameras,
                received: Arc::clone(&received),
            };
            let until = stop.clone();
            sending.spawn(async move {
                let _stopped = until.run_until_cancelled(camera.capture(frames)).await;
                Ok(())
            });
        }
        let measured = measure(server, &received, seconds, &mut readers).await;
        stop.cancel();
        while let Some(ended) = sending.join_next().await {
            ended.map_err(|panic| Failure::Failed(panic.into()))??;
        }
        readers.shutdown().await;
        measured
    }
}

struct Camera {
    stream: String,
    pictures: Vec<Bytes>,
    /// The maximum number of frames that the camera is ahead of its slowest subscriber.
    ahead: u64,
    number: usize,
    cameras: usize,
    received: Arc<Received>,
}

impl Camera {
    async fn capture(self, frames: mpsc::Sender<pb::Frame>) {
        for (number, picture) in (1_u64..).zip(self.pictures.iter().cycle()) {
            while number > self.received.slowest(self.number, self.cameras) + self.ahead {
                sleep(Duration::from_millis(1)).await;
            }
            let frame = pb::Frame {
                stream_id: self.stream.clone(),
                publisher_id: "camera".to_owned(),
                publisher_sequence: Some(number),
                capture_time: Some(timestamp(SystemTime::now())),
                data: picture.clone(),
                ..Default::default()
            };
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    }
}

async fn measure(
    server: &Server,
    received: &Received,
    seconds: Duration,
    readers: &mut JoinSet<Result<(), Status>>,
) -> Result<Measured, Failure> {
    let reads = async || -> Result<u64, Failure> {
        Ok(server.redis_calls("mget").await? + server.redis_calls("get").await?)
    };
    let measuring = async {
        sleep(WARM_UP).await;
        let (cpu, read) = (server.cpu().await?, reads().await?);
        let (begin, deliveries, bytes) =
            (Instant::now(), received.deliveries(), received.bytes.load(Ordering::Relaxed));
        sleep(seconds).await;
        Ok(Measured {
            seconds: begin.elapsed().as_secs_f64(),
            deliveries: received.deliveries() - deliveries,
            bytes: received.bytes.load(Ordering::Relaxed) - bytes,
            cpu: server.cpu().await?.since(cpu),
            redis_reads: reads().await? - read,
        })
    };
    let invalid = async {
        loop {
            if let Some(why) = received.invalid() {
                return why;
            }
            sleep(POLL_INTERVAL).await;
        }
    };
    tokio::select! {
        measured = measuring => measured,
        why = invalid => Err(failed(why)),
        ended = readers.join_next() => match ended {
            Some(Ok(Err(status))) => Err(failed(format!("a subscription ended: {}", describe(&status)))),
            Some(Err(panic)) => Err(Failure::Failed(panic.into())),
            Some(Ok(Ok(()))) | None => Err(failed("a subscription ended")),
        },
    }
}

async fn record(
    call: Result<Streaming<pb::SubscribeFramesResponse>, Status>,
    number: usize,
    received: Arc<Received>,
) -> Result<(), Status> {
    let mut call = call?;
    while let Some(message) = call.message().await? {
        match message.event {
            Some(Event::Frame(delivered)) => {
                let pictures = delivered.frame.map(|frame| frame.pictures).unwrap_or_default();
                let bytes = |picture: &pb::Picture| match &picture.content {
                    Some(Content::Data(data)) => data.len() as u64,
                    Some(Content::OmittedReason(_)) | None => 0,
                };
                received.bytes.fetch_add(pictures.iter().map(bytes).sum(), Ordering::Relaxed);
                received.counts[number].fetch_add(1, Ordering::Relaxed);
            }
            Some(Event::Checkpoint(_)) => {
                received.ready.fetch_add(1, Ordering::Relaxed);
            }
            Some(Event::Gap(gap)) => received.invalidate(gap_words(&gap.gap.unwrap_or_default())),
            Some(Event::Heartbeat(_) | Event::Draining(_)) | None => {}
        }
    }
    Ok(())
}

fn request(stream: String) -> pb::SubscribeFramesRequest {
    let pictures = pb::PictureSelection { max_picture_bytes: Some(MAX_PICTURE_BYTES), ..Default::default() };
    let selector = pb::StreamSelector { pictures: Some(pictures), ..selector(&stream) };
    pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() }
}
