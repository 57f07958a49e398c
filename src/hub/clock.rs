//! The clock of the hub.

use crate::domain::Timestamp;

/// Returns the time of this machine's clock. In a test that has paused the runtime's clock and
/// advanced it, the returned time is later by the same amount.
pub(super) fn now() -> Timestamp {
    let runtime = tokio::time::Instant::now().into_std();
    Timestamp::now().after(runtime.saturating_duration_since(std::time::Instant::now()))
}
