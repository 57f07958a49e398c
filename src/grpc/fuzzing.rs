//! Texts that callers send, for the fuzz targets, see `crate::fuzzing`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ack_id::{AckId, AckKey};
use super::filter::Filter;
use super::page;
use crate::domain::{
    GroupId, Partitions, Sequence, StreamCounters, StreamId, StreamPolicies, StreamRecord, StreamSettings,
    Timestamp,
};

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
    let Ok(id) = "cam-1".parse::<StreamId>() else { return };
    match Filter::parse(text) {
        Ok(filter) => {
            let record = StreamRecord {
                id,
                settings: StreamSettings {
                    labels: [("site".to_owned(), "north \"gate\"".to_owned())].into(),
                    ..StreamSettings::default()
                },
                effective: StreamPolicies::default(),
                incarnation: 1,
                revision: 1,
                create_time: Timestamp::from_micros(1),
                update_time: Timestamp::from_micros(1),
                removed: false,
                counters: StreamCounters::default(),
            };
            let _ = filter.passes(&record, Timestamp::from_micros(2));
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
        r#"id = "cam-*" AND state != STALLED AND NOT label.site"#,
        r#"label.a.b-c != "\"\\{x}[a-z]?" AND label.site = "north*""#,
        r#"id="[!0-9]*" AND state = LIVE"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
