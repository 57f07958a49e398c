//! Checks an expression against a message's descriptor.

use prost_reflect::{FieldDescriptor, Kind, MapKey, MessageDescriptor};

use super::super::reflect::path::Part;
use super::expression::{Expression, Operator};
use super::values::{self, Wanted};
use super::{Fields, Flaw};

/// A condition on a message.
#[derive(Debug, Clone)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test { steps: Vec<Step>, test: Test },
}

/// A step from a message to what it holds.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Field(FieldDescriptor),
    /// Behind the field of a map.
    Key(MapKey),
}

/// What is asked about a field.
#[derive(Debug, Clone)]
pub(super) enum Test {
    IsSet,
    HasKey(MapKey),
    Compare(Operator, Wanted),
}

/// Checks an expression.
///
/// # Errors
/// The first flaw.
pub(super) fn compile(
    expression: &Expression,
    message: &MessageDescriptor,
    fields: Fields,
) -> Result<Node, Flaw> {
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
                let hint = format!("{what} is not compared; ask with `:*` whether it is set");
                return Err(Flaw::new(*operator_at, hint));
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
                return Err(Flaw::new(key.at, "only a map has keys; ask with `:*` whether a field is set"));
            };
            let test = Test::HasKey(map_key(map, key)?);
            Node::Test { steps: path.steps, test }
        }
    })
}

/// Where a path leads.
struct Path {
    steps: Vec<Step>,
    /// Of the values there.
    kind: Kind,
}

impl Path {
    fn find(parts: &[Part], message: &MessageDescriptor, fields: Fields) -> Result<Self, Flaw> {
        let begin = parts.first().map_or(0, |first| first.at);
        let mut path = Self { steps: Vec::new(), kind: Kind::Message(message.clone()) };
        let mut name = String::new();
        let mut parts = parts.iter();
        while let Some(part) = parts.next() {
            let Kind::Message(of) = &path.kind else {
                return Err(Flaw::new(part.at, format!("{name} has no fields")));
            };
            let inner = if name.is_empty() { part.name.clone() } else { format!("{name}.{}", part.name) };
            let found = of.get_field_by_name(&part.name).filter(|_| !part.quoted && !is_value(of));
            let Some(field) = found.filter(|_| fields.lead_to(&inner)) else {
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
                    return Err(Flaw::new(part.at, format!("{name} is a list, whose items have no names")));
                }
                Some(_) | None => {}
            }
        }
        match fields.have(&name) {
            true => Ok(path),
            false => Err(Flaw::new(begin, format!("only fields of {name} can be filtered by, not {name}"))),
        }
    }

    /// The map that the path ends at.
    fn map(&self) -> Option<&FieldDescriptor> {
        match self.steps.last() {
            Some(Step::Field(field)) if field.is_map() => Some(field),
            Some(Step::Field(_) | Step::Key(_)) | None => None,
        }
    }

    /// What the path ends at, if it is of several values.
    fn collection(&self) -> Option<&'static str> {
        match self.steps.last() {
            Some(Step::Field(field)) if field.is_map() => Some("a map without a key"),
            Some(Step::Field(field)) if field.is_list() => Some("a list"),
            Some(Step::Field(_) | Step::Key(_)) | None => None,
        }
    }
}

impl Fields {
    /// Whether this field may be named.
    fn have(&self, name: &str) -> bool {
        let allowed = self.only.is_empty() || self.only.iter().any(|root| is_within(name, root));
        allowed && !self.except.iter().any(|root| is_within(name, root))
    }

    /// Whether this field may be named, or one below it.
    fn lead_to(&self, name: &str) -> bool {
        self.have(name) || self.only.iter().any(|root| is_within(root, name))
    }
}

/// Whether a path is another, or below it.
fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether messages of this type are values, whose fields filters do not name.
fn is_value(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

fn unknown(part: &Part, parent: &str, of: &MessageDescriptor, fields: Fields) -> Flaw {
    if is_value(of) {
        return Flaw::new(part.at, format!("{parent} has no fields"));
    }
    let path = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    let known = of.fields().map(|field| field.name().to_owned()).filter(|name| fields.lead_to(&path(name)));
    let known = known.collect::<Vec<_>>().join(", ");
    let place = if parent.is_empty() { String::new() } else { format!(" of {parent}") };
    Flaw::new(part.at, format!("{part} is not among the fields{place} that can be filtered by: {known}"))
}

/// The key of a map as its type has it.
fn map_key(map: &FieldDescriptor, key: &Part) -> Result<MapKey, Flaw> {
    let Kind::Message(entry) = map.kind() else { return Err(Flaw::new(key.at, "only a map has keys")) };
    let name = key.name.as_str();
    let read = match entry.map_entry_key_field().kind() {
        Kind::String => Some(MapKey::String(name.to_owned())),
        Kind::Bool => name.parse().ok().map(MapKey::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => name.parse().ok().map(MapKey::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => name.parse().ok().map(MapKey::I64),
        Kind::Uint32 | Kind::Fixed32 => name.parse().ok().map(MapKey::U32),
        Kind::Uint64 | Kind::Fixed64 => name.parse().ok().map(MapKey::U64),
        // No map has such keys.
        Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_) => None,
    };
    read.ok_or_else(|| Flaw::new(key.at, format!("{key} is no key of {}", map.name())))
}
