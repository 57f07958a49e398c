//! Helpers shared by the suites. Each suite uses some of them.
#![allow(dead_code)]

pub(crate) mod cluster;
pub(crate) mod log;
pub(crate) mod redis;
pub(crate) mod sentinel;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The maximum time to wait for a condition. It is generous, because a loaded machine is slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Calls `probe` until it returns a value, and returns that value.
///
/// # Panics
/// Panics if that takes longer than [`DEADLINE`].
pub(crate) async fn eventually<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a task in the background. It ends with the test's runtime at the latest.
#[expect(clippy::disallowed_methods, reason = "the test's runtime is the tracker")]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}
