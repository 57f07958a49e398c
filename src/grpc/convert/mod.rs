//! Wire <-> domain, one file per domain type. Messages are destructured field by field: a field that is added to the
//! proto does not compile until it is read here, refused here, or passed over by name.

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
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod subscription;
pub(crate) mod time;

use std::collections::BTreeMap;

use super::fault::{Fault, Result};
use crate::domain::ValidationError;
use crate::domain::limits::{MAX_ATTRIBUTE_KEY_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES};

/// Checks the bounds of attributes and labels: how many, and each key and value.
pub(crate) fn checked_map(field: &str, map: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if map.len() > MAX_ATTRIBUTES {
        return Err(subscription::too_many(field, MAX_ATTRIBUTES));
    }
    checked_entries(field, map)
}

/// Checks each key and value of attributes, labels, or terms that select by them.
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

/// Reads an enum field. Numbers that this server does not know are bad values, not the default.
pub(crate) fn known<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E> {
    E::try_from(number)
        .map_err(|_| ValidationError::new(field, "is not a value that this server knows").into())
}
