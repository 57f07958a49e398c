//! grpc.health.v1: the health of the server. It depends on the queue backend and on whether the
//! server drains. It does not depend on how busy the server is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::pb::admin::v1beta1::admin_service_server;
use crate::pb::v1::{
    consumer_group_service_server, dead_letter_service_server, queue_service_server,
    stream_registry_service_server, streaming_service_server,
};
use crate::queue::{self, Queue};

/// The names of all services of the contract.
const SERVICES: [&str; 6] = [
    streaming_service_server::SERVICE_NAME,
    stream_registry_service_server::SERVICE_NAME,
    consumer_group_service_server::SERVICE_NAME,
    dead_letter_service_server::SERVICE_NAME,
    queue_service_server::SERVICE_NAME,
    admin_service_server::SERVICE_NAME,
];

/// The time between two probes of the backend.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The time after which a probe counts as failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of probes in a row that must fail before the server reports NOT_SERVING: one lost
/// packet is no outage.
const FAILURES_TO_REPORT: u32 = 2;

/// The health of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// The backend has not answered yet.
    Starting,
    /// The backend answers.
    Serving,
    /// The backend does not answer.
    BackendDown(String),
    /// The server shuts down.
    Draining,
}

impl Health {
    fn status(&self) -> ServingStatus {
        match self {
            Self::Serving => ServingStatus::Serving,
            Self::Starting | Self::BackendDown(_) | Self::Draining => ServingStatus::NotServing,
        }
    }
}

/// The watch that probes the backend and updates the health service.
#[derive(Debug)]
pub(crate) struct HealthWatch {
    queue: Arc<dyn Queue>,
    reporter: HealthReporter,
    state: watch::Sender<Health>,
}

impl HealthWatch {
    /// Creates a watch that reports NOT_SERVING until the backend has answered.
    pub(crate) async fn new(queue: Arc<dyn Queue>, reporter: HealthReporter) -> Self {
        let watch = Self { queue, reporter, state: watch::Sender::new(Health::Starting) };
        watch.report(Health::Starting).await;
        watch
    }

    /// Returns a receiver of the health of the server and of its changes.
    pub(crate) fn state(&self) -> watch::Receiver<Health> {
        self.state.subscribe()
    }

    /// Probes the backend until `draining`; from then on the server stays NOT_SERVING.
    pub(crate) async fn run(&self, draining: CancellationToken) {
        let watched = draining.run_until_cancelled(self.probe_forever());
        let _cancelled = watched.await;
        self.report(Health::Draining).await;
    }

    async fn probe_forever(&self) {
        let mut ticks = interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failures = 0;
        loop {
            ticks.tick().await;
            let answer = timeout(PROBE_TIMEOUT, self.queue.probe()).await;
            let joining = matches!(answer, Ok(Err(queue::Error::Joining)));
            let failure = match answer {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())),
            };
            let state = self.state.borrow().clone();
            match failure {
                None => {
                    failures = 0;
                    if state != Health::Serving {
                        tracing::info!("serving: the queue backend answers");
                        self.report(Health::Serving).await;
                    }
                }
                Some(why) => {
                    failures += 1;
                    let failed = state == Health::Starting || failures >= FAILURES_TO_REPORT;
                    if failed && !matches!(state, Health::BackendDown(_)) {
                        if joining {
                            tracing::info!("not serving yet: {why}");
                        } else {
                            tracing::error!(
                                error = why,
                                "not serving: the queue backend does not answer; retrying"
                            );
                        }
                        self.report(Health::BackendDown(why)).await;
                    }
                }
            }
            if failures > 0 {
                // Probe sooner while the backend is down, to report its recovery within a second.
                sleep_until(Instant::now() + PROBE_EVERY / 4).await;
                ticks.reset_immediately();
            }
        }
    }

    async fn report(&self, health: Health) {
        let status = health.status();
        for service in std::iter::once("").chain(SERVICES) {
            self.reporter.set_service_status(service, status).await;
        }
        self.state.send_replace(health);
    }
}

/// Runs a task on a thread with a runtime of its own.
///
/// # Errors
/// The thread cannot be started, or the task panicked.
pub(crate) async fn run_on_own_thread(
    name: &str,
    task: impl Future<Output = ()> + Send + 'static,
) -> std::result::Result<(), String> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ran = runtime.map(|runtime| runtime.block_on(task)).map_err(|error| error.to_string());
        let _nobody_waits = ended.send(ran);
    };
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(|error| error.to_string())?;
    end.await.unwrap_or_else(|_| Err("its thread panicked".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_on_its_own_thread_runs_while_this_runtime_is_busy() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let task = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(std::thread::current().name().map(str::to_owned)).unwrap();
        };
        let mut running = Box::pin(run_on_own_thread("health", task));
        assert!(futures::poll!(&mut running).is_pending());
        // Nothing else can run here now: this is the only thread of the runtime.
        let name = receiver.recv_timeout(Duration::from_secs(60)).expect("it runs meanwhile");
        assert_eq!(name.as_deref(), Some("health"));
        assert_eq!(running.await, Ok(()));
    }
}
