use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Sequence, StoreIdentity, StreamId, Timestamp, ValidationError};

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
    /// The subscriber asked to begin with this number, and nothing up to it has been seen: it need not have been given out.
    pub awaited: bool,
    /// The text of a cursor that another store gave out; its number means nothing here.
    pub foreign: Option<Box<str>>,
}

const VERSION: u8 = 3;
/// Cursors of this version named no store.
const STORELESS_VERSION: u8 = 2;
const AWAITED: u8 = 1;
const STORELESS_FIXED_BYTES: usize = 1 + 8;
const FIXED_BYTES: usize = 1 + 1 + 8 + 8;
const SEAL_BYTES: usize = 8;
const CHECK_BYTES: usize = 4;
/// Longest text: more than any cursor has, of any version.
const MAX_CHARS: usize = 512;

impl Cursor {
    /// A position before number `next` of this store.
    #[must_use]
    pub const fn new(stream_id: StreamId, next: Sequence) -> Self {
        Self { stream_id, next, awaited: false, foreign: None }
    }

    /// The opaque text that callers keep: URL-safe base64, at most 124 characters. One of another store stays as it came.
    #[must_use]
    pub fn encode(&self, store: &StoreIdentity) -> String {
        if let Some(text) = &self.foreign {
            return text.to_string();
        }
        let id = self.stream_id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + id.len() + SEAL_BYTES + CHECK_BYTES);
        bytes.extend_from_slice(&[VERSION, if self.awaited { AWAITED } else { 0 }]);
        bytes.extend_from_slice(&store.id().to_be_bytes());
        bytes.extend_from_slice(&self.next.get().to_be_bytes());
        bytes.extend_from_slice(id);
        let seal = store.seal(&bytes);
        bytes.extend_from_slice(&seal.as_bytes()[..SEAL_BYTES]);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor. One that another store gave out, or a version that named no store, is read as foreign.
    ///
    /// # Errors
    /// It is no cursor, was cut short, or was not given out by the store that it names, where that is `store`.
    pub fn decode(text: &str, store: &StoreIdentity) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("cursor", "is not a cursor of this service, or was cut short");
        if text.len() > MAX_CHARS {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (body, sum) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or_else(bad)?;
        if check(body) != *sum {
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

/// Guards against cut or mistyped cursors, of any store.
fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor::new("cam-1".parse().unwrap(), Sequence::new(77).unwrap())
    }

    #[test]
    fn cursors_come_back_whole_or_not_at_all() {
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
    fn a_cursor_of_another_store_is_known_as_such_and_stays_as_it_came() {
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
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let read = Cursor::decode(&text, &StoreIdentity::random()).unwrap();
        assert_eq!((read.stream_id.as_str(), read.foreign.as_deref()), ("cam-1", Some(&*text)));
    }

    #[test]
    fn a_cursor_that_the_store_did_not_seal_is_refused() {
        let store = StoreIdentity::random();
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor().encode(&store)).unwrap();
        bytes.truncate(bytes.len() - CHECK_BYTES);
        bytes[FIXED_BYTES - 1] += 1; // another number, and a check that holds
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        assert!(Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes), &store).is_err());
    }
}
