//! What each field of the requests must not be, by the message's name and the field's.

mod operating;
mod reading;
mod streams;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tonic::Code;

/// What is to be tried with a field.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// Nothing, and nothing below it: why every value is good.
    Free(&'static str),
    /// These values are refused. What is below a message has rules of its own.
    Bad(Vec<Bad>),
}

/// A value that is refused.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    /// `None` = unset.
    pub(crate) value: Option<Json>,
    pub(crate) reason: &'static str,
    /// What the server calls the field, from its message on; `None` = by its name.
    pub(crate) at: Option<&'static str>,
    /// A part of the places where it is bad; empty = all.
    pub(crate) only: &'static str,
    /// Other fields of the message.
    pub(crate) siblings: Json,
    /// The call answers OK, and the item's result has the fault.
    pub(crate) in_item: bool,
    /// The reason alone tells what is wrong.
    pub(crate) names_no_field: bool,
}

impl Bad {
    pub(crate) fn at(self, field: &'static str) -> Self {
        Self { at: Some(field), ..self }
    }

    pub(crate) fn only(self, place: &'static str) -> Self {
        Self { only: place, ..self }
    }

    /// With other fields of the message; `null` clears one.
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

/// A value that is INVALID_FIELD.
pub(crate) fn invalid(value: Json) -> Bad {
    bad(value, "INVALID_FIELD")
}

/// The field must be there.
pub(crate) fn required(reason: &'static str) -> Bad {
    Bad { value: None, ..bad(Json::Null, reason) }
}

/// One more than a list may hold.
pub(crate) fn over(most: usize, item: Json) -> Bad {
    bad(Json::Array(vec![item; most + 1]), "TOO_MANY_ITEMS")
}

/// Values that are INVALID_FIELD.
pub(crate) fn not<const N: usize>(values: [Json; N]) -> Rule {
    Rule::Bad(values.into_iter().map(invalid).collect())
}

/// A message whose fields have rules, and that may be unset.
pub(crate) fn inner() -> Rule {
    Rule::Bad(Vec::new())
}

pub(crate) fn text(bytes: usize) -> Json {
    Json::String("x".repeat(bytes))
}

/// What is no id.
pub(crate) const NO_IDS: [&str; 5] = [".dot", "a b", "a/b", "a*", "caf\u{e9}"];

/// Texts that are no id, and an empty one where the id is required.
pub(crate) fn no_id(reason: &'static str, is_required: bool) -> Vec<Bad> {
    let empty = is_required.then(|| json!(""));
    let values = NO_IDS.iter().map(|id| json!(id)).chain([text(65)]).chain(empty);
    values.map(|value| bad(value, reason)).collect()
}

/// A span of time.
pub(crate) fn span(seconds: i64, nanos: i32) -> Json {
    json!({"seconds": seconds, "nanos": nanos})
}

/// A span from so many milliseconds to so many seconds; also spans that are none.
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

/// Times that are none: before year 1, after year 9999, and with nanoseconds out of range.
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

/// A map of so many good entries.
pub(crate) fn map_of(entries: usize) -> Json {
    (0..entries)
        .map(|index| (format!("key-{index}"), json!("value")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Maps of attributes or labels: too many, bad keys, values that are too long.
pub(crate) fn maps(most: usize) -> Vec<Bad> {
    let key = |key: &str| invalid(json!({key: "value"}));
    let keys = ["", "a b", "a/b", "caf\u{e9}", &"x".repeat(65)].map(key);
    let long = invalid(json!({"key": text(257)}));
    keys.into_iter().chain([long, bad(map_of(most + 1), "TOO_MANY_ITEMS")]).collect()
}

/// A number of a 64-bit field, where 2^53 is bad everywhere.
pub(crate) const ABOVE_53_BITS: u64 = 1 << 53;

pub(crate) fn code(reason: &str) -> Code {
    match reason {
        "POSITION_IN_FUTURE" => Code::OutOfRange,
        "QUEUE_NOT_FOUND" | "DEAD_LETTER_NOT_FOUND" => Code::NotFound,
        _ => Code::InvalidArgument,
    }
}

/// All rules.
pub(crate) fn rules() -> BTreeMap<&'static str, Rule> {
    let mut rules = BTreeMap::new();
    for (field, rule) in streams::rules().into_iter().chain(reading::rules()).chain(operating::rules()) {
        assert!(rules.insert(field, rule).is_none(), "two rules for {field}");
    }
    rules
}
