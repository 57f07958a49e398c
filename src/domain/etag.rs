use std::fmt;
use std::str::FromStr;

/// Names one state of a stream's or a group's settings: of which registration under its name, and which version. No two states
/// have the same, also not of two registrations under one name, or of two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag {
    /// Random, new for every registration.
    pub incarnation: u64,
    /// Rises with every change.
    pub version: u64,
}

/// The text is no etag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an etag of this server")]
pub struct NoEtag;

impl Etag {
    /// Makes up an incarnation: below 2^53, which scripts carry as text and people as a number.
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
    type Err = NoEtag;

    /// Reads what [`fmt::Display`] writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NoEtag> {
        let (incarnation, version) = text.split_once('-').ok_or(NoEtag)?;
        let read = |digits: &str| digits.parse().map_err(|_| NoEtag);
        let etag = Self { incarnation: read(incarnation)?, version: read(version)? };
        (etag.to_string() == text).then_some(etag).ok_or(NoEtag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_read_as_it_was_written_and_in_no_other_way() {
        let etag = Etag { incarnation: Etag::new_incarnation(), version: 7 };
        assert_eq!(etag.to_string().parse(), Ok(etag));
        for bad in ["", "7", "-", "7-", "-7", "07-1", "+7-1", "7-1 ", "r7", "7-1-1"] {
            assert_eq!(bad.parse::<Etag>(), Err(NoEtag), "{bad:?}");
        }
    }
}
