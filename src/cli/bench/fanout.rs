//! `frameway bench fanout`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use bytes::Bytes;
use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::load::{gap_words, prefix};
use super::processes::{CpuMs, Server};
use super::report::Report;
use super::{CommonArgs, bare, failed, mean_bytes};
use crate::cli::Failure;
use crate::cli::client::{Client, MAX_PICTURE_BYTES};
use crate::cli::fault::{frame_words, refused, words};
use crate::cli::leftovers::Leftovers;
use crate::cli::output::timestamp;
use crate::cli::publisher::{self, Grpc, Options};
use crate::cli::send::Decision;
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;
use crate::pb::v1::subscribe_frames_response::Event;

/// Deliveries of one camera's frames to many subscribers, as a share of what gRPC alone sends.
///
/// The camera's pictures are passed on as they are, and the camera waits for the slowest subscriber. The limit is a bare
/// server of the same gRPC library that sends a message of the same size again and again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway bench fanout
  frameway bench fanout --subscribers 1000 --width 640 --height 360 --seconds 20")]
pub(super) struct FanoutArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many cameras; subscribers take turns in choosing one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cameras: u32,

    /// How many subscribers, at least one for each camera.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    subscribers: u32,

    /// Most frames that a camera is ahead of the slowest of its subscribers.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,
}

/// Connections that the subscribers share, at least; and most calls of one: servers take 256.
const CONNECTIONS: usize = 8;
const CALLS: usize = 200;
const WARM_UP: Duration = Duration::from_secs(2);
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// What all subscribers got together.
struct Received {
    counts: Vec<AtomicU64>,
    bytes: AtomicU64,
    ready: AtomicU64,
    /// Why the figures would mean nothing: a frame that was refused, or did not come.
    broken: Mutex<Option<String>>,
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
    let first = limit(&common, mean, subscribers as usize).await?;
    let load = Load {
        cameras: cameras as usize,
        subscribers: subscribers as usize,
        ahead: in_flight.into(),
        pictures,
    };
    let server = Server::start(common.redis_url.as_deref(), None).await?;
    let mut client = Client::connect(&server.address).await?;
    let leftovers = Leftovers::before(&mut client).await;
    let streams = load.register(&mut client).await?;
    let measured = load.flow(&server, common.seconds(), &streams).await;
    leftovers.remove(&mut client, &streams).await;
    server.stop().await;
    let measured = measured?;
    if measured.deliveries == 0 {
        return Err(failed("nothing was delivered in that time"));
    }
    let limit = f64::midpoint(first, limit(&common, mean, subscribers as usize).await?);

    let mut report = Report::default();
    let deliveries = measured.deliveries as f64;
    report
        .number(
            "deliveries_per_s",
            deliveries / measured.seconds,
            "frames a second, all subscribers together",
        )
        .number("mb_per_s", measured.mb_per_s(), "million bytes of pictures a second")
        .number("bare_tonic_mb_per_s", limit, "the same from a bare gRPC server")
        .number("ratio_to_bare_tonic", measured.mb_per_s() / limit, "")
        .figure("redis_reads", measured.redis_reads, "MGET and GET calls meanwhile, the worker's among them")
        .number(
            "redis_reads_per_frame",
            measured.redis_reads as f64 * f64::from(subscribers) / (deliveries * f64::from(cameras)),
            "a frame",
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
            broken: Mutex::default(),
        })
    }

    fn deliveries(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// What the slowest subscriber of one of `cameras` cameras has.
    fn slowest(&self, camera: usize, cameras: usize) -> u64 {
        let counts = self.counts.iter().skip(camera).step_by(cameras);
        counts.map(|count| count.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    fn breaks(&self, why: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A few connections, shared by many subscribers.
struct Connections(Vec<Client>);

impl Connections {
    async fn open(server: &Server, subscribers: usize) -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for _ in 0..subscribers.div_ceil(CALLS).max(CONNECTIONS) {
            clients.push(Client::connect(&server.address).await?);
        }
        Ok(Self(clients))
    }

    fn of(&self, subscriber: usize) -> Client {
        self.0[subscriber % self.0.len()].clone()
    }
}

/// What gRPC alone sends to so many, in million bytes a second.
async fn limit(common: &CommonArgs, bytes: usize, subscribers: usize) -> Result<f64, Failure> {
    let bytes = bytes.to_string();
    let bare = Server::spawn(&["bench", "bare", "--bytes", &bytes], None, None).await?;
    let connections = Connections::open(&bare, subscribers).await?;
    let received = Received::new(subscribers);
    let mut taking = JoinSet::new();
    for number in 0..subscribers {
        let (client, received) = (connections.of(number), Arc::clone(&received));
        taking.spawn(async move { take(bare::subscribe(client.channel).await, number, received).await });
    }
    let measured = measure(&bare, &received, common.seconds(), &mut taking).await;
    taking.shutdown().await;
    bare.stop().await;
    Ok(measured?.mb_per_s())
}

/// What is sent to whom.
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
        let mut taking = JoinSet::new();
        for number in 0..self.subscribers {
            let (mut client, received) = (connections.of(number), Arc::clone(&received));
            let request = request(streams[number % streams.len()].clone());
            taking.spawn(async move {
                let call = client.streaming.subscribe_frames(request).await.map(tonic::Response::into_inner);
                take(call, number, received).await
            });
        }
        let deadline = Instant::now() + START_DEADLINE;
        while received.ready.load(Ordering::Relaxed) < self.subscribers as u64 {
            if Instant::now() > deadline {
                return Err(failed("the subscriptions did not start"));
            }
            sleep(POLL).await;
        }
        let stop = CancellationToken::new();
        let mut sending = JoinSet::new();
        for (number, stream) in streams.iter().enumerate() {
            let (frames, intake) = mpsc::channel(1);
            let options = Options {
                publisher_id: "camera".to_owned(),
                batch_frames: 1,
                patience: START_DEADLINE,
                seed: rand::random(),
            };
            let grpc = Grpc(Client::connect(&server.address).await?.streaming);
            let told = Arc::clone(&received);
            sending.spawn(async move {
                let decided = |_frame, decision| match decision {
                    Decision::Accepted { .. } | Decision::Duplicate { .. } => {}
                    Decision::Refused(error) => {
                        told.breaks(format!("a frame was refused: {}", frame_words(&error)))
                    }
                    Decision::Open(_) => told.breaks("the server did not answer".to_owned()),
                };
                let publishing = publisher::publish(grpc, options, intake, CancellationToken::new(), decided);
                publishing.await.map(|_ended| ())
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
                let _stopped = until.run_until_cancelled(camera.film(frames)).await;
                Ok(())
            });
        }
        let measured = measure(server, &received, seconds, &mut taking).await;
        stop.cancel();
        while let Some(ended) = sending.join_next().await {
            ended.map_err(|panic| Failure::Failed(panic.into()))??;
        }
        taking.shutdown().await;
        measured
    }
}

struct Camera {
    stream: String,
    pictures: Vec<Bytes>,
    /// Frames ahead of the slowest of its subscribers.
    ahead: u64,
    number: usize,
    cameras: usize,
    received: Arc<Received>,
}

impl Camera {
    async fn film(self, frames: mpsc::Sender<pb::Frame>) {
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
    taking: &mut JoinSet<Result<(), Status>>,
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
    let broken = async {
        loop {
            if let Some(why) = received.broken() {
                return why;
            }
            sleep(POLL).await;
        }
    };
    tokio::select! {
        measured = measuring => measured,
        why = broken => Err(failed(why)),
        ended = taking.join_next() => match ended {
            Some(Ok(Err(status))) => Err(failed(format!("a subscription ended: {}", words(&status)))),
            Some(Err(panic)) => Err(Failure::Failed(panic.into())),
            Some(Ok(Ok(()))) | None => Err(failed("a subscription ended")),
        },
    }
}

async fn take(
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
            Some(Event::Gap(gap)) => received.breaks(gap_words(&gap.gap.unwrap_or_default())),
            Some(Event::Heartbeat(_) | Event::Draining(_)) | None => {}
        }
    }
    Ok(())
}

fn request(stream: String) -> pb::SubscribeFramesRequest {
    let streams = pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(stream)) };
    let pictures = pb::PictureSelection { max_picture_bytes: Some(MAX_PICTURE_BYTES), ..Default::default() };
    let selector =
        pb::StreamSelector { streams: vec![streams], pictures: Some(pictures), ..Default::default() };
    pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() }
}
