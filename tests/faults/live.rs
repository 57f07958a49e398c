//! Publishers and subscribers that move to another server when theirs ends the call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::submit_frames_request::Request;
use frameway::pb::v1::submit_frames_response::Event;
use frameway::pb::v1::{self as pb, subscribe_frames_response};
use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::common::DEADLINE;
use crate::ledger::Ledger;
use crate::traffic::{client, selector};

/// The number of unanswered batches of a publisher.
const WINDOW: usize = 4;

/// Returns small pictures, for tests with many streams.
pub(crate) fn small_pictures() -> Arc<Vec<Bytes>> {
    let scene = Scene::new(7, 160, 90);
    let mut codec = Codec::new(Limits::default());
    Arc::new((0..16).map(|n| scene.jpeg(&mut codec, n * 5, 85).expect("a drawn picture").0).collect())
}

/// The counts of all publishers and subscribers of a test.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The number of open calls.
    pub(crate) open: AtomicUsize,
    /// The calls that ended because their server drains.
    pub(crate) drained: AtomicUsize,
}

/// The servers that calls use, and the allowed ends of calls.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    pub(crate) urls: Vec<String>,
    pub(crate) seen: Arc<Seen>,
}

impl Servers {
    pub(crate) fn new(urls: &[String]) -> Self {
        Self { urls: urls.to_vec(), seen: Arc::default() }
    }

    fn url(&self, attempt: usize) -> &str {
        &self.urls[attempt % self.urls.len()]
    }
}

/// Reports whether a call ended because its server went away, which is not a fault.
fn went_away(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
        // A new call on a connection that is closing.
        || status.code() == Code::Internal && status.message().contains("h2 protocol error")
}

/// A camera on a SubmitFrames call.
#[derive(Debug)]
pub(crate) struct Camera {
    pub(crate) servers: Servers,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stream: String,
    pub(crate) pictures: Arc<Vec<Bytes>>,
    pub(crate) every: Duration,
    pub(crate) next_number: u64,
    /// The frames without a final answer, in order.
    pub(crate) open: VecDeque<pb::Frame>,
}

impl Camera {
    pub(crate) fn new(
        servers: &Servers,
        ledger: &Arc<Ledger>,
        stream: &str,
        pictures: &Arc<Vec<Bytes>>,
    ) -> Self {
        Self {
            servers: servers.clone(),
            ledger: Arc::clone(ledger),
            stream: stream.to_owned(),
            pictures: Arc::clone(pictures),
            every: Duration::from_millis(100),
            next_number: 1,
            open: VecDeque::new(),
        }
    }

    /// Publishes until `stop` is set and all frames have a final answer.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut attempt = 0;
        let mut stopped_at = None;
        loop {
            match self.call(attempt, &stop).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(status) if went_away(&status) => {}
                Err(status) => {
                    self.ledger.fault(format!("{}: {status:?}", self.stream));
                    return;
                }
            }
            if *stop.borrow() {
                let since = *stopped_at.get_or_insert_with(Instant::now);
                assert!(since.elapsed() < DEADLINE, "{}: {} frames open", self.stream, self.open.len());
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn frame(&mut self) -> pb::Frame {
        let number = self.next_number;
        self.next_number += 1;
        pb::Frame {
            stream_id: self.stream.clone(),
            publisher_sequence: Some(number),
            data: self.pictures[number as usize % self.pictures.len()].clone(),
            ..Default::default()
        }
    }

    /// Makes one call; returns true if everything is done.
    async fn call(&mut self, attempt: usize, stop: &watch::Receiver<bool>) -> Result<bool, Status> {
        let (requests, sent) = mpsc::channel(2 * WINDOW);
        let setup = pb::SubmitSetup { publisher_id: "live".into(), ..Default::default() };
        send(&requests, Request::Setup(setup));
        let mut client = client(self.servers.url(attempt));
        let mut responses = client.streaming.submit_frames(ReceiverStream::new(sent)).await?.into_inner();
        let seen = Arc::clone(&self.servers.seen);
        seen.open.fetch_add(1, Ordering::Relaxed);
        let mut flying = VecDeque::new();
        let ended = self.talk(&requests, &mut responses, &mut flying, stop).await;
        seen.open.fetch_sub(1, Ordering::Relaxed);
        // Unanswered frames may be stored, so they are sent first in the next call, in order.
        let mut unanswered: VecDeque<pb::Frame> = flying.into_iter().flatten().collect();
        unanswered.append(&mut self.open);
        self.open = unanswered;
        self.open.make_contiguous().sort_by_key(pb::Frame::publisher_sequence);
        ended
    }

    async fn talk(
        &mut self,
        requests: &mpsc::Sender<pb::SubmitFramesRequest>,
        responses: &mut tonic::Streaming<pb::SubmitFramesResponse>,
        flying: &mut VecDeque<Vec<pb::Frame>>,
        stop: &watch::Receiver<bool>,
    ) -> Result<bool, Status> {
        let mut tick = tokio::time::interval(self.every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut batch_id, mut draining) = (0, false);
        // Some frames were returned while others are in flight: nothing is sent until those are
        // answered too.
        let mut returned = Vec::new();
        loop {
            if flying.is_empty() {
                let came_back: Vec<pb::Frame> = std::mem::take(&mut returned);
                came_back.into_iter().rev().for_each(|frame| self.open.push_front(frame));
                if draining || *stop.borrow() && self.open.is_empty() {
                    return Ok(!draining);
                }
            }
            let may_send = !draining && returned.is_empty() && flying.len() < WINDOW;
            tokio::select! {
                message = responses.message() => match message?.and_then(|message| message.event) {
                    Some(Event::BatchResult(result)) => {
                        let batch: Vec<pb::Frame> = flying.pop_front().unwrap_or_default();
                        for (frame, result) in batch.into_iter().zip(result.results) {
                            if !self.settle(&frame, result) {
                                returned.push(frame);
                            }
                        }
                    }
                    Some(Event::Draining(_)) => {
                        self.servers.seen.drained.fetch_add(1, Ordering::Relaxed);
                        draining = true;
                    }
                    Some(Event::Ready(_) | Event::Throttle(_) | Event::Heartbeat(_)) => {}
                    None => return Ok(false),
                },
                _ = tick.tick(), if may_send => {
                    if self.open.is_empty() && !*stop.borrow() {
                        let fresh = [self.frame(), self.frame()];
                        self.open.extend(fresh);
                    }
                    let frames: Vec<pb::Frame> = self.open.drain(..self.open.len().min(8)).collect();
                    if !frames.is_empty() {
                        batch_id += 1;
                        flying.push_back(frames.clone());
                        send(requests, Request::Batch(pb::SubmitBatch { batch_id, frames }));
                    }
                }
            }
        }
    }

    /// Records the answer; returns false if the frame must be sent again.
    fn settle(&self, frame: &pb::Frame, result: pb::FrameResult) -> bool {
        let sequence = match result.outcome {
            Some(Outcome::Accepted(accepted)) => accepted.sequence,
            Some(Outcome::Duplicate(duplicate)) => duplicate.sequence,
            Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => {
                self.ledger.fault(format!("{} {:?}: {error:?}", self.stream, frame.publisher_sequence));
                return true;
            }
            Some(Outcome::Rejected(_) | Outcome::Unconfirmed(_)) | None => return false,
        };
        let digest = blake3::hash(&frame.data).as_bytes().to_vec();
        self.ledger.promised(&self.stream, sequence, frame.publisher_sequence(), digest);
        true
    }
}

fn send(requests: &mpsc::Sender<pb::SubmitFramesRequest>, request: Request) {
    // The channel has room for a window. The responses show if the call has ended.
    let _ended = requests.try_send(pb::SubmitFramesRequest { request: Some(request) });
}

/// A subscriber that resumes with its cursors, at another server if necessary.
#[derive(Debug, Default)]
pub(crate) struct Viewer {
    /// The received sequences by stream, in order.
    came: Mutex<BTreeMap<String, Vec<u64>>>,
    faults: Mutex<Vec<String>>,
}

impl Viewer {
    fn came(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u64>>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.came().values().map(Vec::len).sum()
    }

    /// Asserts that all frames of each stream were received once and in order.
    pub(crate) fn check(&self) {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(faults.is_empty(), "{faults:?}");
        for (stream, sequences) in self.came().iter() {
            let in_order = sequences.iter().copied().eq(1..=sequences.len() as u64);
            assert!(in_order, "{stream}: {sequences:?}");
        }
    }

    /// Follows streams from their beginning until the test ends, with a `pause` after each message.
    pub(crate) async fn run(self: Arc<Self>, servers: Servers, streams: Vec<String>, pause: Duration) {
        let mut cursors = BTreeMap::new();
        for attempt in 0.. {
            if let Err(status) = self.follow(&servers, attempt, &streams, &mut cursors, pause).await
                && !went_away(&status)
            {
                self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{status:?}"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn follow(
        &self,
        servers: &Servers,
        attempt: usize,
        streams: &[String],
        cursors: &mut BTreeMap<String, String>,
        pause: Duration,
    ) -> Result<(), Status> {
        use subscribe_frames_response::Event;
        let selectors = streams.iter().map(|stream| selector(stream, cursors.get(stream))).collect();
        let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
        let mut client = client(servers.url(attempt));
        let mut events = client.streaming.subscribe_frames(request).await?.into_inner();
        servers.seen.open.fetch_add(1, Ordering::Relaxed);
        let ended = loop {
            let message = match events.message().await {
                Ok(Some(message)) => message,
                Ok(None) => break Ok(()),
                Err(status) => break Err(status),
            };
            match message.event {
                Some(Event::Frame(delivered)) => {
                    let frame = delivered.frame.unwrap_or_default();
                    cursors.insert(frame.stream_id.clone(), delivered.cursor);
                    self.came().entry(frame.stream_id).or_default().push(frame.sequence);
                }
                Some(Event::Gap(gap)) => {
                    let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
                    faults.push(format!("{gap:?}"));
                }
                Some(Event::Draining(_)) => {
                    servers.seen.drained.fetch_add(1, Ordering::Relaxed);
                }
                Some(Event::Heartbeat(_) | Event::Checkpoint(_)) | None => {}
            }
            tokio::time::sleep(pause).await;
        };
        servers.seen.open.fetch_sub(1, Ordering::Relaxed);
        ended
    }
}
