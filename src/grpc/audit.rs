//! The audit log: one line, under the target `audit`, for each call of an operator that changes
//! something.

use tonic::Request;
use tonic::codegen::http::Extensions;
use tonic::transport::server::TcpConnectInfo;

use super::convert::check_text;
use super::fault::{Result, shortened};
use super::layers::RequestId;
use super::permissions;
use crate::domain::limits::MAX_REASON_BYTES;

/// The maximum length of a target's name in the log, in characters.
const MAX_TARGET_CHARS: usize = 128;
/// The maximum length of an outcome in the log, in characters. An outcome may repeat the request.
const MAX_OUTCOME_CHARS: usize = 512;

/// A call of an operator: who makes it, what it does, and why.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    action: &'static str,
    /// The name of the caller; empty on a server that does not authenticate.
    principal: String,
    address: String,
    request_id: String,
    reason: String,
}

impl Audit {
    /// Creates the entry of a call of `action`, for example `PauseQueue`.
    pub(crate) fn of<T>(action: &'static str, request: &Request<T>) -> Self {
        let principal = permissions::caller(request).name().map(ToString::to_string).unwrap_or_default();
        let address = address_of(request.extensions());
        let request_id = request_id_of(request.extensions());
        Self { action, principal, address, request_id, reason: String::new() }
    }

    /// Records the reason that the caller gives, and returns it.
    ///
    /// # Errors
    /// The reason is too long.
    pub(crate) fn set_reason(&mut self, reason: String) -> Result<String> {
        check_text("reason", &reason, MAX_REASON_BYTES)?;
        self.reason.clone_from(&reason);
        Ok(reason)
    }

    /// Writes the line. `target` names what the call changes. If the call failed, it may still have
    /// changed a part of the target.
    pub(crate) fn write<T>(&self, target: &str, result: &Result<T>, done: impl FnOnce(&T) -> String) {
        let Self { action, principal, address, request_id, reason } = self;
        let outcome = match result {
            Ok(value) => shortened(&done(value), MAX_OUTCOME_CHARS),
            Err(fault) => format!("failed: {}", shortened(&fault.message, MAX_OUTCOME_CHARS)),
        };
        let target = shortened(target, MAX_TARGET_CHARS);
        tracing::info!(
            target: "audit",
            action,
            on = target,
            principal,
            address,
            request_id,
            reason,
            outcome
        );
    }
}

/// Writes the line of a call that was refused because its caller is not accepted. `why` does not
/// contain anything that the caller sent.
pub(crate) fn refused_caller(extensions: &Extensions, why: &str) {
    let (address, request_id) = (address_of(extensions), request_id_of(extensions));
    tracing::info!(target: "audit", action = "authenticate", address, request_id, outcome = why);
}

/// Returns the address of the caller.
fn address_of(extensions: &Extensions) -> String {
    let address = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

fn request_id_of(extensions: &Extensions) -> String {
    extensions.get().map_or("", RequestId::as_str).to_owned()
}
