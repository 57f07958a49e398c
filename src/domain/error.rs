use std::fmt;

/// An invalid value from a client or an operator: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ValidationError {
    /// The path of the field, as the caller knows it (`stream.retention.max_frames`).
    pub field: String,
    /// The description: what is wrong and what is allowed; no full stop.
    pub message: String,
}

impl ValidationError {
    /// Creates an error from the field and the rule that it breaks.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// Returns the error with `parent` in front of the path of its field.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
