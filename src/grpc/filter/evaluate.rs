//! Evaluates a condition on a message.

use prost_reflect::{DynamicMessage, Value};

use super::super::reflect::path::Step;
use super::compile::{Node, Test};
use super::expression::Operator;
use super::values::{self, Wanted};

impl Node {
    pub(super) fn holds(&self, message: &DynamicMessage) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(message)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(message)),
            Self::Not(node) => !node.holds(message),
            Self::Test { steps, test } => field_holds(message, steps, test),
        }
    }

    /// Adds the numbers of the message's fields that the condition reads to `numbers`, each once.
    pub(super) fn note_fields(&self, numbers: &mut Vec<u32>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.note_fields(numbers)),
            Self::Not(node) => node.note_fields(numbers),
            Self::Test { steps, .. } => {
                if let Some(Step::Field(field)) = steps.first()
                    && !numbers.contains(&field.number())
                {
                    numbers.push(field.number());
                }
            }
        }
    }

    /// Returns the text that a field must equal in every message that passes, if the condition
    /// implies one.
    pub(super) fn equal_text(&self, name: &str) -> Option<&str> {
        match self {
            Self::All(nodes) => nodes.iter().find_map(|node| node.equal_text(name)),
            Self::Test { steps, test: Test::Compare(Operator::Equal, Wanted::Text(pieces)) } => {
                match (&steps[..], &pieces[..]) {
                    ([Step::Field(field)], [text]) if field.name() == name => Some(text),
                    _ => None,
                }
            }
            Self::Any(_) | Self::Not(_) | Self::Test { .. } => None,
        }
    }
}

fn field_holds(message: &DynamicMessage, steps: &[Step], test: &Test) -> bool {
    let [Step::Field(field), rest @ ..] = steps else { return false };
    let is_set = message.has_field(field);
    if rest.is_empty() && !is_set {
        // A field without presence always has a value.
        return match test {
            Test::Compare(operator, wanted) if !field.supports_presence() => {
                values::holds(&message.get_field(field), *operator, wanted)
            }
            Test::Compare(..) | Test::IsSet | Test::HasKey(_) => false,
        };
    }
    is_set && value_holds(&message.get_field(field), rest, test)
}

fn value_holds(value: &Value, steps: &[Step], test: &Test) -> bool {
    match steps {
        [] => match test {
            Test::IsSet => true,
            Test::HasKey(key) => value.as_map().is_some_and(|map| map.contains_key(key)),
            Test::Compare(operator, wanted) => values::holds(value, *operator, wanted),
        },
        [Step::Key(key), rest @ ..] => {
            value.as_map().and_then(|map| map.get(key)).is_some_and(|value| value_holds(value, rest, test))
        }
        [Step::Field(_), ..] => value.as_message().is_some_and(|message| field_holds(message, steps, test)),
    }
}
