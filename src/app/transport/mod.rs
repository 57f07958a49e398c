//! Serves connections of HTTP/2, and of HTTP/1 for browsers and curl: accepts them, asks them to close when the server stops or they reach
//! their maximum age, and closes them in the end.
//!
//! tonic's own server has no deadline for handshakes and no jitter for a connection's age, and it
//! answers calls whose deadline has passed with CANCELLED. It is a thin layer over hyper, which is
//! used here directly.

mod addresses;
mod connection;
mod frames;
mod greeting;
mod http1;
mod incoming;
mod listen;
mod pace;
mod tls;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::time::{Instant, sleep};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Service, ServiceExt as _};

use crate::config::ServerArgs;
use crate::grpc::{self, ConnectionEnd};
use crate::metrics::RpcMetrics;
use connection::{Connection, Stream};
use greeting::{Greeting, greet};
use http1::{Requests, Rewound};
use incoming::{Accepted, incoming};
pub use listen::BoundAddress;
pub(crate) use listen::Listener;
use pace::{Paced, Turn};
pub(crate) use tls::{Reload, Tls};

/// The time between asking the calls of a connection to end and closing the connection.
const LAST_GRACE: Duration = Duration::from_secs(10);
/// The fraction by which the maximum age of connections varies, so that clients that connected
/// together do not reconnect together.
const AGE_JITTER: f64 = 0.1;

/// The settings of the connections.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) max_calls_per_connection: u32,
    /// The maximum time for the handshakes of TLS and HTTP/2 together, or until the first HTTP/1
    /// request has arrived.
    pub(crate) handshake_timeout: Duration,
    /// The age after which a connection accepts no new calls.
    pub(crate) max_age: Option<Duration>,
    /// The time that calls have after `max_age` before they are asked to end.
    pub(crate) age_grace: Duration,
    /// The TLS of TCP connections, if it is on.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) metrics: RpcMetrics,
}

impl Settings {
    pub(crate) fn new(server: &ServerArgs, tls: Option<Arc<Tls>>, metrics: RpcMetrics) -> Self {
        Self {
            max_connections: server.max_connections as usize,
            max_connections_per_address: server.max_connections_per_address(),
            max_calls_per_connection: server.max_calls_per_connection(),
            handshake_timeout: server.handshake_timeout,
            max_age: server.max_connection_age,
            age_grace: server.max_connection_age_grace,
            tls,
            metrics,
        }
    }
}

/// The signals that end connections, in the order in which they are sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    /// Accept no new connections, and no new calls on the open ones.
    pub(crate) stop_accepting: CancellationToken,
    /// Ask long calls to end.
    pub(crate) end_calls: CancellationToken,
    /// Close the connections that are still open.
    pub(crate) cut: CancellationToken,
}

/// Serves connections until `ends` signals the end; returns when all of them have ended.
pub(crate) async fn serve<S>(listener: Listener, service: S, settings: Settings, ends: Ends)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let connections = TaskTracker::new();
    {
        let mut accepted = pin!(incoming(
            listener,
            settings.max_connections,
            settings.max_connections_per_address,
            settings.metrics.clone()
        ));
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
    let Accepted { socket, peer, permit: _permit } = accepted;
    let deadline = Instant::now() + settings.handshake_timeout;
    let (mut stream, certificate): (Stream, _) = match (socket, &settings.tls) {
        (Either::Left(socket), Some(tls)) => match tls.accept(socket, deadline).await {
            Some((stream, certificate)) => (Either::Right(stream), certificate),
            None => return,
        },
        (socket, _) => (Either::Left(socket), None),
    };
    let greeting = greet(&mut stream, deadline).await;
    let end = ConnectionEnd::new(&ends.end_calls);
    let for_calls = end.clone();
    let service = service.map_request(move |mut request: Request<Incoming>| {
        peer.insert_into(request.extensions_mut());
        request.extensions_mut().insert(for_calls.clone());
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request
    });
    let service = TowerToHyperService::new(service);
    match greeting {
        Greeting::Http2 => {
            let turn = Turn::default();
            let io = TokioIo::new(Paced::new(Connection::new(stream, deadline), turn.clone()));
            let served = grpc::http2(settings.max_calls_per_connection).serve_connection(io, service);
            until_its_end(served, |served| served.graceful_shutdown(), &turn, &settings, &ends, &end).await;
        }
        Greeting::Http1(first) => {
            let requests = Requests::none();
            let io = TokioIo::new(Rewound::new(first, stream, requests.clone()));
            let arriving = requests.clone();
            let service = service_fn(move |request| {
                let (turn, response) = (arriving.arrived(), service.call(request));
                async move {
                    turn.await;
                    response.await
                }
            });
            let served = grpc::http1().serve_connection(io, service);
            let turn = Turn::default();
            tokio::select! {
                () = until_its_end(served, |served| served.graceful_shutdown(), &turn, &settings, &ends, &end) => {}
                () = requests.missing_at(deadline) => {
                    tracing::debug!("closing a connection: no HTTP/1 request arrived in time");
                }
            }
        }
        Greeting::Other => {}
    }
}

/// Serves a connection until it ends: by itself, or because it is too old or the server stops.
/// `shut_down` tells it to accept no further calls.
async fn until_its_end<C>(
    served: C,
    shut_down: fn(Pin<&mut C>),
    turn: &Turn,
    settings: &Settings,
    ends: &Ends,
    end: &ConnectionEnd,
) where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut served = pin!(served);
    let mut stop = pin!(ends.stop_accepting.cancelled());
    let mut stopping = false;
    let mut age = Age::Young;
    let mut alarm = pin!(sleep(settings.max_age.map(jittered).unwrap_or_default()));
    loop {
        tokio::select! {
            result = poll_fn(|cx| turn.poll(served.as_mut(), cx)) => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection failed");
                }
                return;
            }
            () = &mut stop, if !stopping => {
                stopping = true;
                shut_down(served.as_mut());
            }
            () = &mut alarm, if settings.max_age.is_some() => {
                let grace = match age {
                    Age::Young => {
                        age = Age::Old;
                        shut_down(served.as_mut());
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
    /// It accepts calls.
    Young,
    /// Its client was asked to open another one for new calls.
    Old,
    /// Its calls were asked to end.
    Ending,
}

fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(1.0 - AGE_JITTER..=1.0 + AGE_JITTER))
}
