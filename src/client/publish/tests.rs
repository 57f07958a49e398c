//! Many seeded runs against a scripted server. It cuts calls before or after it stores a batch,
//! stores batches of an earlier call late, loses answers, refuses, throttles and drains. Time is
//! paused, so a run takes no time, and a seed determines its run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep_until as until;

use tonic::Status;

use super::transport::Link;
use super::*;
use crate::client::time::{duration, pb_duration};
use crate::pb::v1::ErrorReason as R;
use crate::pb::v1::frame_result::Outcome;
use crate::pb::v1::submit_frames_response::Event;

const STREAMS: [&str; 3] = ["cam-1", "cam-2", "cam-3"];
const SERVER_WINDOW: usize = 8;
/// The server finally refuses each frame whose publisher sequence is a multiple of this.
const BAD: u64 = 29;

type Item = Result<Option<Event>, Status>;

/// The state of a server that outlives its calls.
struct Store {
    rng: StdRng,
    /// The stored publisher sequences of each stream, in order.
    stored: BTreeMap<String, Vec<u64>>,
    /// Batches that the server stores only after their call was cut.
    late: VecDeque<(Gate, pb::SubmitBatch)>,
    /// The time until which each paused stream must not send.
    paused: BTreeMap<String, Instant>,
    /// The number of faults that remain; without any, the server works correctly.
    faults: u32,
    log: Vec<String>,
}

/// The publisher sequence that a call expects next, for each stream in which it has refused a
/// frame: that of the refused frame.
type Gate = Arc<Mutex<BTreeMap<String, u64>>>;

#[derive(Clone)]
struct Server(Arc<Mutex<Store>>);

struct FakeLink {
    server: Server,
    gate: Gate,
    events: VecDeque<(Instant, Item)>,
    unanswered: usize,
    ended: bool,
    draining: bool,
}

fn error(reason: R, retry: bool) -> pb::ItemError {
    let retry_delay = retry.then(|| pb_duration(Duration::from_millis(100)));
    pb::ItemError { reason: reason.into(), retry_delay, ..Default::default() }
}

impl Store {
    /// Reports a fault with the chance 1 in `n`, while faults remain.
    fn fault(&mut self, n: u32) -> bool {
        let hit = self.faults > 0 && self.rng.random_range(0..n) == 0;
        self.faults -= u32::from(hit);
        hit
    }

    /// Stores a batch as a server does; with `faulty`, it refuses frames and loses answers by
    /// chance.
    fn accept(&mut self, gate: &Gate, batch: &pb::SubmitBatch, faulty: bool) -> Vec<pb::FrameResult> {
        let mut gate = gate.lock();
        let frames = batch.frames.iter();
        frames
            .map(|frame| {
                let number = frame.publisher_sequence();
                let refused = faulty && self.fault(6);
                let awaited = gate.get(&frame.stream_id).copied();
                let stored = self.stored.entry(frame.stream_id.clone()).or_default();
                let outcome = match awaited {
                    Some(awaited) if number > awaited => Outcome::Rejected(error(R::OutOfOrder, true)),
                    _ if number % BAD == 0 => Outcome::Rejected(error(R::PictureMissing, false)),
                    _ => match stored.binary_search(&number) {
                        Ok(at) => Outcome::Duplicate(pb::FrameDuplicate { sequence: at as u64 + 1 }),
                        Err(at) if at < stored.len() => Outcome::Rejected(error(R::OutOfOrder, false)),
                        Err(_) if refused => Outcome::Rejected(error(R::StreamQueueFull, true)),
                        Err(at) => {
                            stored.push(number);
                            let sequence = at as u64 + 1;
                            Outcome::Accepted(pb::FrameAccepted { sequence, receive_time: None })
                        }
                    },
                };
                if awaited == Some(number) {
                    gate.remove(&frame.stream_id);
                }
                // The frame is stored, but the backend's answer to the server is lost.
                let lost = matches!(outcome, Outcome::Accepted(_)) && faulty && self.fault(12);
                let outcome = if lost { Outcome::Unconfirmed(error(R::BackendUnavailable, true)) } else { outcome };
                if matches!(&outcome, Outcome::Rejected(error) | Outcome::Unconfirmed(error) if error.retry_delay.is_some())
                {
                    let awaited = gate.entry(frame.stream_id.clone()).or_insert(number);
                    *awaited = number.min(*awaited);
                }
                pb::FrameResult { outcome: Some(outcome) }
            })
            .collect()
    }
}

impl Transport for Server {
    type Link = FakeLink;

    async fn open(&mut self, setup: pb::SubmitSetup) -> Result<FakeLink, Status> {
        let mut store = self.0.lock();
        store.log.push(format!("open {:?}", setup.resume_stream_ids));
        if store.fault(3) {
            return Err(Status::unavailable("no server"));
        }
        let position = |stream: &String| {
            let stored = store.stored.get(stream).map_or(&[][..], Vec::as_slice);
            pb::PublisherPosition {
                stream_id: stream.clone(),
                last_publisher_sequence: stored.last().copied(),
                last_sequence: Some(stored.len() as u64).filter(|&last| last > 0),
            }
        };
        let ready = pb::SubmitReady {
            max_batch_frames: 5,
            max_message_bytes: 32 << 20,
            max_in_flight_batches: SERVER_WINDOW as u32,
            max_in_flight_bytes: 64 << 20,
            positions: setup.resume_stream_ids.iter().map(position).collect(),
        };
        store.paused.clear();
        Ok(FakeLink {
            server: self.clone(),
            gate: Gate::default(),
            events: VecDeque::from([(Instant::now(), Ok(Some(Event::Ready(ready))))]),
            unanswered: 0,
            ended: false,
            draining: false,
        })
    }
}

impl FakeLink {
    fn push_event(&mut self, after_ms: u64, item: Item) {
        let last = self.events.back().map_or_else(Instant::now, |(at, _)| *at);
        let at = last.max(Instant::now()) + Duration::from_millis(after_ms);
        self.events.push_back((at, item));
    }
}

impl Link for FakeLink {
    fn send(&mut self, batch: pb::SubmitBatch) -> bool {
        if self.ended {
            return false;
        }
        let server = self.server.clone();
        let mut store = server.0.lock();
        self.unanswered += 1;
        assert!(self.unanswered <= SERVER_WINDOW, "more batches than the window");
        assert!((1..=5).contains(&batch.frames.len()), "{} frames", batch.frames.len());
        for frame in &batch.frames {
            let paused = store.paused.get(&frame.stream_id);
            assert!(paused.is_none_or(|until| *until <= Instant::now()), "{} is paused", frame.stream_id);
        }
        let numbers: Vec<_> =
            batch.frames.iter().map(|f| (f.stream_id.clone(), f.publisher_sequence())).collect();
        store.log.push(format!("batch {} {numbers:?}", batch.batch_id));
        let delay = store.rng.random_range(0..30);
        let cut = || Err(Status::unavailable("cut"));
        if store.fault(10) {
            // The call is cut before the batch is stored. In half of the cases the server stores it
            // later, while another call is open.
            if store.rng.random_range(0..2) == 0 {
                store.late.push_back((Arc::clone(&self.gate), batch));
            }
            self.ended = true;
            drop(store);
            self.push_event(delay, cut());
            return true;
        }
        let results = store.accept(&self.gate, &batch, true);
        while let Some((gate, late)) = store.late.pop_front() {
            store.accept(&gate, &late, false);
        }
        if store.fault(10) {
            // The batch is stored, but its answer is lost.
            self.ended = true;
            drop(store);
            self.push_event(delay, cut());
            return true;
        }
        let throttle = store.fault(8).then(|| {
            let pause = (store.rng.random_range(0..2) == 0).then(|| pb_duration(Duration::from_millis(300)));
            let max_fps = (store.rng.random_range(0..2) == 0).then_some(50.0);
            let stream_id = batch.frames[0].stream_id.clone();
            pb::SubmitThrottle { stream_id, pause, max_fps, ..Default::default() }
        });
        let drains = !self.draining && store.fault(20);
        drop(store);
        if let Some(throttle) = throttle {
            self.push_event(0, Ok(Some(Event::Throttle(throttle))));
        }
        let result = pb::SubmitBatchResult { batch_id: batch.batch_id, results };
        self.push_event(delay, Ok(Some(Event::BatchResult(result))));
        if drains {
            self.draining = true;
            self.push_event(0, Ok(Some(Event::Draining(pb::SubmitDraining::default()))));
        }
        true
    }

    fn close(&mut self) {
        self.ended = true;
    }

    async fn next(&mut self) -> Item {
        let Some((at, _)) = self.events.front() else { return std::future::pending().await };
        until(*at).await;
        let Some((_, item)) = self.events.pop_front() else { return Ok(None) };
        match &item {
            Ok(Some(Event::BatchResult(_))) => self.unanswered -= 1,
            Ok(Some(Event::Throttle(throttle))) => {
                let pause = throttle.pause.as_ref().map_or(Duration::ZERO, duration);
                let mut store = self.server.0.lock();
                store.paused.insert(throttle.stream_id.clone(), Instant::now() + pause);
            }
            Ok(_) | Err(_) => {}
        }
        item
    }
}

/// Publishes `count` frames to a server with this number of faults. Returns the server, the
/// decision about each frame, and the summary.
async fn run(
    seed: u64,
    count: u64,
    faults: u32,
    numbered: bool,
) -> (Server, BTreeMap<(String, u64), Decision>, PublishSummary) {
    let store = Store {
        rng: StdRng::seed_from_u64(seed),
        stored: BTreeMap::new(),
        late: VecDeque::new(),
        paused: BTreeMap::new(),
        faults,
        log: Vec::new(),
    };
    let server = Server(Arc::new(Mutex::new(store)));
    let options = PublishOptions {
        publisher_id: "agent".into(),
        patience: Duration::from_secs(3600),
        number_frames: numbered,
        // The position of the last stream is not read before its first frame comes.
        streams: STREAMS[..2].iter().map(|stream| (*stream).to_owned()).collect(),
        ..Default::default()
    };
    let (frames, intake) = mpsc::channel(4);
    let feed = async move {
        let mut rng = StdRng::seed_from_u64(seed ^ 1);
        for number in 1..=count {
            let stream_id = STREAMS[rng.random_range(0..STREAMS.len())].to_owned();
            let publisher_sequence = (!numbered).then_some(number);
            let frame = pb::Frame { stream_id, publisher_sequence, ..Default::default() };
            if frames.send(frame).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(rng.random_range(0..20))).await;
        }
    };
    let mut decisions = BTreeMap::new();
    let decided = |frame: pb::Frame, decision| {
        let number = frame.publisher_sequence();
        let key = (frame.stream_id, number);
        assert!(decisions.insert(key, decision).is_none(), "{number} was decided twice");
    };
    let publishing = publish_over(server.clone(), options, seed, intake, CancellationToken::new(), decided);
    let ((), ended) = tokio::join!(feed, publishing);
    let ended = ended.unwrap_or_else(|failure| panic!("{failure:?}"));
    (server, decisions, ended)
}

/// Checks that every frame is stored once and in order, or is bad and was refused.
fn check(server: &Server, decisions: &BTreeMap<(String, u64), Decision>, count: u64) {
    let store = server.0.lock();
    for (stream, numbers) in &store.stored {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{stream}: {numbers:?}");
    }
    assert_eq!(decisions.len() as u64, count, "every frame is decided");
    for ((stream, number), decision) in decisions {
        let stored = store.stored.get(stream).and_then(|numbers| numbers.binary_search(number).ok());
        match decision {
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                assert_eq!(stored.map(|at| at as u64 + 1), Some(*sequence), "{stream} {number}");
            }
            Decision::Refused(error) => {
                assert_eq!(number % BAD, 0, "{stream} {number} is good, and was refused: {error:?}");
                assert_eq!(stored, None);
            }
            Decision::Unconfirmed(_) => panic!("{stream} {number} was left undecided"),
        }
    }
}

/// The seed and the server of a run; printed if the run fails.
struct SeedReport(u64, Option<Server>);

impl Drop for SeedReport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={}", self.0);
            if let Some(server) = &self.1 {
                println!("{}", server.0.lock().log.join("\n"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_frame_is_stored_once_and_in_order_or_reported() {
    let seeds = match std::env::var("SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..500,
    };
    let mut reconnects = 0;
    let mut retries = 0;
    for seed in seeds.clone() {
        let mut report = SeedReport(seed, None);
        let (server, decisions, ended) = run(seed, 120, 60, false).await;
        report.1 = Some(server.clone());
        assert_eq!(ended.given_up, None);
        check(&server, &decisions, 120);
        reconnects += ended.reconnects;
        retries += ended.retries;
    }
    // The runs must have tried faults.
    let runs = seeds.end - seeds.start;
    assert!(
        reconnects > runs && retries > 10 * runs,
        "{runs} runs, {reconnects} reconnects, {retries} retries"
    );
}

/// Frames that the client numbers are the numbers 1, 2, 3 and so on of their streams.
#[tokio::test(start_paused = true)]
async fn frames_that_the_client_numbers_are_stored_once_and_in_order() {
    for seed in 0..100 {
        let mut report = SeedReport(seed, None);
        let (server, decisions, ended) = run(seed, 120, 60, true).await;
        report.1 = Some(server.clone());
        assert_eq!(ended.given_up, None);
        check(&server, &decisions, 120);
        for stream in STREAMS {
            let numbers: Vec<u64> =
                decisions.keys().filter(|(id, _)| id == stream).map(|(_, number)| *number).collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{stream}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_faults_nothing_is_sent_twice() {
    let (server, decisions, ended) = run(7, 500, 0, false).await;
    check(&server, &decisions, 500);
    assert_eq!((ended.retries, ended.reconnects), (0, 0));
}

/// A server that is never ready, or that sends nothing after it is.
#[derive(Clone)]
struct Dead {
    ready: bool,
}

struct DeadLink(Option<Event>);

impl Transport for Dead {
    type Link = DeadLink;

    async fn open(&mut self, _setup: pb::SubmitSetup) -> Result<DeadLink, Status> {
        if !self.ready {
            return Err(Status::unavailable("no server is there"));
        }
        let ready = pb::SubmitReady {
            max_batch_frames: 10,
            max_message_bytes: 1 << 20,
            max_in_flight_batches: 8,
            max_in_flight_bytes: 1 << 20,
            positions: Vec::new(),
        };
        Ok(DeadLink(Some(Event::Ready(ready))))
    }
}

impl Link for DeadLink {
    fn send(&mut self, _batch: pb::SubmitBatch) -> bool {
        true
    }

    fn close(&mut self) {}

    async fn next(&mut self) -> Item {
        match self.0.take() {
            Some(event) => Ok(Some(event)),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_patience_every_frame_is_reported_as_unconfirmed() {
    for ready in [false, true] {
        let options = PublishOptions { publisher_id: "agent".into(), batch_frames: 2, ..Default::default() };
        let (frames, intake) = mpsc::channel(10);
        for number in 1..=10 {
            let frame =
                pb::Frame { stream_id: "cam".into(), publisher_sequence: Some(number), ..Default::default() };
            frames.try_send(frame).unwrap();
        }
        drop(frames);
        let start = Instant::now();
        let mut unconfirmed = 0;
        let decided = |_, decision| match decision {
            Decision::Unconfirmed(_) => unconfirmed += 1,
            Decision::Accepted { .. } | Decision::Duplicate { .. } | Decision::Refused(_) => {
                panic!("{decision:?}")
            }
        };
        let ended = publish_over(Dead { ready }, options, 1, intake, CancellationToken::new(), decided).await;
        assert!(ended.unwrap().given_up.is_some());
        // No frame is taken from the intake before a server is ready.
        assert_eq!(unconfirmed, if ready { 10 } else { 0 });
        let took = start.elapsed();
        assert!(took > Duration::from_secs(50) && took < Duration::from_secs(80), "{took:?}");
    }
}
