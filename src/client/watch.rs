//! Watching the registered streams.

use super::long_call::LongCall;
use super::stall::HEARTBEAT;
use super::time::pb_duration;
use super::{Channel, Client, Error};
use crate::pb::v1 as pb;
use crate::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use crate::pb::v1::watch_streams_response::Event as Message;

/// An event of a watch.
#[derive(Debug)]
pub enum Event {
    /// A registered stream, a change, or another message of the watch.
    Streams(Box<Message>),
    /// The connection broke for this reason; the next event comes over another one.
    Reconnecting(String),
    /// The server has ended the watch.
    End,
}

/// A watch of streams that resumes after the last change when its connection breaks.
#[derive(Debug)]
pub struct Watch {
    client: StreamRegistryServiceClient<Channel>,
    request: pb::WatchStreamsRequest,
    call: LongCall<pb::WatchStreamsResponse>,
}

impl Watch {
    /// Prepares a watch of the streams that match, or of all streams if `streams` is empty.
    #[must_use]
    pub fn new(client: &Client, streams: Vec<pb::StreamMatch>) -> Self {
        let request = pb::WatchStreamsRequest {
            streams,
            heartbeat_interval: Some(pb_duration(HEARTBEAT)),
            ..Default::default()
        };
        let call = LongCall::new("frameway.v1.StreamRegistryService/WatchStreams", HEARTBEAT);
        Self { client: client.registry.clone(), request, call }
    }

    /// Waits for the next event.
    ///
    /// This is cancel safe: dropping the future loses no event.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the watch for good.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let open = async { self.client.watch_streams(self.request.clone()).await };
            let message = match self.call.message(open).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Event::End),
                Err(status) => return self.call.broken(status).map(Event::Reconnecting),
            };
            self.call.progressed();
            if !message.resume_token.is_empty() {
                self.request.resume_token = message.resume_token;
            }
            if let Some(event) = message.event {
                return Ok(Event::Streams(Box::new(event)));
            }
        }
    }
}
