//! Cameras and a subscriber over the real API.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::failed;
use super::processes::{CpuMs, Server};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::fault::{frame_words, refused};
use crate::cli::latency::Latency;
use crate::cli::ledger::Ledger;
use crate::cli::output::timestamp;
use crate::cli::publisher::{self, Grpc, Options};
use crate::cli::send::Decision;
use crate::cli::subscribe::follow::{Event, Follower};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// Before measuring: caches fill, partitions are held, connections open.
const WARM_UP: Duration = Duration::from_secs(2);
const START_DEADLINE: Duration = Duration::from_secs(30);
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
const BATCH_FRAMES: usize = 16;
/// Agents that carry the cameras' frames, each with a connection of its own.
const MOST_AGENTS: usize = 8;
/// Kept entries of a stream: enough for the subscriber, and little memory.
const KEPT_FRAMES: u64 = 64;

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
    /// The streams' names begin with it.
    pub(super) prefix: String,
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
    /// Over the whole run: accepted and never delivered.
    pub(super) lost: u64,
}

impl Measured {
    pub(super) fn fps(&self) -> f64 {
        self.frames as f64 / self.seconds
    }

    pub(super) fn cpu_ms_per_frame(&self) -> f64 {
        self.cpu.all() / self.frames.max(1) as f64
    }
}

#[derive(Debug)]
struct Board {
    state: Mutex<State>,
    /// One for each agent.
    room: Vec<Semaphore>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    sent: HashMap<(String, u64), Instant>,
    measuring: bool,
    frames: u64,
    bytes: u64,
    passed_through: u64,
    latency: Latency,
    refused: Option<String>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Registers the streams, sends and receives, and answers what came of it when all that was accepted is accounted for.
pub(super) async fn run(server: &Server, load: &Load) -> Result<Measured, Failure> {
    let streams: Vec<String> = (0..load.cameras).map(|number| format!("{}-{number}", load.prefix)).collect();
    let mut client = Client::connect(&server.address).await?;
    for stream in &streams {
        register(&mut client, stream, load.output).await?;
    }
    let agents = load.cameras.min(MOST_AGENTS).min(load.in_flight);
    let room = load.in_flight.div_ceil(agents);
    let state = State {
        ledger: Ledger::default(),
        sent: HashMap::new(),
        measuring: false,
        frames: 0,
        bytes: 0,
        passed_through: 0,
        latency: Latency::new(),
        refused: None,
    };
    let board = Arc::new(Board {
        state: Mutex::new(state),
        room: (0..agents).map(|_| Semaphore::new(room)).collect(),
    });

    let (started, has_started) = oneshot::channel();
    let mut viewer = JoinSet::new();
    let connection = Client::connect(&server.address).await?;
    viewer.spawn(view(connection, load.prefix.clone(), Arc::clone(&board), started));
    if !matches!(timeout(START_DEADLINE, has_started).await, Ok(Ok(()))) {
        return Err(failed("the subscription did not start"));
    }
    let stop = CancellationToken::new();
    let mut sending = JoinSet::new();
    for agent in 0..agents {
        let cameras = streams.iter().enumerate().filter(|(index, _)| index % agents == agent);
        let cameras: Vec<String> = cameras.map(|(_, name)| name.clone()).collect();
        let agent = Agent {
            number: agent,
            cameras,
            pictures: load.pictures.clone(),
            period: load.fps.map(|fps| Duration::from_secs_f64(agents as f64 / fps)),
            stop: stop.clone(),
            board: Arc::clone(&board),
        };
        sending.spawn(agent.run(Client::connect(&server.address).await?));
    }

    let warm_up = async {
        sleep(WARM_UP).await;
        Ok::<_, Failure>(())
    };
    watch(&mut viewer, &mut sending, warm_up).await?;
    let before = server.cpu().await?;
    let begin = Instant::now();
    board.state().measuring = true;
    let measuring = async {
        sleep(load.seconds).await;
        board.state().measuring = false;
        let seconds = begin.elapsed().as_secs_f64();
        Ok((seconds, server.cpu().await?.since(before)))
    };
    let (seconds, cpu) = watch(&mut viewer, &mut sending, measuring).await?;
    stop.cancel();
    while let Some(ended) = sending.join_next().await {
        ended.map_err(|panic| Failure::Failed(panic.into()))??;
    }
    let drained = async {
        while board.state().ledger.open() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let _in_time = timeout(DRAIN_DEADLINE, drained).await;
    viewer.shutdown().await;
    let mut state = board.state();
    let totals = state.ledger.totals();
    if let Some(why) = state.refused.take() {
        return Err(failed(format!("a frame was refused: {why}")));
    }
    if totals.failed > 0 {
        return Err(failed(format!(
            "{} frames could not be processed; `frameway submit` says why",
            totals.failed
        )));
    }
    Ok(Measured {
        frames: state.frames,
        seconds,
        bytes: state.bytes,
        passed_through: state.passed_through,
        latency: std::mem::replace(&mut state.latency, Latency::new()),
        cpu,
        lost: totals.lost + totals.duplicates + totals.out_of_order,
    })
}

/// Does `work`, unless a camera or the subscriber fails meanwhile.
async fn watch<T>(
    viewer: &mut JoinSet<Result<(), Failure>>,
    sending: &mut JoinSet<Result<(), Failure>>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let ended = |ended: Option<Result<Result<(), Failure>, tokio::task::JoinError>>, who: &str| match ended {
        Some(Ok(Err(failure))) => failure,
        Some(Err(panic)) => Failure::Failed(panic.into()),
        Some(Ok(Ok(()))) | None => failed(format!("{who} ended early")),
    };
    tokio::select! {
        done = work => done,
        one = viewer.join_next() => Err(ended(one, "the subscription")),
        one = sending.join_next() => Err(ended(one, "a camera")),
    }
}

async fn register(client: &mut Client, stream: &str, output: pb::OutputPolicy) -> Result<(), Failure> {
    let retention = pb::RetentionPolicy { max_frames: KEPT_FRAMES, ..Default::default() };
    let stream = pb::Stream {
        stream_id: stream.to_owned(),
        display_name: "frameway bench".to_owned(),
        retention: Some(retention),
        output: Some(output),
        ..Default::default()
    };
    let answer = client.streaming.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
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
            Decision::Refused(error) => board.state().refused = Some(frame_words(&error)),
            Decision::Open(_) => board.state().refused = Some("the server did not answer".to_owned()),
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
                if let Some(tick) = &mut tick {
                    tick.tick().await;
                }
                self.board.room[self.number].acquire().await
            };
            let Some(Ok(room)) = self.stop.run_until_cancelled(next).await else { return };
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
            self.board.state().sent.insert((stream.clone(), number), Instant::now());
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
            Event::Gap(gap) => return Err(failed(format!("frames were not delivered: {gap:?}"))),
            Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber connects again: {why}"),
            Event::End => return Ok(()),
        }
    }
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
    let sent = state.sent.remove(&(frame.stream_id, frame.publisher_sequence.unwrap_or_default()));
    if state.measuring {
        state.frames += 1;
        state.bytes += source_bytes;
        state.passed_through += u64::from(passed_through);
        state.latency.enter(sent.map(|sent| now - sent));
    }
}
