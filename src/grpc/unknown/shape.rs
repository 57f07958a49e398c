//! The parts of descriptors that the walk needs, in tables with quick lookup.

use std::collections::HashMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

/// The maximum number of oneofs in a message: each has a bit.
const MAX_ONEOFS: usize = 64;

/// The messages and enums in requests.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    messages: Vec<Shape>,
    enums: Vec<Values>,
    message_index: HashMap<String, usize>,
    enum_index: HashMap<String, usize>,
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The fields, by number.
    fields: Vec<Field>,
    /// The names of the oneofs, without those of `optional` fields.
    pub(super) oneofs: Vec<String>,
    /// True if the message is an entry of a map.
    pub(super) is_map_entry: bool,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    number: u32,
    pub(super) name: String,
    pub(super) kind: FieldKind,
    pub(super) is_list: bool,
    /// The index of its oneof.
    pub(super) oneof: Option<usize>,
}

/// The check of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// Any varint.
    Varint,
    /// A uint64 as a varint.
    Uint64,
    /// A uint64 in eight bytes.
    Fixed64,
    /// Any eight bytes.
    Eight,
    /// Any four bytes.
    Four,
    /// Text or bytes.
    Bytes,
    Enum(usize),
    Message(usize),
}

/// The numbers of an enum's values, sorted.
#[derive(Debug)]
struct Values(Vec<i32>);

impl Shapes {
    pub(super) fn message(&self, index: usize) -> &Shape {
        &self.messages[index]
    }

    pub(super) fn has_value(&self, index: usize, number: i32) -> bool {
        self.enums[index].0.binary_search(&number).is_ok()
    }

    /// Adds a message and everything in it; returns its index.
    ///
    /// # Panics
    /// Panics if a message has more than `MAX_ONEOFS` oneofs. Callers cannot cause this: the
    /// contract is built in, and a test adds all its messages.
    pub(super) fn add(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(index) = self.message_index.get(message.full_name()) {
            return *index;
        }
        // The message is added before its fields, because a message may contain itself.
        let index = self.messages.len();
        self.message_index.insert(message.full_name().to_owned(), index);
        self.messages.push(Shape::default());
        let oneofs: Vec<_> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        assert!(oneofs.len() <= MAX_ONEOFS, "{} has over {MAX_ONEOFS} oneofs", message.full_name());
        let mut fields: Vec<_> = message
            .fields()
            .map(|field| Field {
                number: field.number(),
                name: field.name().to_owned(),
                kind: self.kind(&field),
                is_list: field.is_list(),
                oneof: field
                    .containing_oneof()
                    .and_then(|wanted| oneofs.iter().position(|oneof| *oneof == wanted)),
            })
            .collect();
        fields.sort_by_key(|field| field.number);
        self.messages[index] = Shape {
            fields,
            oneofs: oneofs.iter().map(|oneof| oneof.name().to_owned()).collect(),
            is_map_entry: message.is_map_entry(),
        };
        index
    }

    fn kind(&mut self, field: &FieldDescriptor) -> FieldKind {
        match field.kind() {
            Kind::Uint64 => FieldKind::Uint64,
            Kind::Fixed64 => FieldKind::Fixed64,
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Sint32 | Kind::Sint64 | Kind::Bool => {
                FieldKind::Varint
            }
            Kind::Double | Kind::Sfixed64 => FieldKind::Eight,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FieldKind::Four,
            Kind::String | Kind::Bytes => FieldKind::Bytes,
            Kind::Enum(of) => FieldKind::Enum(self.add_enum(&of)),
            Kind::Message(of) => FieldKind::Message(self.add(&of)),
        }
    }

    fn add_enum(&mut self, of: &EnumDescriptor) -> usize {
        if let Some(index) = self.enum_index.get(of.full_name()) {
            return *index;
        }
        let mut numbers: Vec<_> = of.values().map(|value| value.number()).collect();
        numbers.sort_unstable();
        self.enums.push(Values(numbers));
        self.enum_index.insert(of.full_name().to_owned(), self.enums.len() - 1);
        self.enums.len() - 1
    }
}

impl Shape {
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        // The fields of most messages have the numbers 1, 2, 3, ...
        let guess = (number as usize).checked_sub(1).and_then(|index| self.fields.get(index));
        guess.filter(|field| field.number == number).or_else(|| {
            self.fields.binary_search_by_key(&number, |field| field.number).ok().map(|at| &self.fields[at])
        })
    }
}
