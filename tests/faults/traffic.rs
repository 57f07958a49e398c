//! A publisher and a subscriber that continue through all faults, and fill the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::client::Error;
use frameway::client::publish::{BatchSender, Decision};
use frameway::client::retry::{is_retryable, requested_delay};
use frameway::client::subscribe::{Event, Subscription};
use frameway::pb::v1 as pb;
use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;

use crate::clients::Clients;
use crate::common::{DEADLINE, spawn};
use crate::ledger::{Delivered, Ledger, Missing};

pub(crate) type Client = Clients;

/// Returns clients of the server at `url`, which need not run yet.
pub(crate) fn client(url: &str) -> Client {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
    Clients::over(endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy())
}

/// Returns a stream that keeps the submitted bytes, so that they can be compared, for longer than
/// the clock jumps in any test.
pub(crate) fn keeping(stream: &str) -> pb::Stream {
    let output = pb::OutputPolicy { keep_original: true, ..Default::default() };
    let a_day = prost_types::Duration { seconds: 24 * 3600, nanos: 0 };
    let retention = pb::RetentionPolicy { max_age: Some(a_day), ..Default::default() };
    pb::Stream {
        stream_id: stream.to_owned(),
        output: Some(output),
        retention: Some(retention),
        ..Default::default()
    }
}

/// Registers streams with the settings of [`keeping`]. Waits for a server that is starting.
pub(crate) async fn register(client: &Client, streams: &[String]) {
    for stream in streams {
        register_as(client, keeping(stream)).await;
    }
}

/// Registers a stream with its settings. Waits for a server that is starting.
pub(crate) async fn register_as(client: &Client, stream: pb::Stream) {
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    let start = Instant::now();
    while let Err(status) = client.registry.clone().register_stream(request.clone()).await {
        assert!(status.code() == tonic::Code::Unavailable && start.elapsed() < DEADLINE, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Draws pictures, which the publisher repeats.
pub(crate) fn pictures(count: u64) -> Vec<Bytes> {
    let scene = Scene::new(7, 640, 360);
    let mut codec = Codec::new(Limits::default());
    (0..count).map(|n| scene.jpeg(&mut codec, n * 5, 85).expect("a drawn picture").0).collect()
}

/// A publisher that sends each frame again until the server has promised it.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) client: Client,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) streams: Vec<String>,
    pub(crate) pictures: Vec<Bytes>,
    pub(crate) next_number: u64,
    /// The number of calls that failed, except with RESOURCE_EXHAUSTED.
    pub(crate) unavailable: u64,
    /// The maximum duration of a call.
    pub(crate) slowest: Duration,
    /// The maximum time until a frame is promised.
    pub(crate) patience: Duration,
    /// The pause between two batches in the background: one that a worker without optimisation can
    /// keep.
    pub(crate) pace: Duration,
    /// True if the test unregisters streams and registers them again. A frame of an unknown stream
    /// is then sent again.
    pub(crate) waits_for_streams: bool,
    /// The counts of answers that were not a promise: the code of a call or the reason of a frame,
    /// the message, and whether there was a retry delay.
    pub(crate) refusals: BTreeMap<(String, String, bool), u64>,
}

/// A publisher that submits in the background.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Publisher>,
}

impl Load {
    /// Stops after the current batch, and returns the publisher.
    pub(crate) async fn stop(self) -> Publisher {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the publisher continues")
    }
}

impl Publisher {
    pub(crate) fn new(client: Client, ledger: Arc<Ledger>, streams: &[String]) -> Self {
        Self {
            client,
            ledger,
            streams: streams.to_vec(),
            pictures: pictures(16),
            next_number: 1,
            unavailable: 0,
            slowest: Duration::ZERO,
            patience: DEADLINE,
            pace: Duration::from_millis(20),
            waits_for_streams: false,
            refusals: BTreeMap::new(),
        }
    }

    fn frame(&self, stream: &str, number: u64) -> pb::Frame {
        pb::Frame {
            stream_id: stream.to_owned(),
            publisher_id: "tester".to_owned(),
            publisher_sequence: Some(number),
            data: self.pictures[number as usize % self.pictures.len()].clone(),
            ..Default::default()
        }
    }

    /// Returns the next frames of every stream, with new publisher sequences.
    pub(crate) fn next_frames(&mut self, per_stream: u64) -> Vec<pb::Frame> {
        let numbers = self.next_number..self.next_number + per_stream;
        self.next_number = numbers.end;
        numbers
            .flat_map(|number| self.streams.iter().map(move |stream| (stream, number)))
            .map(|(stream, number)| {
                self.ledger.sent(stream, number);
                self.frame(stream, number)
            })
            .collect()
    }

    /// Submits `per_stream` further frames of every stream, in one batch, until all are promised.
    pub(crate) async fn submit(&mut self, per_stream: u64) {
        let open = self.next_frames(per_stream);
        self.settle_all(open).await;
    }

    /// Sends frames until all are promised.
    pub(crate) async fn settle_all(&mut self, mut open: Vec<pb::Frame>) {
        let start = Instant::now();
        loop {
            open = self.attempt(open).await;
            if open.is_empty() {
                return;
            }
            let patience = self.patience;
            assert!(
                start.elapsed() < patience,
                "{} frames not accepted after {patience:?}; answered: {:#?}",
                open.len(),
                self.refusals
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends frames once and returns those that must be sent again.
    pub(crate) async fn attempt(&mut self, mut open: Vec<pb::Frame>) -> Vec<pb::Frame> {
        let sender = BatchSender::over(self.client.streaming.clone());
        let start = Instant::now();
        let answer = sender.call_timeout(Duration::from_secs(10)).send_once(open.clone()).await;
        self.slowest = self.slowest.max(start.elapsed());
        match answer {
            Ok(decisions) => {
                let mut decisions = decisions.into_iter();
                open.retain(|frame| decisions.next().is_none_or(|decision| !self.settle(frame, decision)));
            }
            Err(status) => {
                // The frames may have been stored, so keep their publisher sequences.
                assert!(is_retryable(&status), "submit: {status:?}");
                if status.code() != tonic::Code::ResourceExhausted {
                    self.unavailable += 1;
                }
                let delayed = requested_delay(&status).is_some();
                self.refused(format!("{:?}", status.code()), status.message().to_owned(), delayed);
            }
        }
        open
    }

    fn refused(&mut self, what: String, message: String, retry_delay: bool) {
        *self.refusals.entry((what, message, retry_delay)).or_default() += 1;
    }

    /// Records a promise; returns false if the frame must be sent again.
    fn settle(&mut self, frame: &pb::Frame, decision: Decision) -> bool {
        let sequence = match decision {
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => sequence,
            Decision::Refused(error)
                if self.waits_for_streams && error.reason() == pb::ErrorReason::StreamNotFound =>
            {
                return false;
            }
            Decision::Refused(error) => {
                self.ledger.fault(format!("{}: {error:?}", frame.stream_id));
                self.ledger.refused(&frame.stream_id, frame.publisher_sequence());
                return true;
            }
            Decision::Unconfirmed(Some(error)) => {
                let reason = error.reason().as_str_name().to_owned();
                self.refused(reason, error.message, error.retry_delay.is_some());
                return false;
            }
            Decision::Unconfirmed(None) => return false,
        };
        let digest = blake3::hash(&frame.data).as_bytes().to_vec();
        self.ledger.promised(&frame.stream_id, sequence, frame.publisher_sequence(), digest);
        true
    }

    /// Submits batches in the background until it is stopped.
    pub(crate) fn keep_submitting(mut self, per_stream: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                self.submit(per_stream).await;
                tokio::time::sleep(self.pace).await;
            }
            self
        });
        Load { stop, task }
    }
}

/// Follows the streams from their beginning until the test ends, and resumes after broken
/// connections.
pub(crate) fn subscribe(client: Client, ledger: Arc<Ledger>, streams: Vec<String>) {
    // If the subscriber is too slow, it is disconnected and resumes, so that it misses no frame.
    let lossless = |stream: &String| pb::StreamSelector {
        overflow_policy: pb::OverflowPolicy::Disconnect.into(),
        ..selector(stream, None)
    };
    let selectors = streams.iter().map(lossless).collect();
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    spawn(async move {
        let mut subscription = Subscription::over(client.streaming.clone(), request.clone());
        loop {
            match subscription.next().await {
                Ok(Event::Frame(delivered)) => record_frame(&ledger, delivered.frame.unwrap_or_default()),
                Ok(Event::Gap(gap)) => record_gap(&ledger, gap.gap.unwrap_or_default()),
                Ok(Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) | Event::Reconnecting(_)) => {
                }
                Ok(Event::End) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let cursors = subscription.cursors().clone();
                    subscription =
                        Subscription::over(client.streaming.clone(), request.clone()).resume_after(cursors);
                }
                Err(Error::Refused(status))
                    if status.code() == tonic::Code::NotFound && ledger.has_removals() => {}
                Err(error) => {
                    ledger.fault(format!("subscribe: {error:?}"));
                    return;
                }
            }
        }
    });
}

fn record_frame(ledger: &Ledger, frame: pb::ProcessedFrame) {
    let digest = digest_of(&frame).unwrap_or_else(|fault| {
        ledger.fault(format!("{}/{}: {fault}", frame.stream_id, frame.sequence));
        Vec::new()
    });
    let (sequence, number) = (frame.sequence, frame.publisher_sequence());
    ledger.delivered(&frame.stream_id, Delivered { sequence, number, digest });
}

fn record_gap(ledger: &Ledger, gap: pb::Gap) {
    let reasons = gap.causes.iter().map(|cause| (cause.reason(), cause.count)).collect();
    let missing = Missing { from: gap.from_sequence, to: gap.to_sequence, reasons };
    ledger.missing(&gap.stream_id, missing);
}

/// Reads the first `count` frames of a stream's output, without pictures, in a new subscription.
///
/// # Panics
/// Panics if they are not delivered in time.
pub(crate) async fn read_output(client: &Client, stream: &str, count: u64) -> Vec<pb::ProcessedFrame> {
    use pb::subscribe_frames_response::Event;
    let mut selector = selector(stream, None);
    selector.pictures = Some(pb::PictureSelection { metadata_only: true, ..Default::default() });
    let request = pb::SubscribeFramesRequest {
        selectors: vec![selector],
        stop_after_frames: Some(count),
        ..Default::default()
    };
    let reading = async {
        let mut events = client.streaming.clone().subscribe_frames(request).await?.into_inner();
        let mut frames = Vec::new();
        while let Some(message) = events.message().await? {
            if let Some(Event::Frame(delivered)) = message.event {
                frames.extend(delivered.frame);
            }
        }
        Ok::<_, tonic::Status>(frames)
    };
    let read = tokio::time::timeout(DEADLINE, reading).await.expect("the output can be read in time");
    read.expect("the output can be read")
}

/// Returns the digest of the delivered picture. It must equal the digest that the server made at
/// submit.
fn digest_of(frame: &pb::ProcessedFrame) -> Result<Vec<u8>, String> {
    use pb::picture::Content;
    let submitted = frame.source.as_ref().map(|source| source.blake3_digest.to_vec()).unwrap_or_default();
    let original = frame.pictures.iter().find(|picture| picture.role() == pb::PictureRole::Original);
    match original.and_then(|picture| picture.content.as_ref()) {
        Some(Content::Data(data)) if blake3::hash(data).as_bytes() == submitted.as_slice() => Ok(submitted),
        Some(Content::Data(_)) => Err("the picture's bytes are not those that were submitted".to_owned()),
        Some(Content::OmittedReason(reason)) => Err(format!("the picture is omitted: {reason}")),
        None => Err("the frame has no picture".to_owned()),
    }
}

pub(crate) fn selector(stream: &str, cursor: Option<&String>) -> pb::StreamSelector {
    use pb::start_position::Position;
    let position = match cursor {
        Some(cursor) => {
            let cursor = pb::StreamCursor { stream_id: stream.to_owned(), cursor: cursor.clone() };
            Position::Cursors(pb::CursorList { cursors: vec![cursor] })
        }
        None => Position::Earliest(pb::StartEarliest {}),
    };
    pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(stream.to_owned())) }],
        start: Some(pb::StartPosition { position: Some(position) }),
        pictures: Some(pb::PictureSelection {
            roles: vec![pb::PictureRole::Original.into()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Waits until `count` frames have arrived.
pub(crate) async fn delivered(ledger: &Ledger, count: usize) {
    let start = Instant::now();
    let mut seen = ledger.delivered_count();
    let mut progress = start;
    while ledger.delivered_count() < count {
        if ledger.delivered_count() > seen {
            seen = ledger.delivered_count();
            progress = Instant::now();
        }
        if progress.elapsed() > DEADLINE {
            ledger.check();
            panic!("no frame for {DEADLINE:?}; {seen} of {count} delivered");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until each promised frame has been delivered or reported.
///
/// # Panics
/// Panics if no further one is for the deadline. The total time depends on the worker, whose code is not
/// optimised in tests, and on the frames that wait for it.
pub(crate) async fn accounted(ledger: &Ledger) {
    let (mut progress, mut left) = (Instant::now(), u64::MAX);
    loop {
        let lost = ledger.verdict().lost;
        if lost == 0 {
            return;
        }
        if lost < left {
            (progress, left) = (Instant::now(), lost);
        }
        if progress.elapsed() > DEADLINE {
            ledger.check();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns ids for the streams of a test.
pub(crate) fn streams(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("cam-{n}")).collect()
}
