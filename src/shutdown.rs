//! Tracks the server's tasks and asks them to stop; signals begin a shutdown.
//!
//! `app` decides in which order a drain proceeds. Tasks that last longer than the drain may are
//! dropped with the runtime.

use std::future::Future;
use std::io;
use std::process;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// The exit code after a second signal: 128 + SIGINT.
const EXIT_ON_SECOND_SIGNAL: i32 = 130;

/// The tasks of one server, and the token that asks them to end. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    ended_early: Arc<OnceLock<&'static str>>,
}

impl Tasks {
    /// Creates an empty set of tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the token that asks tasks to end: they finish what they have begun and begin nothing
    /// new.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Starts a task in a tracing span with its name. [`Tasks::drained`] waits for it.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task.instrument(tracing::info_span!("task", name)))
    }

    /// Starts a task that the server cannot do without: if it ends or panics before it is asked to
    /// end, the server stops.
    pub fn spawn_vital<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let watch = EndsEarly { name, tasks: self.clone() };
        self.spawn(name, async move {
            let _watch = watch;
            task.await;
        })
    }

    /// Returns the name of the vital task that ended before it was asked to, if one did.
    #[must_use]
    pub fn ended_early(&self) -> Option<&'static str> {
        self.ended_early.get().copied()
    }

    /// Stops the server because a task has failed.
    pub fn fail(&self, name: &'static str) {
        let _first = self.ended_early.set(name);
        self.stopping.cancel();
    }

    /// Waits until all tasks have ended, at most `within`; returns whether they have.
    pub async fn drained(&self, within: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

/// A guard that stops the server if it is dropped before its task was asked to end, as in a panic.
struct EndsEarly {
    name: &'static str,
    tasks: Tasks,
}

impl Drop for EndsEarly {
    fn drop(&mut self) {
        if !self.tasks.stopping.is_cancelled() {
            tracing::error!(task = self.name, "task ended unexpectedly; stopping the server");
            self.tasks.fail(self.name);
        }
    }
}

/// Returns a token that is cancelled on SIGINT or SIGTERM; a second signal ends the process at
/// once.
///
/// # Errors
/// The process cannot listen for signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    // This task is not tracked: it must outlive the drain, to end the process on a second signal.
    #[allow(clippy::disallowed_methods)]
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "draining; a second signal ends the process at once");
        first.cancel();
        signals.next().await;
        process::exit(EXIT_ON_SECOND_SIGNAL);
    });
    Ok(stop)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drain_waits_for_tasks() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn("waits", async move { stopping.cancelled().await });
        assert!(!tasks.drained(Duration::from_millis(20)).await);
        tasks.stopping().cancel();
        assert!(tasks.drained(Duration::from_secs(5)).await);
        assert_eq!(tasks.ended_early(), None);
    }

    #[tokio::test]
    async fn a_vital_task_that_panics_stops_the_server() {
        let tasks = Tasks::new();
        tasks.spawn_vital("breaks", async { panic!("as planned") });
        tasks.stopping().cancelled().await;
        assert_eq!(tasks.ended_early(), Some("breaks"));
    }

    #[tokio::test]
    async fn a_vital_task_that_was_asked_to_end_is_no_failure() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn_vital("ends", async move { stopping.cancelled().await });
        tasks.stopping().cancel();
        assert!(tasks.drained(Duration::from_secs(5)).await);
        assert_eq!(tasks.ended_early(), None);
    }
}
