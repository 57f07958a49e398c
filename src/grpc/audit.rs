//! The audit log: one line, under the target `audit`, for each call that an operator changes something with.

use tonic::Request;

use super::fault::{Fault, Result, shortened};
use super::front::REQUEST_ID;
use crate::domain::limits::MAX_REASON_BYTES;

/// What is told of a caller's own words about itself, in characters.
const MAX_NAME_CHARS: usize = 128;
/// What is told of an outcome, in characters: it may repeat the request.
const MAX_OUTCOME_CHARS: usize = 512;

/// Who asks for what, and why.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    action: &'static str,
    address: String,
    request_id: String,
    reason: String,
}

impl Audit {
    /// Of a call of `action`, for example `PauseQueue`.
    pub(crate) fn of<T>(action: &'static str, request: &Request<T>) -> Self {
        let header = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        let address =
            request.remote_addr().map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let request_id = header(REQUEST_ID).unwrap_or_default().chars().take(MAX_NAME_CHARS).collect();
        Self { action, address, request_id, reason: String::new() }
    }

    /// Notes the reason that the caller gives, and answers it.
    ///
    /// # Errors
    /// It is too long.
    pub(crate) fn because(&mut self, reason: String) -> Result<String> {
        if reason.len() > MAX_REASON_BYTES {
            return Err(Fault::invalid("reason", format!("must hold at most {MAX_REASON_BYTES} bytes")));
        }
        self.reason.clone_from(&reason);
        Ok(reason)
    }

    /// Writes the line. `target` names what it was done to, `result` what came of it. What failed may have been done in
    /// part.
    pub(crate) fn write<T>(&self, target: &str, result: &Result<T>, done: impl FnOnce(&T) -> String) {
        let Self { action, address, request_id, reason } = self;
        let outcome = match result {
            Ok(value) => shortened(&done(value), MAX_OUTCOME_CHARS),
            Err(fault) => format!("failed: {}", shortened(&fault.message, MAX_OUTCOME_CHARS)),
        };
        let target = shortened(target, MAX_NAME_CHARS);
        tracing::info!(target: "audit", action, on = target, caller = address, request_id, reason, outcome);
    }
}
