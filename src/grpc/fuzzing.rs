//! Readers of texts that callers send, for the fuzz targets; see `crate::fuzzing`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

pub(crate) use super::ack_id::MAC_BYTES;
use super::ack_id::{AckId, AckKey};
use super::filter::{Fields, Filter};
use super::{page, reflect, unknown};
use crate::domain::{GroupId, Partitions, Sequence, StreamId};
use crate::pb::v1 as pb;

const KEY: [u8; 32] = [7; 32];

fn group() -> Option<GroupId> {
    "site".parse().ok()
}

/// Reads bytes as an ack id, and as the content of an ack id with a valid MAC.
///
/// # Panics
/// Panics if a valid id is not the same text when it is written again.
pub(crate) fn check_ack_id(data: &[u8]) {
    let (Some(group), key) = (group(), AckKey::new(KEY)) else { return };
    let check = |text: &str| {
        if let Ok(id) = key.read(&group, text, Partitions::default()) {
            assert_eq!(key.write(&group, &id), text);
        }
    };
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    let mac = blake3::keyed_hash(&KEY, data);
    check(&URL_SAFE_NO_PAD.encode([data, &mac.as_bytes()[..MAC_BYTES]].concat()));
}

/// Returns valid ack ids.
pub(crate) fn ack_ids() -> Vec<String> {
    let id = |number: u64, stream: &str| {
        Some(AckId {
            partition: Partitions::default().get(9)?,
            stream_id: stream.parse().ok()?,
            sequence: Sequence::new(number).ok()?,
            attempt: 3,
            generation: 12,
            incarnation: 1 << 52,
        })
    };
    let ids = [id(1, "cam"), id((1 << 53) - 1, "a-very-long-camera-name_0123456789")].into_iter().flatten();
    ids.filter_map(|id| Some(AckKey::new(KEY).write(&group()?, &id))).collect()
}

/// Reads a page token.
///
/// # Panics
/// Panics if a valid token is not the same text when it is written again.
pub(crate) fn check_page_token(text: &str) {
    if let Ok(Some(id)) = page::after::<StreamId>("streams", text) {
        assert_eq!(page::token("streams", &id), text);
    }
}

/// Compiles a filter, and evaluates it for a stream.
///
/// # Panics
/// Panics if the position in a refusal is not in the text.
pub(crate) fn check_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Filter::of::<pb::Stream>(text, Fields { only: &[], except: &["status.partition"] }) {
        Ok(filter) => {
            let stream = pb::Stream {
                stream_id: "cam-1".to_owned(),
                labels: [("site".to_owned(), "north \"gate\"".to_owned())].into(),
                status: Some(pb::StreamStatus::default()),
                ..Default::default()
            };
            assert!(filter.passes(&stream).is_ok());
        }
        Err(fault) => {
            let stated = fault.message.strip_prefix("at character ").and_then(|rest| rest.split(':').next());
            let position = stated.and_then(|number| number.parse::<usize>().ok());
            let last = text.chars().count() + 1;
            assert!(position.is_some_and(|at| (1..=last).contains(&at)), "{:?}", fault.message);
        }
    }
}

/// Returns filters with every kind of term.
pub(crate) fn filter_seeds() -> Vec<Vec<u8>> {
    [
        r#"stream_id = "cam-*" AND status.state != STREAM_STATE_STALLED AND NOT labels:site"#,
        r#"(labels."a.b-c" != "\"\\x*?\*" OR -labels.site = "north*") AND auto_registered = false"#,
        r#"status.queued_frames >= 12 OR create_time < "2026-01-31T12:00:00.5+01:00" OR stall_timeout > 0.5s"#,
        r#"location.latitude_degrees <= -1.5e1 AND status:*"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Checks bytes as the request of a method, which the first byte selects.
///
/// # Panics
/// Panics if a request that passes contains something unknown.
pub(crate) fn check_request(data: &[u8]) {
    let (methods, Some((choice, bytes))) = (methods(), data.split_first()) else { return };
    let method = &methods[usize::from(*choice) % methods.len()];
    let input = method.input();
    let checked = unknown::check_named(input.package_name(), input.name(), bytes);
    // Requests that carry frames may contain something unknown.
    let carries_frames = unknown::LENIENT_METHODS.contains(&method.name());
    if checked == Some(Ok(()))
        && !carries_frames
        && let Ok(decoded) = DynamicMessage::decode(input, bytes)
    {
        assert_eq!(decoded.unknown_fields().count(), 0);
    }
}

/// Reports whether everything in a request of `frameway.v1` is known.
pub(crate) fn knows_request(name: &str, bytes: &[u8]) -> bool {
    unknown::check_named("frameway.v1", name, bytes) == Some(Ok(()))
}

/// Returns all methods.
fn methods() -> Vec<MethodDescriptor> {
    reflect::pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// Returns a request of every method, with every field set.
pub(crate) fn request_seeds() -> Vec<Vec<u8>> {
    let calls = methods().into_iter().enumerate();
    calls
        .map(|(choice, method)| [&[choice as u8], &filled(&method.input(), 4).encode_to_vec()[..]].concat())
        .collect()
}

/// Returns a message with every field set, `depth` levels deep.
fn filled(of: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        let kind = field.kind();
        let value = match kind.as_message() {
            Some(_) if depth == 0 || field.is_map() => continue,
            Some(inner) => Value::Message(filled(inner, depth - 1)),
            None => Value::default_value(&kind),
        };
        message.set_field(&field, if field.is_list() { Value::List(vec![value]) } else { value });
    }
    message
}
