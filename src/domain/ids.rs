use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::ValidationError;
use super::limits::{MAX_ID_CHARS, MAX_SEQUENCE};

/// What ids of streams, regions, privacy masks, publishers, consumer groups and their members look like.
pub const ID_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$";

/// Name of one camera's stream. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Arc<str>);

/// Name of a publisher. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherId(Arc<str>);

/// Name of a consumer group. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

/// Name of a member within its consumer group. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

/// Name of a region of interest within its stream. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoiId(Arc<str>);

/// Checks that a text matches [`ID_PATTERN`].
///
/// # Errors
/// It does not; the error names `field`.
pub fn check_id(field: &str, text: &str) -> Result<(), ValidationError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if text.is_empty() || text.len() > MAX_ID_CHARS || text.starts_with('.') || !text.bytes().all(allowed) {
        let rule =
            format!("must be 1 to {MAX_ID_CHARS} characters of A-Z a-z 0-9 _ . -, and not begin with a dot");
        return Err(ValidationError::new(field, rule));
    }
    Ok(())
}

macro_rules! text_id {
    ($name:ident, $field:literal) => {
        impl FromStr for $name {
            type Err = ValidationError;

            fn from_str(text: &str) -> Result<Self, ValidationError> {
                check_id($field, text).map(|()| Self(Arc::from(text)))
            }
        }

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

text_id!(StreamId, "stream_id");
text_id!(PublisherId, "publisher_id");
text_id!(GroupId, "group_id");
text_id!(MemberId, "member_id");
text_id!(RoiId, "roi_id");

/// Number of an accepted frame within its stream: 1, 2, 3, ... below 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The first frame of every stream.
    pub const FIRST: Self = Self(1);

    /// Checks the bounds.
    ///
    /// # Errors
    /// Zero, or 2^53 and above.
    pub fn new(number: u64) -> Result<Self, ValidationError> {
        if number == 0 || number > MAX_SEQUENCE {
            return Err(ValidationError::new("sequence", "must be from 1 to 2^53 - 1"));
        }
        Ok(Self(number))
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number after `head`, where 0 means that nothing came yet.
    #[must_use]
    pub const fn after(head: u64) -> Self {
        Self(head + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of the fixed shares of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u16);

impl PartitionId {
    /// Position among the partitions, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:02}", self.0)
    }
}

/// How many partitions there are: a power of two up to 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions(u16);

impl Partitions {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Not a power of two, or above 1,024.
    pub fn new(count: u16) -> Result<Self, ValidationError> {
        if !count.is_power_of_two() || count > 1024 {
            return Err(ValidationError::new("partitions", "must be a power of two from 1 to 1024"));
        }
        Ok(Self(count))
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0
    }

    /// The partition that a stream belongs to: `xxh3_64(stream id) mod count`.
    #[must_use]
    pub fn of(self, stream: &StreamId) -> PartitionId {
        let hash = twox_hash::XxHash3_64::oneshot(stream.as_str().as_bytes());
        // A power of two divides 2^64, so the low bits are the remainder.
        PartitionId((hash & u64::from(self.0 - 1)) as u16)
    }

    /// The partition of that index, if there is one.
    #[must_use]
    pub fn get(self, index: usize) -> Option<PartitionId> {
        (index < usize::from(self.0)).then_some(PartitionId(index as u16))
    }

    /// All of them, in order.
    pub fn all(self) -> impl ExactSizeIterator<Item = PartitionId> + Clone {
        (0..self.0).map(PartitionId)
    }
}

impl Default for Partitions {
    fn default() -> Self {
        Self(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each kind of id takes the text.
    fn taken(text: &str) -> [bool; 6] {
        [
            text.parse::<StreamId>().is_ok(),
            text.parse::<PublisherId>().is_ok(),
            text.parse::<GroupId>().is_ok(),
            text.parse::<MemberId>().is_ok(),
            text.parse::<RoiId>().is_ok(),
            check_id("mask_id", text).is_ok(),
        ]
    }

    #[test]
    fn all_ids_follow_one_pattern() {
        let longest = "x".repeat(64);
        for good in ["a", "7", "_", "-", "cam_1-A", "site.north.cam-1", "a.", "a..b", "-.", &longest] {
            assert_eq!(taken(good), [true; 6], "{good:?}");
        }
        // What would be syntax in a key, a path, a glob or a shell's list of files.
        let too_long = "x".repeat(65);
        for bad in
            ["", ".", "..", ".a", "a b", "a/b", "a{p00}", "a:b", "a*", "a\0", "a\n", "\u{fc}", &too_long]
        {
            assert_eq!(taken(bad), [false; 6], "{bad:?}");
        }
    }

    #[test]
    fn the_pattern_says_what_is_checked() {
        // One byte alone, and one in second place, against the pattern's two classes.
        let (first, other) = ("[A-Za-z0-9_-]", "[A-Za-z0-9_.-]{0,63}");
        assert_eq!(ID_PATTERN, format!("^{first}{other}$"));
        for byte in 0..=127_u8 {
            let is_first = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            let text = char::from(byte).to_string();
            assert_eq!(taken(&text), [is_first; 6], "{text:?}");
            let second = format!("a{text}");
            assert_eq!(taken(&second), [is_first || byte == b'.'; 6], "{second:?}");
        }
    }

    #[test]
    fn a_stream_stays_in_its_partition() {
        // Fixed for ever: a change of hash would lose every stored stream.
        let partitions = Partitions::default();
        let at = |id: &str| partitions.of(&id.parse().unwrap()).index();
        assert_eq!([at("cam-1"), at("cam-2"), at("north")], [at("cam-1"), at("cam-2"), at("north")]);
        assert!(Partitions::new(48).is_err());
        assert!(Partitions::new(2048).is_err());
        assert!(Partitions::new(1024).is_ok());
    }
}
