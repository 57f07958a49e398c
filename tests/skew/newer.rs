//! A contract that has more than the server's, and requests that use the new parts.

use frameway::pb;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage as _, Value,
};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
};

/// The numbers of the new parts.
const FIELD: u32 = 15_000;
const CASE: u32 = 15_001;
const VALUE: i32 = 15_002;

const OVER_53_BITS: u64 = 1 << 53;

/// The newer contract.
#[derive(Debug)]
pub(crate) struct Newer(DescriptorPool);

/// The new part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skew {
    Field,
    /// A new case of a oneof.
    Case,
    /// A new value of an enum.
    Value,
    /// A uint64 above the maximum of the contract.
    Number,
    /// A oneof that is not set.
    NoCase,
}

/// A request with one part that the server does not know.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) message: DynamicMessage,
    pub(crate) skew: Skew,
    /// The path that the server must report.
    pub(crate) path: String,
}

impl Newer {
    pub(crate) fn new() -> Self {
        let mut set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).expect("the server's contract");
        for file in &mut set.file {
            file.message_type.iter_mut().for_each(add_to_message);
            file.enum_type.iter_mut().for_each(add_to_enum);
        }
        Self(DescriptorPool::from_file_descriptor_set(set).expect("a contract"))
    }

    /// Returns the contract.
    pub(crate) fn pool(&self) -> &DescriptorPool {
        &self.0
    }

    /// Creates a request that is as valid as one can be that is made from names alone. `new` is a
    /// unique name for it.
    pub(crate) fn request(&self, method: &MethodDescriptor, new: &str, dead_letter: &str) -> DynamicMessage {
        let makes = ["Register", "Create"].iter().any(|verb| method.name().starts_with(verb));
        let names = Names {
            stream: if makes { new } else { "cam-1" },
            group: if makes { new } else { "group-1" },
            dead_letter,
        };
        names.message(&method.input(), 0)
    }

    /// Returns the request with a new part at every possible place.
    pub(crate) fn variants(&self, request: &DynamicMessage) -> Vec<Variant> {
        variants(request, &mut Vec::new())
    }
}

fn add_to_message(message: &mut DescriptorProto) {
    message.nested_type.iter_mut().for_each(add_to_message);
    message.enum_type.iter_mut().for_each(add_to_enum);
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    let field = |name: String, number: u32, oneof| FieldDescriptorProto {
        name: Some(name),
        number: i32::try_from(number).ok(),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::Uint32.into()),
        oneof_index: oneof,
        ..Default::default()
    };
    // The oneof of an `optional` field has one case.
    let is_optional = |index: i32| {
        message.field.iter().any(|field| field.oneof_index == Some(index) && field.proto3_optional())
    };
    let oneofs: Vec<i32> =
        (0..).take(message.oneof_decl.len()).filter(|index| !is_optional(*index)).collect();
    let cases = oneofs.into_iter().map(|index| field(format!("new_case_{index}"), CASE, Some(index)));
    let cases: Vec<_> = cases.collect();
    assert!(cases.len() <= 1, "the cases of {} need numbers of their own", message.name());
    message.field.extend(cases);
    message.field.push(field("new_field".to_owned(), FIELD, None));
}

fn add_to_enum(of: &mut EnumDescriptorProto) {
    let name = Some(format!("{}_NEW_VALUE", of.name()));
    of.value.push(EnumValueDescriptorProto { name, number: Some(VALUE), ..Default::default() });
}

/// The names that requests use.
struct Names<'a> {
    stream: &'a str,
    group: &'a str,
    dead_letter: &'a str,
}

impl Names<'_> {
    /// Creates a message with the fields that the server needs, as far as their names tell.
    fn message(&self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields().filter(|field| !is_case(field)) {
            if let Some(value) = self.value(&field, depth) {
                message.set_field(&field, value);
            }
        }
        for oneof in of.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            // All rather than one, so that the request would change much.
            let is_all = |field: &FieldDescriptor| field.name().starts_with("all");
            let field = oneof.fields().find(is_all).or_else(|| oneof.fields().next()).expect("a case");
            let value = self.value(&field, depth).unwrap_or_else(|| match field.kind() {
                Kind::Message(inner) => Value::Message(self.message(&inner, depth + 1)),
                Kind::Bool => Value::Bool(true),
                kind => Value::default_value(&kind),
            });
            message.set_field(&field, value);
        }
        message
    }

    fn value(&self, field: &FieldDescriptor, depth: usize) -> Option<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        let one = match (field.name(), field.kind()) {
            ("stream_id" | "stream_ids" | "id", Kind::String) => text(self.stream),
            ("ids", Kind::String) => text(self.dead_letter),
            ("dead_letter_id", Kind::String) => text(self.dead_letter),
            ("group_id", Kind::String) => text(self.group),
            ("member_id", Kind::String) => text("member-1"),
            ("ack_id" | "ack_ids", Kind::String) => text("none"),
            ("paths", Kind::String) => text("display_name"),
            ("display_name", Kind::String) => text("changed"),
            ("sequences" | "first_sequence" | "last_sequence", Kind::Uint64) => Value::U64(1),
            ("data", Kind::Bytes) => Value::Bytes(vec![0xFF, 0xD8, 0xFF].into()),
            // The resource of a request.
            (
                "stream" | "group" | "streams" | "selectors" | "update_mask" | "rejections" | "frames" | "to"
                | "start",
                Kind::Message(inner),
            ) if depth < 3 && field.containing_oneof().is_none() => {
                Value::Message(self.message(&inner, depth + 1))
            }
            _ => return None,
        };
        Some(if field.is_list() { Value::List(vec![one]) } else { one })
    }
}

/// Reports whether the field is a case of a real oneof, not that of an `optional` field.
fn is_case(field: &FieldDescriptor) -> bool {
    field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic())
}

fn variants(message: &DynamicMessage, above: &mut Vec<String>) -> Vec<Variant> {
    let of = message.descriptor();
    // A message inside itself was visited before.
    if above.iter().any(|name| name == of.full_name()) {
        return Vec::new();
    }
    above.push(of.full_name().to_owned());
    let changed = |field: &FieldDescriptor, value: Value| {
        let mut message = message.clone();
        message.set_field(field, if field.is_list() { Value::List(vec![value]) } else { value });
        message
    };
    let mut found = Vec::new();
    for field in of.fields() {
        let index = if field.is_list() { "[0]" } else { "" };
        let path = format!("{}{index}", field.name());
        let mut one = |value, skew, path| found.push(Variant { message: changed(&field, value), skew, path });
        match field.kind() {
            _ if field.number() == FIELD => one(Value::U32(1), Skew::Field, FIELD.to_string()),
            _ if field.number() == CASE => one(Value::U32(1), Skew::Case, CASE.to_string()),
            // Entries of maps have no new parts.
            _ if field.is_map() => {}
            Kind::Enum(_) => one(Value::EnumNumber(VALUE), Skew::Value, path),
            Kind::Uint64 => one(Value::U64(OVER_53_BITS), Skew::Number, path),
            Kind::Message(inner) => {
                let held = message.get_field(&field);
                let held = match held.as_list() {
                    Some(list) => list.first().and_then(Value::as_message).cloned(),
                    None => held.as_message().filter(|_| message.has_field(&field)).cloned(),
                };
                let held = held.unwrap_or_else(|| {
                    Names { stream: "cam-1", group: "group-1", dead_letter: "" }.message(&inner, 0)
                });
                for variant in variants(&held, above) {
                    let path = format!("{path}.{}", variant.path);
                    one(Value::Message(variant.message), variant.skew, path);
                }
            }
            _ => {}
        }
    }
    for oneof in of.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let mut message = message.clone();
        oneof.fields().for_each(|field| message.clear_field(&field));
        found.push(Variant { message, skew: Skew::NoCase, path: oneof.name().to_owned() });
    }
    above.pop();
    found
}
