//! Page tokens: what a list goes on behind, by an id or another text.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::{Fault, Result};
use crate::domain::StoreIdentity;
use crate::pb::v1::ErrorReason;

/// Largest page.
pub(crate) const MAX_PAGE_SIZE: usize = 1000;
const DEFAULT_PAGE_SIZE: usize = 100;
const CHECK_BYTES: usize = 4;

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
