//! The reason why a request is refused, and its place in the request.

use crate::grpc::fault::Fault;
use crate::grpc::reflect::path;
use crate::grpc::reflect::wire::Malformed;
use crate::pb::v1::ErrorReason;

/// The largest uint64 of the contract, 2^53 - 1: every number is then exact as a double, which JSON
/// uses.
pub(crate) const MAX_UINT64: u64 = (1 << 53) - 1;

/// The refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The path of the part at fault: names of fields, indexes of lists, keys of maps, the number
    /// of an unknown field.
    pub(crate) path: String,
    pub(crate) reason: RefusalReason,
}

/// The reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    UnknownField,
    UnknownEnumValue(i32),
    /// A uint64 above [`MAX_UINT64`].
    NumberTooLarge(u64),
    /// A message without a known case of the oneof at the path.
    UnsetOneof,
    /// A kind of request that the server does not know.
    UnknownRequest,
    /// The bytes are not a message of the method.
    Malformed(&'static str),
}

impl Refusal {
    pub(super) fn new(reason: RefusalReason) -> Self {
        Self { path: String::new(), reason }
    }

    /// Prefixes the path with the field `name` of the enclosing message.
    pub(super) fn within(mut self, name: &str) -> Self {
        // An index follows without a dot.
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Prefixes the path with an index of the enclosing list.
    pub(super) fn at_index(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// Prefixes the path with a key of the enclosing map.
    pub(super) fn at_key(self, key: &str) -> Self {
        self.within(&path::step(key))
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(why): Malformed) -> Self {
        Self::new(RefusalReason::Malformed(why))
    }
}

impl From<Refusal> for Fault {
    fn from(Refusal { path, reason }: Refusal) -> Self {
        let invalid =
            |rule: String| Self::new(ErrorReason::InvalidField, format!("{path} {rule}")).field(&path);
        match reason {
            RefusalReason::UnknownField => {
                let message = format!(
                    "{path} is a field that this server ({}) does not know; nothing was done",
                    env!("CARGO_PKG_VERSION")
                );
                Self::new(ErrorReason::UnknownField, message).field(path)
            }
            RefusalReason::UnknownEnumValue(number) => {
                invalid(format!("is {number}, a value that this server does not know"))
            }
            RefusalReason::NumberTooLarge(number) => {
                invalid(format!("is {number}, above the maximum of {MAX_UINT64}")).fact("limit", MAX_UINT64)
            }
            RefusalReason::UnsetOneof => invalid("must be set to a case that this server knows".to_owned()),
            RefusalReason::UnknownRequest => {
                let message = format!(
                    "the message contains a kind of request that this server ({}) does not know",
                    env!("CARGO_PKG_VERSION")
                );
                Self::new(ErrorReason::NotImplemented, message)
            }
            RefusalReason::Malformed(why) => {
                let place = if path.is_empty() { String::new() } else { format!(" (in {path})") };
                let message = format!("the request is not a protobuf message of this call: {why}{place}");
                Self::new(ErrorReason::ProtocolViolation, message)
            }
        }
    }
}
