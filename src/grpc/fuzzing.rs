//! Texts that callers send, for the fuzz targets, see `crate::fuzzing`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ack_id::{AckId, AckKey};
use super::filter::Filter;
use super::page;
use super::registry::FILTER_FIELDS;
use crate::domain::{GroupId, Partitions, Sequence, StreamId};
use crate::pb::v1 as pb;

const KEY: [u8; 32] = [7; 32];
pub(crate) const MAC_BYTES: usize = 16;

fn group() -> Option<GroupId> {
    "site".parse().ok()
}

/// Reads bytes as an ack id, and as what stands in one behind a MAC that holds.
///
/// # Panics
/// If an id that is good is not written as it was.
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

/// Ack ids.
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
/// If one that is good is not written as it was.
pub(crate) fn check_page_token(text: &str) {
    if let Ok(Some(id)) = page::after::<StreamId>("streams", text) {
        assert_eq!(page::token("streams", &id), text);
    }
}

/// Reads a filter, and asks it about a stream.
///
/// # Panics
/// If a refusal does not point into the text.
pub(crate) fn check_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Filter::<pb::Stream>::parse(text, FILTER_FIELDS) {
        Ok(filter) => {
            let stream = pb::Stream {
                stream_id: "cam-1".to_owned(),
                labels: [("site".to_owned(), "north \"gate\"".to_owned())].into(),
                status: Some(pb::StreamStatus::default()),
                ..Default::default()
            };
            let _ = filter.passes(&stream);
        }
        Err(fault) => {
            let told = fault.message.strip_prefix("at character ").and_then(|rest| rest.split(':').next());
            let position = told.and_then(|number| number.parse::<usize>().ok());
            let last = text.chars().count() + 1;
            assert!(position.is_some_and(|at| at >= 1 && at <= last.max(1_025)), "{:?}", fault.message);
        }
    }
}

/// Filters of every kind of term.
pub(crate) fn filter_seeds() -> Vec<Vec<u8>> {
    [
        r#"stream_id = "cam-*" AND status.state != STREAM_STATE_STALLED AND NOT labels:site"#,
        r#"(labels."a.b-c" != "\"\\x*?\*" OR -labels.site = "north*") AND auto_registered = false"#,
        r#"status.queued_frames >= 12 OR create_time < "2026-01-31T12:00:00.5+01:00" OR mask_version > 5"#,
        r#"status:*"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
