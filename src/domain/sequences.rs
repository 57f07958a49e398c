//! Ranges and sets of sequences.

use std::fmt;
use std::str::FromStr;

use super::{Sequence, ValidationError};

/// A range of sequences that contains at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceRange {
    first: Sequence,
    last: Sequence,
}

impl SequenceRange {
    /// Creates the range from `first` to `last`, both inclusive.
    ///
    /// # Errors
    /// `last` is below `first`.
    pub fn new(first: Sequence, last: Sequence) -> Result<Self, ValidationError> {
        if last < first {
            return Err(ValidationError::new(
                "last_sequence",
                format!("must be at least {first}, the first one"),
            ));
        }
        Ok(Self { first, last })
    }

    /// Returns the first sequence.
    #[must_use]
    pub const fn first(self) -> Sequence {
        self.first
    }

    /// Returns the last sequence.
    #[must_use]
    pub const fn last(self) -> Sequence {
        self.last
    }

    /// Returns the part up to a sequence; `None` if nothing is left.
    #[must_use]
    pub fn up_to(self, last: u64) -> Option<Self> {
        let last = Sequence::new(last.min(self.last.get())).ok()?;
        Self::new(self.first, last).ok()
    }
}

/// A set of sequences: ascending ranges, both ends inclusive, that neither overlap nor touch. As
/// text it is a list such as `5-10 20-20`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SequenceSet(Vec<(u64, u64)>);

impl SequenceSet {
    /// Reports whether it contains a sequence.
    #[must_use]
    pub fn contains(&self, sequence: Sequence) -> bool {
        self.range_of(sequence).is_some()
    }

    /// Returns the range that contains a sequence.
    #[must_use]
    pub fn range_of(&self, sequence: Sequence) -> Option<(u64, u64)> {
        let after = self.0.partition_point(|&(first, _)| first <= sequence.get());
        let range = self.0[after.checked_sub(1)?];
        (range.1 >= sequence.get()).then_some(range)
    }

    /// Reports whether it contains nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of ranges.
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.0.len()
    }

    /// Returns the first range.
    #[must_use]
    pub fn first_range(&self) -> Option<(u64, u64)> {
        self.0.first().copied()
    }

    /// Adds all sequences from `first` to `last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        self.0.push((first, last));
        self.0.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.0.len());
        for &(first, last) in &self.0 {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                Some(_) | None => merged.push((first, last)),
            }
        }
        self.0 = merged;
    }

    /// Removes all sequences from `first` to `last`.
    pub fn remove(&mut self, first: u64, last: u64) {
        let mut left = Vec::with_capacity(self.0.len() + 1);
        for &(from, to) in &self.0 {
            if to < first || from > last {
                left.push((from, to));
                continue;
            }
            if from < first {
                left.push((from, first - 1));
            }
            if to > last {
                left.push((last + 1, to));
            }
        }
        self.0 = left;
    }

    /// Adds all sequences of another set.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|&(first, last)| self.insert(first, last));
    }

    /// Returns the sequences that are not in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = self.clone();
        other.0.iter().for_each(|&(first, last)| left.remove(first, last));
        left
    }

    /// Removes the ranges that end below a sequence.
    pub fn forget_below(&mut self, sequence: u64) {
        self.0.retain(|&(_, last)| last >= sequence);
    }
}

impl From<SequenceRange> for SequenceSet {
    fn from(range: SequenceRange) -> Self {
        Self(vec![(range.first.get(), range.last.get())])
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{first}-{last}")?;
        }
        Ok(())
    }
}

impl FromStr for SequenceSet {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("sequences", "is not a list of ranges such as 5-10 20-20");
        let mut set = Self::default();
        for range in text.split_ascii_whitespace() {
            let (first, last) = range.split_once('-').ok_or_else(bad)?;
            let first = first.parse().map_err(|_| bad())?;
            let last = last.parse().map_err(|_| bad())?;
            if last < first {
                return Err(bad());
            }
            set.insert(first, last);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_behaves_like_a_set_of_numbers(
            steps in proptest::collection::vec((any::<bool>(), 1_u64..40, 0_u64..10), 0..20)
        ) {
            let (mut set, mut model) = (SequenceSet::default(), BTreeSet::new());
            for (inserts, first, more) in steps {
                let last = first + more;
                if inserts {
                    set.insert(first, last);
                    model.extend(first..=last);
                } else {
                    set.remove(first, last);
                    model.retain(|one| !(first..=last).contains(one));
                }
            }
            let found: BTreeSet<u64> =
                (1..60).filter(|&one| set.contains(Sequence::new(one).unwrap())).collect();
            prop_assert_eq!(&found, &model);
            prop_assert_eq!(set.to_string().parse::<SequenceSet>().unwrap(), set.clone());
            let touches = set.0.windows(2).any(|pair| pair[0].1 + 1 >= pair[1].0);
            prop_assert!(!touches, "{}", set);
        }
    }

    #[test]
    fn text_that_is_no_set_is_refused() {
        for text in ["5", "5-", "-5", "a-b", "6-5"] {
            assert!(text.parse::<SequenceSet>().is_err(), "{text}");
        }
    }
}
