//! The problems of a configuration: where each is, and what is wrong.

use std::fmt;

/// The maximum number of problems that are listed. A file of the wrong kind has one in each line.
const MAX_LISTED: usize = 20;

/// Something in a configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Problem {
    /// The place: a line of the file, a variable or a flag.
    pub place: String,
    /// The description: what is wrong, and what is allowed; no full stop.
    pub what: String,
}

impl Problem {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// All problems of a configuration; at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Writes a single problem on one line, and several below a line with their number.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0.as_slice() {
            return problem.fmt(f);
        }
        write!(f, "{} settings cannot be used:", self.0.len())?;
        for problem in self.0.iter().take(MAX_LISTED) {
            write!(f, "\n  {problem}")?;
        }
        match self.0.len().checked_sub(MAX_LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n  and {more} more"),
        }
    }
}

/// Returns the name that is most like `name`, if one is like it.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this similarity, two names have little in common.
    const ALIKE: f64 = 0.8;
    let alike = |other: &'a str| (strsim::jaro_winkler(name, other), other);
    let near = names.into_iter().map(alike).filter(|(score, _)| *score > ALIKE);
    near.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let problems =
            |count: usize| Problems((0..count).map(|n| Problem::new(format!("f:{n}"), "w")).collect());
        assert_eq!(problems(1).to_string(), "f:0: w");
        assert_eq!(problems(2).to_string(), "2 settings cannot be used:\n  f:0: w\n  f:1: w");
        assert!(problems(20).to_string().ends_with("f:19: w"));
        assert!(problems(23).to_string().ends_with("f:19: w\n  and 3 more"));
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["listen", "lease_term", "max_connections"];
        for (name, near) in [
            ("listne", Some("listen")),
            ("max-conections", Some("max_connections")),
            ("leaseterm", Some("lease_term")),
            ("port", None),
        ] {
            assert_eq!(nearest(name, names), near, "{name}");
        }
    }
}
