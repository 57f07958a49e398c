//! Serves HTTP/2 connections: which may open, what they are told when the server or their own time ends, and when they
//! are cut.
//!
//! tonic's own server has no deadline for handshakes, no jitter for a connection's age, and answers deadlines with
//! CANCELLED; it is a thin layer over hyper, which is used here directly.

mod connection;
mod greeting;
mod incoming;
mod listen;

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Service, ServiceExt as _};

use crate::config::ServerArgs;
use crate::grpc::{self, ConnectionEnd};
use connection::Connection;
use greeting::{Greeting, greet};
use incoming::{Accepted, incoming};
pub use listen::BoundAddress;
pub(crate) use listen::Listener;

/// Time between telling calls that their connection ends and cutting it.
const LAST_GRACE: Duration = Duration::from_secs(10);
/// Fraction by which the maximum age of connections varies, so that clients that came together do not return together.
const AGE_JITTER: f64 = 0.1;

/// Settings of the connections.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) max_connections: usize,
    pub(crate) max_calls_per_connection: u32,
    pub(crate) handshake_timeout: Duration,
    /// After this time a connection takes no new calls.
    pub(crate) max_age: Option<Duration>,
    /// Time that calls have after that before they are told to end.
    pub(crate) age_grace: Duration,
}

impl From<&ServerArgs> for Settings {
    fn from(server: &ServerArgs) -> Self {
        Self {
            max_connections: server.max_connections as usize,
            max_calls_per_connection: server.max_calls_per_connection(),
            handshake_timeout: server.handshake_timeout,
            max_age: server.max_connection_age,
            age_grace: server.max_connection_age_grace,
        }
    }
}

/// The signals that end connections, in the order in which they come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    /// No new connections; those that are there take no new calls.
    pub(crate) stop_accepting: CancellationToken,
    /// Calls that would go on are told to end.
    pub(crate) end_calls: CancellationToken,
    /// Connections that are still there are cut.
    pub(crate) cut: CancellationToken,
}

/// Serves connections until `ends` says otherwise; answers when all of them have ended.
pub(crate) async fn serve<S>(listener: Listener, service: S, settings: Settings, ends: Ends)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let connections = TaskTracker::new();
    {
        let mut accepted = pin!(incoming(listener, settings.max_connections));
        while let Some(Some(accepted)) = ends.stop_accepting.run_until_cancelled(accepted.next()).await {
            let (service, settings, ends) = (service.clone(), settings.clone(), ends.clone());
            connections.spawn(async move {
                let cut = ends.cut.clone();
                cut.run_until_cancelled(serve_one(accepted, service, settings, ends)).await;
            });
        }
    }
    connections.close();
    connections.wait().await;
}

async fn serve_one<S>(accepted: Accepted, service: S, settings: Settings, ends: Ends)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let Accepted { mut socket, peer, slot: _slot } = accepted;
    let deadline = Instant::now() + settings.handshake_timeout;
    match greet(&mut socket, deadline).await {
        Greeting::Http2 => {}
        Greeting::Other => return,
    }
    let end = ConnectionEnd::new(&ends.end_calls);
    let told = end.clone();
    let service = service.map_request(move |mut request: Request<Incoming>| {
        peer.tell(request.extensions_mut());
        request.extensions_mut().insert(told.clone());
        request
    });
    let io = TokioIo::new(Connection::new(socket, deadline));
    let http2 = grpc::http2(settings.max_calls_per_connection);
    let served = http2.serve_connection(io, TowerToHyperService::new(service));
    let mut served = pin!(served);
    let mut stop = pin!(ends.stop_accepting.cancelled());
    let mut stopping = false;
    let mut age = Age::Young;
    let mut alarm = pin!(sleep(settings.max_age.map(jittered).unwrap_or_default()));
    loop {
        tokio::select! {
            result = &mut served => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection failed");
                }
                return;
            }
            () = &mut stop, if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            () = &mut alarm, if settings.max_age.is_some() => {
                let grace = match age {
                    Age::Young => {
                        age = Age::Old;
                        served.as_mut().graceful_shutdown();
                        settings.age_grace
                    }
                    Age::Old => {
                        age = Age::Ending;
                        end.too_old();
                        LAST_GRACE
                    }
                    Age::Ending => return,
                };
                alarm.as_mut().reset(Instant::now() + grace);
            }
        }
    }
}

/// The age of a connection, relative to its maximum.
#[derive(Debug, Clone, Copy)]
enum Age {
    /// It takes calls.
    Young,
    /// Its client was told to open another one for new calls.
    Old,
    /// Its calls were told to end.
    Ending,
}

fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(1.0 - AGE_JITTER..=1.0 + AGE_JITTER))
}
