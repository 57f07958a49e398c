//! Traces: a collector that is there, one that is away, and one that never answers.

use std::collections::HashMap;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use crate::frames::{next, selector, subscribe};
use crate::server::{PATIENCE, TestServer, frame, spawn};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A collector of OpenTelemetry.
struct Collector {
    spans: mpsc::UnboundedSender<Span>,
    /// It never answers.
    hangs: bool,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let described = resource.resource.expect("a resource");
            let name = described.attributes.iter().find(|one| one.key == "service.name").expect("a name");
            assert_eq!(text(name.value.as_ref().and_then(|value| value.value.as_ref())), "frameway");
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.spans.send(span).expect("the test listens");
            }
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::StringValue(text)) => text,
        other => panic!("a text, not {other:?}"),
    }
}

/// Starts a collector; returns its URL and what it receives.
async fn collect(hangs: bool) -> (String, mpsc::UnboundedReceiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (spans, received) = mpsc::unbounded_channel();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder();
    spawn(async move {
        let service = TraceServiceServer::new(Collector { spans, hangs });
        server.clone().add_service(service).serve_with_incoming(incoming).await.expect("serves");
    });
    (url, received)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced(stream: &str, flags: &str) -> pb::Frame {
    let traceparent = format!("00-{TRACE_ID}-{CALLER}-{flags}");
    pb::Frame { traceparent, tracestate: "vendor=1".to_owned(), ..frame(stream, 1) }
}

/// Receives spans of one trace until those with these names are there.
async fn spans_of(
    received: &mut mpsc::UnboundedReceiver<Span>,
    trace_id: Option<&str>,
    names: &[&str],
) -> HashMap<String, Span> {
    let mut found: HashMap<String, Span> = HashMap::new();
    while !names.iter().all(|name| found.contains_key(*name)) {
        let next = timeout(PATIENCE, received.recv()).await;
        let span = next.unwrap_or_else(|_| panic!("only {:?}", found.keys())).expect("the collector lives");
        if trace_id.is_none_or(|wanted| hex(&span.trace_id) == wanted) {
            found.insert(span.name.clone(), span);
        }
    }
    found
}

const STEPS: [&str; 10] = [
    "frameway.submit",
    "frameway.queue",
    "frameway.process",
    "frameway.fetch",
    "frameway.decode",
    "frameway.analyze",
    "frameway.thumbnail",
    "frameway.order",
    "frameway.publish",
    "frameway.deliver",
];

#[tokio::test]
async fn a_frame_has_one_trace_from_its_publisher_to_its_subscriber() {
    let (url, mut received) = collect(false).await;
    let server = TestServer::start(|config| {
        config.traces.trace_collector = Some(url);
        config.traces.trace_sample = 0.0;
    })
    .await;
    server.register(&["cam"]).await;
    let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
    // Neither is sampled: one by its caller, one by the server.
    server.submit(vec![traced("cam", "00"), frame("cam", 2), traced("cam", "01")]).await;
    for _ in 0..3 {
        let Some(Event::Frame(delivered)) = next(&mut live).await else { panic!("a frame") };
        let delivered = delivered.frame.expect("a frame");
        assert_eq!(delivered.traceparent.is_empty(), delivered.sequence == 2);
    }

    let spans = spans_of(&mut received, None, &STEPS).await;
    let submit = &spans["frameway.submit"];
    assert_eq!(hex(&submit.parent_span_id), CALLER);
    for (name, span) in &spans {
        assert_eq!(hex(&span.trace_id), TRACE_ID, "{name}");
        assert_eq!(span.trace_state, "vendor=1");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{name}");
        let number = span.attributes.iter().find(|one| one.key == "frameway.sequence").expect("a sequence");
        let number = number.value.as_ref().and_then(|value| value.value.as_ref());
        assert_eq!(number, Some(&Value::IntValue(3)), "{name}: only the third frame is sampled");
    }
    for name in ["frameway.queue", "frameway.process", "frameway.publish", "frameway.deliver"] {
        assert_eq!(spans[name].parent_span_id, submit.span_id, "{name}");
    }
    for name in
        ["frameway.fetch", "frameway.decode", "frameway.analyze", "frameway.thumbnail", "frameway.order"]
    {
        assert_eq!(spans[name].parent_span_id, spans["frameway.process"].span_id, "{name}");
    }
    let order = ["frameway.submit", "frameway.process", "frameway.publish", "frameway.deliver"];
    let starts = order.map(|name| spans[name].start_time_unix_nano);
    assert!(starts.is_sorted(), "{order:?} began at {starts:?}");
    let payloads = spans.values().flat_map(|span| &span.attributes).count();
    assert_eq!(payloads, 2 * spans.len() + 1, "stream and sequence, and the kind of reader");
    server.stop().await;
}

#[tokio::test]
async fn a_failed_frame_and_a_sampled_one_are_traced() {
    let (url, mut received) = collect(false).await;
    let server = TestServer::start(|config| {
        config.traces.trace_collector = Some(url);
        config.traces.trace_sample = 1.0;
    })
    .await;
    server.register(&["cam"]).await;
    let broken = pb::Frame { data: vec![0xff, 0xd8, 0xff, 0xe0, 0, 16].into(), ..traced("cam", "01") };
    server.submit(vec![broken]).await;
    let spans = spans_of(&mut received, Some(TRACE_ID), &["frameway.submit", "frameway.process"]).await;
    let status = spans["frameway.process"].status.clone().expect("a status");
    assert_eq!(status.code, 2, "{status:?}");

    server.submit(vec![frame("cam", 1)]).await;
    let spans = spans_of(&mut received, None, &["frameway.submit", "frameway.decode"]).await;
    let (submit, decode) = (&spans["frameway.submit"], &spans["frameway.decode"]);
    assert!(submit.parent_span_id.is_empty(), "the server is the root of the trace");
    assert_eq!(submit.trace_id, decode.trace_id);
    server.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_away_or_never_answers_is_not_noticed() {
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let (hangs, mut received) = collect(true).await;
    for url in [away, hangs.clone()] {
        let server = TestServer::start(|config| {
            config.traces.trace_collector = Some(url.clone());
            config.traces.trace_sample = 1.0;
        })
        .await;
        server.register(&["cam"]).await;
        let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
        assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
        for shade in 0..20 {
            server.submit(vec![frame("cam", shade)]).await;
        }
        for _ in 0..20 {
            assert!(matches!(next(&mut live).await, Some(Event::Frame(_))));
        }
        if url == hangs {
            timeout(PATIENCE, received.recv()).await.expect("the collector was asked").expect("a span");
        }
        drop(live);
        let began = Instant::now();
        server.stop().await;
        assert!(began.elapsed() < Duration::from_secs(10), "the end does not wait for the collector");
    }
}
