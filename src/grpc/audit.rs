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
#[derive(Debug)]
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

    /// Begins the part of the call that may change `target`. From now on a line is written, also if
    /// the caller leaves before the outcome is known.
    pub(crate) fn begin(self, target: &str) -> Begun {
        Begun { audit: self, target: shortened(target, MAX_TARGET_CHARS), is_written: false }
    }
}

/// A call that may have changed its target. Writes a line when it is dropped, unless one was
/// written.
#[derive(Debug)]
pub(crate) struct Begun {
    audit: Audit,
    target: String,
    is_written: bool,
}

impl Begun {
    /// Writes the line. If the call failed, it may still have changed a part of the target.
    pub(crate) fn write<T>(mut self, result: &Result<T>, done: impl FnOnce(&T) -> String) {
        self.line(&match result {
            Ok(value) => shortened(&done(value), MAX_OUTCOME_CHARS),
            Err(fault) => format!("failed: {}", shortened(&fault.message, MAX_OUTCOME_CHARS)),
        });
    }

    fn line(&mut self, outcome: &str) {
        self.is_written = true;
        let Audit { action, principal, address, request_id, reason } = &self.audit;
        tracing::info!(
            target: "audit",
            action,
            on = self.target,
            principal,
            address,
            request_id,
            reason,
            outcome
        );
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_written {
            self.line(
                "unknown: the caller left before the answer; all, a part or nothing may have been done",
            );
        }
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::super::fault::Fault;
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_call_that_began_has_one_line_however_it_ends() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let audit = || Audit::of("PauseQueue", &Request::new(()));
            drop(audit());
            audit().begin("p01").write(&Ok(3), |count| format!("{count} done"));
            audit().begin("p02").write(&Err::<(), _>(Fault::draining()), |()| String::new());
            drop(audit().begin("p03"));
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, part) in lines.iter().zip(["3 done", "failed: ", "unknown: the caller left"]) {
            assert!(line.contains("audit") && line.contains(part), "{line}");
        }
    }
}
