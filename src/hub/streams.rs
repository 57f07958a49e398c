//! Reads the records of many streams.

use crate::domain::{StreamId, StreamRecord};
use crate::queue::{self, ListStreams, Queue};

/// The maximum number of streams in one read by id.
pub(super) const RECORDS_PER_READ: usize = 500;
/// The number of streams in one page of the list.
pub(super) const PAGE_STREAMS: usize = 1000;

/// Returns the records of these streams. A stream that was never registered has none.
pub(super) async fn records(queue: &dyn Queue, ids: &[StreamId]) -> queue::Result<Vec<StreamRecord>> {
    let mut records = Vec::with_capacity(ids.len());
    for ids in ids.chunks(RECORDS_PER_READ) {
        records.extend(queue.get_streams(ids).await?.into_iter().flatten());
    }
    Ok(records)
}

/// Returns the records of all registered streams, in the order of their ids.
pub(super) async fn all_streams(queue: &dyn Queue) -> queue::Result<Vec<StreamRecord>> {
    let mut all = Vec::new();
    for_each_page(queue, PAGE_STREAMS, |records| {
        all.extend(records);
        Ok::<bool, queue::Error>(true)
    })
    .await?;
    Ok(all)
}

/// Reads all registered streams in the order of their ids, `page_streams` at a time, and passes
/// each page to `take` until that returns `false` or fails.
pub(super) async fn for_each_page<E: From<queue::Error>>(
    queue: &dyn Queue,
    page_streams: usize,
    mut take: impl FnMut(Vec<StreamRecord>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut query = ListStreams { after: None, limit: page_streams };
    loop {
        let records = queue.list_streams(&query).await?;
        let is_last = records.len() < query.limit;
        query.after = records.last().map(|record| record.id.clone());
        for _ in &records {
            // Thousands of streams with large settings take a while: let other tasks run.
            tokio::task::consume_budget().await;
        }
        if !take(records)? || is_last {
            return Ok(());
        }
    }
}
