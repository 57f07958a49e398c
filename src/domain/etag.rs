use std::fmt;
use std::str::FromStr;

/// The identity of one state of a stream's or a group's settings: the registration and the version.
///
/// No two states have the same etag, even if the name was registered again or belongs to another
/// store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag {
    /// A random number, new for each registration.
    pub incarnation: u64,
    /// The version; rises with each change.
    pub version: u64,
}

/// The error for a text that is not an etag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid etag")]
pub struct InvalidEtag;

impl Etag {
    /// Returns a random incarnation below 2^53, so that a double holds it exactly.
    #[must_use]
    pub fn new_incarnation() -> u64 {
        rand::random::<u64>() >> 11
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.version)
    }
}

impl FromStr for Etag {
    type Err = InvalidEtag;

    /// Parses exactly the form that [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, InvalidEtag> {
        let (incarnation, version) = text.split_once('-').ok_or(InvalidEtag)?;
        let read = |digits: &str| digits.parse().map_err(|_| InvalidEtag);
        let etag = Self { incarnation: read(incarnation)?, version: read(version)? };
        (etag.to_string() == text).then_some(etag).ok_or(InvalidEtag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_round_trips_and_other_forms_are_refused() {
        let etag = Etag { incarnation: Etag::new_incarnation(), version: 7 };
        assert_eq!(etag.to_string().parse(), Ok(etag));
        for bad in ["", "7", "-", "7-", "-7", "07-1", "+7-1", "7-1 ", "r7", "7-1-1"] {
            assert_eq!(bad.parse::<Etag>(), Err(InvalidEtag), "{bad:?}");
        }
    }
}
