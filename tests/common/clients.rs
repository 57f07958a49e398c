//! Clients of all services over one connection.
#![allow(dead_code)]

use frameway::client::Channel;
use frameway::pb::admin::v1beta1::admin_service_client::AdminServiceClient;
use frameway::pb::v1::consumer_group_service_client::ConsumerGroupServiceClient;
use frameway::pb::v1::dead_letter_service_client::DeadLetterServiceClient;
use frameway::pb::v1::queue_service_client::QueueServiceClient;
use frameway::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use frameway::pb::v1::streaming_service_client::StreamingServiceClient;

/// Larger than any message of a test, so that only the server refuses large messages.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) streaming: StreamingServiceClient<Channel>,
    pub(crate) registry: StreamRegistryServiceClient<Channel>,
    pub(crate) groups: ConsumerGroupServiceClient<Channel>,
    pub(crate) dead_letters: DeadLetterServiceClient<Channel>,
    pub(crate) queues: QueueServiceClient<Channel>,
    pub(crate) admin: AdminServiceClient<Channel>,
}

impl Clients {
    pub(crate) fn over(channel: impl Into<Channel>) -> Self {
        let channel = channel.into();
        Self {
            streaming: StreamingServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            registry: StreamRegistryServiceClient::new(channel.clone()),
            groups: ConsumerGroupServiceClient::new(channel.clone()),
            dead_letters: DeadLetterServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            queues: QueueServiceClient::new(channel.clone()),
            admin: AdminServiceClient::new(channel),
        }
    }
}
