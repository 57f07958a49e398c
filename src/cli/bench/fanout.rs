//! `frameway bench fanout`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::processes::{CpuMs, Server};
use super::report::Report;
use super::{CommonArgs, bare, failed};
use crate::cli::Failure;
use crate::cli::client::{Client, MAX_PICTURE_BYTES};
use crate::cli::fault::{refused, words};
use crate::cli::output::timestamp;
use crate::cli::publisher::{self, Grpc, Options};
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

    /// How many subscribers.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    subscribers: u32,

    /// Most frames that the camera is ahead of the slowest subscriber.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,
}

/// Connections that the subscribers share.
const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(2);
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// What all subscribers got together.
struct Received {
    counts: Vec<AtomicU64>,
    bytes: AtomicU64,
    ready: AtomicU64,
    gaps: AtomicBool,
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
    let FanoutArgs { common, subscribers, in_flight } = args;
    let pictures = common.pictures().await?;
    let mean = pictures.iter().map(Bytes::len).sum::<usize>() / pictures.len().max(1);
    let count = subscribers as usize;

    let arguments = ["bench", "bare", "--bytes", &mean.to_string()].map(str::to_owned);
    let bare = Server::spawn(&arguments, None).await?;
    let mut connections = Vec::new();
    let received = Received::new(count);
    let mut taking = JoinSet::new();
    for number in 0..count {
        let client = client_of(&bare, number, &mut connections).await?;
        taking.spawn(take(bare::subscribe(client.channel).await, number, Arc::clone(&received)));
    }
    let limit = measure(&bare, &received, common.seconds(), &mut taking).await;
    taking.shutdown().await;
    bare.stop().await;
    let limit = limit?;

    let server = Server::start(common.redis_url.as_deref(), None).await?;
    let measured = frames(&server, &common, pictures, count, in_flight).await;
    server.stop().await;
    let measured = measured?;

    let mut report = Report::default();
    let deliveries = measured.deliveries.max(1) as f64;
    report
        .number(
            "deliveries_per_s",
            deliveries / measured.seconds,
            "frames a second, all subscribers together",
        )
        .number("mb_per_s", measured.mb_per_s(), "million bytes of pictures a second")
        .number("bare_tonic_mb_per_s", limit.mb_per_s(), "the same from a bare gRPC server")
        .number("ratio_to_bare_tonic", measured.mb_per_s() / limit.mb_per_s(), "")
        .figure("redis_reads", measured.redis_reads, "MGET and GET calls while it was measured")
        .number(
            "redis_reads_per_frame",
            measured.redis_reads as f64 * f64::from(subscribers) / deliveries,
            "a frame sent to all",
        )
        .number("cpu_ms_per_delivery", measured.cpu.all() / deliveries, "processor time of all processes")
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
            gaps: AtomicBool::new(false),
        })
    }

    fn deliveries(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn slowest(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).min().unwrap_or(0)
    }
}

struct Camera {
    stream: String,
    pictures: Vec<Bytes>,
    /// Frames ahead of the slowest subscriber.
    ahead: u64,
    received: Arc<Received>,
}

impl Camera {
    async fn film(self, frames: mpsc::Sender<pb::Frame>) {
        for (number, picture) in (1_u64..).zip(self.pictures.iter().cycle()) {
            while number > self.received.slowest() + self.ahead {
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

/// One camera and its subscribers.
async fn frames(
    server: &Server,
    common: &CommonArgs,
    pictures: Vec<Bytes>,
    count: usize,
    in_flight: u32,
) -> Result<Measured, Failure> {
    let stream = format!("bench-{:08x}", rand::random::<u32>());
    let mut connections = Vec::new();
    let mut client = client_of(server, 0, &mut connections).await?;
    let output = pb::OutputPolicy {
        reencode_mode: pb::ReencodeMode::Never.into(),
        thumbnail_size: Some(0),
        ..Default::default()
    };
    let retention = pb::RetentionPolicy { max_frames: 2 * u64::from(in_flight) + 16, ..Default::default() };
    let wanted = pb::Stream {
        stream_id: stream.clone(),
        output: Some(output),
        retention: Some(retention),
        ..Default::default()
    };
    let answer = client.streaming.register_stream(pb::RegisterStreamRequest { stream: Some(wanted) }).await;
    answer.map_err(|status| refused("registering the benchmark's stream", &status))?;
    let received = Received::new(count);
    let mut taking = JoinSet::new();
    for number in 0..count {
        let client = client_of(server, number, &mut connections).await?;
        let (stream, received) = (stream.clone(), Arc::clone(&received));
        taking.spawn(async move {
            let mut client = client;
            let calls =
                client.streaming.subscribe_frames(request(stream)).await.map(tonic::Response::into_inner);
            take(calls, number, received).await
        });
    }
    let deadline = Instant::now() + START_DEADLINE;
    while received.ready.load(Ordering::Relaxed) < count as u64 {
        if Instant::now() > deadline {
            return Err(failed("the subscriptions did not start"));
        }
        sleep(POLL).await;
    }
    let stop = CancellationToken::new();
    let (frames, intake) = mpsc::channel(1);
    let options = Options {
        publisher_id: "camera".to_owned(),
        batch_frames: 1,
        patience: START_DEADLINE,
        seed: rand::random(),
    };
    let grpc = Grpc(client.streaming.clone());
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        let publishing =
            publisher::publish(grpc, options, intake, CancellationToken::new(), |_frame, _decision| {});
        publishing.await.map(|_ended| ())
    });
    let camera = Camera { stream, pictures, ahead: in_flight.into(), received: Arc::clone(&received) };
    let until = stop.clone();
    sending.spawn(async move {
        let _stopped = until.run_until_cancelled(camera.film(frames)).await;
        Ok(())
    });
    let measured = measure(server, &received, common.seconds(), &mut taking).await;
    stop.cancel();
    while let Some(ended) = sending.join_next().await {
        ended.map_err(|panic| Failure::Failed(panic.into()))??;
    }
    taking.shutdown().await;
    if received.gaps.load(Ordering::Relaxed) {
        return Err(failed("a subscriber missed frames: allow fewer --in-flight"));
    }
    measured
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
    tokio::select! {
        measured = measuring => measured,
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
            Some(Event::Gap(_)) => received.gaps.store(true, Ordering::Relaxed),
            Some(Event::Heartbeat(_) | Event::Draining(_)) | None => {}
        }
    }
    Ok(())
}

/// A few connections, shared by all.
async fn client_of(server: &Server, number: usize, connections: &mut Vec<Client>) -> Result<Client, Failure> {
    if let Some(client) = connections.get(number % CONNECTIONS) {
        return Ok(client.clone());
    }
    let client = Client::connect(&server.address).await?;
    connections.push(client.clone());
    Ok(client)
}

fn request(stream: String) -> pb::SubscribeFramesRequest {
    let streams = pb::StreamMatch { by: Some(pb::stream_match::By::Id(stream)) };
    let pictures = pb::PictureSelection { max_picture_bytes: MAX_PICTURE_BYTES, ..Default::default() };
    let selector =
        pb::StreamSelector { streams: Some(streams), pictures: Some(pictures), ..Default::default() };
    pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() }
}
