//! Pages of lists: their size, and the tokens of further pages.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use prost::Message;

use super::fault::{Fault, Result};
use crate::domain::StoreIdentity;
use crate::domain::limits::MAX_PAGE_BYTES;
use crate::pb::v1::ErrorReason;

/// The maximum number of items of a page.
pub(crate) const MAX_PAGE_SIZE: usize = 1000;
const DEFAULT_PAGE_SIZE: usize = 100;
const CHECKSUM_BYTES: usize = 4;
/// The number of items that are read at a time for a page.
pub(crate) const READ_AT_ONCE: usize = 100;
/// The maximum number of reads of `READ_AT_ONCE` items for one page: up to 4,000 items are searched
/// for the few that pass a filter.
pub(crate) const READS_A_PAGE: usize = 40;
/// The maximum size of the items of a page, in bytes; a single item may be larger. With its token,
/// the page stays below `MAX_PAGE_BYTES`.
const PAGE_BYTES: usize = MAX_PAGE_BYTES - (512 << 10);
/// The size of an item's key and length, in bytes.
const ITEM_OVERHEAD_BYTES: usize = 6;

/// Returns the maximum number of items of a page whose request asks for `asked` items.
pub(crate) fn size(asked: u32) -> usize {
    match asked {
        0 => DEFAULT_PAGE_SIZE,
        asked => (asked as usize).min(MAX_PAGE_SIZE),
    }
}

/// Returns the text that identifies a list in one store, and that its tokens are checked against. A
/// token of another store, or of this one before it was emptied, is therefore invalid.
pub(crate) fn kind(list: &str, store: &StoreIdentity) -> String {
    format!("{list} of {:016x}", store.id())
}

/// Returns the text that identifies a list with a filter: a token is valid only with the same
/// filter.
pub(crate) fn filtered(list: &str, filter: &str, store: &StoreIdentity) -> String {
    format!("{} where {filter}", kind(list, store))
}

/// A page that grows until it is full, in items or in bytes.
#[derive(Debug)]
pub(crate) struct Page<T, K> {
    items: Vec<T>,
    /// The key of the last item that was read, whether it is on the page or not.
    last: Option<K>,
    size: usize,
    room: usize,
    full: bool,
}

impl<T: Message, K> Page<T, K> {
    pub(crate) fn new(size: usize) -> Self {
        Self { items: Vec::new(), last: None, size, room: PAGE_BYTES, full: false }
    }

    /// Adds an item if there is room for it. Returns false if the page is full afterwards, whether
    /// the item was added or not. The first item is added even if it is larger than the room.
    pub(crate) fn add(&mut self, key: K, item: T) -> bool {
        let bytes = item.encoded_len() + ITEM_OVERHEAD_BYTES;
        if bytes > self.room && !self.items.is_empty() {
            self.full = true;
            return false;
        }
        self.room = self.room.saturating_sub(bytes);
        self.items.push(item);
        self.pass(key);
        self.full = self.items.len() >= self.size;
        !self.full
    }

    /// Returns the number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Records the key of an item that was read. The item itself is not added.
    pub(crate) fn pass(&mut self, key: K) {
        self.last = Some(key);
    }

    /// Returns the number of items to read at a time: at most the free size of the page, unless a
    /// filter may skip some.
    pub(crate) fn read_limit(&self, filter_is_empty: bool) -> usize {
        if filter_is_empty { READ_AT_ONCE.min(self.size - self.items.len()) } else { READ_AT_ONCE }
    }

    /// Returns the items and, if the page is full, the key after which the next page starts.
    pub(crate) fn end(self) -> (Vec<T>, Option<K>) {
        let last = self.last.filter(|_| self.full);
        (self.items, last)
    }

    /// Returns the items of the last page.
    pub(crate) fn all(self) -> Vec<T> {
        self.items
    }

    /// Returns the items, and the key of the last item that was read, even if the page is not full.
    /// This is for lists that stop reading before their end, so that there may be further items.
    pub(crate) fn cut(self) -> (Vec<T>, Option<K>) {
        (self.items, self.last)
    }
}

/// Returns the token of the page after `last`, valid for the list `kind` only.
pub(crate) fn token(kind: &str, last: &(impl Display + ?Sized)) -> String {
    let last = last.to_string();
    let mut bytes = checksum(kind, &last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the key after which a page starts; `None` for the first page.
pub(crate) fn after<T: FromStr>(kind: &str, token: &str) -> Result<Option<T>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    let (sum, text) = bytes.split_at_checked(CHECKSUM_BYTES).ok_or_else(bad_token)?;
    let text = std::str::from_utf8(text).map_err(|_| bad_token())?;
    if checksum(kind, text) != sum {
        return Err(bad_token());
    }
    text.parse().map(Some).map_err(|_| bad_token())
}

pub(crate) fn bad_token() -> Fault {
    Fault::new(ErrorReason::PageTokenInvalid, "page_token is not a token of this list").field("page_token")
}

/// Returns the checksum of a token. It detects tokens that were truncated or belong to another
/// list. It does not detect forged ones: a token grants no access.
fn checksum(kind: &str, id: &str) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    let hash = blake3::Hasher::new().update(kind.as_bytes()).update(b"\0").update(id.as_bytes()).finalize();
    sum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StreamId;

    #[test]
    fn a_token_is_valid_only_for_its_own_list() {
        let id: StreamId = "site.north.cam-7".parse().unwrap();
        assert_eq!(after("streams", &token("streams", &id)), Ok(Some(id.clone())));
        assert_eq!(after::<StreamId>("streams", ""), Ok(None));
        for bad in
            [token("stats", &id), "x".to_owned(), "????".to_owned(), token("streams", &id)[..6].to_owned()]
        {
            let fault = after::<StreamId>("streams", &bad).unwrap_err();
            crate::grpc::documented::check(&fault);
            assert_eq!(fault.reason, ErrorReason::PageTokenInvalid);
        }
    }

    #[test]
    fn a_token_of_another_store_is_refused() {
        let id: StreamId = "cam-7".parse().unwrap();
        let ours = kind("streams", &StoreIdentity::random());
        let theirs = token(&kind("streams", &StoreIdentity::random()), &id);
        assert_eq!(after(&ours, &token(&ours, &id)), Ok(Some(id)));
        assert_eq!(after::<StreamId>(&ours, &theirs).unwrap_err().reason, ErrorReason::PageTokenInvalid);
    }

    #[test]
    fn sizes_have_a_default_and_a_maximum() {
        assert_eq!((size(0), size(7), size(5000)), (100, 7, 1000));
    }
}
