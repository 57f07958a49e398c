//! Connects to a server: with links for commands and pictures, and a pool of connections for reads
//! that block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use redis::{Cmd, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::gate::Gate;
use super::instance::Instance;
use super::node::Node;
use super::resp::{Request, RespConnection, RespError, explained};
use super::target::Target;
use crate::metrics::{RedisError as Failure, RedisOperation};
use crate::queue::{Error, Result};

/// The maximum time for connecting, and for asking a new peer what it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The number of consecutive timeouts after which a connection is dropped: a half-open socket never
/// answers.
const TIMEOUTS_TO_RECONNECT: u32 = 3;
/// The time after a failed connect in which calls fail at once instead of waiting for new attempts.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Default)]
struct LinkState {
    connected: Option<(RespConnection, Arc<Instance>)>,
    /// Rises with every connection: an error of an old one says nothing about the new one.
    generation: u64,
    timeouts: u32,
    failed_at: Option<(Instant, Error)>,
}

/// A link's connection at one moment: all requests through it are answered by the same server
/// process.
pub(super) struct Connected {
    link: Arc<Link>,
    connection: RespConnection,
    generation: u64,
    /// True if the keys of the requests are about to move to this server.
    is_asking: bool,
    pub(super) instance: Arc<Instance>,
}

/// The parts that all links of one purpose share.
#[derive(Clone)]
pub(super) struct Purpose {
    pub(super) target: Arc<Target>,
    /// The maximum time for an answer.
    pub(super) timeout: Duration,
    pub(super) gate: Arc<Gate>,
    /// Their requests that run no script.
    pub(super) operation: Arc<RedisOperation>,
}

/// One connection to one server that reconnects by itself. Commands of one link are answered in
/// order, so large values have links of their own.
pub(super) struct Link {
    purpose: Purpose,
    pub(super) node: Arc<Node>,
    state: Mutex<LinkState>,
    connecting: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(purpose: Purpose, node: Arc<Node>) -> Self {
        let (state, connecting) = (Mutex::default(), tokio::sync::Mutex::new(()));
        Self { purpose, node, state, connecting }
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock()
    }

    fn ready(self: &Arc<Self>) -> Option<Result<Connected>> {
        let state = self.state();
        if let Some((connection, instance)) =
            state.connected.as_ref().filter(|(connection, _)| !connection.is_gone())
        {
            let (connection, instance) = (connection.clone(), Arc::clone(instance));
            return Some(Ok(self.connected_by(connection, state.generation, instance)));
        }
        match &state.failed_at {
            Some((at, error)) if at.elapsed() < RECONNECT_PAUSE => Some(Err(error.clone())),
            Some(_) | None => None,
        }
    }

    /// Returns the connection; connects first if there is none.
    pub(super) async fn connected(self: &Arc<Self>) -> Result<Connected> {
        if let Some(ready) = self.ready() {
            return ready;
        }
        // One caller connects, the others wait for the result.
        let _one = self.connecting.lock().await;
        if let Some(ready) = self.ready() {
            return ready;
        }
        let connected = self.connect().await;
        let mut state = self.state();
        match connected {
            Ok((connection, instance)) => {
                let instance = Arc::new(instance);
                let generation = state.generation + 1;
                let both = (connection.clone(), Arc::clone(&instance));
                *state = LinkState { connected: Some(both), generation, ..LinkState::default() };
                self.node.note_instance(&instance);
                Ok(self.connected_by(connection, generation, instance))
            }
            Err(error) => {
                state.failed_at = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn connected_by(
        self: &Arc<Self>,
        connection: RespConnection,
        generation: u64,
        instance: Arc<Instance>,
    ) -> Connected {
        Connected { link: Arc::clone(self), connection, generation, is_asking: false, instance }
    }

    async fn connect(&self) -> Result<(RespConnection, Instance)> {
        let Purpose { target, gate, operation, .. } = &self.purpose;
        let (connection, instance) = self.reach().await.map_err(|error| {
            operation.failed(Failure::Unreachable);
            target.unreachable(&error)
        })?;
        operation.connected();
        target.watch();
        if instance.is_in_cluster() && self.node.address().is_none() {
            let why = "this Redis is a server of a cluster: begin the URL with redis-cluster:// or rediss-cluster://";
            return Err(Error::Unsuitable(why.to_owned()));
        }
        gate.pass(&connection, &self.node).await?;
        Ok((connection, instance))
    }

    async fn reach(&self) -> RedisResult<(RespConnection, Instance)> {
        let Purpose { target, timeout, .. } = &self.purpose;
        let connection = target.connect(self.node.address(), CONNECT_TIMEOUT, *timeout).await?;
        let instance = Instance::ask(&connection).await?;
        Ok((connection, instance))
    }

    /// Runs a pipeline; returns one result per command. Some commands may have run if it fails.
    pub(super) async fn run(self: &Arc<Self>, pipe: &Pipeline) -> Result<Vec<RedisResult<Value>>> {
        self.connected().await?.ask(pipe.into()).await
    }

    /// Drops the connection unless the server process at its end is `instance`, with the same
    /// settings.
    pub(super) fn drop_unless(&self, instance: &Instance) {
        let mut state = self.state();
        if state.connected.as_ref().is_some_and(|(_, known)| **known != *instance) {
            state.connected = None;
        }
    }

    fn drop_connection(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.connected = None;
        }
    }

    fn note(&self, generation: u64, error: Option<&RespError>) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        let dead = match error {
            None => {
                state.timeouts = 0;
                false
            }
            Some(RespError::TimedOut(_)) => {
                state.timeouts += 1;
                state.timeouts >= TIMEOUTS_TO_RECONNECT
            }
            Some(RespError::Gone(_)) => true,
        };
        if dead {
            state.connected = None;
            state.timeouts = 0;
        }
    }
}

impl Connected {
    /// Returns this connection for requests whose keys are about to move to its server.
    pub(super) fn asking(self) -> Self {
        Self { is_asking: true, ..self }
    }

    /// Returns the server at the other end.
    pub(super) fn node(&self) -> &Node {
        &self.link.node
    }

    /// Sends a request; returns one result per command. Some commands may have run if it fails.
    pub(super) async fn ask(&self, request: Request) -> Result<Vec<RedisResult<Value>>> {
        self.ask_as(request, &self.link.purpose.operation).await
    }

    /// Does the same for a request that is measured as `operation`.
    pub(super) async fn ask_as(
        &self,
        request: Request,
        operation: &RedisOperation,
    ) -> Result<Vec<RedisResult<Value>>> {
        let start = Instant::now();
        let answered = match self.is_asking {
            false => self.connection.ask(request).await,
            true => self.connection.ask(request.asking()).await.map(every_second),
        };
        match &answered {
            Ok(answers) => {
                operation.observe(start.elapsed());
                if answers.iter().any(|answer| answer.as_ref().is_err_and(is_failure)) {
                    operation.failed(Failure::Refused);
                }
                if answers.iter().any(|answer| answer.as_ref().is_err_and(is_replica)) {
                    self.link.drop_connection(self.generation);
                }
            }
            Err(RespError::TimedOut(_)) => operation.failed(Failure::TimedOut),
            Err(RespError::Gone(_)) => operation.failed(Failure::Disconnected),
        }
        self.link.note(self.generation, answered.as_ref().err());
        answered.map_err(|error| Error::NoAnswer(explained(&error.to_string())))
    }
}

/// Returns the answers without those to ASKING.
fn every_second(answers: Vec<RedisResult<Value>>) -> Vec<RedisResult<Value>> {
    answers.into_iter().skip(1).step_by(2).collect()
}

/// Converts the error of a failed command.
pub(super) fn refused(error: RedisError) -> Error {
    if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
        return Error::NoAnswer(explained(&error.to_string()));
    }
    Error::Refused(explained(&error.to_string()))
}

/// Reports whether an error is one that an operator should see. A script's text is asked for at its
/// first use, and some questions about the server may be forbidden.
fn is_failure(error: &RedisError) -> bool {
    !wants_script(error) && error.code() != Some("NOPERM") && error.redirect_node().is_none()
}

/// Reports whether a server refuses writes because it is a replica: it was the primary when the
/// link connected, so the next request finds out which one is.
fn is_replica(error: &RedisError) -> bool {
    error.kind() == ServerErrorKind::ReadOnly.into()
}

/// Reports whether a server asks for the script's text.
pub(super) fn wants_script(error: &RedisError) -> bool {
    error.kind() == ServerErrorKind::NoScript.into()
}

/// The connections for commands that block: each command uses one alone while it waits.
pub(super) struct BlockingPool {
    target: Arc<Target>,
    idle: Mutex<Vec<RespConnection>>,
    operation: RedisOperation,
}

impl std::fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockingPool").finish_non_exhaustive()
    }
}

impl BlockingPool {
    pub(super) fn new(target: Arc<Target>, operation: RedisOperation) -> Self {
        Self { target, idle: Mutex::default(), operation }
    }

    /// Returns a connection that nobody uses, if there is one.
    fn idle(&self) -> Option<RespConnection> {
        let mut idle = self.idle.lock();
        idle.retain(|connection| !connection.is_gone());
        idle.pop()
    }

    /// Runs a command that blocks for `wait` at most. A cancelled call drops its connection, so
    /// that the next one does not wait for it.
    pub(super) async fn command(&self, command: &Cmd, wait: Duration) -> Result<Value> {
        // Redis may block longer than requested (redis#12998): the client's timeout must not be
        // exact.
        let answer_timeout = wait * 2 + Duration::from_secs(1);
        let connection = match self.idle() {
            Some(connection) => connection,
            None => {
                let connected = self.target.connect(None, CONNECT_TIMEOUT, answer_timeout).await;
                let connection = connected.map_err(|error| {
                    self.operation.failed(Failure::Unreachable);
                    self.target.unreachable(&error)
                })?;
                self.operation.connected();
                connection
            }
        };
        let connection = connection.answering_within(answer_timeout);
        let mut request = Request::default();
        request.add(command);
        let answered = connection.ask(request).await;
        let mut answers = answered.map_err(|error| Error::NoAnswer(explained(&error.to_string())))?;
        let mut idle = self.idle.lock();
        if idle.len() < 4 {
            idle.push(connection);
        }
        drop(idle);
        answers.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)
    }
}
