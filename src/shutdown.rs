//! Tasks, and how they end: every task is tracked, two tokens tell it to stop, signals start it.
//!
//! The phases of a drain are the app's; here are its means. `stopping` asks tasks to end when they have come to a good
//! place; `force` tells them to end now.

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

/// What a process that was killed by a second signal exits with: 128 + SIGINT.
const EXIT_ON_SECOND_SIGNAL: i32 = 130;

/// The tasks of one server, and the tokens that end them. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    force: CancellationToken,
    ended_early: Arc<OnceLock<&'static str>>,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the server is to end: finish what you have, take nothing new.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Cancelled when the time to drain is over: end now.
    #[must_use]
    pub fn force(&self) -> CancellationToken {
        self.force.clone()
    }

    /// Starts a task with a span of its name. It is waited for by [`Tasks::drained`].
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task.instrument(tracing::info_span!("task", name)))
    }

    /// Starts a task without which the server is of no use: if it ends or panics before it is told to, the server stops.
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

    /// Name of the vital task that ended before it was told to, if one did.
    #[must_use]
    pub fn ended_early(&self) -> Option<&'static str> {
        self.ended_early.get().copied()
    }

    /// Stops the server because a task cannot do what it is for.
    pub fn fail(&self, name: &'static str) {
        let _first = self.ended_early.set(name);
        self.stopping.cancel();
    }

    /// Waits until all tasks have ended, at most `within`; answers whether they have.
    pub async fn drained(&self, within: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

/// Stops the server if it is dropped while nobody has asked the task to end; a panic drops it too.
struct EndsEarly {
    name: &'static str,
    tasks: Tasks,
}

impl Drop for EndsEarly {
    fn drop(&mut self) {
        if !self.tasks.stopping.is_cancelled() {
            tracing::error!(task = self.name, "a vital task ended by itself: the server stops");
            self.tasks.fail(self.name);
        }
    }
}

/// Cancels the answered token on SIGINT or SIGTERM; a second signal ends the process at once.
///
/// # Errors
/// The process cannot listen for signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    // Not among the tracked tasks: it must outlive the drain, which it may have to cut short.
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
    async fn a_vital_task_that_was_told_to_end_is_no_failure() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn_vital("ends", async move { stopping.cancelled().await });
        tasks.stopping().cancel();
        assert!(tasks.drained(Duration::from_secs(5)).await);
        assert_eq!(tasks.ended_early(), None);
    }
}
