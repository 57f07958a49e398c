//! Filters of lists, in a part of the grammar of AIP-160, over the messages that a list returns.
//!
//! ```text
//! filter     = [ expression ]
//! expression = term { "AND" term } | term { "OR" term }      both on one level need parentheses
//! term       = [ "NOT" | "-" ] ( "(" expression ")" | comparison )
//! comparison = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | field ":" ( "*" | key )
//! field      = word { "." key }
//! key        = word | quoted text
//! value      = quoted text | number | "true" | "false" | name of an enum's value | duration
//! ```
//!
//! A text is parsed (`parse`) to an expression (`expression`), which is checked against the descriptor of the list's messages
//! (`compile`) and then asked about each message (`evaluate`).

mod compile;
mod evaluate;
mod expression;
mod parse;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod values;

use prost::Name;
#[cfg(test)]
use prost_reflect::DynamicMessage;
use prost_reflect::MessageDescriptor;

use super::fault::{Fault, Result};
use super::reflect;
use crate::pb::v1::ErrorReason;
use compile::Node;

/// Deepest nesting of parentheses: reading and asking recurse.
pub(crate) const MAX_DEPTH: usize = 16;

/// The fields of a message that its filters may name: paths, each with all below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Empty = all.
    pub(crate) only: &'static [&'static str],
    /// Less these.
    pub(crate) except: &'static [&'static str],
}

/// A condition that a message fulfils or does not.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// `None` = every message.
    root: Option<Node>,
    /// Numbers of the message's fields that are looked at.
    fields: Vec<u32>,
}

impl Filter {
    /// Reads the filter of a list of `M`; an empty one passes all.
    ///
    /// # Errors
    /// FILTER_INVALID with the position of the first fault, in characters from 1.
    pub(crate) fn of<M: Name>(text: &str, fields: Fields) -> Result<Self> {
        Self::compile(text, &reflect::descriptor::<M>(), fields)
    }

    /// The same for messages of a descriptor.
    ///
    /// # Errors
    /// FILTER_INVALID with the position of the first fault, in characters from 1.
    pub(crate) fn compile(text: &str, message: &MessageDescriptor, fields: Fields) -> Result<Self> {
        let root = parse::parse(text).and_then(|expression| match expression {
            Some(expression) => compile::compile(&expression, message, fields).map(Some),
            None => Ok(None),
        });
        let root = root.map_err(|flaw| flaw.into_fault(text))?;
        let mut fields = Vec::new();
        if let Some(root) = &root {
            root.note_fields(&mut fields);
        }
        Ok(Self { root, fields })
    }

    /// Whether it holds no condition.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Whether a message passes. It must be of the type that the filter was made for.
    ///
    /// # Errors
    /// INTERNAL, if the generated code and the descriptor disagree.
    pub(crate) fn passes<M: Name>(&self, message: &M) -> Result<bool> {
        match &self.root {
            Some(root) => Ok(root.holds(&reflect::to_dynamic_of(message, &self.fields)?)),
            None => Ok(true),
        }
    }

    /// The same for a message with its fields by name.
    #[cfg(test)]
    pub(crate) fn passes_dynamic(&self, message: &DynamicMessage) -> bool {
        self.root.as_ref().is_none_or(|root| root.holds(message))
    }

    /// The value that the field must have in every message that passes, where the filter says `field = "value"` without `*`,
    /// alone or joined by AND: a backend then needs to look at no other. Without it nothing can be left out.
    pub(crate) fn equal_text(&self, field: &str) -> Option<&str> {
        self.root.as_ref().and_then(|root| root.equal_text(field))
    }
}

/// What is wrong with a filter, and where, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Flaw {
    at: usize,
    what: String,
}

impl Flaw {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    fn into_fault(self, text: &str) -> Fault {
        let position = text.get(..self.at).map_or(self.at, |before| before.chars().count()) + 1;
        let message = format!("at character {position}: {}", self.what);
        Fault::new(ErrorReason::FilterInvalid, message).field("filter").fact("position", position)
    }
}

impl From<reflect::path::Broken> for Flaw {
    fn from(reflect::path::Broken { at, expected }: reflect::path::Broken) -> Self {
        Self::new(at, expected)
    }
}
