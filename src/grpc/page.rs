//! Page tokens: what a list goes on behind, by an id or another text.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use prost::Message;

use super::fault::{Fault, Result};
use crate::domain::StoreIdentity;
use crate::domain::limits::MAX_PAGE_BYTES;
use crate::pb::v1::ErrorReason;

/// Largest page.
pub(crate) const MAX_PAGE_SIZE: usize = 1000;
const DEFAULT_PAGE_SIZE: usize = 100;
const CHECK_BYTES: usize = 4;
/// Bytes of a page's items, but for one that has more alone: with its token the page stays below `MAX_PAGE_BYTES`.
const PAGE_BYTES: usize = MAX_PAGE_BYTES - (512 << 10);
/// The key and the length of an item.
const ITEM_OVERHEAD_BYTES: usize = 6;

/// The page size in force.
pub(crate) fn size(asked: u32) -> usize {
    match asked {
        0 => DEFAULT_PAGE_SIZE,
        asked => (asked as usize).min(MAX_PAGE_SIZE),
    }
}

/// The kind of a list in one store: a token of another store, or of this one before it was emptied, is none of this list's.
pub(crate) fn kind(list: &str, store: &StoreIdentity) -> String {
    format!("{list} of {:016x}", store.id())
}

/// The kind of a list with a filter: a token leads on in its own filter only.
pub(crate) fn filtered(list: &str, filter: &str, store: &StoreIdentity) -> String {
    format!("{} where {filter}", kind(list, store))
}

/// A page that grows until it is full, in items or in bytes.
#[derive(Debug)]
pub(crate) struct Page<T, K> {
    items: Vec<T>,
    /// The last item that was looked at, on the page or passed over.
    last: Option<K>,
    size: usize,
    room: usize,
    full: bool,
}

impl<T: Message, K> Page<T, K> {
    pub(crate) fn new(size: usize) -> Self {
        Self { items: Vec::new(), last: None, size, room: PAGE_BYTES, full: false }
    }

    /// Adds an item; false if the page is full before or after it. The first item fits, whatever its size.
    pub(crate) fn add(&mut self, key: K, item: T) -> bool {
        // The key and the length of a field.
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

    /// Passes over an item that does not belong to the page.
    pub(crate) fn pass(&mut self, key: K) {
        self.last = Some(key);
    }

    /// How many more items the page takes.
    pub(crate) fn left(&self) -> usize {
        self.size - self.items.len()
    }

    /// The items, and the key that the next page goes on behind if the page was filled.
    pub(crate) fn end(self) -> (Vec<T>, Option<K>) {
        let last = self.last.filter(|_| self.full);
        (self.items, last)
    }

    /// The items of a page that is the last.
    pub(crate) fn all(self) -> Vec<T> {
        self.items
    }

    /// The same for a page whose list may go on although the page is not full.
    pub(crate) fn cut(self) -> (Vec<T>, Option<K>) {
        (self.items, self.last)
    }
}

/// A token for the page behind `last`, good for the list `kind` only.
pub(crate) fn token(kind: &str, last: &(impl Display + ?Sized)) -> String {
    let last = last.to_string();
    let mut bytes = check(kind, &last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where the page begins; `None` for the first one.
pub(crate) fn after<T: FromStr>(kind: &str, token: &str) -> Result<Option<T>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    let (sum, text) = bytes.split_at_checked(CHECK_BYTES).ok_or_else(bad_token)?;
    let text = std::str::from_utf8(text).map_err(|_| bad_token())?;
    if check(kind, text) != sum {
        return Err(bad_token());
    }
    text.parse().map(Some).map_err(|_| bad_token())
}

pub(crate) fn bad_token() -> Fault {
    Fault::new(ErrorReason::PageTokenInvalid, "page_token is not one of this list's").field("page_token")
}

/// Guards against tokens that were cut, or are another list's; not against forgery: a token grants nothing.
fn check(kind: &str, id: &str) -> [u8; CHECK_BYTES] {
    let mut sum = [0; CHECK_BYTES];
    let hash = blake3::Hasher::new().update(kind.as_bytes()).update(b"\0").update(id.as_bytes()).finalize();
    sum.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StreamId;

    #[test]
    fn a_token_leads_on_in_its_own_list() {
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
