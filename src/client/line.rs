//! One connection to the first of several servers that answers.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tonic::transport::Endpoint;

use super::error::innermost;
use super::socket::{Connector, State};
use super::{Error, tls};

/// A server that may be connected to.
pub(super) struct Server {
    pub(super) address: Arc<str>,
    /// The settings of the connection. With TLS, they have this server's own name.
    pub(super) endpoint: Endpoint,
    pub(super) connector: Connector,
}

/// An open connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) channel: tonic::transport::Channel,
    pub(super) address: Arc<str>,
    state: State,
}

/// The reason why no server can be connected to.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// The caller has to change its own settings. Otherwise, a later try may succeed.
    pub(super) lasting: bool,
}

/// The servers of a client, and a connection that no line uses yet.
pub(super) struct Servers {
    pub(super) list: Vec<Server>,
    spare: std::sync::Mutex<Option<Connection>>,
}

impl Servers {
    pub(super) fn new(list: Vec<Server>) -> Self {
        Self { list, spare: std::sync::Mutex::default() }
    }

    /// Opens a connection, which the line that needs one first will use.
    pub(super) async fn open_spare(&self) -> Result<(), Failure> {
        let connection = self.connect().await?;
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(())
    }

    fn take_spare(&self) -> Option<Connection> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        spare.filter(|connection| !connection.state.is_closed())
    }

    /// Connects to the first server that answers, in the order of the list.
    async fn connect(&self) -> Result<Connection, Failure> {
        let mut failures = Vec::new();
        for Server { address, endpoint, connector } in &self.list {
            let (connector, state) = connector.fresh();
            match endpoint.connect_with_connector(connector).await {
                Ok(channel) => return Ok(Connection { channel, address: Arc::clone(address), state }),
                Err(error) => failures.push(failure(&error, address)),
            }
        }
        Err(all_failed(failures))
    }
}

fn failure(error: &tonic::transport::Error, address: &str) -> Failure {
    let address = address.to_owned();
    match tls::explain(error, &address) {
        Some(tls::Explanation { why, lasting }) => Failure { error: Error::Tls { address, why }, lasting },
        None => Failure { error: Error::Unreachable { address, cause: innermost(error) }, lasting: false },
    }
}

/// Makes one failure of those of all servers.
fn all_failed(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let lasting = failures.iter().all(|failure| failure.lasting);
    let causes: Vec<String> = failures.iter().map(|failure| failure.error.to_string()).collect();
    Failure {
        error: Error::Unreachable { address: "any server".to_owned(), cause: causes.join("; ") },
        lasting,
    }
}

/// A connection that is opened when a call needs it, and again after it is closed.
pub(super) struct Line {
    servers: Arc<Servers>,
    last: tokio::sync::Mutex<Last>,
}

/// The results of the last tries.
#[derive(Default)]
struct Last {
    connection: Option<Connection>,
    failure: Option<(Instant, Failure)>,
}

impl Line {
    pub(super) fn new(servers: Arc<Servers>) -> Self {
        Self { servers, last: tokio::sync::Mutex::default() }
    }

    /// Returns the open connection; opens one if there is none.
    ///
    /// Only one caller connects at a time. The others wait for its result, also if it fails.
    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        let begin = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(connection) = last.connection.as_ref().filter(|one| !one.state.is_closed()) {
            return Ok(connection.clone());
        }
        if let Some((_, failure)) = last.failure.as_ref().filter(|(at, _)| *at >= begin) {
            return Err(failure.clone());
        }
        last.connection = None;
        let connection = match self.servers.take_spare() {
            Some(spare) => Ok(spare),
            None => self.servers.connect().await,
        };
        last.failure = connection.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
        last.connection = connection.as_ref().ok().cloned();
        connection
    }
}
