//! Sends the recorded spans to an OpenTelemetry collector.
//!
//! Trouble with the collector never reaches the service: spans come through a bounded queue, each
//! request has a time limit, and a batch that could not be sent is dropped. The SDK of OpenTelemetry
//! is not used, because it cannot give a span the id that several processes derive, and its exporters
//! can block at the end of a process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::config::TraceArgs;
use crate::domain::Timestamp;
use crate::shutdown::Tasks;
use crate::traces::{Kind, Recorded, Span, Traces, Value};

/// The maximum number of spans in one request.
const BATCH_SPANS: usize = 512;
/// The time for which spans are collected before they are sent.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// The time limit of a request.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for sending the last spans when the process stops.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);
/// The minimum time between two reports of trouble in the log.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Starts the task that sends spans, if there is a collector, and returns the recorder. The task ends
/// with `stop`, after it has sent what was recorded until then.
///
/// # Errors
/// The address of the collector is not valid.
pub(super) fn start(
    config: &TraceArgs,
    role: &str,
    tasks: &Tasks,
    stop: CancellationToken,
) -> anyhow::Result<Traces> {
    let Some(url) = &config.trace_collector else { return Ok(Traces::off()) };
    let endpoint = Endpoint::from_shared(url.clone()).with_context(|| format!("--trace-collector {url}"))?;
    let endpoint = endpoint.connect_timeout(SEND_TIMEOUT).timeout(SEND_TIMEOUT);
    let endpoint = match url.starts_with("https://") {
        true => endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?,
        false => endpoint,
    };
    let (traces, recorded) = Traces::new(config.trace_sample);
    let client = TraceServiceClient::new(endpoint.connect_lazy());
    let exporter = Exporter { client, resource: resource(role), reported: None, lost: 0 };
    tasks.spawn("traces", exporter.run(recorded, stop));
    Ok(traces)
}

/// Returns the description of this process.
fn resource(role: &str) -> Resource {
    let instance = format!("{:016x}", rand::random::<u64>());
    let attributes = [
        ("service.name", "frameway"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &instance),
        ("frameway.role", role),
    ];
    let attributes = attributes.map(|(key, value)| attribute(key, Value::Text(value.to_owned())));
    Resource { attributes: attributes.into(), ..Default::default() }
}

struct Exporter {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    /// The time of the last report of trouble.
    reported: Option<Instant>,
    /// The number of spans that could not be sent since then.
    lost: u64,
}

impl Exporter {
    async fn run(mut self, mut recorded: Recorded, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_SPANS);
        loop {
            let first = stop.run_until_cancelled(recorded.spans.recv_many(&mut batch, BATCH_SPANS)).await;
            match first {
                Some(0) => return,
                Some(_) => {}
                None => break,
            }
            let full = async {
                while batch.len() < BATCH_SPANS {
                    let room = BATCH_SPANS - batch.len();
                    if recorded.spans.recv_many(&mut batch, room).await == 0 {
                        return;
                    }
                }
            };
            let _full_or_late = stop.run_until_cancelled(timeout(SEND_EVERY, full)).await;
            let sent = stop.run_until_cancelled(self.send(std::mem::take(&mut batch))).await;
            if sent.is_none() {
                break; // The collector is slow: the process does not wait for it.
            }
            self.report(&recorded.dropped);
        }
        recorded.spans.close();
        let last = async {
            while recorded.spans.recv_many(&mut batch, BATCH_SPANS).await > 0 {
                self.send(std::mem::take(&mut batch)).await;
            }
        };
        let _sent_or_late = timeout(LAST_TIMEOUT, last).await;
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let spans = batch.len() as u64;
        let scope = InstrumentationScope { name: "frameway".to_owned(), ..Default::default() };
        let spans_to_send = batch.into_iter().map(to_otlp).collect();
        let scope_spans = otlp::ScopeSpans { scope: Some(scope), spans: spans_to_send, ..Default::default() };
        let resource_spans = otlp::ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![scope_spans],
            ..Default::default()
        };
        let request = ExportTraceServiceRequest { resource_spans: vec![resource_spans] };
        match timeout(SEND_TIMEOUT, self.client.export(request)).await {
            Ok(Ok(answer)) => {
                let rejected = answer.into_inner().partial_success.map_or(0, |part| part.rejected_spans);
                self.lost += u64::try_from(rejected).unwrap_or(0).min(spans);
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, spans, "the collector did not take spans");
                self.lost += spans;
            }
            Err(_late) => self.lost += spans,
        }
    }

    /// Reports lost spans, but not more often than once in [`REPORT_EVERY`].
    fn report(&mut self, dropped: &AtomicU64) {
        if self.reported.is_some_and(|time| time.elapsed() < REPORT_EVERY) {
            return;
        }
        let lost = std::mem::take(&mut self.lost) + dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.reported = Some(Instant::now());
            tracing::warn!(spans = lost, "the trace collector did not take all spans; they are lost");
        }
    }
}

fn to_otlp(span: Span) -> otlp::Span {
    let Span { trace_id, span_id, parent, tracestate, name, kind, start, end, attributes, failure } = span;
    let kind = match kind {
        Kind::Internal => otlp::span::SpanKind::Internal,
        Kind::Server => otlp::span::SpanKind::Server,
        Kind::Consumer => otlp::span::SpanKind::Consumer,
    };
    let status = failure
        .map(|message| otlp::Status { message, code: otlp::status::StatusCode::Error.into() })
        .unwrap_or_default();
    otlp::Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        trace_state: tracestate,
        parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanos(start),
        end_time_unix_nano: nanos(end),
        attributes: attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        status: Some(status),
        ..Default::default()
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(0).saturating_mul(1000)
}

fn attribute(name: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text),
        Value::Number(number) => any_value::Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)),
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}
