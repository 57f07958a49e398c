//! Kinds of changes of streams.

/// The kind of a change of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was registered.
    Registered,
    /// Its settings were changed.
    Updated,
    /// Frames arrive, for the first time or again.
    Live,
    /// No frame arrived for its stall timeout.
    Stalled,
    /// Its last frames could not be processed.
    Error,
    /// It was unregistered, or is no longer selected.
    Removed,
}
