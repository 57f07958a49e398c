//! Why a request is refused, and where in it the reason lies.

use super::MAX_UINT64;
use crate::grpc::fault::Fault;
use crate::grpc::reflect::path;
use crate::grpc::reflect::wire::Malformed;
use crate::pb::v1::ErrorReason;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Path of what is at fault: known names, indexes of lists, keys of maps, an unknown field's number.
    pub(crate) path: String,
    pub(crate) what: What,
}

/// What is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    UnknownField,
    UnknownEnumValue(i32),
    /// A uint64 over [`MAX_UINT64`].
    NumberTooLarge(u64),
    /// A message without a known case of this oneof.
    UnsetOneof,
    /// A kind of request that the server does not know.
    UnknownRequest,
    /// The bytes are no message of the call.
    Malformed(&'static str),
}

impl Refusal {
    pub(super) fn new(what: What) -> Self {
        Self { path: String::new(), what }
    }

    /// The same, seen from the message that holds the field `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        // An index follows without a dot.
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The same, seen from the list that holds it.
    pub(super) fn at_index(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// The same, seen from the map that holds it.
    pub(super) fn at_key(self, key: &str) -> Self {
        self.within(&path::step(key))
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(why): Malformed) -> Self {
        Self::new(What::Malformed(why))
    }
}

impl From<Refusal> for Fault {
    fn from(Refusal { path, what }: Refusal) -> Self {
        let invalid =
            |rule: String| Self::new(ErrorReason::InvalidField, format!("{path} {rule}")).field(&path);
        match what {
            What::UnknownField => {
                let message = format!(
                    "{path} is a field that this server ({}) does not know; nothing was done",
                    env!("CARGO_PKG_VERSION")
                );
                Self::new(ErrorReason::UnknownField, message).field(path)
            }
            What::UnknownEnumValue(number) => {
                invalid(format!("is {number}, a value that this server does not know"))
            }
            What::NumberTooLarge(number) => {
                invalid(format!("is {number}, above the maximum of {MAX_UINT64}")).fact("limit", MAX_UINT64)
            }
            What::UnsetOneof => invalid("must be set to something that this server knows".to_owned()),
            What::UnknownRequest => {
                let message = format!(
                    "the message holds a kind of request that this server ({}) does not know",
                    env!("CARGO_PKG_VERSION")
                );
                Self::new(ErrorReason::NotImplemented, message)
            }
            What::Malformed(why) => {
                let place = if path.is_empty() { String::new() } else { format!(" (in {path})") };
                let message = format!("the request is not a protobuf message of this call: {why}{place}");
                Self::new(ErrorReason::ProtocolViolation, message)
            }
        }
    }
}
