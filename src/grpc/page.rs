//! Page tokens: what a list goes on behind, by stream id or by another text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::{Fault, Result};
use crate::domain::StreamId;
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

/// A token for the page behind `last`, good for the list `kind` only.
pub(crate) fn token(kind: &str, last: &StreamId) -> String {
    text_token(kind, last.as_str())
}

/// The same for lists that go by another text.
pub(crate) fn text_token(kind: &str, last: &str) -> String {
    let mut bytes = check(kind, last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where the page begins; `None` for the first one.
pub(crate) fn after(kind: &str, token: &str) -> Result<Option<StreamId>> {
    text_after(kind, token)?.map(|id| id.parse().map_err(|_| bad_token())).transpose()
}

/// The same for lists that go by another text.
pub(crate) fn text_after(kind: &str, token: &str) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    let (sum, text) = bytes.split_at_checked(CHECK_BYTES).ok_or_else(bad_token)?;
    let text = std::str::from_utf8(text).map_err(|_| bad_token())?;
    if check(kind, text) != sum {
        return Err(bad_token());
    }
    Ok(Some(text.to_owned()))
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

    #[test]
    fn a_token_leads_on_in_its_own_list() {
        let id: StreamId = "cam-7".parse().unwrap();
        assert_eq!(after("streams", &token("streams", &id)), Ok(Some(id.clone())));
        assert_eq!(after("streams", ""), Ok(None));
        for bad in
            [token("stats", &id), "x".to_owned(), "????".to_owned(), token("streams", &id)[..6].to_owned()]
        {
            let fault = after("streams", &bad).unwrap_err();
            assert_eq!(fault.reason, ErrorReason::PageTokenInvalid);
        }
    }

    #[test]
    fn sizes_have_a_default_and_a_maximum() {
        assert_eq!((size(0), size(7), size(5000)), (100, 7, 1000));
    }
}
