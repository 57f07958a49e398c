//! The descriptors of the contract's messages, for code that works in the same way on every
//! message.

pub(crate) mod path;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod wire;

use std::sync::LazyLock;

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::fault::{Fault, Result};
use crate::pb;
use crate::pb::v1::ErrorReason;

/// Returns the messages of the contract and those that it imports.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET);
        pool.unwrap_or_else(|error| panic!("the built-in descriptors are invalid: {error}"))
    });
    &POOL
}

/// Returns the descriptor of a message of the contract.
pub(crate) fn descriptor<M: Name>() -> MessageDescriptor {
    let name = M::full_name();
    let found = pool().get_message_by_name(&name);
    found.unwrap_or_else(|| panic!("{name} is not among the built-in descriptors"))
}

/// Reports whether a message is a well-known type, such as a time or a duration: these are values,
/// and paths end at them.
pub(crate) fn is_value(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// Converts a message to a dynamic message.
///
/// # Errors
/// INTERNAL: the generated code and the descriptor disagree.
pub(crate) fn to_dynamic<M: Name>(message: &M) -> Result<DynamicMessage> {
    let mut dynamic = DynamicMessage::new(descriptor::<M>());
    dynamic.transcode_from(message).map_err(disagree)?;
    Ok(dynamic)
}

/// Converts the fields with the given numbers to a dynamic message. The other fields are not
/// decoded.
///
/// # Errors
/// INTERNAL: the generated code and the descriptor disagree.
pub(crate) fn to_dynamic_of<M: Name>(message: &M, fields: &[u32]) -> Result<DynamicMessage> {
    let encoded = message.encode_to_vec();
    let mut kept = Vec::with_capacity(encoded.len());
    let mut reader = wire::Reader::new(&encoded);
    loop {
        let start = encoded.len() - reader.left();
        // The bytes were encoded here, and so are well-formed.
        let Ok(Some((number, _))) = reader.field() else { break };
        if fields.contains(&number) {
            kept.extend_from_slice(&encoded[start..encoded.len() - reader.left()]);
        }
    }
    DynamicMessage::decode(descriptor::<M>(), &kept[..]).map_err(disagree)
}

/// Converts a dynamic message to the generated type.
///
/// # Errors
/// INTERNAL: the generated code and the descriptor disagree.
pub(crate) fn from_dynamic<M: Name + Default>(dynamic: &DynamicMessage) -> Result<M> {
    dynamic.transcode_to().map_err(disagree)
}

fn disagree(error: prost::DecodeError) -> Fault {
    Fault::new(ErrorReason::Internal, format!("a message does not match its descriptor: {error}"))
}

#[cfg(test)]
mod tests {
    use prost_reflect::ReflectMessage as _;

    use super::*;
    use crate::pb::v1 as pb;

    #[test]
    fn a_message_is_converted_to_a_dynamic_message_and_back() {
        let stream = pb::Stream {
            stream_id: "cam".into(),
            labels: [("site".into(), "north".into())].into(),
            stall_timeout: Some(prost_types::Duration { seconds: 3, nanos: 7 }),
            ..Default::default()
        };
        let dynamic = to_dynamic(&stream).unwrap();
        assert_eq!(dynamic.descriptor().full_name(), "frameway.v1.Stream");
        assert_eq!(from_dynamic::<pb::Stream>(&dynamic).unwrap(), stream);
        let number = |name| descriptor::<pb::Stream>().get_field_by_name(name).unwrap().number();
        let part = to_dynamic_of(&stream, &[number("labels"), number("stall_timeout")]).unwrap();
        let part = from_dynamic::<pb::Stream>(&part).unwrap();
        assert_eq!(part, pb::Stream { stream_id: String::new(), ..stream });
    }
}
