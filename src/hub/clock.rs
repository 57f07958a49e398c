use crate::domain::Timestamp;

/// What this machine's clock says. Where tests pause the runtime's clock and advance it, as much later as it was
/// advanced: outside of them the two never differ.
pub(super) fn now() -> Timestamp {
    let runtime = tokio::time::Instant::now().into_std();
    Timestamp::now().after(runtime.saturating_duration_since(std::time::Instant::now()))
}
