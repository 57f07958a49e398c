//! Cameras and a subscriber over the real API.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::processes::{CpuMs, Server};
use super::{CommonArgs, failed};
use crate::client::publish::{Decision, PublishOptions};
use crate::client::subscribe::{Event, Subscription, selector};
use crate::client::{Client, describe_item};
use crate::console::cleanup::StreamCleanup;
use crate::console::latency::Latency;
use crate::console::ledger::Ledger;
use crate::console::output::{short, timestamp};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// The minimum time before the measurement, in which caches fill, leases are taken and connections
/// open. After this time, the warm-up continues until a frame of every camera was delivered,
/// because a stream's first frame costs more than later ones.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_DEADLINE: Duration = Duration::from_secs(120);
const START_DEADLINE: Duration = Duration::from_secs(30);
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The share of the requested pace below which the machine counts as overloaded.
const MIN_PACE_SHARE: f64 = 0.95;
const AGENT_PATIENCE: Duration = Duration::from_secs(30);
const BATCH_FRAMES: usize = 16;
/// The maximum number of agents that submit the cameras' frames, each over its own connection.
const MAX_AGENTS: usize = 8;
/// The number of frames that a stream keeps: enough for the subscriber, in little memory.
pub(super) const KEPT_FRAMES: u64 = 64;

/// The load of a run.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// The number of cameras.
    pub(super) cameras: usize,
    /// The pictures that they repeat.
    pub(super) pictures: Vec<Bytes>,
    /// The frames per second of all cameras together; `None` = as fast as possible.
    pub(super) fps: Option<f64>,
    /// The maximum number of frames of all cameras that are sent and not yet delivered.
    pub(super) in_flight: usize,
    /// The duration of the measurement.
    pub(super) seconds: Duration,
    /// The streams' output policy.
    pub(super) output: pb::OutputPolicy,
}

/// The result of a run.
#[derive(Debug)]
pub(super) struct Measured {
    /// The frames delivered during the measurement.
    pub(super) frames: u64,
    /// The duration of the measurement.
    pub(super) seconds: f64,
    /// The submitted bytes of those frames.
    pub(super) bytes: u64,
    /// The bytes of the pictures that the subscriber received with those frames.
    pub(super) delivered_bytes: u64,
    /// The number of those frames that were not encoded.
    pub(super) passed_through: u64,
    /// The latencies from camera to subscriber.
    pub(super) latency: Latency,
    /// The processor time during the measurement.
    pub(super) cpu: CpuMs,
    /// The number of frames that were lost, delivered twice or out of order in the whole run.
    pub(super) lost: u64,
    /// The maximum resident memory of server and worker, in MiB.
    pub(super) peak_rss_mb: f64,
}

impl Measured {
    pub(super) fn fps(&self) -> f64 {
        self.frames as f64 / self.seconds
    }

    pub(super) fn cpu_ms_per_frame(&self) -> f64 {
        self.cpu.all() / self.frames.max(1) as f64
    }

    /// Fails if frames were lost.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_lost(self.lost)
    }
}

/// Fails if frames were lost, because the figures are not valid then.
pub(super) fn check_lost(lost: u64) -> Result<(), Failure> {
    match lost {
        0 => Ok(()),
        lost => Err(failed(format!("{lost} frames were lost, or delivered twice or out of order"))),
    }
}

impl Load {
    /// Starts a server, measures, and stops the server. If a number of workers is given, the workers
    /// run in separate processes.
    pub(super) async fn run(&self, common: &CommonArgs, workers: Option<u32>) -> Result<Measured, Failure> {
        let server = Server::start(common, workers).await?;
        let mut client = server.connect().await?;
        let cleanup = StreamCleanup::before(&mut client).await;
        let prefix = prefix();
        let streams: Vec<String> = (0..self.cameras).map(|number| format!("{prefix}-{number}")).collect();
        for stream in &streams {
            register(&mut client, stream, self.output).await?;
        }
        let measured = flow(&server, self, &prefix, &streams).await;
        let peak_rss_mb = server.peak_rss_mb();
        cleanup.remove(&mut client, &streams).await;
        server.stop().await;
        let measured = Measured { peak_rss_mb, ..measured? };
        if let Some(fps) = self.fps
            && measured.fps() < fps * MIN_PACE_SHARE
        {
            eprintln!(
                "this machine cannot keep {fps} frames/s: the figures are those of an overloaded machine"
            );
        }
        Ok(measured)
    }

    /// Measures like [`run`](Self::run), and then without TLS and authentication if `common` has
    /// them.
    pub(super) async fn beside_plaintext(
        &self,
        common: &CommonArgs,
    ) -> Result<(Measured, Option<Measured>), Failure> {
        let measured = self.run(common, None).await?;
        let plaintext = match common.without_security() {
            Some(plain) => Some(self.run(&plain, None).await?),
            None => None,
        };
        Ok((measured, plaintext))
    }
}

/// Returns a unique prefix for names of streams.
pub(super) fn prefix() -> String {
    format!("bench-{:08x}", rand::random::<u32>())
}

#[derive(Debug)]
struct Tally {
    state: Mutex<State>,
    /// The number of further frames that each agent may send.
    room: Vec<Semaphore>,
    /// Cancelled when a frame was refused, because the figures are not valid then.
    broken: CancellationToken,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    sent: HashMap<(String, u64), Instant>,
    /// The streams of which a frame was delivered.
    seen: HashSet<String>,
    measuring: bool,
    frames: u64,
    bytes: u64,
    delivered_bytes: u64,
    passed_through: u64,
    latency: Latency,
    refused: Option<String>,
}

impl Tally {
    fn refuse(&self, why: String) {
        self.state().refused = Some(why);
        self.broken.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Sends and receives frames, and returns the result after every accepted frame is accounted for.
async fn flow(server: &Server, load: &Load, prefix: &str, streams: &[String]) -> Result<Measured, Failure> {
    let agents = load.cameras.min(MAX_AGENTS).min(load.in_flight);
    let room = |agent| load.in_flight / agents + usize::from(agent < load.in_flight % agents);
    let state = State {
        ledger: Ledger::default(),
        sent: HashMap::new(),
        seen: HashSet::new(),
        measuring: false,
        frames: 0,
        bytes: 0,
        delivered_bytes: 0,
        passed_through: 0,
        latency: Latency::new(),
        refused: None,
    };
    let tally = Arc::new(Tally {
        state: Mutex::new(state),
        room: (0..agents).map(|agent| Semaphore::new(room(agent))).collect(),
        broken: CancellationToken::new(),
    });

    let (started, has_started) = oneshot::channel();
    let mut viewer = JoinSet::new();
    let connection = server.connect().await?;
    viewer.spawn(view(connection, prefix.to_owned(), Arc::clone(&tally), started));
    if !matches!(timeout(START_DEADLINE, has_started).await, Ok(Ok(()))) {
        return Err(failed("the subscription did not start"));
    }
    let stop = CancellationToken::new();
    let mut sending = JoinSet::new();
    for agent in 0..agents {
        let cameras = streams.iter().enumerate().filter(|(index, _)| index % agents == agent);
        let cameras: Vec<String> = cameras.map(|(_, name)| name.clone()).collect();
        let share = cameras.len() as f64 / load.cameras as f64;
        let agent = Agent {
            number: agent,
            period: load.fps.map(|fps| Duration::from_secs_f64(1.0 / (fps * share))),
            cameras,
            pictures: load.pictures.clone(),
            stop: stop.clone(),
            tally: Arc::clone(&tally),
        };
        sending.spawn(agent.run(server.connect().await?));
    }

    let warm_up = async {
        sleep(WARM_UP).await;
        let deadline = Instant::now() + WARM_UP_DEADLINE;
        while tally.state().seen.len() < load.cameras {
            if Instant::now() > deadline {
                return Err(failed("some cameras had no frame delivered within 120 s"));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok::<_, Failure>(())
    };
    watch(&tally, &mut viewer, &mut sending, warm_up).await?;
    let before = server.cpu().await?;
    let begin = Instant::now();
    tally.state().measuring = true;
    let measuring = async {
        sleep(load.seconds).await;
        tally.state().measuring = false;
        let seconds = begin.elapsed().as_secs_f64();
        Ok((seconds, server.cpu().await?.since(before)))
    };
    let (seconds, cpu) = watch(&tally, &mut viewer, &mut sending, measuring).await?;
    stop.cancel();
    while let Some(ended) = sending.join_next().await {
        ended.map_err(|panic| Failure::Failed(panic.into()))??;
    }
    let drained = async {
        while tally.state().ledger.unsettled() > 0 {
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    match timeout(DRAIN_DEADLINE, watch(&tally, &mut viewer, &mut sending, drained)).await {
        Ok(drained) => drained?,
        Err(_) => eprintln!("frames are still missing after {} s", DRAIN_DEADLINE.as_secs()),
    }
    viewer.shutdown().await;
    let mut state = tally.state();
    let totals = state.ledger.totals();
    Ok(Measured {
        frames: state.frames,
        seconds,
        bytes: state.bytes,
        delivered_bytes: state.delivered_bytes,
        passed_through: state.passed_through,
        latency: std::mem::replace(&mut state.latency, Latency::new()),
        cpu,
        lost: totals.lost + totals.duplicates + totals.out_of_order,
        peak_rss_mb: 0.0,
    })
}

/// Waits for `work`, unless a camera or the subscriber fails meanwhile.
async fn watch<T>(
    tally: &Tally,
    viewer: &mut JoinSet<Result<(), Failure>>,
    sending: &mut JoinSet<Result<(), Failure>>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let ended = |ended: Result<Result<(), Failure>, JoinError>, who: &str| match ended {
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::Failed(panic.into()),
        Ok(Ok(())) => failed(format!("{who} ended early")),
    };
    tokio::select! {
        done = work => done,
        () = tally.broken.cancelled() => {
            let why = tally.state().refused.take().unwrap_or_default();
            Err(failed(format!("a frame was refused: {why}")))
        }
        Some(one) = viewer.join_next() => Err(ended(one, "the subscription")),
        Some(one) = sending.join_next() => Err(ended(one, "a camera")),
    }
}

pub(super) async fn register(
    client: &mut Client,
    stream: &str,
    output: pb::OutputPolicy,
) -> Result<(), Failure> {
    let retention = pb::RetentionPolicy { max_frames: Some(KEPT_FRAMES), ..Default::default() };
    let stream = pb::Stream {
        stream_id: stream.to_owned(),
        display_name: "frameway-bench".to_owned(),
        retention: Some(retention),
        output: Some(output),
        ..Default::default()
    };
    let answer = client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
    answer.map(|_| ()).map_err(|status| refused("registering the benchmark's streams", &status))
}

/// A device that submits the frames of some cameras.
struct Agent {
    number: usize,
    cameras: Vec<String>,
    pictures: Vec<Bytes>,
    /// The time between two frames of this agent.
    period: Option<Duration>,
    stop: CancellationToken,
    tally: Arc<Tally>,
}

impl Agent {
    async fn run(self, client: Client) -> Result<(), Failure> {
        let (frames, intake) = mpsc::channel(BATCH_FRAMES);
        let options = PublishOptions {
            publisher_id: format!("agent-{}", self.number),
            batch_frames: BATCH_FRAMES,
            patience: AGENT_PATIENCE,
            ..Default::default()
        };
        let tally = Arc::clone(&self.tally);
        let decided = |frame: pb::Frame, decision| match decision {
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                tally.state().ledger.accepted(&frame.stream_id, sequence);
            }
            Decision::Refused(error) => tally.refuse(describe_item(&error)),
            Decision::Unconfirmed(_) => tally.refuse("the server did not answer".to_owned()),
        };
        let publishing = client.publish(options, intake, CancellationToken::new(), decided);
        let ((), published) = tokio::join!(self.take(frames), publishing);
        match published?.given_up {
            Some(why) => Err(failed(format!("a camera gave up: {why}"))),
            None => Ok(()),
        }
    }

    async fn take(&self, frames: mpsc::Sender<pb::Frame>) {
        let mut tick = self.period.map(interval);
        if let Some(tick) = &mut tick {
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        }
        let mut count = 0;
        loop {
            let next = async {
                let due = match &mut tick {
                    Some(tick) => Some(tick.tick().await),
                    None => None,
                };
                (due, self.tally.room[self.number].acquire().await)
            };
            let Some((due, Ok(room))) = self.stop.run_until_cancelled(next).await else { return };
            room.forget();
            let stream = &self.cameras[count % self.cameras.len()];
            let number = (count / self.cameras.len()) as u64 + 1;
            let frame = pb::Frame {
                stream_id: stream.clone(),
                publisher_id: format!("agent-{}", self.number),
                publisher_sequence: Some(number),
                capture_time: Some(timestamp(SystemTime::now())),
                data: self.pictures[count % self.pictures.len()].clone(),
                ..Default::default()
            };
            count += 1;
            // The latency of a paced camera's frame begins at its tick, so it includes the wait
            // before it is sent.
            let taken = due.unwrap_or_else(Instant::now);
            self.tally.state().sent.insert((stream.clone(), number), taken);
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    }
}

async fn view(
    client: Client,
    prefix: String,
    tally: Arc<Tally>,
    started: oneshot::Sender<()>,
) -> Result<(), Failure> {
    let request = pb::SubscribeFramesRequest {
        selectors: vec![selector(&format!("{prefix}-*"))],
        ..Default::default()
    };
    let mut subscription = Subscription::new(&client, request);
    let mut started = Some(started);
    loop {
        match subscription.next().await? {
            Event::Started { .. } => {
                if let Some(started) = started.take() {
                    let _nobody_waits = started.send(());
                }
            }
            Event::Frame(delivered) => record_delivery(&tally, delivered.frame.unwrap_or_default()),
            Event::Gap(gap) => return Err(failed(gap_words(&gap.gap.unwrap_or_default()))),
            Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber reconnects: {why}"),
            Event::End => return Ok(()),
        }
    }
}

/// Describes a gap in which frames are missing.
pub(super) fn gap_words(gap: &pb::Gap) -> String {
    let causes = gap.causes.iter().map(|cause| short(cause.reason().as_str_name(), "GAP_REASON_"));
    let causes: Vec<String> = causes.collect();
    format!("{} frames were not delivered: {}", gap.to_sequence + 1 - gap.from_sequence, causes.join(", "))
}

fn record_delivery(tally: &Tally, frame: pb::ProcessedFrame) {
    let now = Instant::now();
    let mut state = tally.state();
    state.ledger.delivered(&frame.stream_id, frame.sequence, frame.publisher_sequence);
    let agent = frame.publisher_id.strip_prefix("agent-").and_then(|number| number.parse::<usize>().ok());
    if let Some(room) = agent.and_then(|agent| tally.room.get(agent)) {
        room.add_permits(1);
    }
    let passed_through = frame.reencode_outcome() != pb::ReencodeOutcome::Reencoded;
    let source_bytes = frame.source.as_ref().map_or(0, |source| source.size_bytes);
    let delivered_bytes: u64 = frame.pictures.iter().map(|picture| picture.size_bytes).sum();
    if !state.measuring && !state.seen.contains(&frame.stream_id) {
        state.seen.insert(frame.stream_id.clone());
    }
    let sent = state.sent.remove(&(frame.stream_id, frame.publisher_sequence.unwrap_or_default()));
    if state.measuring {
        state.frames += 1;
        state.bytes += source_bytes;
        state.delivered_bytes += delivered_bytes;
        state.passed_through += u64::from(passed_through);
        state.latency.record(sent.map(|sent| now - sent));
    }
}
