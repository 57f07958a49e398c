//! The connection to a server, the same for every subcommand that is a client.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use tonic::transport::{Channel, Endpoint};

use super::Failure;
use crate::pb::v1 as pb;
use crate::pb::v1::consumer_group_service_client::ConsumerGroupServiceClient;
use crate::pb::v1::dead_letter_service_client::DeadLetterServiceClient;
use crate::pb::v1::queue_service_client::QueueServiceClient;
use crate::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

/// Largest message that is read, in bytes: the contract's maximum of one message.
pub(super) const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// Pictures asked for in one message, in bytes. What is left of a message is for everything beside the pictures.
pub(super) const MAX_PICTURE_BYTES: u32 = 31 << 20;

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A dead peer is noticed after the interval and the timeout together: no later than a long call is given up for its silence, so
/// that the next call goes over a new connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A call whose answer has not begun by then is given up. Behind a proxy, a server that hangs has a connection that lives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Which server to talk to.
#[derive(Debug, Clone, Args)]
pub(super) struct ConnectArgs {
    /// The server: HOST:PORT, http://HOST:PORT or unix:/run/frameway.sock.
    #[arg(long, env = "FRAMEWAY_ADDRESS", value_name = "ADDRESS", default_value = "http://127.0.0.1:7400",
          value_parser = parse_address)]
    pub(super) address: String,
}

/// Clients of all services over one connection, which opens again by itself when it breaks.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) address: String,
    pub(super) channel: Channel,
    pub(super) streaming: StreamingServiceClient<Channel>,
    pub(super) registry: StreamRegistryServiceClient<Channel>,
    pub(super) groups: ConsumerGroupServiceClient<Channel>,
    pub(super) dead_letters: DeadLetterServiceClient<Channel>,
    pub(super) queues: QueueServiceClient<Channel>,
}

impl ConnectArgs {
    /// Opens the connection.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.address).await
    }
}

impl Client {
    /// Opens a connection to `address`, as [`ConnectArgs`] takes it.
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        let address = parse_address(address).map_err(|error| Failure::Usage(anyhow!(error)))?;
        let endpoint = Endpoint::from_shared(address.clone())
            .map_err(|error| Failure::Usage(anyhow!("{address} is no address: {error}")))?
            .user_agent(concat!("frameway/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| Failure::Failed(error.into()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel =
            endpoint.connect().await.map_err(|error| Failure::Failed(unreachable(&address, &error)))?;
        let streaming = StreamingServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(usize::MAX);
        Ok(Self {
            address,
            streaming,
            registry: StreamRegistryServiceClient::new(channel.clone()),
            groups: ConsumerGroupServiceClient::new(channel.clone()),
            dead_letters: DeadLetterServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            queues: QueueServiceClient::new(channel.clone()),
            channel,
        })
    }

    /// What the server says of itself.
    pub(super) async fn server_info(&mut self) -> Result<pb::GetServerInfoResponse, Failure> {
        let answer = self.streaming.get_server_info(pb::GetServerInfoRequest {}).await;
        Ok(answer
            .map_err(|status| super::fault::refused("reading what the server offers", &status))?
            .into_inner())
    }
}

fn unreachable(address: &str, error: &tonic::transport::Error) -> anyhow::Error {
    // The last cause is the one that helps: `Connection refused`, not `transport error`.
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    anyhow!("cannot reach {address} ({cause}): is `frameway serve` running there?")
}

/// `host:port`, with or without a scheme, as a URL.
fn parse_address(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
        return Ok(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    if scheme.eq_ignore_ascii_case("https") {
        return Err("TLS is not offered yet: use http://HOST:PORT".to_owned());
    }
    let port = rest.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, port)) if scheme.eq_ignore_ascii_case("http") && !host.is_empty() && port > 0 => {
            Ok(format!("http://{host}:{port}"))
        }
        _ => Err("write HOST:PORT, for example 127.0.0.1:7400, or unix:/run/frameway.sock".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_scheme() {
        for text in
            ["127.0.0.1:7400", "http://127.0.0.1:7400", " http://127.0.0.1:7400/ ", "HTTP://127.0.0.1:7400"]
        {
            assert_eq!(parse_address(text).as_deref(), Ok("http://127.0.0.1:7400"), "{text}");
        }
        assert_eq!(parse_address("[::1]:7400").as_deref(), Ok("http://[::1]:7400"));
        assert_eq!(parse_address("unix:/run/a.sock").as_deref(), Ok("unix:/run/a.sock"));
        for text in ["", "localhost", ":7400", "host:0", "host:seven", "ftp://host:21", "https://host:443"] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }
}
