//! An error in the text of a filter.

use crate::grpc::fault::Fault;
use crate::grpc::reflect::path::PathError;
use crate::pb::v1::ErrorReason;

/// An error in a filter, and its position in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) message: String,
}

impl SyntaxError {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Converts the error of the filter `text`.
    pub(super) fn into_fault(self, text: &str) -> Fault {
        let position = text.get(..self.at).map_or(self.at, |before| before.chars().count()) + 1;
        let message = format!("at character {position}: {}", self.message);
        Fault::new(ErrorReason::FilterInvalid, message).field("filter").fact("position", position)
    }
}

impl From<PathError> for SyntaxError {
    fn from(PathError { at, expected }: PathError) -> Self {
        Self::new(at, expected)
    }
}
