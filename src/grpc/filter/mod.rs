//! Filters of lists, in a subset of the grammar of AIP-160, over the messages that a list returns.
//!
//! ```text
//! filter     = [ expression ]
//! expression = term { "AND" term } | term { "OR" term }      a mix needs parentheses
//! term       = [ "NOT" | "-" ] ( "(" expression ")" | comparison )
//! comparison = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | field ":" ( "*" | key )
//! field      = word { "." key }
//! key        = word | quoted text
//! value      = quoted text | number | "true" | "false" | name of an enum's value | duration
//! ```
//!
//! A text is parsed (`parse`) to an expression (`expression`), which is checked against the
//! descriptor of the list's messages (`compile`) and then evaluated for each message (`evaluate`).

mod compile;
mod error;
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

use super::fault::Result;
use super::reflect;
pub(crate) use compile::Fields;
use compile::Node;

/// A condition on messages.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// `None` = every message.
    root: Option<Node>,
    /// The numbers of the fields that the condition reads.
    fields: Vec<u32>,
}

impl Filter {
    /// Compiles the filter of a list of `M`; an empty filter passes all.
    ///
    /// # Errors
    /// FILTER_INVALID with the position of the first error, in characters from 1.
    pub(crate) fn of<M: Name>(text: &str, fields: Fields) -> Result<Self> {
        Self::compile(text, &reflect::descriptor::<M>(), fields)
    }

    /// Compiles a filter of messages of this descriptor.
    ///
    /// # Errors
    /// FILTER_INVALID with the position of the first error, in characters from 1.
    pub(crate) fn compile(text: &str, message: &MessageDescriptor, fields: Fields) -> Result<Self> {
        let root = parse::parse(text).and_then(|expression| match expression {
            Some(expression) => compile::compile(&expression, message, fields).map(Some),
            None => Ok(None),
        });
        let root = root.map_err(|error| error.into_fault(text))?;
        let mut fields = Vec::new();
        if let Some(root) = &root {
            root.note_fields(&mut fields);
        }
        Ok(Self { root, fields })
    }

    /// Reports whether the filter has no condition.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Reports whether a message passes. It must have the type that the filter was compiled for.
    ///
    /// # Errors
    /// INTERNAL, if the generated code and the descriptor disagree.
    pub(crate) fn passes<M: Name>(&self, message: &M) -> Result<bool> {
        match &self.root {
            Some(root) => Ok(root.holds(&reflect::to_dynamic_of(message, &self.fields)?)),
            None => Ok(true),
        }
    }

    /// Reports whether a dynamic message passes.
    #[cfg(test)]
    pub(crate) fn passes_dynamic(&self, message: &DynamicMessage) -> bool {
        self.root.as_ref().is_none_or(|root| root.holds(message))
    }

    /// Returns the value that a field must have in every message that passes: the filter contains
    /// `field = "value"` without `*`, alone or joined by AND. The backend then need not read
    /// messages with other values. Returns `None` if there is no such value.
    pub(crate) fn equal_text(&self, field: &str) -> Option<&str> {
        self.root.as_ref().and_then(|root| root.equal_text(field))
    }
}
