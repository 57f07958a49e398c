//! Cameras and a subscriber over the real API.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::failed;
use super::processes::{CpuMs, Server};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::fault::{frame_words, refused, short};
use crate::cli::latency::Latency;
use crate::cli::ledger::Ledger;
use crate::cli::leftovers::Leftovers;
use crate::cli::output::timestamp;
use crate::cli::publisher::{self, Grpc, Options};
use crate::cli::send::Decision;
use crate::cli::subscribe::follow::{Event, Follower};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// Before measuring: caches fill, partitions are held, connections open. Longer, until a frame of every camera has come: what
/// a stream's first frame costs is no frame's usual cost.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_DEADLINE: Duration = Duration::from_secs(120);
const START_DEADLINE: Duration = Duration::from_secs(30);
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// Below this share of the pace that was asked for, the machine does not keep it.
const KEPT_PACE: f64 = 0.95;
const PATIENCE: Duration = Duration::from_secs(30);
const BATCH_FRAMES: usize = 16;
/// Agents that carry the cameras' frames, each with a connection of its own.
const MOST_AGENTS: usize = 8;
/// Kept entries of a stream: enough for the subscriber, and little memory.
pub(super) const KEPT_FRAMES: u64 = 64;

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// Number of cameras.
    pub(super) cameras: usize,
    /// What they show, over and over.
    pub(super) pictures: Vec<Bytes>,
    /// Frames a second of all together; `None` = as fast as they can.
    pub(super) fps: Option<f64>,
    /// Most frames of all together that are sent and not yet delivered.
    pub(super) in_flight: usize,
    /// How long is measured.
    pub(super) seconds: Duration,
    /// What workers make of them.
    pub(super) output: pb::OutputPolicy,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    /// Frames delivered while it was measured.
    pub(super) frames: u64,
    /// How long that was.
    pub(super) seconds: f64,
    /// Bytes submitted of those frames.
    pub(super) bytes: u64,
    /// How many of them were passed on as they came.
    pub(super) passed_through: u64,
    /// From the camera's hand to the subscriber's.
    pub(super) latency: Latency,
    /// Processor time meanwhile.
    pub(super) cpu: CpuMs,
    /// Over the whole run: accepted and not delivered once, in order.
    pub(super) lost: u64,
    /// Most resident memory of server and worker, MiB.
    pub(super) peak_rss_mb: f64,
}

impl Measured {
    pub(super) fn fps(&self) -> f64 {
        self.frames as f64 / self.seconds
    }

    pub(super) fn cpu_ms_per_frame(&self) -> f64 {
        self.cpu.all() / self.frames.max(1) as f64
    }

    /// A benchmark in which frames were lost is none.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.lost {
            0 => Ok(()),
            lost => Err(failed(format!("{lost} frames were lost, came twice or out of order"))),
        }
    }
}

impl Load {
    /// Starts a server with this queue, and with so many workers where a number is given; measures, and ends it.
    pub(super) async fn run(
        &self,
        redis_url: Option<&str>,
        workers: Option<u32>,
    ) -> Result<Measured, Failure> {
        let server = Server::start(redis_url, workers).await?;
        let mut client = Client::connect(&server.address).await?;
        let leftovers = Leftovers::before(&mut client).await;
        let prefix = prefix();
        let streams: Vec<String> = (0..self.cameras).map(|number| format!("{prefix}-{number}")).collect();
        for stream in &streams {
            register(&mut client, stream, self.output).await?;
        }
        let measured = flow(&server, self, &prefix, &streams).await;
        let peak_rss_mb = server.peak_rss_mb();
        leftovers.remove(&mut client, &streams).await;
        server.stop().await;
        let measured = Measured { peak_rss_mb, ..measured? };
        if let Some(fps) = self.fps
            && measured.fps() < fps * KEPT_PACE
        {
            eprintln!(
                "this machine cannot keep {fps} frames a second: what follows is of one that is overloaded"
            );
        }
        Ok(measured)
    }
}

/// A name for streams that nobody else uses.
pub(super) fn prefix() -> String {
    format!("bench-{:08x}", rand::random::<u32>())
}

#[derive(Debug)]
struct Board {
    state: Mutex<State>,
    /// One for each agent.
    room: Vec<Semaphore>,
    /// A frame was refused: nothing that follows means anything.
    broken: CancellationToken,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    sent: HashMap<(String, u64), Instant>,
    /// Cameras that were heard of.
    seen: HashSet<String>,
    measuring: bool,
    frames: u64,
    bytes: u64,
    passed_through: u64,
    latency: Latency,
    refused: Option<String>,
}

impl Board {
    fn refuse(&self, why: String) {
        self.state().refused = Some(why);
        self.broken.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends and receives, and answers what came of it when all that was accepted is accounted for.
async fn flow(server: &Server, load: &Load, prefix: &str, streams: &[String]) -> Result<Measured, Failure> {
    let agents = load.cameras.min(MOST_AGENTS).min(load.in_flight);
    let room = |agent| load.in_flight / agents + usize::from(agent < load.in_flight % agents);
    let state = State {
        ledger: Ledger::default(),
        sent: HashMap::new(),
        seen: HashSet::new(),
        measuring: false,
        frames: 0,
        bytes: 0,
        passed_through: 0,
        latency: Latency::new(),
        refused: None,
    };
    let board = Arc::new(Board {
        state: Mutex::new(state),
        room: (0..agents).map(|agent| Semaphore::new(room(agent))).collect(),
        broken: CancellationToken::new(),
    });

    let (started, has_started) = oneshot::channel();
    let mut viewer = JoinSet::new();
    let connection = Client::connect(&server.address).await?;
    viewer.spawn(view(connection, prefix.to_owned(), Arc::clone(&board), started));
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
            board: Arc::clone(&board),
        };
        sending.spawn(agent.run(Client::connect(&server.address).await?));
    }

    let warm_up = async {
        sleep(WARM_UP).await;
        let deadline = Instant::now() + WARM_UP_DEADLINE;
        while board.state().seen.len() < load.cameras {
            if Instant::now() > deadline {
                return Err(failed("not every camera's first frame came through"));
            }
            sleep(DRAIN_POLL).await;
        }
        Ok::<_, Failure>(())
    };
    watch(&board, &mut viewer, &mut sending, warm_up).await?;
    let before = server.cpu().await?;
    let begin = Instant::now();
    board.state().measuring = true;
    let measuring = async {
        sleep(load.seconds).await;
        board.state().measuring = false;
        let seconds = begin.elapsed().as_secs_f64();
        Ok((seconds, server.cpu().await?.since(before)))
    };
    let (seconds, cpu) = watch(&board, &mut viewer, &mut sending, measuring).await?;
    stop.cancel();
    while let Some(ended) = sending.join_next().await {
        ended.map_err(|panic| Failure::Failed(panic.into()))??;
    }
    let drained = async {
        while board.state().ledger.open() > 0 {
            sleep(DRAIN_POLL).await;
        }
        Ok(())
    };
    match timeout(DRAIN_DEADLINE, watch(&board, &mut viewer, &mut sending, drained)).await {
        Ok(drained) => drained?,
        Err(_) => eprintln!("frames are missing after {} s", DRAIN_DEADLINE.as_secs()),
    }
    viewer.shutdown().await;
    let mut state = board.state();
    let totals = state.ledger.totals();
    Ok(Measured {
        frames: state.frames,
        seconds,
        bytes: state.bytes,
        passed_through: state.passed_through,
        latency: std::mem::replace(&mut state.latency, Latency::new()),
        cpu,
        lost: totals.lost + totals.duplicates + totals.out_of_order,
        peak_rss_mb: 0.0,
    })
}

/// Does `work`, unless a camera or the subscriber fails meanwhile.
async fn watch<T>(
    board: &Board,
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
        () = board.broken.cancelled() => {
            let why = board.state().refused.take().unwrap_or_default();
            Err(failed(format!("a frame was refused: {why}")))
        }
        Some(one) = viewer.join_next() => Err(ended(one, "the subscription")),
        Some(one) = sending.join_next() => Err(ended(one, "a camera")),
    }
}

async fn register(client: &mut Client, stream: &str, output: pb::OutputPolicy) -> Result<(), Failure> {
    let retention = pb::RetentionPolicy { max_frames: Some(KEPT_FRAMES), ..Default::default() };
    let stream = pb::Stream {
        stream_id: stream.to_owned(),
        display_name: "frameway bench".to_owned(),
        retention: Some(retention),
        output: Some(output),
        ..Default::default()
    };
    let answer = client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
    answer.map(|_| ()).map_err(|status| refused("registering the benchmark's streams", &status))
}

/// A roadside box with some cameras.
struct Agent {
    number: usize,
    cameras: Vec<String>,
    pictures: Vec<Bytes>,
    /// Between two frames of this agent.
    period: Option<Duration>,
    stop: CancellationToken,
    board: Arc<Board>,
}

impl Agent {
    async fn run(self, client: Client) -> Result<(), Failure> {
        let (frames, intake) = mpsc::channel(BATCH_FRAMES);
        let options = Options {
            publisher_id: format!("agent-{}", self.number),
            batch_frames: BATCH_FRAMES,
            patience: PATIENCE,
            seed: rand::random(),
        };
        let board = Arc::clone(&self.board);
        let decided = |frame: pb::Frame, decision| match decision {
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                board.state().ledger.accepted(&frame.stream_id, sequence);
            }
            Decision::Refused(error) => board.refuse(frame_words(&error)),
            Decision::Open(_) => board.refuse("the server did not answer".to_owned()),
        };
        let grpc = Grpc(client.streaming);
        let publishing = publisher::publish(grpc, options, intake, CancellationToken::new(), decided);
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
                (due, self.board.room[self.number].acquire().await)
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
            // A paced camera's frame is as old as its picture, however long it had to wait for its turn.
            let taken = due.unwrap_or_else(Instant::now);
            self.board.state().sent.insert((stream.clone(), number), taken);
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    }
}

async fn view(
    client: Client,
    prefix: String,
    board: Arc<Board>,
    started: oneshot::Sender<()>,
) -> Result<(), Failure> {
    let live = Position::Live(pb::StartLive {});
    let roles = vec![pb::PictureRole::Processed];
    let streams = [format!("{prefix}-*")];
    let mut follower = Follower::new(client.streaming, &streams, live, BTreeMap::new(), roles, None);
    let mut started = Some(started);
    loop {
        match follower.next().await? {
            Event::Started { .. } => {
                if let Some(started) = started.take() {
                    let _nobody_waits = started.send(());
                }
            }
            Event::Frame(delivered) => arrived(&board, delivered.frame.unwrap_or_default()),
            Event::Gap(gap) => return Err(failed(gap_words(&gap.gap.unwrap_or_default()))),
            Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber connects again: {why}"),
            Event::End => return Ok(()),
        }
    }
}

/// What a gap says of frames that should have come.
pub(super) fn gap_words(gap: &pb::Gap) -> String {
    let causes = gap.causes.iter().map(|cause| short(cause.reason().as_str_name(), "GAP_REASON_"));
    let causes: Vec<String> = causes.collect();
    format!("{} frames were not delivered: {}", gap.to_sequence + 1 - gap.from_sequence, causes.join(", "))
}

fn arrived(board: &Board, frame: pb::ProcessedFrame) {
    let now = Instant::now();
    let mut state = board.state();
    state.ledger.delivered(&frame.stream_id, frame.sequence, frame.publisher_sequence);
    let agent = frame.publisher_id.strip_prefix("agent-").and_then(|number| number.parse::<usize>().ok());
    if let Some(room) = agent.and_then(|agent| board.room.get(agent)) {
        room.add_permits(1);
    }
    let passed_through = frame.reencode_outcome() != pb::ReencodeOutcome::Reencoded;
    let source_bytes = frame.source.as_ref().map_or(0, |source| source.size_bytes);
    if !state.measuring && !state.seen.contains(&frame.stream_id) {
        state.seen.insert(frame.stream_id.clone());
    }
    let sent = state.sent.remove(&(frame.stream_id, frame.publisher_sequence.unwrap_or_default()));
    if state.measuring {
        state.frames += 1;
        state.bytes += source_bytes;
        state.passed_through += u64::from(passed_through);
        state.latency.enter(sent.map(|sent| now - sent));
    }
}
