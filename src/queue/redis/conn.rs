//! Connections to one Redis: a few links for commands and pictures, and a pool of others for reads that block.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::time::timeout;

use super::instance::Instance;
use super::wire::{Request, SILENT_PEER, Wire, WireError, explained};
use crate::queue::{Error, Result};

/// How long connecting may take, and how long asking a new peer what it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After this many timeouts in a row a connection is thrown away: a half-open socket answers nothing.
const TIMEOUTS_TO_RECONNECT: u32 = 3;
/// After a failed connect, calls fail at once for this long instead of queueing up behind new tries.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

pub(super) fn client(url: &str) -> Result<Client> {
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(SILENT_PEER))
        .set_user_timeout(SILENT_PEER);
    url.into_connection_info()
        .and_then(|info| Client::open(info.set_tcp_settings(tcp)))
        .map_err(|error| Error::Unsuitable(format!("the Redis URL is not valid: {error}")))
}

fn config(response_timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response_timeout))
        .set_pipeline_buffer_size(8)
}

#[derive(Default)]
struct LinkState {
    connected: Option<(Wire, Arc<Instance>)>,
    /// Rises with every connection: what goes wrong on an old one says nothing of the new one.
    generation: u64,
    timeouts: u32,
    failed_at: Option<(Instant, String)>,
}

/// A link's connection at one moment: what is asked through it is answered by one and the same server process.
pub(super) struct Connected<'a> {
    link: &'a Link,
    wire: Wire,
    generation: u64,
    pub(super) instance: Arc<Instance>,
}

/// One connection that comes back by itself. Commands of one link are answered in order, so large values have links of their
/// own.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    state: Mutex<LinkState>,
    connecting: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, state: Mutex::default(), connecting: tokio::sync::Mutex::new(()) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn ready(&self) -> Option<Result<Connected<'_>>> {
        let state = self.state();
        if let Some((wire, instance)) = state.connected.as_ref().filter(|(wire, _)| !wire.is_gone()) {
            let (wire, instance) = (wire.clone(), Arc::clone(instance));
            return Some(Ok(Connected { link: self, wire, generation: state.generation, instance }));
        }
        match &state.failed_at {
            Some((at, why)) if at.elapsed() < RECONNECT_PAUSE => Some(Err(Error::Unreachable(why.clone()))),
            Some(_) | None => None,
        }
    }

    /// The connection; connects first if there is none.
    pub(super) async fn connected(&self) -> Result<Connected<'_>> {
        if let Some(ready) = self.ready() {
            return ready;
        }
        // One connects, the others wait for what it gets.
        let _one = self.connecting.lock().await;
        if let Some(ready) = self.ready() {
            return ready;
        }
        let connected = self.connect().await;
        let mut state = self.state();
        match connected {
            Ok((wire, instance)) => {
                let instance = Arc::new(instance);
                let generation = state.generation + 1;
                let both = (wire.clone(), Arc::clone(&instance));
                *state = LinkState { connected: Some(both), generation, ..LinkState::default() };
                Ok(Connected { link: self, wire, generation, instance })
            }
            Err(error) => {
                let why = explained(&error.to_string());
                state.failed_at = Some((Instant::now(), why.clone()));
                Err(Error::Unreachable(why))
            }
        }
    }

    async fn connect(&self) -> RedisResult<(Wire, Instance)> {
        let connecting = Wire::connect(self.client.get_connection_info(), self.timeout);
        let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
        let wire = timeout(CONNECT_TIMEOUT, connecting).await.map_err(late)??;
        let instance = Instance::ask(&wire).await?;
        Ok((wire, instance))
    }

    /// Runs a pipeline; answers one result a command. An error of the whole means that some may have been run.
    pub(super) async fn run(&self, pipe: &Pipeline) -> Result<Vec<RedisResult<Value>>> {
        self.connected().await?.ask(pipe.into()).await
    }

    /// Runs one command.
    pub(super) async fn command(&self, command: &Cmd) -> Result<Value> {
        self.connected().await?.command(command).await
    }

    /// Drops a connection to what turns out to be something else.
    pub(super) fn leads_to(&self, instance: &Instance) {
        let mut state = self.state();
        if state.connected.as_ref().is_some_and(|(_, known)| **known != *instance) {
            state.connected = None;
        }
    }

    fn note(&self, generation: u64, error: Option<&WireError>) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        let dead = match error {
            None => {
                state.timeouts = 0;
                false
            }
            Some(WireError::TimedOut(_)) => {
                state.timeouts += 1;
                state.timeouts >= TIMEOUTS_TO_RECONNECT
            }
            Some(WireError::Gone(_)) => true,
        };
        if dead {
            state.connected = None;
            state.timeouts = 0;
        }
    }
}

impl Connected<'_> {
    /// Sends a request; answers one result a command. An error of the whole means that some may have been run.
    pub(super) async fn ask(&self, request: Request) -> Result<Vec<RedisResult<Value>>> {
        let answered = self.wire.ask(request).await;
        self.link.note(self.generation, answered.as_ref().err());
        answered.map_err(|error| Error::NoAnswer(explained(&error.to_string())))
    }

    /// See [`Link::command`].
    async fn command(&self, command: &Cmd) -> Result<Value> {
        let mut request = Request::default();
        request.add(command);
        self.ask(request).await?.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)
    }
}

/// What a failed command means for its caller.
pub(super) fn refused(error: RedisError) -> Error {
    if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
        return Error::NoAnswer(explained(&error.to_string()));
    }
    Error::Refused(explained(&error.to_string()))
}

/// Whether a server asks for the script's text.
pub(super) fn wants_script(error: &RedisError) -> bool {
    error.kind() == ServerErrorKind::NoScript.into()
}

/// Connections for commands that block: each read has one for itself while it waits.
pub(super) struct BlockingPool {
    client: Client,
    idle: Mutex<Vec<MultiplexedConnection>>,
}

impl std::fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockingPool").finish_non_exhaustive()
    }
}

impl BlockingPool {
    pub(super) fn new(client: Client) -> Self {
        Self { client, idle: Mutex::default() }
    }

    /// Runs a command that blocks for `wait` at most. A cancelled call drops its connection, so that the next one does
    /// not wait behind it.
    pub(super) async fn command(&self, command: &redis::Cmd, wait: Duration) -> Result<Value> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        // Redis may block longer than asked (redis#12998): the client's patience is never exact.
        let patience = wait * 2 + Duration::from_secs(1);
        let mut connection = match idle {
            Some(connection) => connection,
            None => self
                .client
                .get_multiplexed_async_connection_with_config(&config(patience))
                .await
                .map_err(|error| Error::Unreachable(explained(&error.to_string())))?,
        };
        connection.set_response_timeout(patience);
        let value = command.query_async(&mut connection).await.map_err(refused)?;
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < 4 {
            idle.push(connection);
        }
        Ok(value)
    }
}
