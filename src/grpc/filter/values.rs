//! The values that fields are compared with, and their comparison.

use std::cmp::Ordering;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Value as Held};

use super::error::SyntaxError;
use super::expression::{Operator, Value};

/// A value of a field's type.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// The parts between `*`s.
    Text(Vec<String>),
    Bool(bool),
    Enum(i32),
    Whole(i128),
    Real(f64),
    /// The seconds and nanoseconds of a time or duration.
    Time(i64, i32),
}

const TIMESTAMP: &str = "google.protobuf.Timestamp";
const DURATION: &str = "google.protobuf.Duration";

/// Reads a value for a field; `of` is the kind of the field, or of a map's values.
///
/// # Errors
/// The operator or the value does not fit the field.
pub(super) fn wanted(
    of: &Kind,
    operator: Operator,
    value: &Value,
    (operator_at, value_at): (usize, usize),
) -> Result<Wanted, SyntaxError> {
    let bad = |what: String| SyntaxError::new(value_at, what);
    let refuse_order = |what: &str| match operator.needs_order() {
        true => Err(SyntaxError::new(operator_at, format!("{what} can only be compared with = and !="))),
        false => Ok(()),
    };
    match of {
        Kind::String => {
            refuse_order("text")?;
            match value {
                Value::Text(pieces) => Ok(Wanted::Text(pieces.clone())),
                Value::Bare(_) => Err(bad("expected text in double quotes".to_owned())),
            }
        }
        Kind::Bool => {
            refuse_order("a boolean")?;
            match value {
                Value::Bare(word) if word == "true" => Ok(Wanted::Bool(true)),
                Value::Bare(word) if word == "false" => Ok(Wanted::Bool(false)),
                Value::Bare(_) | Value::Text(_) => Err(bad("expected true or false".to_owned())),
            }
        }
        Kind::Enum(of) => {
            refuse_order("an enum value")?;
            let known = match value {
                Value::Bare(name) => of.get_value_by_name(name),
                Value::Text(_) => None,
            };
            known.map(|known| Wanted::Enum(known.number())).ok_or_else(|| bad(names(of)))
        }
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
            whole(value).ok_or_else(|| bad(EXPECTED_WHOLE.into()))
        }
        Kind::Sint32 | Kind::Sint64 | Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed32 | Kind::Sfixed64 => {
            whole(value).ok_or_else(|| bad(EXPECTED_WHOLE.into()))
        }
        Kind::Double | Kind::Float => real(value).ok_or_else(|| bad("expected a number".to_owned())),
        Kind::Message(of) if of.full_name() == TIMESTAMP => timestamp(value).ok_or_else(|| {
            bad("expected a time in double quotes, as in \"2026-01-31T12:00:00Z\"".to_owned())
        }),
        Kind::Message(of) if of.full_name() == DURATION => {
            duration(value).ok_or_else(|| bad("expected a duration, as in 20s or 0.5s".to_owned()))
        }
        Kind::Message(_) | Kind::Bytes => Err(SyntaxError::new(
            operator_at,
            "this field cannot be compared; use `:*` to test whether it is set",
        )),
    }
}

const EXPECTED_WHOLE: &str = "expected a whole number";
/// The maximum number of values that an error lists.
const MAX_LISTED_NAMES: usize = 12;

fn names(of: &EnumDescriptor) -> String {
    let names: Vec<_> = of.values().take(MAX_LISTED_NAMES).map(|value| value.name().to_owned()).collect();
    let more = if of.values().len() > MAX_LISTED_NAMES { ", ..." } else { "" };
    format!("expected the full name of a value of {}: {}{more}", of.name(), names.join(", "))
}

fn bare(value: &Value) -> Option<&str> {
    match value {
        Value::Bare(text) => Some(text),
        Value::Text(_) => None,
    }
}

fn whole(value: &Value) -> Option<Wanted> {
    let text = bare(value)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(Wanted::Whole)
}

fn real(value: &Value) -> Option<Wanted> {
    let text = bare(value)?;
    // `inf` and `nan` are not allowed.
    let begins_with_digit = text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    text.parse().ok().filter(|number: &f64| begins_with_digit && number.is_finite()).map(Wanted::Real)
}

fn timestamp(value: &Value) -> Option<Wanted> {
    let Value::Text(pieces) = value else { return None };
    let [text] = &pieces[..] else { return None };
    // RFC 3339 requires the whole form; the parser would also accept a date alone, or no offset.
    let (_, time) = text.split_once(['T', 't'])?;
    let has_offset = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    let time: prost_types::Timestamp = text.parse().ok().filter(|_| has_offset)?;
    Some(Wanted::Time(time.seconds, time.nanos))
}

fn duration(value: &Value) -> Option<Wanted> {
    let duration: prost_types::Duration = bare(value)?.parse().ok()?;
    Some(Wanted::Time(duration.seconds, duration.nanos))
}

/// Reports whether the value of a field matches.
pub(super) fn holds(held: &Held, operator: Operator, wanted: &Wanted) -> bool {
    let ordering = match wanted {
        Wanted::Text(pieces) => {
            let Some(text) = held.as_str() else { return false };
            return matches(text, pieces) == (operator == Operator::Equal);
        }
        Wanted::Bool(wanted) => held.as_bool().map(|held| held.cmp(wanted)),
        Wanted::Enum(wanted) => held.as_enum_number().map(|held| held.cmp(wanted)),
        Wanted::Whole(wanted) => number(held).map(|held| held.cmp(wanted)),
        Wanted::Real(wanted) => {
            held.as_f64().or_else(|| held.as_f32().map(f64::from)).and_then(|held| held.partial_cmp(wanted))
        }
        Wanted::Time(seconds, nanos) => held.as_message().map(|time| {
            let part = |name| time.get_field_by_name(name).and_then(|part| number(&part)).unwrap_or_default();
            (part("seconds"), part("nanos")).cmp(&((*seconds).into(), (*nanos).into()))
        }),
    };
    let Some(ordering) = ordering else { return false };
    match operator {
        Operator::Equal => ordering == Ordering::Equal,
        Operator::NotEqual => ordering != Ordering::Equal,
        Operator::Less => ordering == Ordering::Less,
        Operator::LessOrEqual => ordering != Ordering::Greater,
        Operator::Greater => ordering == Ordering::Greater,
        Operator::GreaterOrEqual => ordering != Ordering::Less,
    }
}

fn number(held: &Held) -> Option<i128> {
    let unsigned = held.as_u64().or_else(|| held.as_u32().map(u64::from)).map(i128::from);
    unsigned.or_else(|| held.as_i64().or_else(|| held.as_i32().map(i64::from)).map(i128::from))
}

/// Reports whether a text consists of the parts in this order, with any characters between them.
fn matches(text: &str, pieces: &[String]) -> bool {
    let [first, inner @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for piece in inner {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// Returns the kind of a field; if the field is a map, the kind of the map's values.
pub(super) fn value_kind(field: &FieldDescriptor) -> Kind {
    let kind = field.kind();
    match kind.as_message() {
        Some(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        Some(_) | None => kind,
    }
}
