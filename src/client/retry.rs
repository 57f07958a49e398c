//! The rules that say which calls may be sent again, and after which pause.
//!
//! The rules are those of `proto/frameway_v1_service_config.json`, which clients in other languages
//! load as their gRPC service config. A server can request another pause with
//! `google.rpc.RetryInfo`.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use super::error::{HTTP_CLIENT_ERROR, reason_of};
use crate::backoff::Backoff;

const SERVICE_CONFIG: &str = include_str!("../../proto/frameway_v1_service_config.json");
/// The first pause between calls of a method without a retry policy, such as subscriptions.
const DEFAULT_INITIAL_BACKOFF: Duration = Duration::from_millis(200);
/// The maximum pause between calls of such a method.
const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(5);
/// The maximum pause that a server can request.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Reports whether a call that failed with this status may succeed when it is sent again.
///
/// This is true of an unavailable or draining server, of a broken connection, of a deadline that
/// passed, and of an exhausted resource if the server says when to retry, or found the consumer too
/// slow. It is unknown whether the failed call took effect.
#[must_use]
pub fn is_retryable(status: &Status) -> bool {
    let code = status.code();
    matches!(code, Code::Unavailable | Code::DeadlineExceeded)
        || is_broken_connection(status)
        // Without either, the message is too large.
        || code == Code::ResourceExhausted
            && (requested_delay(status).is_some() || reason_of(status).as_deref() == Some("SLOW_CONSUMER"))
}

/// Reports whether a status stands for a broken connection: it has one of these codes, and no details.
fn is_broken_connection(status: &Status) -> bool {
    let code = status.code();
    // A status that was derived from HTTP comes from a proxy; 4xx refuses the request itself.
    let rejected_by_proxy = status.message().contains(HTTP_CLIENT_ERROR);
    let bare = status.details().is_empty() && !rejected_by_proxy;
    bare && (matches!(code, Code::Cancelled | Code::Unknown)
        || code == Code::Internal && status.message().contains("h2 protocol error"))
}

/// Returns the pause that the server asks for before the call is sent again.
#[must_use]
pub fn requested_delay(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|info| info.retry_delay)
}

/// The rules of one method: its timeout, and whether and how it is retried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    timeout: Option<Duration>,
    retry: Option<Retry>,
}

#[derive(Debug, Clone, PartialEq)]
struct Retry {
    max_attempts: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    codes: Vec<Code>,
}

impl Policy {
    /// Returns the policy of a method such as `frameway.v1.StreamingService/GetFrames`. A method
    /// that the service config does not name has neither a timeout nor retries.
    #[must_use]
    pub fn of(method: &str) -> Self {
        static POLICIES: OnceLock<HashMap<String, Policy>> = OnceLock::new();
        POLICIES
            .get_or_init(|| read(SERVICE_CONFIG).unwrap_or_default())
            .get(method)
            .cloned()
            .unwrap_or_default()
    }

    /// Sets the maximum time for all attempts together.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Calls a method with a single answer, and calls it again as the policy allows.
    ///
    /// The timeout covers all attempts. Dropping the future cancels the call, which may have taken
    /// effect.
    ///
    /// # Errors
    /// Returns the status of the last attempt.
    ///
    /// # Examples
    /// ```no_run
    /// # use frameway::client::{Client, retry::Policy};
    /// # use frameway::pb::v1 as pb;
    /// # async fn example(client: Client) -> Result<(), tonic::Status> {
    /// let policy = Policy::of("frameway.v1.StreamRegistryService/GetStream");
    /// let request = pb::GetStreamRequest { stream_id: "north-gate".into() };
    /// let answer = policy
    ///     .call(request, |request| {
    ///         let mut registry = client.registry.clone();
    ///         async move { registry.get_stream(request).await }
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn call<Q: Clone, A, F>(&self, request: Q, call: impl Fn(Request<Q>) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut pauses = self.pauses(rand::random());
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut attempt = Request::new(request.clone());
            let status = match deadline {
                Some(deadline) => {
                    attempt.set_timeout(deadline.saturating_duration_since(Instant::now()));
                    let late = |_| Err(Status::deadline_exceeded("the call took too long"));
                    timeout_at(deadline, Box::pin(call(attempt))).await.unwrap_or_else(late)
                }
                None => Box::pin(call(attempt)).await,
            };
            let status = match status {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let pause = pauses.after(requested_delay(&status));
            // Other clients call a broken connection UNAVAILABLE.
            let code = if is_broken_connection(&status) { Code::Unavailable } else { status.code() };
            let retries = self
                .retry
                .as_ref()
                .is_some_and(|retry| attempts < retry.max_attempts && retry.codes.contains(&code));
            let too_late = deadline.is_some_and(|deadline| Instant::now() + pause >= deadline);
            if !retries || too_late {
                return Err(status);
            }
            sleep(pause).await;
        }
    }

    /// Returns the pauses between calls of this method; their jitter comes from `seed`.
    pub(super) fn pauses(&self, seed: u64) -> Pauses {
        let (first, longest) =
            self.retry.as_ref().map_or((DEFAULT_INITIAL_BACKOFF, DEFAULT_MAX_BACKOFF), |retry| {
                (retry.initial_backoff, retry.max_backoff)
            });
        Pauses { backoff: Backoff::new(first, longest), first, rng: StdRng::seed_from_u64(seed) }
    }
}

/// The pauses between the attempts at a call, with jitter.
#[derive(Debug)]
pub(super) struct Pauses {
    backoff: Backoff,
    first: Duration,
    rng: StdRng,
}

impl Pauses {
    /// Returns the next pause: the one that the server asks for, up to 30 s, or else the next of
    /// the series, which doubles.
    pub(super) fn after(&mut self, requested: Option<Duration>) -> Duration {
        let own = self.backoff.next();
        let pause = requested.map_or(own, |delay| delay.clamp(self.first, MAX_PAUSE));
        Backoff::with_jitter(pause, &mut self.rng)
    }

    /// Starts again with the shortest pause, after progress was made.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
    }
}

/// The parts of a gRPC service config that are used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceConfig {
    method_config: Vec<MethodConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MethodConfig {
    name: Vec<Name>,
    timeout: Option<String>,
    retry_policy: Option<RetryConfig>,
}

#[derive(Deserialize)]
struct Name {
    service: String,
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryConfig {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    retryable_status_codes: Vec<String>,
}

/// Reads a service config; `None` if any part of it has an unknown form.
fn read(json: &str) -> Option<HashMap<String, Policy>> {
    let config: ServiceConfig = serde_json::from_str(json).ok()?;
    let mut policies = HashMap::new();
    for entry in config.method_config {
        let timeout = entry.timeout.map(|text| seconds(&text).ok_or(())).transpose().ok()?;
        let retry = entry.retry_policy.map(|retry| retry.read().ok_or(())).transpose().ok()?;
        let policy = Policy { timeout, retry };
        for Name { service, method } in entry.name {
            policies.insert(format!("{service}/{method}"), policy.clone());
        }
    }
    Some(policies)
}

impl RetryConfig {
    fn read(self) -> Option<Retry> {
        Some(Retry {
            max_attempts: self.max_attempts,
            initial_backoff: seconds(&self.initial_backoff)?,
            max_backoff: seconds(&self.max_backoff)?,
            codes: self.retryable_status_codes.iter().map(|name| code(name)).collect::<Option<_>>()?,
        })
    }
}

/// Reads a duration such as `0.2s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// Reads the name of a status code such as `DEADLINE_EXCEEDED`.
fn code(name: &str) -> Option<Code> {
    let plain = name.replace('_', "");
    (0..=16).map(Code::from_i32).find(|code| format!("{code:?}").eq_ignore_ascii_case(&plain))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tonic_types::ErrorDetails;

    use super::*;

    fn with(code: Code, details: ErrorDetails) -> Status {
        Status::with_error_details(code, "the queue is full", details)
    }

    #[test]
    fn a_full_queue_is_retryable_and_a_large_batch_is_not() {
        let mut details = ErrorDetails::new();
        assert!(!is_retryable(&with(Code::ResourceExhausted, details.clone())));
        details.set_retry_info(Some(Duration::from_millis(500)));
        let full = with(Code::ResourceExhausted, details);
        assert!(is_retryable(&full));
        assert_eq!(requested_delay(&full), Some(Duration::from_millis(500)));
        let slow = ErrorDetails::with_error_info("ERROR_REASON_SLOW_CONSUMER", "frameway.example", []);
        assert!(is_retryable(&with(Code::ResourceExhausted, slow)));
        assert!(is_retryable(&Status::unavailable("")));
        assert_eq!(requested_delay(&Status::unavailable("")), None);
        assert!(!is_retryable(&Status::not_found("")));
    }

    #[test]
    fn a_message_that_a_proxy_refuses_for_its_size_is_not_retryable() {
        let mapped = |code: u16| format!("grpc-status header missing, mapped from HTTP status code {code}");
        assert!(!is_retryable(&Status::unknown(mapped(413))));
        assert!(is_retryable(&Status::unavailable(mapped(502))));
        assert!(is_retryable(&Status::unknown("transport error")), "a connection that is cut");
    }

    #[test]
    fn the_service_config_is_read_whole() {
        let json: serde_json::Value = serde_json::from_str(SERVICE_CONFIG).expect("it is JSON");
        let entries = json["methodConfig"].as_array().expect("a list");
        let names: usize = entries.iter().map(|entry| entry["name"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(read(SERVICE_CONFIG).map(|policies| policies.len()), Some(names));
        // `Backoff` doubles.
        let multipliers =
            entries.iter().filter_map(|entry| entry["retryPolicy"]["backoffMultiplier"].as_u64());
        assert!(multipliers.clone().count() > 0 && multipliers.clone().all(|by| by == 2));
        let list = Policy::of("frameway.v1.StreamRegistryService/ListStreams");
        assert_eq!(list.timeout, Some(Duration::from_secs(20)));
        let retry = list.retry.expect("reading is retried");
        assert_eq!((retry.max_attempts, retry.codes), (5, vec![Code::Unavailable]));
        assert_eq!(Policy::of("frameway.v1.StreamingService/SubmitFrameBatch").retry, None);
        assert_eq!(Policy::of("frameway.v1.NoService/NoMethod"), Policy::default());
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_server_asks_for() {
        let mut pauses = Policy::default().pauses(1);
        assert!(pauses.after(Some(Duration::from_secs(8))) >= Duration::from_secs(8));
        assert!(pauses.after(Some(Duration::from_secs(3_600))) <= MAX_PAUSE.mul_f64(1.25));
        assert!(pauses.after(Some(Duration::ZERO)) >= DEFAULT_INITIAL_BACKOFF);
        pauses.reset();
        assert!(pauses.after(None) < DEFAULT_INITIAL_BACKOFF.mul_f64(1.25));
    }

    async fn attempts(method: &str, failure: Status) -> (u32, Result<(), Status>) {
        let calls = AtomicU32::new(0);
        let answer = Policy::of(method)
            .call((), |_request| {
                // The third attempt succeeds.
                let answer = match calls.fetch_add(1, Ordering::Relaxed) {
                    2 => Ok(Response::new(())),
                    _ => Err(failure.clone()),
                };
                async { answer }
            })
            .await;
        (calls.into_inner(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_repeated_only_as_its_policy_allows() {
        let (calls, answer) =
            attempts("frameway.v1.StreamRegistryService/GetStream", Status::unavailable("")).await;
        assert!(calls == 3 && answer.is_ok(), "{calls} {answer:?}");
        let (calls, answer) =
            attempts("frameway.v1.StreamRegistryService/GetStream", Status::unknown("transport error")).await;
        assert!(calls == 3 && answer.is_ok(), "{calls} {answer:?}");
        let (calls, answer) =
            attempts("frameway.v1.StreamRegistryService/GetStream", Status::not_found("")).await;
        assert!(calls == 1 && answer.is_err(), "{calls} {answer:?}");
        let (calls, answer) =
            attempts("frameway.v1.StreamRegistryService/UpdateStream", Status::unavailable("")).await;
        assert!(calls == 1 && answer.is_err(), "{calls} {answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_attempts_together_end_with_the_timeout() {
        let begin = Instant::now();
        let policy = Policy::of("frameway.v1.StreamRegistryService/GetStream");
        let answer = policy.call((), |_| std::future::pending::<Result<Response<()>, _>>()).await;
        assert_eq!(answer.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
        assert_eq!(begin.elapsed(), Duration::from_secs(20));
    }
}
