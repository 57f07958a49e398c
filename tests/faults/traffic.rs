//! A publisher and a subscriber that go on whatever happens, and write the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::pb::v1 as pb;
use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;

use crate::clients::Clients;
use crate::common::{DEADLINE, spawn};
use crate::ledger::{Delivered, Ledger, Missing};

pub(crate) type Client = Clients;

/// The clients of the server at `url`, which need not be there.
pub(crate) fn client(url: &str) -> Client {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
    Clients::over(endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy())
}

/// A stream that keeps what is submitted, so that every byte can be compared, and for longer than a clock may jump.
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

/// Registers streams that [keep](keeping) everything, waiting for a server that is only starting.
pub(crate) async fn register(client: &Client, streams: &[String]) {
    for stream in streams {
        register_as(client, keeping(stream)).await;
    }
}

/// Registers a stream with settings, waiting for a server that is only starting.
pub(crate) async fn register_as(client: &Client, stream: pb::Stream) {
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    let start = Instant::now();
    while let Err(status) = client.registry.clone().register_stream(request.clone()).await {
        assert!(status.code() == tonic::Code::Unavailable && start.elapsed() < DEADLINE, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Drawn pictures, made once: a test is about frames, not about drawing.
pub(crate) fn pictures(count: u64) -> Vec<Bytes> {
    let scene = Scene::new(7, 640, 360);
    let mut codec = Codec::new(Limits::default());
    (0..count).map(|n| scene.jpeg(&mut codec, n * 5, 85).expect("a drawn picture").0).collect()
}

/// Sends numbered frames; each number again and again until it is promised.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) client: Client,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) streams: Vec<String>,
    pub(crate) pictures: Vec<Bytes>,
    pub(crate) next_number: u64,
    /// Calls that were answered UNAVAILABLE.
    pub(crate) unavailable: u64,
    /// The longest that a call took to be answered.
    pub(crate) slowest: Duration,
    /// How long a frame may remain without a promise.
    pub(crate) patience: Duration,
    /// Streams are unregistered, and come back: a frame of one that is not there is sent again.
    pub(crate) waits_for_streams: bool,
    /// What was answered instead of a promise, and how often: of calls the code, of frames the reason; with the message,
    /// and whether a retry delay came along.
    pub(crate) refusals: BTreeMap<(String, String, bool), u64>,
}

/// A publisher at work beside the test.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Publisher>,
}

impl Load {
    /// Ends it, after the batch that it is at.
    pub(crate) async fn stop(self) -> Publisher {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the publisher goes on")
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

    /// The next frames of every stream, with numbers that are theirs from now on.
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

    /// Sends frames once; answers those that must be sent again.
    pub(crate) async fn attempt(&mut self, mut open: Vec<pb::Frame>) -> Vec<pb::Frame> {
        let mut request = tonic::Request::new(pb::SubmitFrameBatchRequest { frames: open.clone() });
        request.set_timeout(Duration::from_secs(10));
        let start = Instant::now();
        let answer = self.client.streaming.submit_frame_batch(request).await;
        self.slowest = self.slowest.max(start.elapsed());
        match answer {
            Ok(answer) => {
                let mut results = answer.into_inner().results.into_iter();
                open.retain(|frame| !self.settle(frame, results.next()));
            }
            Err(status) => {
                // All mean that frames may be stored, or may be soon: the same numbers again.
                let again = matches!(
                    status.code(),
                    tonic::Code::Unavailable
                        | tonic::Code::DeadlineExceeded
                        | tonic::Code::Cancelled
                        | tonic::Code::Unknown
                        | tonic::Code::ResourceExhausted
                );
                assert!(again, "submit: {status:?}");
                if status.code() != tonic::Code::ResourceExhausted {
                    self.unavailable += 1;
                }
                let retry = tonic_types::StatusExt::get_details_retry_info(&status);
                let told = retry.is_some_and(|retry| retry.retry_delay.is_some());
                self.refused(format!("{:?}", status.code()), status.message().to_owned(), told);
            }
        }
        open
    }

    fn refused(&mut self, what: String, message: String, retry_delay: bool) {
        *self.refusals.entry((what, message, retry_delay)).or_default() += 1;
    }

    /// Writes a promise down; false if the frame must be sent again.
    fn settle(&mut self, frame: &pb::Frame, result: Option<pb::FrameResult>) -> bool {
        use pb::frame_result::Outcome;
        let sequence = match result.and_then(|result| result.outcome) {
            Some(Outcome::Accepted(accepted)) => accepted.sequence,
            Some(Outcome::Duplicate(duplicate)) => duplicate.sequence,
            Some(Outcome::Rejected(error))
                if self.waits_for_streams && error.reason() == pb::ErrorReason::StreamNotFound =>
            {
                return false;
            }
            Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => {
                self.ledger.fault(format!("{}: {error:?}", frame.stream_id));
                self.ledger.refused(&frame.stream_id, frame.publisher_sequence());
                return true;
            }
            Some(Outcome::Rejected(error) | Outcome::Unconfirmed(error)) => {
                let (reason, told) = (error.reason().as_str_name().to_owned(), error.retry_delay.is_some());
                self.refused(reason, error.message, told);
                return false;
            }
            None => return false,
        };
        let digest = blake3::hash(&frame.data).as_bytes().to_vec();
        self.ledger.promised(&frame.stream_id, sequence, frame.publisher_sequence(), digest);
        true
    }

    /// Submits batch after batch, beside the test, until it is stopped.
    pub(crate) fn keep_submitting(mut self, per_stream: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                self.submit(per_stream).await;
                // A camera's pace: a worker of a debug build keeps up.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self
        });
        Load { stop, task }
    }
}

/// Follows the streams from their beginning, across any number of broken connections, until the test ends.
pub(crate) fn subscribe(client: Client, ledger: Arc<Ledger>, streams: Vec<String>) {
    spawn(async move {
        let mut cursors = BTreeMap::new();
        loop {
            if let Err(status) = follow(client.clone(), &ledger, &streams, &mut cursors).await
                && !(status.code() == tonic::Code::NotFound && ledger.has_removals())
                && !matches!(
                    status.code(),
                    tonic::Code::Unavailable
                        | tonic::Code::Cancelled
                        | tonic::Code::Unknown
                        | tonic::Code::ResourceExhausted
                )
            {
                ledger.fault(format!("subscribe: {status:?}"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// The first `count` frames of a stream's output, without pictures, read anew.
///
/// # Panics
/// If they do not come.
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

async fn follow(
    mut client: Client,
    ledger: &Ledger,
    streams: &[String],
    cursors: &mut BTreeMap<String, String>,
) -> Result<(), tonic::Status> {
    use pb::subscribe_frames_response::Event;
    // One that wants every frame: rather than lose what it is too slow for, it is sent away, and comes back.
    let lossless = |stream: &String| pb::StreamSelector {
        overflow_policy: pb::OverflowPolicy::Disconnect.into(),
        ..selector(stream, cursors.get(stream))
    };
    let selectors = streams.iter().map(lossless).collect();
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut events = client.streaming.subscribe_frames(request).await?.into_inner();
    while let Some(message) = events.message().await? {
        match message.event {
            Some(Event::Frame(delivered)) => {
                let frame = delivered.frame.unwrap_or_default();
                cursors.insert(frame.stream_id.clone(), delivered.cursor);
                let digest = digest_of(&frame).unwrap_or_else(|fault| {
                    ledger.fault(format!("{}/{}: {fault}", frame.stream_id, frame.sequence));
                    Vec::new()
                });
                let (sequence, number) = (frame.sequence, frame.publisher_sequence());
                ledger.delivered(&frame.stream_id, Delivered { sequence, number, digest });
            }
            Some(Event::Gap(pb::DeliveredGap { gap, cursor, .. })) => {
                let gap = gap.unwrap_or_default();
                cursors.insert(gap.stream_id.clone(), cursor);
                let reasons = gap.causes.iter().map(|cause| (cause.reason(), cause.count)).collect();
                let missing = Missing { from: gap.from_sequence, to: gap.to_sequence, reasons };
                ledger.missing(&gap.stream_id, missing);
            }
            Some(Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_)) | None => {}
        }
    }
    Ok(())
}

/// The digest of the picture that came, which must be the one that the server took when it was submitted.
fn digest_of(frame: &pb::ProcessedFrame) -> Result<Vec<u8>, String> {
    use pb::picture::Content;
    let taken = frame.source.as_ref().map(|source| source.blake3_digest.to_vec()).unwrap_or_default();
    let original = frame.pictures.iter().find(|picture| picture.role() == pb::PictureRole::Original);
    match original.and_then(|picture| picture.content.as_ref()) {
        Some(Content::Data(data)) if blake3::hash(data).as_bytes() == taken.as_slice() => Ok(taken),
        Some(Content::Data(_)) => Err("the picture's bytes are not those that were submitted".to_owned()),
        Some(Content::OmittedReason(reason)) => Err(format!("the picture is omitted: {reason}")),
        None => Err("the picture did not come along".to_owned()),
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

/// Names of a test's streams.
pub(crate) fn streams(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("cam-{n}")).collect()
}
