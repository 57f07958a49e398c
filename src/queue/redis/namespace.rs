//! The namespace of a store: several Frameways with different ones share a Redis.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::ValidationError;

/// The maximum length of a namespace.
const MAX_CHARS: usize = 32;

/// The word that begins all keys of a store. It has 1 to 32 lower-case letters, digits and dashes,
/// and begins with a letter, so the pattern `<namespace>:*` matches the keys of this store only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The namespace of stores that were given none.
    const DEFAULT: &str = "frameway";

    /// Returns the namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether this is the namespace of stores that were given none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }

    /// Returns the pattern of all keys of the store, as ACLs take it.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("{self}:*")
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for Namespace {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= MAX_CHARS && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        let rule = format!(
            "must have 1 to {MAX_CHARS} lower-case letters, digits and dashes, and begin with a letter"
        );
        Err(ValidationError::new("namespace", rule))
    }
}

impl TryFrom<String> for Namespace {
    type Error = ValidationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_no_pattern_confuses_are_namespaces() {
        let longest = "a".repeat(MAX_CHARS);
        for text in ["frameway", "a", "site-2", longest.as_str()] {
            assert_eq!(text.parse::<Namespace>().unwrap().as_str(), text);
        }
        let too_long = "a".repeat(MAX_CHARS + 1);
        for text in ["", "2a", "-a", "A", "a:b", "a*", "a{b}", "a b", "é", too_long.as_str()] {
            text.parse::<Namespace>().unwrap_err();
        }
        assert!(Namespace::default().is_default() && "frameway".parse::<Namespace>().unwrap().is_default());
    }
}
