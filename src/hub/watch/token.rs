//! Tokens to resume a watch with.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Timestamp, ValidationError};

const VERSION: u8 = 2;
/// Tokens of this version do not contain the store.
const STORELESS_VERSION: u8 = 1;
const CHECK_BYTES: usize = 4;
/// The maximum length of the text. If the positions of all partitions do not fit, they are left
/// out, and the watch starts with a new snapshot.
const MAX_CHARS: usize = 512;

/// The position of a watch: its selection, how far it had read each partition's feed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchToken {
    /// The id of the store; 0 = unknown.
    pub(super) store: u64,
    /// A digest of the selection.
    pub(super) selection: [u8; 4],
    pub(super) time: Timestamp,
    /// The positions by partition; empty = start with a snapshot.
    pub(super) positions: Vec<u64>,
}

impl WatchToken {
    /// Returns the opaque text that clients keep.
    #[must_use]
    pub fn encode(&self) -> String {
        let text = self.encode_with(&self.positions);
        if text.len() <= MAX_CHARS { text } else { self.encode_with(&[]) }
    }

    fn encode_with(&self, positions: &[u64]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.store.to_be_bytes());
        bytes.extend_from_slice(&self.selection);
        bytes.extend_from_slice(&self.time.as_micros().to_be_bytes());
        for &position in positions {
            let mut rest = position;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Returns a checksum, which detects truncated or mistyped tokens. It does not prevent forgery: a
/// token grants nothing.
fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut sum = [0; CHECK_BYTES];
    let hash = blake3::Hasher::new().update(b"watch").update(bytes).finalize();
    sum.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
    sum
}

impl FromStr for WatchToken {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let bad =
            || ValidationError::new("resume_token", "is not a resume token of a watch, or is truncated");
        if text.len() > MAX_CHARS {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (body, sum) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or_else(bad)?;
        if check(body) != *sum {
            return Err(bad());
        }
        let (&version, rest) = body.split_first().ok_or_else(bad)?;
        let (store, rest) = match version {
            VERSION => rest.split_first_chunk::<8>().map(|(id, rest)| (u64::from_be_bytes(*id), rest)),
            STORELESS_VERSION => Some((0, rest)),
            _ => None,
        }
        .ok_or_else(bad)?;
        let (&selection, rest) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
        let (time, mut rest) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
        let mut positions = Vec::new();
        while !rest.is_empty() {
            let mut position = 0_u64;
            let mut shift = 0;
            loop {
                let (&byte, tail) = rest.split_first().ok_or_else(bad)?;
                rest = tail;
                if shift > 63 {
                    return Err(bad());
                }
                position |= u64::from(byte & 0x7F) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            positions.push(position);
        }
        Ok(Self { store, selection, time: Timestamp::from_micros(i64::from_be_bytes(*time)), positions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_decoded_whole_or_refused() {
        let token = |positions| WatchToken {
            store: u64::MAX,
            selection: [1, 2, 3, 4],
            time: Timestamp::from_micros(1_700_000_000_000_000),
            positions,
        };
        let whole = token((0..32).map(|n| n << 40).collect());
        let text = whole.encode();
        assert!(text.len() <= MAX_CHARS, "{}", text.len());
        assert_eq!(text.parse::<WatchToken>(), Ok(whole));
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<WatchToken>().is_err(), "cut at {cut} passed");
        }
        let many = token(vec![1 << 20; 1024]).encode();
        assert!(many.len() <= MAX_CHARS);
        assert_eq!(many.parse::<WatchToken>().unwrap().positions, Vec::<u64>::new());
    }
}
