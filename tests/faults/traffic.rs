//! A publisher and a subscriber that go on whatever happens, and write the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::pb::v1::{self as pb, streaming_service_client::StreamingServiceClient};
use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use tonic::transport::{Channel, Endpoint};

use crate::common::{DEADLINE, spawn};
use crate::ledger::{Delivered, Ledger};

pub(crate) type Client = StreamingServiceClient<Channel>;

/// A client of the server at `url`, which need not be there.
pub(crate) fn client(url: &str) -> Client {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
    let channel = endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy();
    StreamingServiceClient::new(channel).max_decoding_message_size(32 << 20)
}

/// Registers streams, waiting for a server that is only starting.
pub(crate) async fn register(client: &Client, streams: &[String]) {
    for stream in streams {
        let request = pb::RegisterStreamRequest {
            stream: Some(pb::Stream { stream_id: stream.clone(), ..Default::default() }),
        };
        let start = Instant::now();
        while let Err(status) = client.clone().register_stream(request.clone()).await {
            assert!(status.code() == tonic::Code::Unavailable && start.elapsed() < DEADLINE, "{status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
}

impl Publisher {
    pub(crate) fn new(client: Client, ledger: Arc<Ledger>, streams: &[String]) -> Self {
        let pictures = pictures(16);
        Self { client, ledger, streams: streams.to_vec(), pictures, next_number: 1, unavailable: 0 }
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

    /// Submits `per_stream` further frames of every stream, in one batch, until all are promised.
    pub(crate) async fn submit(&mut self, per_stream: u64) {
        let numbers = self.next_number..self.next_number + per_stream;
        self.next_number = numbers.end;
        let mut open: Vec<pb::Frame> = numbers
            .flat_map(|number| self.streams.iter().map(move |stream| (stream, number)))
            .map(|(stream, number)| self.frame(stream, number))
            .collect();
        let start = Instant::now();
        while !open.is_empty() {
            assert!(start.elapsed() < DEADLINE, "{} frames not accepted after {DEADLINE:?}", open.len());
            let mut request = tonic::Request::new(pb::SubmitFrameBatchRequest { frames: open.clone() });
            request.set_timeout(Duration::from_secs(10));
            match self.client.submit_frame_batch(request).await {
                Ok(answer) => {
                    let mut results = answer.into_inner().results.into_iter();
                    open.retain(|frame| !self.settle(frame, results.next()));
                }
                // Both mean that frames may be stored: the same numbers again.
                Err(status)
                    if matches!(
                        status.code(),
                        tonic::Code::Unavailable
                            | tonic::Code::DeadlineExceeded
                            | tonic::Code::Cancelled
                            | tonic::Code::Unknown
                    ) =>
                {
                    self.unavailable += 1;
                }
                Err(status) => panic!("submit: {status:?}"),
            }
            if !open.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Writes a promise down; false if the frame must be sent again.
    fn settle(&self, frame: &pb::Frame, result: Option<pb::FrameResult>) -> bool {
        use pb::frame_result::Outcome;
        let sequence = match result.and_then(|result| result.outcome) {
            Some(Outcome::Accepted(accepted)) => accepted.sequence,
            Some(Outcome::Duplicate(duplicate)) => duplicate.sequence,
            Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => {
                self.ledger.fault(format!("{}: {error:?}", frame.stream_id));
                return true;
            }
            Some(Outcome::Rejected(_) | Outcome::Unconfirmed(_)) | None => return false,
        };
        let digest = blake3::hash(&frame.data).as_bytes().to_vec();
        self.ledger.promised(&frame.stream_id, sequence, frame.publisher_sequence(), digest);
        true
    }
}

/// Follows the streams from their beginning, across any number of broken connections, until the test ends.
pub(crate) fn subscribe(client: Client, ledger: Arc<Ledger>, streams: Vec<String>) {
    spawn(async move {
        let mut cursors = BTreeMap::new();
        loop {
            if let Err(status) = follow(client.clone(), &ledger, &streams, &mut cursors).await
                && !matches!(
                    status.code(),
                    tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::Unknown
                )
            {
                ledger.fault(format!("subscribe: {status:?}"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

async fn follow(
    mut client: Client,
    ledger: &Ledger,
    streams: &[String],
    cursors: &mut BTreeMap<String, String>,
) -> Result<(), tonic::Status> {
    use pb::subscribe_frames_response::Event;
    let selectors = streams.iter().map(|stream| selector(stream, cursors.get(stream))).collect();
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut events = client.subscribe_frames(request).await?.into_inner();
    while let Some(message) = events.message().await? {
        match message.event {
            Some(Event::Frame(delivered)) => {
                let frame = delivered.frame.unwrap_or_default();
                cursors.insert(frame.stream_id.clone(), delivered.cursor);
                let digest =
                    frame.source.as_ref().map(|source| source.blake3_digest.to_vec()).unwrap_or_default();
                let (sequence, number) = (frame.sequence, frame.publisher_sequence());
                ledger.delivered(&frame.stream_id, Delivered { sequence, number, digest });
            }
            Some(Event::Gap(gap)) => ledger.fault(format!("a gap: {gap:?}")),
            Some(Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_)) | None => {}
        }
    }
    Ok(())
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
        streams: Some(pb::StreamMatch { by: Some(pb::stream_match::By::Id(stream.to_owned())) }),
        start: Some(pb::StartPosition { position: Some(position) }),
        pictures: Some(pb::PictureSelection {
            roles: vec![pb::PictureRole::Thumbnail.into()],
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
