use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Sequence, StreamId, Timestamp, ValidationError};

/// Where a subscription to a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartPosition {
    /// With the next frame that is published.
    Live,
    /// With the oldest entry that is kept.
    Earliest,
    /// With this number; what retention took of it is told as a gap.
    Sequence(Sequence),
    /// With the first frame received at or after this time.
    Time(Timestamp),
    /// After what a cursor has seen.
    Cursor(Cursor),
}

/// A position in one output: all below `next` has been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The stream.
    pub stream_id: StreamId,
    /// The first number not yet seen.
    pub next: Sequence,
}

const VERSION: u8 = 2;
const FIXED_BYTES: usize = 1 + 8;
const CHECK_BYTES: usize = 4;

impl Cursor {
    /// The opaque text that callers keep: URL-safe base64, at most 104 characters.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.stream_id.as_str().len() + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.next.get().to_be_bytes());
        bytes.extend_from_slice(self.stream_id.as_str().as_bytes());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Guards against cut or mistyped cursors, not against forgery: a cursor grants nothing.
fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

impl FromStr for Cursor {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("cursor", "is not a cursor of this server, or was cut short");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        if bytes.len() <= FIXED_BYTES + CHECK_BYTES || bytes[0] != VERSION {
            return Err(bad());
        }
        let (body, sum) = bytes.split_at(bytes.len() - CHECK_BYTES);
        if check(body) != sum {
            return Err(bad());
        }
        let number = |at: usize| body[at..at + 8].try_into().map(u64::from_be_bytes).map_err(|_| bad());
        let id = std::str::from_utf8(&body[FIXED_BYTES..]).map_err(|_| bad())?;
        Ok(Self {
            stream_id: id.parse().map_err(|_| bad())?,
            next: Sequence::new(number(1)?).map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_whole_or_not_at_all() {
        let cursor = Cursor { stream_id: "cam-1".parse().unwrap(), next: Sequence::new(77).unwrap() };
        let text = cursor.encode();
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<Cursor>().is_err(), "cut at {cut} passed");
        }
        let mut other = text.into_bytes();
        other[3] = if other[3] == b'A' { b'B' } else { b'A' };
        assert!(String::from_utf8(other).unwrap().parse::<Cursor>().is_err());
    }
}
