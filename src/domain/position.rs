use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Sequence, StoreIdentity, StreamId, Timestamp, ValidationError};

/// The position at which a subscription to a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartPosition {
    /// At the next frame that is published.
    Live,
    /// At the oldest entry that is kept.
    Earliest,
    /// At this sequence. Entries that retention has removed are reported as a gap.
    Sequence(Sequence),
    /// At the first frame received at or after this time.
    Time(Timestamp),
    /// At the position of a cursor.
    Cursor(Cursor),
}

/// A position in the output of one stream: the reader has received everything before `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The stream.
    pub stream_id: StreamId,
    /// The next sequence that the reader needs.
    pub next: Sequence,
    /// True if the subscriber asked to begin at this sequence and has not received anything yet.
    /// Such a sequence need not have been issued.
    pub awaited: bool,
    /// The text of a cursor that another store issued; its sequence has no meaning in this store.
    pub foreign: Option<Box<str>>,
}

/// The version of the format that [`Cursor::encode`] writes.
const VERSION: u8 = 3;
/// The older version of the format. Its cursors do not name a store.
const STORELESS_VERSION: u8 = 2;
/// The flag of a cursor that is [`Cursor::awaited`].
const AWAITED: u8 = 1;
/// The size of the older form before the stream id: version, sequence.
const STORELESS_FIXED_BYTES: usize = 1 + 8;
/// The size of the form before the stream id: version, flag, store id, sequence.
const FIXED_BYTES: usize = 1 + 1 + 8 + 8;
/// The sizes of the seal and of the checksum, which follow the stream id.
const SEAL_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;
/// The maximum length of a text that is decoded, in characters. No cursor of any version is longer.
const MAX_CHARS: usize = 512;

impl Cursor {
    /// Creates a cursor of this store at sequence `next`.
    #[must_use]
    pub const fn new(stream_id: StreamId, next: Sequence) -> Self {
        Self { stream_id, next, awaited: false, foreign: None }
    }

    /// Returns the opaque text that clients keep: URL-safe base64, at most 124 characters. A cursor
    /// of another store is returned unchanged.
    #[must_use]
    pub fn encode(&self, store: &StoreIdentity) -> String {
        if let Some(text) = &self.foreign {
            return text.to_string();
        }
        let id = self.stream_id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + id.len() + SEAL_BYTES + CHECKSUM_BYTES);
        bytes.extend_from_slice(&[VERSION, if self.awaited { AWAITED } else { 0 }]);
        bytes.extend_from_slice(&store.id().to_be_bytes());
        bytes.extend_from_slice(&self.next.get().to_be_bytes());
        bytes.extend_from_slice(id);
        let seal = store.seal(&bytes);
        bytes.extend_from_slice(&seal.as_bytes()[..SEAL_BYTES]);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Parses a cursor. The result is foreign ([`Self::foreign`]) if another store issued the
    /// cursor, or if the cursor has the older version, which does not name a store.
    ///
    /// # Errors
    /// Fails if the text is not a cursor, is truncated, or names `store` but was not issued by it.
    pub fn decode(text: &str, store: &StoreIdentity) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("cursor", "is not a cursor of this service, or is truncated");
        if text.len() > MAX_CHARS {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(bad)?;
        if checksum(body) != *sum {
            return Err(bad());
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| bad());
        let stream = |bytes: &[u8]| {
            std::str::from_utf8(bytes).ok().and_then(|id| id.parse::<StreamId>().ok()).ok_or_else(bad)
        };
        let foreign = |stream_id, next| Self { foreign: Some(text.into()), ..Self::new(stream_id, next) };
        if body.first() == Some(&STORELESS_VERSION) {
            let (fixed, id) = body.split_at_checked(STORELESS_FIXED_BYTES).ok_or_else(bad)?;
            let next = Sequence::new(number(&fixed[1..])?).map_err(|_| bad())?;
            return Ok(foreign(stream(id)?, next));
        }
        let (sealed, seal) = body.split_last_chunk::<SEAL_BYTES>().ok_or_else(bad)?;
        let (fixed, id) = sealed.split_at_checked(FIXED_BYTES).ok_or_else(bad)?;
        if fixed[0] != VERSION || fixed[1] > AWAITED {
            return Err(bad());
        }
        let next = Sequence::new(number(&fixed[10..])?).map_err(|_| bad())?;
        if number(&fixed[2..10])? != store.id() {
            return Ok(foreign(stream(id)?, next));
        }
        if store.seal(sealed).as_bytes()[..SEAL_BYTES] != seal[..] {
            return Err(bad());
        }
        Ok(Self { awaited: fixed[1] == AWAITED, ..Self::new(stream(id)?, next) })
    }
}

/// Computes the checksum that detects truncated and mistyped cursors of any store.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor::new("cam-1".parse().unwrap(), Sequence::new(77).unwrap())
    }

    #[test]
    fn cursors_round_trip_and_malformed_texts_are_refused() {
        let store = StoreIdentity::random();
        for cursor in [cursor(), Cursor { awaited: true, ..cursor() }] {
            let text = cursor.encode(&store);
            assert_eq!(Cursor::decode(&text, &store), Ok(cursor));
            for cut in 0..text.len() {
                assert!(Cursor::decode(&text[..cut], &store).is_err(), "cut at {cut} passed");
            }
            let mut other = text.into_bytes();
            other[3] = if other[3] == b'A' { b'B' } else { b'A' };
            assert!(Cursor::decode(&String::from_utf8(other).unwrap(), &store).is_err());
        }
    }

    #[test]
    fn a_cursor_of_another_store_is_foreign_and_keeps_its_text() {
        let (ours, theirs) = (StoreIdentity::random(), StoreIdentity::random());
        let text = cursor().encode(&theirs);
        let read = Cursor::decode(&text, &ours).unwrap();
        assert_eq!((read.foreign.as_deref(), &read.stream_id), (Some(&*text), &cursor().stream_id));
        assert_eq!(read.encode(&ours), text);
    }

    #[test]
    fn a_cursor_of_the_version_that_named_no_store_is_foreign() {
        let mut bytes = vec![STORELESS_VERSION];
        bytes.extend_from_slice(&77_u64.to_be_bytes());
        bytes.extend_from_slice(b"cam-1");
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let read = Cursor::decode(&text, &StoreIdentity::random()).unwrap();
        assert_eq!((read.stream_id.as_str(), read.foreign.as_deref()), ("cam-1", Some(&*text)));
    }

    #[test]
    fn a_cursor_that_the_store_did_not_seal_is_refused() {
        let store = StoreIdentity::random();
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor().encode(&store)).unwrap();
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        bytes[FIXED_BYTES - 1] += 1; // another sequence, and a valid checksum
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        assert!(Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes), &store).is_err());
    }
}
