//! What the suites share. Each suite uses a part of it.
#![allow(dead_code)]

pub(crate) mod redis;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take that is bound to happen. Generous: a loaded machine is slow, not wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Calls `probe` until it answers something, and answers that.
///
/// # Panics
/// If that takes longer than [`DEADLINE`].
pub(crate) async fn eventually<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a task beside the test; it ends with the test's runtime at the latest.
#[expect(clippy::disallowed_methods, reason = "the test's runtime is the tracker")]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}
