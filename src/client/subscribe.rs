//! Following streams over any number of connections.

use std::collections::BTreeMap;

use tonic::Status;

use super::long_call::LongCall;
use super::stall::HEARTBEAT;
use super::time::{duration, pb_duration};
use super::{Channel, Client, Error, MAX_PICTURE_BYTES};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;
use crate::pb::v1::stream_match::Selector as By;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use crate::pb::v1::subscribe_frames_response::Event as Message;

/// An event of a subscription.
#[derive(Debug)]
pub enum Event {
    /// The start positions are fixed: each frame published from now on is delivered or reported.
    Started {
        /// The number of streams that are selected now.
        streams: usize,
    },
    /// The next frame of a stream.
    Frame(Box<pb::DeliveredFrame>),
    /// Frames that are not delivered, and the reasons.
    Gap(pb::DeliveredGap),
    /// Everything up to these cursors has been delivered.
    Checkpoint(Vec<pb::StreamCursor>),
    /// The number of frames that are published and not delivered yet.
    Lag(u64),
    /// The connection broke for this reason; the next event comes over another one.
    Reconnecting(String),
    /// The server has sent everything that was requested.
    End,
}

/// A subscription that resumes after the last frame when its connection breaks.
///
/// Frames of a stream come in order, each once; the sequences between them come as gaps.
#[derive(Debug)]
pub struct Subscription {
    client: StreamingServiceClient<Channel>,
    progress: Progress,
    call: LongCall<pb::SubscribeFramesResponse>,
}

/// The request, and the progress of the deliveries.
#[derive(Debug)]
struct Progress {
    request: pb::SubscribeFramesRequest,
    cursors: BTreeMap<String, String>,
    /// The first checkpoint was received, so `cursors` has every selected stream.
    started: bool,
}

/// Selects one stream by its id, or all whose ids match a pattern (`*`, `?`, `[ab]`).
///
/// # Examples
/// ```
/// use frameway::client::subscribe::selector;
/// use frameway::pb::v1 as pb;
///
/// let mut live = selector("cam-*");
/// live.sampling = Some(pb::Sampling { max_fps: Some(2.0), ..Default::default() });
/// ```
#[must_use]
pub fn selector(stream: &str) -> pb::StreamSelector {
    pb::StreamSelector { streams: vec![stream_match(stream)], ..Default::default() }
}

/// Matches one stream by its id, or all whose ids match a pattern.
#[must_use]
pub fn stream_match(stream: &str) -> pb::StreamMatch {
    let stream = stream.to_owned();
    pb::StreamMatch { selector: Some(if is_pattern(&stream) { By::Glob(stream) } else { By::Id(stream) }) }
}

/// Matches the streams that have all of these labels with these values.
#[must_use]
pub fn label_match(labels: impl IntoIterator<Item = (String, String)>) -> pb::StreamMatch {
    let equal = labels.into_iter().collect();
    pb::StreamMatch { selector: Some(By::Labels(pb::LabelSelector { equal, ..Default::default() })) }
}

/// Reports whether a text is a pattern rather than an id.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

impl Subscription {
    /// Prepares a subscription; the first [`next`](Self::next) opens it.
    ///
    /// Sets the heartbeat interval to 5 s and the `max_picture_bytes` of each selector to
    /// [`MAX_PICTURE_BYTES`] if they are unset.
    #[must_use]
    pub fn new(client: &Client, request: pb::SubscribeFramesRequest) -> Self {
        Self::over(client.streaming.clone(), request)
    }

    /// Prepares a subscription over a stub that the caller has made.
    #[must_use]
    pub fn over(client: StreamingServiceClient<Channel>, mut request: pb::SubscribeFramesRequest) -> Self {
        let heartbeat = duration(request.heartbeat_interval.get_or_insert(pb_duration(HEARTBEAT)));
        for selector in &mut request.selectors {
            let pictures = selector.pictures.get_or_insert_default();
            pictures.max_picture_bytes.get_or_insert(MAX_PICTURE_BYTES);
        }
        Self {
            client,
            progress: Progress { request, cursors: BTreeMap::new(), started: false },
            call: LongCall::new("frameway.v1.StreamingService/SubscribeFrames", heartbeat),
        }
    }

    /// Resumes after the cursors of an earlier subscription, by stream. A stream without a cursor
    /// starts at the position in its selector.
    #[must_use]
    pub fn resume_after(mut self, cursors: BTreeMap<String, String>) -> Self {
        self.progress.started = !cursors.is_empty();
        self.progress.cursors = cursors;
        self
    }

    /// Returns each stream's cursor of its last event, after which a subscription can resume.
    #[must_use]
    pub fn cursors(&self) -> &BTreeMap<String, String> {
        &self.progress.cursors
    }

    /// Returns the selectors of the request.
    pub(super) fn selectors(&self) -> &[pb::StreamSelector] {
        &self.progress.request.selectors
    }

    /// Waits for the next event.
    ///
    /// This is cancel safe: dropping the future loses no event.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the subscription for good. If `next` is
    /// called again, it opens the subscription again.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if self.call.is_closed() && self.progress.request.stop_after_frames == Some(0) {
                // The connection broke after the last frame; a request for 0 frames is not valid.
                return Ok(Event::End);
            }
            let open = async { self.client.subscribe_frames(self.progress.resumed_request()).await };
            let message = match self.call.message(open).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Event::End),
                Err(status) => return self.broken(status),
            };
            // A checkpoint proves no progress: every call begins with one.
            if !matches!(message.event, Some(Message::Checkpoint(_))) {
                self.call.progressed();
            }
            if let Some(Message::Draining(draining)) = message.event {
                let delay = draining.reconnect_delay.as_ref().map(duration).unwrap_or_default();
                self.call.reconnect(Some(delay));
                self.progress.advance_all(draining.cursors);
                return Ok(Event::Reconnecting("the server is draining".to_owned()));
            }
            if let Some(event) = message.event.and_then(|event| self.progress.record(event)) {
                return Ok(event);
            }
        }
    }

    fn broken(&mut self, status: Status) -> Result<Event, Error> {
        self.call.broken(status).map(Event::Reconnecting)
    }
}

impl Progress {
    /// Records the cursors of a message and turns it into an event.
    fn record(&mut self, message: Message) -> Option<Event> {
        match message {
            Message::Frame(delivered) => {
                let stream =
                    delivered.frame.as_ref().map(|frame| frame.stream_id.clone()).unwrap_or_default();
                self.advance(stream, delivered.cursor.clone());
                let left = &mut self.request.stop_after_frames;
                *left = left.map(|left| left.saturating_sub(1));
                Some(Event::Frame(Box::new(delivered)))
            }
            Message::Gap(gap) => {
                let stream = gap.gap.as_ref().map(|gap| gap.stream_id.clone()).unwrap_or_default();
                self.advance(stream, gap.cursor.clone());
                Some(Event::Gap(gap))
            }
            Message::Heartbeat(heartbeat) => {
                Some(Event::Lag(heartbeat.streams.iter().map(|stream| stream.lag_frames).sum()))
            }
            Message::Checkpoint(pb::Checkpoint { cursors, .. }) => {
                self.advance_all(cursors.clone());
                let first = !std::mem::replace(&mut self.started, true);
                Some(match first {
                    true => Event::Started { streams: cursors.len() },
                    false => Event::Checkpoint(cursors),
                })
            }
            Message::Draining(_) => None,
        }
    }

    fn advance_all(&mut self, cursors: Vec<pb::StreamCursor>) {
        for pb::StreamCursor { stream_id, cursor } in cursors {
            self.advance(stream_id, cursor);
        }
    }

    fn advance(&mut self, stream: String, cursor: String) {
        if !cursor.is_empty() {
            self.cursors.insert(stream, cursor);
        }
    }

    fn resumed_request(&self) -> pb::SubscribeFramesRequest {
        let mut request = self.request.clone();
        if self.started {
            for selector in &mut request.selectors {
                if let Some(position) = self.position(&selector.streams) {
                    selector.start = Some(pb::StartPosition { position: Some(position) });
                }
            }
        }
        request
    }

    /// Returns the cursors of the streams that a selector may select; `None` if there are none.
    fn position(&self, selected: &[pb::StreamMatch]) -> Option<Position> {
        let is_selected = |stream: &str| {
            selected.iter().any(|one| match &one.selector {
                Some(By::Id(id)) => id == stream,
                Some(By::Glob(_) | By::Labels(_)) | None => true,
            })
        };
        let cursors: Vec<_> = self
            .cursors
            .iter()
            .filter(|(stream, _)| is_selected(stream))
            .map(|(stream, cursor)| pb::StreamCursor { stream_id: stream.clone(), cursor: cursor.clone() })
            .collect();
        (!cursors.is_empty()).then_some(Position::Cursors(pb::CursorList { cursors }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ConnectOptions;

    fn subscription(streams: &[&str]) -> Subscription {
        let client = ConnectOptions::new("127.0.0.1:1").and_then(|options| options.connect_lazy()).unwrap();
        let selectors = streams.iter().map(|stream| selector(stream)).collect();
        let request =
            pb::SubscribeFramesRequest { selectors, stop_after_frames: Some(5), ..Default::default() };
        Subscription::new(&client, request)
    }

    fn cursors_of(selector: &pb::StreamSelector) -> Vec<(&str, &str)> {
        match selector.start.as_ref().and_then(|start| start.position.as_ref()) {
            Some(Position::Cursors(list)) => {
                list.cursors.iter().map(|one| (one.stream_id.as_str(), one.cursor.as_str())).collect()
            }
            _ => Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_resumed_subscription_starts_after_its_cursors() {
        let mut subscription = subscription(&["a", "cam-*"]);
        assert!(
            subscription.progress.resumed_request().selectors.iter().all(|selector| selector.start.is_none())
        );
        let cursor = |stream: &str, cursor: &str| pb::StreamCursor {
            stream_id: stream.to_owned(),
            cursor: cursor.to_owned(),
        };
        let checkpoint =
            pb::Checkpoint { cursors: vec![cursor("a", "a1"), cursor("cam-1", "c1")], ..Default::default() };
        let started = subscription.progress.record(Message::Checkpoint(checkpoint));
        assert!(matches!(started, Some(Event::Started { streams: 2 })), "{started:?}");
        let frame = pb::ProcessedFrame { stream_id: "a".to_owned(), ..Default::default() };
        let delivered =
            pb::DeliveredFrame { frame: Some(frame), cursor: "a2".to_owned(), ..Default::default() };
        assert!(matches!(subscription.progress.record(Message::Frame(delivered)), Some(Event::Frame(_))));
        let request = subscription.progress.resumed_request();
        assert_eq!(request.stop_after_frames, Some(4));
        assert_eq!(cursors_of(&request.selectors[0]), [("a", "a2")]);
        assert_eq!(cursors_of(&request.selectors[1]), [("a", "a2"), ("cam-1", "c1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_server_is_retried_and_a_refusal_is_not() {
        let mut subscription = subscription(&["a"]);
        let event = subscription.next().await;
        assert!(matches!(event, Ok(Event::Reconnecting(_))), "{event:?}");
        let refused = subscription.broken(Status::not_found("no such stream"));
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
}
