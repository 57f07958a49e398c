use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ValidationError;
use super::limits::{MAX_ID_CHARS, MAX_SEQUENCE};

/// The pattern of the ids of streams, regions, privacy masks, publishers, consumer groups and their
/// members.
pub const ID_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$";

/// The name of one camera's stream. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Arc<str>);

/// The name of a caller. Matches [`ID_PATTERN`]. Publishers and members of groups belong to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName(Arc<str>);

/// The name of a publisher, which matches [`ID_PATTERN`], after the principal that it belongs to and
/// a slash. A server that does not authenticate knows no principals: the name stands alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherId(Arc<str>);

/// The name of a consumer group. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

/// The name of a member within its consumer group, which matches [`ID_PATTERN`], after the principal
/// that it belongs to and a slash, as for [`PublisherId`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

/// The name of a region of interest within its stream. Matches [`ID_PATTERN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoiId(Arc<str>);

/// Checks that a text matches [`ID_PATTERN`].
///
/// # Errors
/// Fails if it does not; the error names `field`.
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

        text_of!($name);
    };
}

/// The id of something that belongs to a principal.
macro_rules! owned_id {
    ($name:ident, $field:literal) => {
        impl FromStr for $name {
            type Err = ValidationError;

            fn from_str(text: &str) -> Result<Self, ValidationError> {
                if let Some((principal, name)) = text.split_once('/') {
                    check_id("principal", principal)?;
                    check_id($field, name)?;
                } else {
                    check_id($field, text)?;
                }
                Ok(Self(Arc::from(text)))
            }
        }

        impl $name {
            /// Returns the id of what `principal` calls `name`.
            ///
            /// # Errors
            /// The name does not match [`ID_PATTERN`].
            pub fn owned_by(principal: Option<&PrincipalName>, name: &str) -> Result<Self, ValidationError> {
                check_id($field, name)?;
                Ok(Self(match principal {
                    Some(principal) => Arc::from(format!("{principal}/{name}")),
                    None => Arc::from(name),
                }))
            }

            /// Returns the name, without the principal.
            #[must_use]
            pub fn name(&self) -> &str {
                self.0.split_once('/').map_or(&self.0, |(_, name)| name)
            }
        }

        text_of!($name);
    };
}

macro_rules! text_of {
    ($name:ident) => {
        impl $name {
            /// Returns the id as text.
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
text_id!(PrincipalName, "principal");
owned_id!(PublisherId, "publisher_id");
text_id!(GroupId, "group_id");
owned_id!(MemberId, "member_id");
text_id!(RoiId, "roi_id");

/// The sequence of an accepted frame within its stream: 1, 2, 3, ... below 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The sequence of the first frame of each stream.
    pub const FIRST: Self = Self(1);

    /// Checks the bounds of a value.
    ///
    /// # Errors
    /// Fails for 0, and for 2^53 and above.
    pub fn new(number: u64) -> Result<Self, ValidationError> {
        if number == 0 || number > MAX_SEQUENCE {
            return Err(ValidationError::new("sequence", "must be from 1 to 2^53 - 1"));
        }
        Ok(Self(number))
    }

    /// Returns the plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the next sequence.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the sequence after `head`, where 0 means that the stream has no frame yet.
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

/// One partition: a fixed share of all streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u16);

impl PartitionId {
    /// Returns the index of the partition, counted from 0.
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

/// The number of partitions: a power of two up to 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Partitions(u16);

impl Partitions {
    /// Checks the bounds of a value.
    ///
    /// # Errors
    /// Fails if the number is not a power of two, or above 1,024.
    pub fn new(count: u16) -> Result<Self, ValidationError> {
        if !count.is_power_of_two() || count > 1024 {
            return Err(ValidationError::new("partitions", "must be a power of two from 1 to 1024"));
        }
        Ok(Self(count))
    }

    /// Returns the number of partitions.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0
    }

    /// Returns the partition that a stream belongs to: `xxh3_64(stream id) mod count`.
    #[must_use]
    pub fn of(self, stream: &StreamId) -> PartitionId {
        let hash = twox_hash::XxHash3_64::oneshot(stream.as_str().as_bytes());
        // The count is a power of two, so the low bits of the hash are the remainder.
        PartitionId((hash & u64::from(self.0 - 1)) as u16)
    }

    /// Returns the partition with this index, if there is one.
    #[must_use]
    pub fn get(self, index: usize) -> Option<PartitionId> {
        (index < usize::from(self.0)).then_some(PartitionId(index as u16))
    }

    /// Iterates over all partitions, in order.
    pub fn all(self) -> impl ExactSizeIterator<Item = PartitionId> + Clone {
        (0..self.0).map(PartitionId)
    }
}

impl TryFrom<u16> for Partitions {
    type Error = ValidationError;

    fn try_from(count: u16) -> Result<Self, ValidationError> {
        Self::new(count)
    }
}

impl From<Partitions> for u16 {
    fn from(partitions: Partitions) -> Self {
        partitions.0
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

    /// Reports for each kind of id whether it accepts the text.
    fn accepted(text: &str) -> [bool; 6] {
        [
            text.parse::<StreamId>().is_ok(),
            PublisherId::owned_by(None, text).is_ok(),
            text.parse::<GroupId>().is_ok(),
            MemberId::owned_by(None, text).is_ok(),
            text.parse::<RoiId>().is_ok(),
            check_id("mask_id", text).is_ok(),
        ]
    }

    #[test]
    fn all_ids_follow_one_pattern() {
        let longest = "x".repeat(64);
        for good in ["a", "7", "_", "-", "cam_1-A", "site.north.cam-1", "a.", "a..b", "-.", &longest] {
            assert_eq!(accepted(good), [true; 6], "{good:?}");
        }
        // Characters that are syntax in a key, a path, a glob or a shell.
        let too_long = "x".repeat(65);
        for bad in
            ["", ".", "..", ".a", "a b", "a/b", "a{p00}", "a:b", "a*", "a\0", "a\n", "\u{fc}", &too_long]
        {
            assert_eq!(accepted(bad), [false; 6], "{bad:?}");
        }
    }

    #[test]
    fn ids_of_different_principals_differ_and_keep_their_names() {
        let principal = |name: &str| name.parse::<PrincipalName>().unwrap();
        let (north, south) = (principal("north"), principal("south"));
        let id = |principal| PublisherId::owned_by(principal, "agent").unwrap();
        let ids = [id(None), id(Some(&north)), id(Some(&south))];
        assert_eq!(ids.each_ref().map(PublisherId::name), ["agent"; 3]);
        assert_eq!(ids.each_ref().map(PublisherId::as_str), ["agent", "north/agent", "south/agent"]);
        for id in &ids {
            assert_eq!(id.as_str().parse::<PublisherId>().as_ref(), Ok(id));
        }
        for bad in ["north/", "/agent", "a/b/c", "a b/c"] {
            assert!(bad.parse::<PublisherId>().is_err(), "{bad}");
        }
        assert!(MemberId::owned_by(Some(&north), "a/b").is_err());
    }

    #[test]
    fn the_pattern_agrees_with_the_check() {
        // Each byte is checked alone and in second place, against the two classes of the pattern.
        let (first, other) = ("[A-Za-z0-9_-]", "[A-Za-z0-9_.-]{0,63}");
        assert_eq!(ID_PATTERN, format!("^{first}{other}$"));
        for byte in 0..=127_u8 {
            let is_first = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            let text = char::from(byte).to_string();
            assert_eq!(accepted(&text), [is_first; 6], "{text:?}");
            let second = format!("a{text}");
            assert_eq!(accepted(&second), [is_first || byte == b'.'; 6], "{second:?}");
        }
    }

    #[test]
    fn a_stream_stays_in_its_partition() {
        // The hash must never change: every stored stream would be lost.
        let partitions = Partitions::default();
        let at = |id: &str| partitions.of(&id.parse().unwrap()).index();
        assert_eq!([at("cam-1"), at("cam-2"), at("north")], [at("cam-1"), at("cam-2"), at("north")]);
        assert!(Partitions::new(48).is_err());
        assert!(Partitions::new(2048).is_err());
        assert!(Partitions::new(1024).is_ok());
    }
}
