//! The values that each field of the requests must not have, by the names of the message and the
//! field.

mod listing;
mod operating;
mod reading;
mod streams;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tonic::Code;

/// The tests of a field.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// None, for the field and everything below it; the text says why every value is valid.
    Free(&'static str),
    /// These values are refused. The fields of a message have rules of their own.
    Bad(Vec<Bad>),
}

/// A value that is refused.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    /// The value; `None` = unset.
    pub(crate) value: Option<Json>,
    pub(crate) reason: &'static str,
    /// The path of the field in the error, from its message on; `None` = its name.
    pub(crate) at: Option<&'static str>,
    /// The value is bad only at places with this part; empty = all.
    pub(crate) only: &'static str,
    /// The other fields of the message.
    pub(crate) siblings: Json,
    /// True if the call answers OK, and the result of the item has the error.
    pub(crate) in_item: bool,
    /// True if the error names no field: its reason is enough.
    pub(crate) names_no_field: bool,
}

impl Bad {
    pub(crate) fn at(self, field: &'static str) -> Self {
        Self { at: Some(field), ..self }
    }

    pub(crate) fn only(self, place: &'static str) -> Self {
        Self { only: place, ..self }
    }

    /// Sets other fields of the message; `null` clears one.
    pub(crate) fn with(self, siblings: Json) -> Self {
        Self { siblings, ..self }
    }

    pub(crate) fn in_item(self) -> Self {
        Self { in_item: true, ..self }
    }

    pub(crate) fn names_no_field(self) -> Self {
        Self { names_no_field: true, ..self }
    }
}

pub(crate) fn bad(value: Json, reason: &'static str) -> Bad {
    Bad {
        value: Some(value),
        reason,
        at: None,
        only: "",
        siblings: json!({}),
        in_item: false,
        names_no_field: false,
    }
}

/// Creates a bad value whose reason is INVALID_FIELD.
pub(crate) fn invalid(value: Json) -> Bad {
    bad(value, "INVALID_FIELD")
}

/// Creates the bad value of a required field that is unset.
pub(crate) fn required(reason: &'static str) -> Bad {
    Bad { value: None, ..bad(Json::Null, reason) }
}

/// Creates a list with one item too many.
pub(crate) fn over(max: usize, item: Json) -> Bad {
    bad(Json::Array(vec![item; max + 1]), "TOO_MANY_ITEMS")
}

/// Creates bad values whose reason is INVALID_FIELD.
pub(crate) fn not<const N: usize>(values: [Json; N]) -> Rule {
    Rule::Bad(values.into_iter().map(invalid).collect())
}

/// Creates the rule of a message that may be unset, and whose fields have rules.
pub(crate) fn inner() -> Rule {
    Rule::Bad(Vec::new())
}

pub(crate) fn letters(bytes: u64) -> String {
    "x".repeat(bytes as usize)
}

pub(crate) fn text(bytes: u64) -> Json {
    letters(bytes).into()
}

/// Adds fields to an object.
pub(crate) fn with(mut base: Json, fields: Json) -> Json {
    base.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
    base
}

/// Returns a polygon of this many points on an arc.
pub(crate) fn outline(points: u64) -> Json {
    let point = |index: u64| {
        let angle = index as f64 / points as f64 * std::f64::consts::TAU;
        json!({"x": 0.5 + 0.4 * angle.cos(), "y": 0.5 + 0.4 * angle.sin()})
    };
    (0..points).map(point).collect::<Vec<_>>().into()
}

/// The invalid ids.
pub(crate) const NO_IDS: [&str; 5] = [".dot", "a b", "a/b", "a*", "caf\u{e9}"];

/// Creates invalid ids, and an empty one if the id is required.
pub(crate) fn no_id(reason: &'static str, is_required: bool) -> Vec<Bad> {
    let empty = is_required.then(|| json!(""));
    let values = NO_IDS.iter().map(|id| json!(id)).chain([text(65)]).chain(empty);
    values.map(|value| bad(value, reason)).collect()
}

/// Returns a duration.
pub(crate) fn span(seconds: i64, nanos: i32) -> Json {
    json!({"seconds": seconds, "nanos": nanos})
}

/// Creates durations outside the range from some milliseconds to some seconds, and invalid ones.
pub(crate) fn spans(least_millis: i64, most_seconds: i64) -> Rule {
    let below = match least_millis {
        0 => span(0, -1),
        least => span((least - 1) / 1000, ((least - 1) % 1000) as i32 * 1_000_000 + 999_999),
    };
    not([
        below,
        span(most_seconds, 1),
        span(-1, 0),
        span(0, -1),
        span(1, 1_000_000_000),
        span(i64::MAX, 0),
        span(i64::MIN, 0),
    ])
}

/// Creates invalid times: before year 1, after year 9999, and with nanoseconds out of range.
pub(crate) fn no_times(reason: &'static str) -> Vec<Bad> {
    let times = [
        span(-62_135_596_801, 0),
        span(253_402_300_800, 0),
        span(i64::MAX, 0),
        span(i64::MIN, 0),
        span(1, -1),
        span(1, 1_000_000_000),
    ];
    times.map(|time| bad(time, reason)).to_vec()
}

/// Returns a map with this many valid entries.
pub(crate) fn map_of(entries: u64) -> Json {
    (0..entries)
        .map(|index| (format!("key-{index}"), json!("value")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Creates bad maps of attributes or labels: too many entries, bad keys, values that are too long.
pub(crate) fn maps(most: u64) -> Vec<Bad> {
    let key = |key: &str| invalid(json!({key: "value"}));
    let keys = ["", "a b", "a/b", "caf\u{e9}", &"x".repeat(65)].map(key);
    let long = invalid(json!({"key": text(257)}));
    keys.into_iter().chain([long, bad(map_of(most + 1), "TOO_MANY_ITEMS")]).collect()
}

/// Creates the rules of a 64-bit number, for which 2^53 is always bad.
pub(crate) const ABOVE_53_BITS: u64 = 1 << 53;

pub(crate) fn code(reason: &str) -> Code {
    match reason {
        "POSITION_IN_FUTURE" => Code::OutOfRange,
        "QUEUE_NOT_FOUND" | "DEAD_LETTER_NOT_FOUND" => Code::NotFound,
        _ => Code::InvalidArgument,
    }
}

/// Returns all rules.
pub(crate) fn rules() -> BTreeMap<&'static str, Rule> {
    let mut rules = BTreeMap::new();
    for (field, rule) in
        streams::rules().into_iter().chain(listing::rules()).chain(reading::rules()).chain(operating::rules())
    {
        assert!(rules.insert(field, rule).is_none(), "two rules for {field}");
    }
    rules
}
