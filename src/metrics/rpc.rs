//! Calls: how many, with which status, how long they take.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::families::{Counter, Counters, Families, Gauge, Gauges, Seconds, SecondsBy};

/// The names of the status codes, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const OK: usize = 0;
const CANCELLED: usize = 1;
const UNKNOWN: usize = 2;

/// The metrics of all calls.
#[derive(Debug, Clone)]
pub struct RpcMetrics {
    requests: Counters<2>,
    duration: SecondsBy,
    in_flight: Gauges,
    response_bytes: Counters<1>,
    /// Connections that are open.
    pub open_connections: Gauge,
    /// Connections that were accepted.
    pub accepted_connections: Counter,
    /// Connections that were closed at once because their address had its maximum.
    pub refused_connections: Counter,
}

impl Default for RpcMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl RpcMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        const METHOD: (&str, &str) =
            ("method", "`package.Service/Method`; `other` for everything that is no method");
        Self {
            requests: families.counters(
                [METHOD, ("code", "the name of the gRPC status code; `CANCELLED` also if the client went away")],
                (
                    "rpc_requests",
                    "Calls that have ended, by method and status",
                    "Rates of `UNAVAILABLE` and `INTERNAL` are faults of the service; `RESOURCE_EXHAUSTED` asks for more \
                     capacity; other codes are mistakes of callers.",
                ),
            ),
            duration: families.seconds_by(
                METHOD,
                (
                    "rpc_duration_seconds",
                    "Time from the arrival of a call to its end",
                    "For unary methods, the time that callers wait. Streaming methods are recorded when the call ends, so \
                     their durations are those of whole subscriptions.",
                ),
            ),
            in_flight: families.gauges(
                METHOD,
                (
                    "rpc_in_flight",
                    "Calls in progress",
                    "For streaming methods, the number of open publishers and subscribers.",
                ),
            ),
            response_bytes: families.counters(
                [METHOD],
                (
                    "rpc_response_bytes",
                    "Bytes of messages sent in responses, before TLS and HTTP/2",
                    "Plan the network by the rate of this.",
                ),
            ),
            open_connections: families.gauge((
                "connections_open",
                "Connections that are open",
                "Compare with `--max-connections`: beyond it, clients wait.",
            )),
            accepted_connections: families.counter((
                "connections_accepted",
                "Connections that were accepted",
                "A high rate means that clients do not keep their connections.",
            )),
            refused_connections: families.counter((
                "connections_refused",
                "Connections closed at once because their address had its maximum",
                "If the address is a proxy, raise `--max-connections-per-address`.",
            )),
        }
    }

    /// Creates the metrics of one method.
    #[must_use]
    pub fn method(&self, name: String) -> Arc<Method> {
        let codes: [OnceLock<Counter>; CODES.len()] = Default::default();
        let name: Cow<'static, str> = name.into();
        let label = [("method", name.clone())];
        let method = Method {
            name,
            rpc: self.clone(),
            codes,
            duration: OnceLock::new(),
            in_flight: self.in_flight.get_or_create_owned(&label),
            response_bytes: self.response_bytes.get_or_create_owned(&label),
        };
        method.count(OK, 0);
        Arc::new(method)
    }
}

/// The metrics of one method.
#[derive(Debug)]
pub struct Method {
    name: Cow<'static, str>,
    rpc: RpcMetrics,
    /// The counters of the status codes that have occurred.
    codes: [OnceLock<Counter>; CODES.len()],
    /// Created by the first call: a histogram has many samples.
    duration: OnceLock<Seconds>,
    in_flight: Gauge,
    response_bytes: Counter,
}

impl Method {
    /// Begins a call. It ends when the returned value is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Call {
        self.in_flight.inc();
        Call { method: Arc::clone(self), start: Instant::now(), code: CANCELLED }
    }

    fn count(&self, code: usize, calls: u64) {
        let code = code.min(CODES.len() - 1);
        let counter = self.codes[code].get_or_init(|| {
            let labels = [("method", self.name.clone()), ("code", CODES[code].into())];
            self.rpc.requests.get_or_create_owned(&labels)
        });
        counter.inc_by(calls);
    }
}

/// A call in progress. If it is dropped before its status is known, its client went away.
#[derive(Debug)]
pub struct Call {
    method: Arc<Method>,
    start: Instant,
    code: usize,
}

impl Call {
    /// Notes the number of the status code; `None` = the response has none.
    pub fn ended(&mut self, code: Option<i32>) {
        let known = code.and_then(|code| usize::try_from(code).ok()).filter(|code| *code < CODES.len());
        self.code = known.unwrap_or(UNKNOWN);
    }

    /// Counts bytes of the response.
    pub fn sent(&self, bytes: usize) {
        self.method.response_bytes.inc_by(bytes as u64);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let method = &self.method;
        method.in_flight.dec();
        method.count(self.code, 1);
        method
            .duration
            .get_or_init(|| method.rpc.duration.of(method.name.clone()))
            .observe(self.start.elapsed());
    }
}
