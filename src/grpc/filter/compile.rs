//! Checks an expression against a message's descriptor.

use prost_reflect::{FieldDescriptor, Kind, MapKey, MessageDescriptor};

use super::super::reflect::is_value;
use super::super::reflect::path::{Part, Step};
use super::error::SyntaxError;
use super::expression::{Expression, Operator};
use super::values::{self, Wanted};

/// The fields of a message that its filters may name. Each path includes all fields below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// The allowed fields; empty = all.
    pub(crate) only: &'static [&'static str],
    /// The fields that are not allowed even if `only` includes them.
    pub(crate) except: &'static [&'static str],
}

/// A condition on a message.
#[derive(Debug, Clone)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test { steps: Vec<Step>, test: Test },
}

/// A test of a field.
#[derive(Debug, Clone)]
pub(super) enum Test {
    IsSet,
    HasKey(MapKey),
    Compare(Operator, Wanted),
}

/// Checks an expression.
///
/// # Errors
/// Returns the first error.
pub(super) fn compile(
    expression: &Expression,
    message: &MessageDescriptor,
    fields: Fields,
) -> Result<Node, SyntaxError> {
    let each = |terms: &[Expression]| {
        terms.iter().map(|term| compile(term, message, fields)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match expression {
        Expression::All(terms) => Node::All(each(terms)?),
        Expression::Any(terms) => Node::Any(each(terms)?),
        Expression::Not(term) => Node::Not(Box::new(compile(term, message, fields)?)),
        Expression::Compare { field, operator, value, operator_at, value_at } => {
            let path = Path::find(field, message, fields)?;
            if let Some(what) = path.collection() {
                let hint = format!("{what} cannot be compared; use `:*` to test whether it is set");
                return Err(SyntaxError::new(*operator_at, hint));
            }
            let wanted = values::wanted(&path.kind, *operator, value, (*operator_at, *value_at))?;
            Node::Test { steps: path.steps, test: Test::Compare(*operator, wanted) }
        }
        Expression::IsSet(field) => {
            Node::Test { steps: Path::find(field, message, fields)?.steps, test: Test::IsSet }
        }
        Expression::HasKey(field, key) => {
            let path = Path::find(field, message, fields)?;
            let Some(map) = path.map() else {
                return Err(SyntaxError::new(
                    key.at,
                    "only a map has keys; use `:*` to test whether a field is set",
                ));
            };
            let test = Test::HasKey(map_key(map, key)?);
            Node::Test { steps: path.steps, test }
        }
    })
}

/// A path and the field that it leads to.
struct Path {
    steps: Vec<Step>,
    /// The kind of the field's values.
    kind: Kind,
}

impl Path {
    fn find(parts: &[Part], message: &MessageDescriptor, fields: Fields) -> Result<Self, SyntaxError> {
        let begin = parts.first().map_or(0, |first| first.at);
        let mut path = Self { steps: Vec::new(), kind: Kind::Message(message.clone()) };
        let mut name = String::new();
        let mut parts = parts.iter();
        while let Some(part) = parts.next() {
            let Kind::Message(of) = &path.kind else {
                return Err(SyntaxError::new(part.at, format!("{name} has no fields")));
            };
            let inner = if name.is_empty() { part.name.clone() } else { format!("{name}.{}", part.name) };
            let found = of.get_field_by_name(&part.name).filter(|_| !part.quoted && !is_value(of));
            let Some(field) = found.filter(|_| fields.allow_part_of(&inner)) else {
                return Err(unknown(part, &name, of, fields));
            };
            name = inner;
            path.kind = values::value_kind(&field);
            path.steps.push(Step::Field(field.clone()));
            match parts.as_slice().first() {
                Some(key) if field.is_map() => {
                    path.steps.push(Step::Key(map_key(&field, key)?));
                    parts.next();
                }
                Some(part) if field.is_list() => {
                    return Err(SyntaxError::new(
                        part.at,
                        format!("{name} is a list; its items cannot be used in a filter"),
                    ));
                }
                Some(_) | None => {}
            }
        }
        match fields.allow(&name) {
            true => Ok(path),
            false => {
                Err(SyntaxError::new(begin, format!("{name} cannot be used in this filter; use its fields")))
            }
        }
    }

    /// Returns the map that the path ends at, if it ends at one.
    fn map(&self) -> Option<&FieldDescriptor> {
        match self.steps.last() {
            Some(Step::Field(field)) if field.is_map() => Some(field),
            Some(Step::Field(_) | Step::Key(_)) | None => None,
        }
    }

    /// Returns the words for an error if the path ends at a map or a list, which cannot be
    /// compared.
    fn collection(&self) -> Option<&'static str> {
        match self.steps.last() {
            Some(Step::Field(field)) if field.is_map() => Some("a map without a key"),
            Some(Step::Field(field)) if field.is_list() => Some("a list"),
            Some(Step::Field(_) | Step::Key(_)) | None => None,
        }
    }
}

impl Fields {
    /// Reports whether a filter may use this field.
    fn allow(&self, name: &str) -> bool {
        let allowed = self.only.is_empty() || self.only.iter().any(|root| is_within(name, root));
        allowed && !self.except.iter().any(|root| is_within(name, root))
    }

    /// Reports whether a filter may use this field, or one below it.
    fn allow_part_of(&self, name: &str) -> bool {
        self.allow(name) || self.only.iter().any(|root| is_within(root, name))
    }
}

/// Reports whether a path is `root` or below it.
fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn unknown(part: &Part, parent: &str, of: &MessageDescriptor, fields: Fields) -> SyntaxError {
    if is_value(of) {
        return SyntaxError::new(part.at, format!("{parent} has no fields"));
    }
    let path = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    let known =
        of.fields().map(|field| field.name().to_owned()).filter(|name| fields.allow_part_of(&path(name)));
    let known = known.collect::<Vec<_>>().join(", ");
    let place = if parent.is_empty() { String::new() } else { format!(" of {parent}") };
    SyntaxError::new(part.at, format!("{part}{place} cannot be used in this filter; allowed: {known}"))
}

/// Converts a key to the key type of a map.
fn map_key(map: &FieldDescriptor, key: &Part) -> Result<MapKey, SyntaxError> {
    let Kind::Message(entry) = map.kind() else {
        return Err(SyntaxError::new(key.at, "only a map has keys"));
    };
    let name = key.name.as_str();
    let read = match entry.map_entry_key_field().kind() {
        Kind::String => Some(MapKey::String(name.to_owned())),
        Kind::Bool => name.parse().ok().map(MapKey::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => name.parse().ok().map(MapKey::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => name.parse().ok().map(MapKey::I64),
        Kind::Uint32 | Kind::Fixed32 => name.parse().ok().map(MapKey::U32),
        Kind::Uint64 | Kind::Fixed64 => name.parse().ok().map(MapKey::U64),
        // Maps have no keys of other kinds.
        Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_) => None,
    };
    read.ok_or_else(|| SyntaxError::new(key.at, format!("{key} is not a valid key of {}", map.name())))
}
