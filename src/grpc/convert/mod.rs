//! Conversions between wire types and domain types, one file per domain type.
//!
//! Messages are destructured field by field: after a field is added to the proto, its conversion
//! does not compile until the field is read, refused or ignored by name.

pub(crate) mod choice;
pub(crate) mod dead_letter;
pub(crate) mod delivery;
pub(crate) mod frame;
pub(crate) mod group;
pub(crate) mod group_delivery;
pub(crate) mod measures;
pub(crate) mod output;
pub(crate) mod picture;
pub(crate) mod policy;
pub(crate) mod polygon;
pub(crate) mod processed;
pub(crate) mod result;
pub(crate) mod roi;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod subscription;
pub(crate) mod time;

use std::collections::BTreeMap;

use super::fault::{Fault, Result};
use crate::domain::ValidationError;
use crate::domain::limits::{MAX_ATTRIBUTE_KEY_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES};

/// Checks attributes or labels: their number, and each key and value.
pub(crate) fn checked_map(field: &str, map: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if map.len() > MAX_ATTRIBUTES {
        return Err(Fault::too_many(field, MAX_ATTRIBUTES));
    }
    checked_entries(field, map)
}

/// Checks each key and value of attributes or labels, or of terms that select by them.
pub(crate) fn checked_entries(
    field: &str,
    map: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    for (key, value) in &map {
        checked_key(field, key)?;
        if value.len() > MAX_ATTRIBUTE_VALUE_BYTES {
            let rule = format!("value of `{key}` must be at most {MAX_ATTRIBUTE_VALUE_BYTES} bytes");
            return Err(Fault::invalid(field, rule));
        }
    }
    Ok(map)
}

/// Checks a key of an attribute or label.
pub(crate) fn checked_key(field: &str, key: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if key.is_empty() || key.len() > MAX_ATTRIBUTE_KEY_BYTES || !key.bytes().all(allowed) {
        let rule = format!("keys must be 1 to {MAX_ATTRIBUTE_KEY_BYTES} characters of A-Z a-z 0-9 _ . -");
        return Err(Fault::invalid(field, rule));
    }
    Ok(())
}

/// Checks the length of a text.
pub(crate) fn check_text(field: &str, text: &str, max_bytes: usize) -> Result<()> {
    match text.len() > max_bytes {
        true => Err(Fault::invalid(field, format!("must be at most {max_bytes} bytes"))),
        false => Ok(()),
    }
}

/// Reads an enum field. A number that this server does not know is an error, not the default.
pub(crate) fn known<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E> {
    E::try_from(number)
        .map_err(|_| ValidationError::new(field, "is not a value that this server knows").into())
}

/// Checks that a list has at least one item and at most `max`.
pub(crate) fn check_count(field: &str, count: usize, max: usize) -> Result<()> {
    match count {
        0 => Err(Fault::invalid(field, "must contain at least one item")),
        _ if count > max => Err(Fault::too_many(field, max).fact("actual", count)),
        _ => Ok(()),
    }
}
