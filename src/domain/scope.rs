//! Sets of ids that are given by globs.

use std::fmt;
use std::sync::Arc;

use globset::{Glob, GlobSet};

use super::ValidationError;
use super::limits::MAX_GLOB_CHARS;

/// A set of ids: those that match at least one glob.
#[derive(Clone, Default)]
pub struct Scope(Arc<Globs>);

#[derive(Default)]
struct Globs {
    /// Sorted, each once.
    texts: Vec<String>,
    set: GlobSet,
    /// True if one glob matches every id.
    is_all: bool,
}

impl Scope {
    /// Creates the set of the ids that match one of these globs.
    ///
    /// # Errors
    /// A glob cannot be parsed, or is longer than [`MAX_GLOB_CHARS`].
    pub fn new(globs: impl IntoIterator<Item = String>) -> Result<Self, ValidationError> {
        let mut texts: Vec<String> = globs.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        let mut builder = GlobSet::builder();
        for text in &texts {
            let invalid = |rule: String| ValidationError::new("glob", format!("{text:?} {rule}"));
            if text.is_empty() || text.chars().count() > MAX_GLOB_CHARS {
                return Err(invalid(format!("must be 1 to {MAX_GLOB_CHARS} characters long")));
            }
            let glob =
                Glob::new(text).map_err(|error| invalid(format!("is not a glob: {}", error.kind())))?;
            builder.add(glob);
        }
        let set = builder
            .build()
            .map_err(|error| ValidationError::new("glob", format!("is not usable: {}", error.kind())))?;
        let is_all = texts.iter().any(|text| text == "*");
        Ok(Self(Arc::new(Globs { texts, set, is_all })))
    }

    /// Creates the set of all ids.
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::new(Globs { texts: vec!["*".to_owned()], set: GlobSet::empty(), is_all: true }))
    }

    /// Reports whether the set contains the id.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.0.is_all || self.0.set.is_match(id)
    }

    /// Reports whether the set contains every id.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_all
    }

    /// Reports whether the set contains no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.texts.is_empty()
    }

    /// Returns the set of the ids that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let is_all = self.is_all() || other.is_all();
        let texts = || self.0.texts.iter().chain(&other.0.texts).cloned();
        // The globs of both sets have been parsed before.
        if is_all { Self::all() } else { Self::new(texts()).unwrap_or_default() }
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.0.texts == other.0.texts
    }
}

impl Eq for Scope {}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.texts.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(globs: &[&str]) -> Scope {
        Scope::new(globs.iter().map(|glob| (*glob).to_owned())).unwrap()
    }

    #[test]
    fn a_scope_contains_the_ids_that_match_a_glob() {
        let some = scope(&["north.*", "gate-?"]);
        for (id, is_in) in [
            ("north.cam-1", true),
            ("gate-1", true),
            ("north", false),
            ("gate-10", false),
            ("south.x", false),
        ] {
            assert_eq!(some.contains(id), is_in, "{id}");
        }
        assert!(!some.is_all() && !some.is_empty());
        assert!(scope(&["*"]).is_all() && Scope::all().contains("x"));
        assert!(Scope::default().is_empty() && !Scope::default().contains(""));
        assert_eq!(scope(&["b", "a", "a"]), scope(&["a", "b"]));
    }

    #[test]
    fn a_union_contains_what_either_contains() {
        let both = scope(&["a*"]).union(&scope(&["b*"]));
        assert!(both.contains("a1") && both.contains("b1") && !both.contains("c1"));
        assert!(both.union(&Scope::all()).is_all());
    }

    #[test]
    fn a_glob_that_cannot_be_used_is_refused() {
        for bad in ["", "[", "{a", &"x".repeat(MAX_GLOB_CHARS + 1)] {
            assert!(Scope::new([bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
