//! Reading all dead letters that match a filter, page by page.

use crate::client::Client;
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// The maximum page size of the contract.
const MAX_PAGE: u32 = 1_000;

/// The pages of a list, newest dead letters first.
#[derive(Debug)]
pub(super) struct Pages {
    client: Client,
    request: pb::ListDeadLettersRequest,
    is_last: bool,
}

impl Pages {
    pub(super) fn new(client: &Client, filter: String) -> Self {
        let request = pb::ListDeadLettersRequest { filter, page_size: MAX_PAGE, ..Default::default() };
        Self { client: client.clone(), request, is_last: false }
    }

    /// Reads the next page, of at most `limit` dead letters; `None` after the last one.
    pub(super) async fn next(
        &mut self,
        limit: usize,
    ) -> Result<Option<pb::ListDeadLettersResponse>, Failure> {
        if self.is_last || limit == 0 {
            return Ok(None);
        }
        self.request.page_size = u32::try_from(limit).unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let answer = self.client.dead_letters.list_dead_letters(self.request.clone()).await;
        let page = answer.map_err(|status| refused("listing dead letters", &status))?.into_inner();
        self.request.page_token = page.next_page_token.clone();
        self.is_last = page.next_page_token.is_empty();
        Ok(Some(page))
    }

    /// Reports whether there are pages that were not read.
    pub(super) fn has_more(&self) -> bool {
        !self.is_last
    }
}

/// Reads all dead letters that match the filter, oldest first.
pub(super) async fn all(client: &Client, filter: String) -> Result<Vec<pb::DeadLetter>, Failure> {
    let mut pages = Pages::new(client, filter);
    let mut letters = Vec::new();
    while let Some(page) = pages.next(usize::MAX).await? {
        letters.extend(page.dead_letters);
    }
    letters.reverse();
    Ok(letters)
}
