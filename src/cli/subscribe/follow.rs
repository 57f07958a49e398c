//! One subscription over any number of connections: after a break it resumes where it was.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::options::Options;
use crate::cli::Failure;
use crate::cli::client::MAX_PICTURE_BYTES;
use crate::cli::fault;
use crate::cli::output::{duration, pb_duration};
use crate::cli::silence::{HEARTBEAT, Silence};
use crate::cli::sources::is_pattern;
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;
use crate::pb::v1::stream_match::Selector as By;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use crate::pb::v1::subscribe_frames_response::Event as Message;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What comes of a subscription.
#[derive(Debug)]
pub(in crate::cli) enum Event {
    /// Positions are fixed: nothing that is published from now on is missed.
    Started {
        streams: usize,
    },
    Frame(Box<pb::DeliveredFrame>),
    Gap(pb::DeliveredGap),
    /// Everything up to these cursors has come.
    Checkpoint(Vec<pb::StreamCursor>),
    /// Frames that are published and not here yet.
    Lag(u64),
    /// The connection broke, and why.
    Reconnecting(String),
    /// The server has sent everything that was asked for.
    End,
}

/// Follows streams.
#[derive(Debug)]
pub(in crate::cli) struct Follower {
    client: StreamingServiceClient<Channel>,
    streams: Vec<By>,
    start: Position,
    cursors: BTreeMap<String, String>,
    roles: Vec<pb::PictureRole>,
    options: Options,
    frames_left: Option<u64>,
    call: Option<Streaming<pb::SubscribeFramesResponse>>,
    /// A first checkpoint has come, so that `cursors` knows every selected stream.
    started: bool,
    silence: Silence,
    pause: Duration,
    /// Wait this long before the next call.
    wait: Option<Duration>,
}

impl Follower {
    /// Follows `streams` (ids and patterns) from `start`, or after `resumed` where that holds cursors.
    pub(in crate::cli) fn new(
        client: StreamingServiceClient<Channel>,
        streams: &[String],
        start: Position,
        resumed: BTreeMap<String, String>,
        roles: Vec<pb::PictureRole>,
        count: Option<u64>,
    ) -> Self {
        let by = |name: &String| if is_pattern(name) { By::Glob(name.clone()) } else { By::Id(name.clone()) };
        Self {
            client,
            streams: streams.iter().map(by).collect(),
            start,
            started: !resumed.is_empty(),
            cursors: resumed,
            roles,
            options: Options::default(),
            frames_left: count,
            call: None,
            silence: Silence::default(),
            pause: FIRST_PAUSE,
            wait: None,
        }
    }

    /// The same, with options for all streams.
    pub(super) fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The next event. Cancelling it loses nothing.
    pub(in crate::cli) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            if self.call.is_none() {
                if let Some(wait) = self.wait {
                    sleep(wait).await;
                    self.wait = None;
                }
                let request = self.request();
                match self.silence.bound(self.client.subscribe_frames(request)).await {
                    Ok(answer) => self.call = Some(answer.into_inner()),
                    Err(status) => return self.broken(&status),
                }
            }
            let Some(call) = &mut self.call else { continue };
            let message = match self.silence.bound(call.message()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Event::End),
                Err(status) => return self.broken(&status),
            };
            // A checkpoint proves nothing: every call begins with one, also a call that cannot go on.
            if !matches!(message.event, Some(Message::Checkpoint(_))) {
                self.pause = FIRST_PAUSE;
                self.silence.over();
            }
            if let Some(event) = self.event(message) {
                return Ok(event);
            }
        }
    }

    fn event(&mut self, message: pb::SubscribeFramesResponse) -> Option<Event> {
        // Events that this version does not know are passed over.
        match message.event? {
            Message::Frame(delivered) => {
                let stream =
                    delivered.frame.as_ref().map(|frame| frame.stream_id.clone()).unwrap_or_default();
                self.advance(stream, delivered.cursor.clone());
                self.frames_left = self.frames_left.map(|left| left.saturating_sub(1));
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
            Message::Checkpoint(checkpoint) => {
                let first = !self.started;
                self.started = true;
                for one in &checkpoint.cursors {
                    self.advance(one.stream_id.clone(), one.cursor.clone());
                }
                Some(match first {
                    true => Event::Started { streams: checkpoint.cursors.len() },
                    false => Event::Checkpoint(checkpoint.cursors),
                })
            }
            Message::Draining(draining) => {
                for one in draining.cursors {
                    self.advance(one.stream_id, one.cursor);
                }
                let wait = draining.reconnect_delay.as_ref().map(duration).unwrap_or_default();
                Some(self.reconnect(wait, "the server is draining".to_owned()))
            }
        }
    }

    fn advance(&mut self, stream: String, cursor: String) {
        if !cursor.is_empty() {
            self.cursors.insert(stream, cursor);
        }
    }

    fn broken(&mut self, status: &Status) -> Result<Event, Failure> {
        match fault::retry(status) {
            Some(told) => {
                let wait = told.unwrap_or(self.pause).min(LONGEST_PAUSE);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(self.reconnect(wait, fault::words(status)))
            }
            None => Err(fault::refused("subscribing", status)),
        }
    }

    fn reconnect(&mut self, wait: Duration, why: String) -> Event {
        self.call = None;
        self.wait = Some(wait.max(FIRST_PAUSE));
        Event::Reconnecting(why)
    }

    fn request(&self) -> pb::SubscribeFramesRequest {
        let selectors = self.streams.iter().map(|by| pb::StreamSelector {
            streams: vec![pb::StreamMatch { selector: Some(by.clone()) }],
            start: Some(pb::StartPosition { position: Some(self.position(by)) }),
            pictures: Some(pb::PictureSelection {
                roles: self.roles.iter().map(|&role| role.into()).collect(),
                metadata_only: self.roles.is_empty(),
                max_picture_bytes: Some(MAX_PICTURE_BYTES),
                rendition: self.options.rendition,
            }),
            stop: self.options.stop,
            sampling: self.options.sampling,
            max_age: self.options.max_age,
            filter: self.options.filter.clone(),
            overflow_policy: self.options.overflow.into(),
            ..Default::default()
        });
        pb::SubscribeFramesRequest {
            selectors: selectors.collect(),
            heartbeat_interval: Some(pb_duration(HEARTBEAT)),
            stop_after_frames: self.frames_left,
            ..Default::default()
        }
    }

    /// Where a selector starts: after what has come, once anything has.
    fn position(&self, by: &By) -> Position {
        if !self.started {
            return self.start.clone();
        }
        let cursors = self.cursors.iter().filter(|(stream, _)| match by {
            By::Id(id) => id == *stream,
            By::Glob(_) | By::Labels(_) => true,
        });
        let cursors = cursors
            .map(|(stream, cursor)| pb::StreamCursor { stream_id: stream.clone(), cursor: cursor.clone() });
        let cursors: Vec<_> = cursors.collect();
        if cursors.is_empty() { self.start.clone() } else { Position::Cursors(pb::CursorList { cursors }) }
    }
}
