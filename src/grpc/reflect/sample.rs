//! A small contract for tests, with a field of every kind.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, Value};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

/// Returns the messages of the sample, package `sample.v1`.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        // The global pool contains the well-known types.
        let mut pool = DescriptorPool::global();
        pool.add_file_descriptor_proto(file()).unwrap();
        pool
    });
    &POOL
}

pub(crate) fn message(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(&format!("sample.v1.{name}")).unwrap()
}

/// Creates an empty message.
pub(crate) fn new(name: &str) -> DynamicMessage {
    DynamicMessage::new(message(name))
}

/// Adds a field to a message.
pub(crate) fn with(mut message: DynamicMessage, field: &str, value: Value) -> DynamicMessage {
    message.set_field_by_name(field, value);
    message
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn labels(labels: &[(&str, &str)]) -> Value {
    Value::Map(labels.iter().map(|(key, value)| (MapKey::String((*key).to_owned()), text(value))).collect())
}

/// Creates a google.protobuf.Timestamp or Duration.
pub(crate) fn time(name: &str, seconds: i64, nanos: i32) -> Value {
    let mut time =
        DynamicMessage::new(pool().get_message_by_name(&format!("google.protobuf.{name}")).unwrap());
    time.set_field_by_name("seconds", Value::I64(seconds));
    time.set_field_by_name("nanos", Value::I32(nanos));
    Value::Message(time)
}

fn file() -> FileDescriptorProto {
    let well_known = |name: &str| format!("google/protobuf/{name}.proto");
    FileDescriptorProto {
        name: Some("sample.proto".into()),
        package: Some("sample.v1".into()),
        syntax: Some("proto3".into()),
        dependency: vec![well_known("timestamp"), well_known("duration")],
        message_type: messages(),
        enum_type: vec![EnumDescriptorProto {
            name: Some("State".into()),
            value: [("STATE_UNSPECIFIED", 0), ("STATE_LIVE", 1), ("STATE_STALLED", 2), ("STATE_GONE", -1)]
                .map(|(name, number)| EnumValueDescriptorProto {
                    name: Some(name.into()),
                    number: Some(number),
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Cameras".into()),
            method: [("Put", "PutRequest"), ("SubmitFrames", "FeedRequest")]
                .map(|(name, input)| MethodDescriptorProto {
                    name: Some(name.into()),
                    input_type: Some(format!(".sample.v1.{input}")),
                    output_type: Some(".sample.v1.PutResponse".into()),
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn messages() -> Vec<DescriptorProto> {
    vec![
        of("Point", &["1 optional double x", "2 optional double y"]),
        of("Budget", &["1 optional uint32 min_quality", "2 optional uint64 max_bytes"]),
        of("Output", &["1 State mode", "2 optional uint32 quality", "3 Budget adaptive"]),
        of(
            "Status",
            &[
                "1 State state",
                "2 uint64 frames",
                "3 Timestamp last_time",
                "4 repeated string members",
                "5 bool busy",
                "6 Duration age",
            ],
        ),
        of("Match", &["1 selector string id", "2 selector Match inner", "3 selector uint64 number"]),
        of(
            "Camera",
            &[
                "1 string camera_id",
                "2 string display_name",
                "3 map string labels",
                "4 Point location",
                "5 repeated Point points",
                "6 Output output",
                "7 Duration timeout",
                "8 string etag",
                "9 Timestamp create_time",
                "10 Status status",
                "11 bytes picture",
                "12 repeated uint64 numbers",
                "13 optional bool flag",
                "14 double ratio",
                "15 repeated State states",
                "16 map Match matches",
                "17 fixed64 token",
                "18 repeated Match selectors",
                "19 sint32 offset",
            ],
        ),
        of("PutRequest", &["1 Camera camera", "2 float weight"]),
        of("PutResponse", &[]),
        of("FeedRequest", &["1 request Feed feed", "2 request Match setup"]),
        of("Feed", &["1 uint64 batch_id", "2 repeated Camera cameras", "3 State state"]),
    ]
}

/// Creates a message type from fields written as `NUMBER [optional | repeated | map | ONEOF] TYPE
/// NAME`. Keys of maps are text.
fn of(name: &str, fields: &[&str]) -> DescriptorProto {
    let mut message = DescriptorProto { name: Some(name.into()), ..Default::default() };
    let mut optionals = Vec::new();
    for field in fields {
        let words: Vec<_> = field.split(' ').collect();
        let (number, kind, field_name) = (words[0], words[words.len() - 2], words[words.len() - 1]);
        let mut field = plain(number.parse().unwrap(), kind, field_name);
        match (words.len() == 4).then_some(words[1]) {
            Some("optional") => {
                field.proto3_optional = Some(true);
                optionals.push(message.field.len());
            }
            Some("repeated") => field.label = Some(Label::Repeated.into()),
            Some("map") => {
                let entry = format!("{}Entry", field_name[..1].to_uppercase() + &field_name[1..]);
                field = plain(number.parse().unwrap(), &format!("{name}.{entry}"), field_name);
                field.label = Some(Label::Repeated.into());
                message.nested_type.push(DescriptorProto {
                    name: Some(entry),
                    field: vec![plain(1, "string", "key"), plain(2, kind, "value")],
                    options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
                    ..Default::default()
                });
            }
            Some(oneof) => {
                if message.oneof_decl.is_empty() {
                    let oneof = OneofDescriptorProto { name: Some(oneof.into()), ..Default::default() };
                    message.oneof_decl.push(oneof);
                }
                field.oneof_index = Some(0);
            }
            None => {}
        }
        message.field.push(field);
    }
    // An optional field has a oneof of its own, after all others.
    for index in optionals {
        let field = &mut message.field[index];
        field.oneof_index = Some(message.oneof_decl.len() as i32);
        let name = Some(format!("_{}", field.name()));
        message.oneof_decl.push(OneofDescriptorProto { name, ..Default::default() });
    }
    message
}

fn plain(number: i32, kind: &str, name: &str) -> FieldDescriptorProto {
    let (kind, type_name) = match kind {
        "double" => (Type::Double, None),
        "float" => (Type::Float, None),
        "uint32" => (Type::Uint32, None),
        "sint32" => (Type::Sint32, None),
        "uint64" => (Type::Uint64, None),
        "fixed64" => (Type::Fixed64, None),
        "bool" => (Type::Bool, None),
        "string" => (Type::String, None),
        "bytes" => (Type::Bytes, None),
        "State" => (Type::Enum, Some(".sample.v1.State".to_owned())),
        "Timestamp" | "Duration" => (Type::Message, Some(format!(".google.protobuf.{kind}"))),
        _ => (Type::Message, Some(format!(".sample.v1.{kind}"))),
    };
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        ..Default::default()
    }
}
