//! Walks over the bytes of a message and compares them with its shape.

use super::refusal::{MAX_UINT64, Refusal, RefusalReason};
use super::shape::{Field, FieldKind, Shape, Shapes};
use crate::grpc::reflect::wire::{Malformed, Reader, Value};

type Result<T, E = Refusal> = std::result::Result<T, E>;

const WRONG_TYPE: Malformed = Malformed("a field has the wire type of another kind of field");

/// The maximum nesting of messages, the same as when they are decoded.
pub(super) const MAX_DEPTH: usize = 100;
/// The field number of the key in a map's entry.
const MAP_KEY: u32 = 1;

pub(super) struct Walk<'a> {
    pub(super) shapes: &'a Shapes,
    /// True if unknown fields are refused and the items of lists are checked.
    pub(super) is_strict: bool,
}

impl Walk<'_> {
    pub(super) fn request(&self, shape: usize, bytes: &[u8]) -> Result<()> {
        match self.message(self.shapes.message(shape), bytes, 0) {
            // An empty message is not a new kind of request: its handler reports what is missing.
            Err(Refusal { path: _, reason: RefusalReason::UnsetOneof })
                if !self.is_strict && bytes.is_empty() =>
            {
                Ok(())
            }
            Err(Refusal { path, reason: RefusalReason::UnsetOneof })
                if !self.is_strict && !path.contains('.') =>
            {
                Err(Refusal::new(RefusalReason::UnknownRequest))
            }
            outcome => outcome,
        }
    }

    fn message(&self, shape: &Shape, bytes: &[u8], depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Malformed("messages are nested too deeply").into());
        }
        let mut seen = 0_u64;
        let mut reader = Reader::new(bytes);
        loop {
            let start = bytes.len() - reader.left();
            let Some((number, value)) = reader.field()? else { break };
            let Some(field) = shape.field(number) else {
                if self.is_strict {
                    return Err(Refusal::new(RefusalReason::UnknownField).within(&number.to_string()));
                }
                continue;
            };
            if let Some(oneof) = field.oneof {
                seen |= 1 << oneof;
            }
            if !field.is_list {
                self.value(field, value, depth)
                    .map_err(|refusal| self.inside(shape, field, value, refusal))?;
            } else if self.is_strict {
                self.list(field, value, depth).map_err(|(refusal, index)| {
                    let before = count(&bytes[..start], number, field.kind);
                    refusal.at_index(before + index).within(&field.name)
                })?;
            }
        }
        match shape.oneofs.iter().enumerate().find(|(index, _)| seen & (1 << index) == 0) {
            Some((_, oneof)) => Err(Refusal::new(RefusalReason::UnsetOneof).within(oneof)),
            None => Ok(()),
        }
    }

    /// Checks one occurrence of a list: an item, or several packed numbers. With a refusal, returns
    /// the index of the refused item in the occurrence.
    fn list(&self, field: &Field, value: Value<'_>, depth: usize) -> Result<(), (Refusal, usize)> {
        let Value::Bytes(packed) = value else {
            return self.value(field, value, depth).map_err(|refusal| (refusal, 0));
        };
        if matches!(field.kind, FieldKind::Bytes | FieldKind::Message(_)) {
            return self.value(field, value, depth).map_err(|refusal| (refusal, 0));
        }
        let mut reader = Reader::new(packed);
        let mut index = 0;
        while reader.left() > 0 {
            let item = next_packed(&mut reader, field.kind).map_err(|malformed| (malformed.into(), index))?;
            self.value(field, item, depth).map_err(|refusal| (refusal, index))?;
            index += 1;
        }
        Ok(())
    }

    fn value(&self, field: &Field, value: Value<'_>, depth: usize) -> Result<()> {
        match (field.kind, value) {
            (FieldKind::Uint64, Value::Varint(number)) | (FieldKind::Fixed64, Value::Fixed64(number)) => {
                match number > MAX_UINT64 {
                    true => Err(Refusal::new(RefusalReason::NumberTooLarge(number))),
                    false => Ok(()),
                }
            }
            (FieldKind::Enum(of), Value::Varint(number)) => {
                // Decoding uses only the low 32 bits.
                let number = number as i32;
                match self.shapes.has_value(of, number) {
                    true => Ok(()),
                    false => Err(Refusal::new(RefusalReason::UnknownEnumValue(number))),
                }
            }
            (FieldKind::Message(of), Value::Bytes(bytes)) => {
                self.message(self.shapes.message(of), bytes, depth + 1)
            }
            (FieldKind::Varint, Value::Varint(_))
            | (FieldKind::Eight, Value::Fixed64(_))
            | (FieldKind::Four, Value::Fixed32)
            | (FieldKind::Bytes, Value::Bytes(_)) => Ok(()),
            (
                FieldKind::Varint
                | FieldKind::Uint64
                | FieldKind::Fixed64
                | FieldKind::Eight
                | FieldKind::Four
                | FieldKind::Bytes
                | FieldKind::Enum(_)
                | FieldKind::Message(_),
                Value::Varint(_) | Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32,
            ) => Err(WRONG_TYPE.into()),
        }
    }

    /// Prefixes the path of a refusal with `field`, which contains the refused part and is not a
    /// list.
    fn inside(&self, shape: &Shape, field: &Field, value: Value<'_>, refusal: Refusal) -> Refusal {
        // The entry of a map is not a part of the path. Its key is, and the caller adds it.
        if shape.is_map_entry {
            return refusal;
        }
        let is_entry = matches!(field.kind, FieldKind::Message(of) if self.shapes.message(of).is_map_entry);
        match (value, is_entry) {
            (Value::Bytes(entry), true) => refusal.at_key(&map_key(entry)).within(&field.name),
            (Value::Bytes(_) | Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32, _) => {
                refusal.within(&field.name)
            }
        }
    }
}

fn next_packed<'a>(reader: &mut Reader<'a>, kind: FieldKind) -> Result<Value<'a>, Malformed> {
    match kind {
        FieldKind::Varint | FieldKind::Uint64 | FieldKind::Enum(_) => reader.varint().map(Value::Varint),
        FieldKind::Fixed64 | FieldKind::Eight => reader.fixed64().map(Value::Fixed64),
        FieldKind::Four => reader.fixed32().map(|()| Value::Fixed32),
        FieldKind::Bytes | FieldKind::Message(_) => Err(WRONG_TYPE),
    }
}

/// Counts the items of a list in the bytes before a refusal. These bytes were read without an
/// error.
fn count(bytes: &[u8], list: u32, kind: FieldKind) -> usize {
    let mut items = 0;
    let mut reader = Reader::new(bytes);
    while let Ok(Some((number, value))) = reader.field() {
        match (value, kind) {
            _ if number != list => {}
            (Value::Bytes(_), FieldKind::Bytes | FieldKind::Message(_)) => items += 1,
            (Value::Bytes(packed), _) => {
                let mut packed = Reader::new(packed);
                while packed.left() > 0 && next_packed(&mut packed, kind).is_ok() {
                    items += 1;
                }
            }
            (Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32, _) => items += 1,
        }
    }
    items
}

/// Returns the key of a map's entry as text; empty if it is unset.
fn map_key(entry: &[u8]) -> String {
    let mut reader = Reader::new(entry);
    let mut key = String::new();
    while let Ok(Some((number, value))) = reader.field() {
        match (number, value) {
            (MAP_KEY, Value::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
            (MAP_KEY, Value::Varint(number) | Value::Fixed64(number)) => key = number.to_string(),
            _ => {}
        }
    }
    key
}
