//! A client of the service. It connects, publishes frames, subscribes to streams and consumes
//! frames of a group, and continues each of these when a connection breaks.
//!
//! [`Client`] holds the generated stub of each service, for single calls. The modules add the
//! retries, reconnects and resumes that every program needs:
//!
//! - [`publish`] sends frames; each is stored once and in order, even if connections break.
//! - [`subscribe`] follows streams, and resumes after the last frame when a connection breaks.
//! - [`stored`] keeps the [`cursors`] of a subscription, so that a restarted program goes on.
//! - [`consume`] calls a handler for each frame of a consumer group, and acknowledges it.
//! - [`Client::latest`] reads the newest frames.
//! - [`watch`] follows the registered streams and their changes.
//! - [`retry`] says which calls may be sent again, as the service config in `proto/` does.
//!
//! The messages are those of the contract, in [`pb`](crate::pb); `proto/frameway/v1` documents
//! them. A program that needs only the client enables only the feature `client` of the crate, which
//! leaves out the server:
//!
//! ```toml
//! frameway = { version = "0.1", default-features = false, features = ["client"] }
//! ```
//!
//! # Examples
//!
//! Submit a picture, then follow the stream:
//!
//! ```no_run
//! use frameway::client::publish::BatchSender;
//! use frameway::client::subscribe::{Event, Subscription, selector};
//! use frameway::client::{Client, Error};
//! use frameway::pb::v1 as pb;
//!
//! # async fn example(picture: Vec<u8>) -> Result<(), Error> {
//! let client = Client::connect("127.0.0.1:7400").await?;
//!
//! let frame = pb::Frame {
//!     stream_id: "north-gate".into(),
//!     publisher_sequence: Some(1),
//!     data: picture.into(),
//!     ..Default::default()
//! };
//! let sent = BatchSender::new(&client).send(vec![frame]).await?;
//! println!("{:?}", sent.decisions);
//!
//! let request = pb::SubscribeFramesRequest {
//!     selectors: vec![selector("north-gate")],
//!     ..Default::default()
//! };
//! let mut subscription = Subscription::new(&client, request);
//! loop {
//!     match subscription.next().await? {
//!         Event::Frame(delivered) => println!("{:?}", delivered.frame),
//!         Event::End => break,
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(()) }
//! ```

mod address;
mod channel;
mod connect;
pub mod consume;
mod credentials;
pub mod cursors;
mod error;
mod latest;
mod line;
mod long_call;
pub mod publish;
pub mod retry;
mod socket;
mod stall;
pub mod stored;
pub mod subscribe;
pub mod time;
mod tls;
pub mod watch;

use std::time::Duration;

use crate::pb::v1 as pb;
use crate::pb::v1::consumer_group_service_client::ConsumerGroupServiceClient;
use crate::pb::v1::dead_letter_service_client::DeadLetterServiceClient;
use crate::pb::v1::queue_service_client::QueueServiceClient;
use crate::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

pub use address::parse_address;
pub use channel::Channel;
pub use connect::ConnectOptions;
pub use credentials::Credentials;
pub use error::{Error, describe, describe_item, reason_name};
pub use latest::Latest;

/// The maximum size of a received message in bytes. It is the limit of the contract.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// The maximum bytes of pictures to request in one message. It leaves room for the other fields.
pub const MAX_PICTURE_BYTES: u32 = 31 << 20;

/// The stubs of all services over the same connections: one for the calls that last, and one for all
/// others.
///
/// A clone shares the connections and costs little.
#[derive(Debug, Clone)]
pub struct Client {
    /// Submits, delivers and consumes frames.
    pub streaming: StreamingServiceClient<Channel>,
    /// Registers streams and their settings.
    pub registry: StreamRegistryServiceClient<Channel>,
    /// Manages consumer groups.
    pub groups: ConsumerGroupServiceClient<Channel>,
    /// Lists, replays and discards frames that were given up.
    pub dead_letters: DeadLetterServiceClient<Channel>,
    /// Shows and operates the work queues.
    pub queues: QueueServiceClient<Channel>,
    channel: Channel,
    call_timeout: Option<Duration>,
}

impl Client {
    /// Connects to a server with the default [`ConnectOptions`].
    ///
    /// # Errors
    /// Returns an error if the address cannot be used or no server answers.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        ConnectOptions::new(address)?.connect().await
    }

    /// Makes the stubs over a connection that the caller has opened.
    #[must_use]
    pub fn over(channel: impl Into<Channel>) -> Self {
        let channel = channel.into();
        Self {
            streaming: StreamingServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(usize::MAX),
            registry: StreamRegistryServiceClient::new(channel.clone()),
            groups: ConsumerGroupServiceClient::new(channel.clone()),
            dead_letters: DeadLetterServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            queues: QueueServiceClient::new(channel.clone()),
            channel,
            call_timeout: None,
        }
    }

    /// Sets the maximum time for [`latest`](Self::latest) and [`server_info`](Self::server_info) to
    /// answer, with all attempts; the default is that of the service config. After it, they return
    /// [`Error::Refused`] with `DEADLINE_EXCEEDED`.
    #[must_use]
    pub fn call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout: Some(call_timeout), ..self }
    }

    /// Returns the policy of a method, with this client's timeout.
    fn policy(&self, method: &str) -> retry::Policy {
        let policy = retry::Policy::of(method);
        match self.call_timeout {
            Some(timeout) => policy.timeout(timeout),
            None => policy,
        }
    }

    /// Returns the connection, for stubs of other services.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Asks the server for its version, limits and health.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server does not answer.
    pub async fn server_info(&self) -> Result<pb::GetServerInfoResponse, Error> {
        let policy = self.policy("frameway.v1.StreamingService/GetServerInfo");
        let call = |request| {
            let mut client = self.streaming.clone();
            async move { client.get_server_info(request).await }
        };
        Ok(policy.call(pb::GetServerInfoRequest {}, call).await?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn spawnable<F: Future + Send>(_future: F) {}

    #[tokio::test]
    async fn every_future_can_be_spawned() {
        let client = ConnectOptions::new("127.0.0.1:1").unwrap().connect_lazy().unwrap();
        spawnable(Client::connect("127.0.0.1:1"));
        spawnable(client.server_info());
        let options = publish::PublishOptions::default();
        spawnable(client.publish(options, mpsc::channel(1).1, CancellationToken::new(), |_, _| {}));
        spawnable(publish::BatchSender::new(&client).send(Vec::new()));
        spawnable(subscribe::Subscription::new(&client, pb::SubscribeFramesRequest::default()).next());
        let mut consumer = consume::Consumer::new(&client, pb::ConsumeFramesRequest::default());
        spawnable(consumer.next());
        spawnable(consumer.ack(Vec::new()));
        spawnable(consumer.reject(Vec::new()));
        let handler = |_| async { Ok::<(), consume::Reject>(()) };
        let (request, options) = (pb::ConsumeFramesRequest::default(), consume::ConsumeOptions::default());
        spawnable(client.consume(request, options, CancellationToken::new(), handler, |_| {}));
        spawnable(client.latest(["a"], None));
        let store = cursors::CursorFile::new("cursors.json");
        let subscription = subscribe::Subscription::new(&client, pb::SubscribeFramesRequest::default());
        spawnable(stored::StoredSubscription::open(subscription, store).unwrap().next());
        spawnable(watch::Watch::new(&client, Vec::new()).next());
    }
}
