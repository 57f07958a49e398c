//! Sets of streams, and whether a stream belongs to them.

use std::collections::HashSet;

use globset::{Glob, GlobMatcher};

use super::event::SubscribeError;
use crate::domain::limits::MAX_GLOB_CHARS;
use crate::domain::{LabelMatch, Scope, StreamId, StreamRecord};

/// A set of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamSet {
    /// These streams; each must be registered.
    Ids(Vec<StreamId>),
    /// The streams whose id matches, including those that are registered later.
    Glob(String),
    /// The streams whose labels match, including those that get them later.
    Labels(LabelMatch),
    /// The streams of any of these sets.
    Any(Vec<StreamSet>),
    /// The streams of a set whose ids are in the scope.
    Within(Scope, Box<StreamSet>),
}

impl StreamSet {
    /// Checks that the set is valid.
    ///
    /// # Errors
    /// Returns [`SubscribeError::InvalidGlob`].
    pub fn check(&self) -> Result<(), SubscribeError> {
        Matcher::new(self).map(drop)
    }

    /// Returns the streams that are selected by their ids.
    pub fn named(&self) -> Vec<&StreamId> {
        match self {
            Self::Ids(ids) => ids.iter().collect(),
            Self::Glob(_) | Self::Labels(_) => Vec::new(),
            Self::Any(sets) => sets.iter().flat_map(Self::named).collect(),
            Self::Within(_, set) => set.named(),
        }
    }

    /// Reports whether streams that are registered later can belong to the set.
    pub(super) fn is_dynamic(&self) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Glob(_) | Self::Labels(_) => true,
            Self::Any(sets) => sets.iter().any(Self::is_dynamic),
            Self::Within(_, set) => set.is_dynamic(),
        }
    }
}

/// A [`StreamSet`] in a form that can be matched.
#[derive(Debug)]
pub(super) enum Matcher {
    Ids(HashSet<StreamId>),
    Glob(GlobMatcher),
    Labels(LabelMatch),
    Any(Vec<Matcher>),
    Within(Scope, Box<Matcher>),
}

impl Matcher {
    pub(super) fn new(set: &StreamSet) -> Result<Self, SubscribeError> {
        match set {
            StreamSet::Ids(ids) => Ok(Self::Ids(ids.iter().cloned().collect())),
            StreamSet::Labels(labels) => Ok(Self::Labels(labels.clone())),
            StreamSet::Any(sets) => sets.iter().map(Self::new).collect::<Result<_, _>>().map(Self::Any),
            StreamSet::Within(scope, set) => Ok(Self::Within(scope.clone(), Box::new(Self::new(set)?))),
            StreamSet::Glob(glob) => {
                let invalid = |message| SubscribeError::InvalidGlob { glob: glob.clone(), message };
                // The automaton of a glob grows with its length.
                if glob.chars().count() > MAX_GLOB_CHARS {
                    return Err(invalid(format!("must be at most {MAX_GLOB_CHARS} characters long")));
                }
                let parsed = Glob::new(glob).map_err(|error| invalid(error.kind().to_string()))?;
                Ok(Self::Glob(parsed.compile_matcher()))
            }
        }
    }

    /// Reports whether streams can join and leave the set.
    pub(super) fn is_dynamic(&self) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Glob(_) | Self::Labels(_) => true,
            Self::Any(matchers) => matchers.iter().any(Self::is_dynamic),
            Self::Within(_, matcher) => matcher.is_dynamic(),
        }
    }

    /// Reports whether the set selects the stream by its id.
    pub(super) fn names(&self, id: &StreamId) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(id),
            Self::Glob(_) | Self::Labels(_) => false,
            Self::Any(matchers) => matchers.iter().any(|matcher| matcher.names(id)),
            Self::Within(_, matcher) => matcher.names(id),
        }
    }

    /// Reports whether the set can never contain a stream with this id.
    pub(super) fn excludes(&self, id: &StreamId) -> bool {
        match self {
            Self::Ids(ids) => !ids.contains(id),
            Self::Glob(glob) => !glob.is_match(id.as_str()),
            Self::Labels(_) => false,
            Self::Any(matchers) => matchers.iter().all(|matcher| matcher.excludes(id)),
            Self::Within(scope, matcher) => !scope.contains(id.as_str()) || matcher.excludes(id),
        }
    }

    pub(super) fn matches(&self, record: &StreamRecord) -> bool {
        match self {
            Self::Ids(_) | Self::Glob(_) => !self.excludes(&record.id),
            Self::Labels(labels) => labels.matches(&record.settings.labels),
            Self::Any(matchers) => matchers.iter().any(|matcher| matcher.matches(record)),
            Self::Within(scope, matcher) => scope.contains(record.id.as_str()) && matcher.matches(record),
        }
    }
}

/// Returns the index of the selector that a stream belongs to.
pub(super) fn first_match(matchers: &[Matcher], record: &StreamRecord) -> Option<usize> {
    matchers.iter().position(|matcher| matcher.matches(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_treats_a_dot_as_an_ordinary_character() {
        let chosen = |glob: &str| -> Vec<&str> {
            let matcher = Matcher::new(&StreamSet::Glob(glob.to_owned())).unwrap();
            let ids = ["north", "north.cam-1", "north.cam-1.raw", "northXcam-1"];
            ids.into_iter().filter(|id| !matcher.excludes(&id.parse().unwrap())).collect()
        };
        assert_eq!(chosen("*"), ["north", "north.cam-1", "north.cam-1.raw", "northXcam-1"]);
        assert_eq!(chosen("north.*"), ["north.cam-1", "north.cam-1.raw"]);
        assert_eq!(chosen("*.raw"), ["north.cam-1.raw"]);
        assert_eq!(chosen("*cam-1"), ["north.cam-1", "northXcam-1"]);
        assert_eq!(chosen("north?cam-1"), ["north.cam-1", "northXcam-1"]);
        assert_eq!(chosen("north"), ["north"]);
    }

    #[test]
    fn the_length_of_a_glob_is_limited_in_characters() {
        for character in ["a", "*", "?", "\u{e9}", "\u{20ac}", "\u{1f6a6}"] {
            let check = |count| StreamSet::Glob(character.repeat(count)).check();
            assert_eq!(check(MAX_GLOB_CHARS), Ok(()), "{character}");
            let refusal = check(MAX_GLOB_CHARS + 1);
            assert!(matches!(refusal, Err(SubscribeError::InvalidGlob { .. })), "{character}: {refusal:?}");
        }
    }
}
