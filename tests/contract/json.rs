//! Creates messages from JSON by their descriptors, in the simplest form: names as in the proto,
//! times and durations as their fields.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};
use serde_json::Value as Json;

/// Creates a message with these fields.
pub(crate) fn message(of: &MessageDescriptor, json: &Json) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    merge(&mut message, json);
    message
}

/// Sets these fields of a message; `null` clears one.
pub(crate) fn merge(message: &mut DynamicMessage, json: &Json) {
    let of = message.descriptor();
    for (name, json) in json.as_object().expect("an object of fields") {
        let field = of.get_field_by_name(name);
        let field = field.unwrap_or_else(|| panic!("{} has no field {name}", of.name()));
        match json {
            Json::Null => message.clear_field(&field),
            json => message.set_field(&field, value(&field, json)),
        }
    }
}

/// Converts the value of a field.
pub(crate) fn value(field: &FieldDescriptor, json: &Json) -> Value {
    if field.is_map() {
        let entries = json.as_object().expect("an object for a map").iter();
        let entry = |(key, json): (_, &Json)| (MapKey::String(String::clone(key)), one(&Kind::String, json));
        Value::Map(entries.map(entry).collect::<HashMap<_, _>>())
    } else if field.is_list() {
        let items = json.as_array().unwrap_or_else(|| panic!("a list for {}", field.name())).iter();
        Value::List(items.map(|json| one(&field.kind(), json)).collect())
    } else {
        one(&field.kind(), json)
    }
}

fn one(kind: &Kind, json: &Json) -> Value {
    let number = || json.as_u64().unwrap_or_else(|| panic!("{json} is no number from 0"));
    let signed = || json.as_i64().unwrap_or_else(|| panic!("{json} is no number"));
    match kind {
        Kind::String => Value::String(json.as_str().expect("a text").to_owned()),
        // Each character stands for a byte.
        Kind::Bytes => {
            let bytes =
                json.as_str().expect("bytes as text").chars().map(|c| u8::try_from(c).expect("a byte"));
            Value::Bytes(bytes.collect::<Vec<_>>().into())
        }
        Kind::Bool => Value::Bool(json.as_bool().expect("a boolean")),
        Kind::Uint32 => Value::U32(u32::try_from(number()).expect("32 bits")),
        Kind::Uint64 => Value::U64(number()),
        Kind::Int32 => Value::I32(i32::try_from(signed()).expect("32 bits")),
        Kind::Int64 => Value::I64(signed()),
        // JSON has no NaN.
        Kind::Double => Value::F64(json.as_f64().unwrap_or(f64::NAN)),
        Kind::Enum(of) => Value::EnumNumber(match json.as_str() {
            Some(name) => of.get_value_by_name(name).expect("a value of the enum").number(),
            None => i32::try_from(signed()).expect("32 bits"),
        }),
        Kind::Message(of) => Value::Message(message(of, json)),
        other => panic!("no values of kind {other:?}"),
    }
}
