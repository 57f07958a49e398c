//! The HTTP server of the metrics. It answers GET /metrics and nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use tonic::codegen::http::{HeaderMap, Method, Request, Response, StatusCode};

use super::Exporter;
use crate::app::transport::Listener;

/// The path of the metrics.
const PATH: &str = "/metrics";
/// The maximum number of connections; further ones wait in the listen queue.
const MAX_CONNECTIONS: usize = 16;
/// The maximum time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum time of a connection, which serves one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// The maximum size of the head of a request. It is the minimum of hyper.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// The pause after a failed accept, for example without free file descriptors.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Serves the metrics until `stop`.
pub(super) async fn serve(listener: Listener, exporter: Arc<Exporter>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let accept = async {
        loop {
            // Fails only if the semaphore is closed, and it is not.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for metrics");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    continue;
                }
            };
            let (exporter, stop) = (Arc::clone(&exporter), stop.clone());
            connections.spawn(async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let exporter = Arc::clone(&exporter);
                    async move { Ok::<_, Infallible>(answer(&exporter, &request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(MAX_HEAD_BYTES)
                    // One request for a connection: an idle connection would take a place.
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(socket), service);
                let served = stop.run_until_cancelled(timeout(CONNECTION_TIMEOUT, connection)).await;
                if let Some(Ok(Err(error))) = served {
                    tracing::debug!(%error, "a connection for metrics failed");
                }
            });
        }
    };
    stop.run_until_cancelled(accept).await;
    connections.close();
    connections.wait().await;
}

async fn answer(exporter: &Exporter, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return text(StatusCode::NOT_FOUND, PLAIN, format!("the metrics are at {PATH}\n"));
    }
    if request.method() != Method::GET {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, format!("only GET {PATH}\n"));
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    match exporter.scrape().await {
        Ok(exposition) if accepts_open_metrics(request.headers()) => {
            text(StatusCode::OK, OPEN_METRICS, exposition.open_metrics())
        }
        Ok(exposition) => text(StatusCode::OK, PLAIN, exposition.plain()),
        Err(error) => {
            tracing::error!(%error, "cannot answer a scrape");
            text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n"))
        }
    }
}

/// Reports whether a client asks for OpenMetrics, as Prometheus does.
fn accepts_open_metrics(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().starts_with("application/openmetrics-text"))
}

fn text(status: StatusCode, content_type: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
