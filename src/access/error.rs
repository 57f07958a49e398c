//! The errors of this room.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// The reason why a caller is not accepted. The text is for the server's log: a caller learns only
/// whether its credentials are missing or invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The call has no credentials.
    Missing,
    /// The credentials are not accepted.
    Invalid(&'static str),
}

/// An access file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {}: {why}", file.display())]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// A text that says what is wrong.
    pub why: String,
}

impl FileError {
    pub(super) fn new(file: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self { file: file.into(), why: why.to_string() }
    }

    /// Creates the error of a text that is not TOML of the right form, on one line. `span` is the
    /// place in the text, in bytes.
    pub(super) fn in_text(file: &Path, text: &str, message: &str, span: Option<Range<usize>>) -> Self {
        let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Self::new(file, format!("line {line}: {}", message.replace('\n', ": ")))
    }
}
