use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use super::Hub;
use super::event::PicturesOrLost;
use super::select::PictureWant;
use crate::domain::{OutputEntry, Sequence, StreamId};
use crate::queue::{self, OutputPage};

/// A read that takes longer is given up; the backends have stricter limits of their own.
const LONGEST_LOAD: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// What a subscription reads at the moment. Kept between calls, so that a caller that gives up waiting loses nothing.
pub(super) struct Load {
    /// For which stream.
    pub(super) index: u32,
    pub(super) future: BoxFuture<'static, queue::Result<Found>>,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Found {
    /// A stretch of the output; `None` if nothing is known of the stream.
    Page(Option<OutputPage>),
    Pictures(Arc<OutputEntry>, PicturesOrLost),
}

impl Load {
    fn new(index: u32, read: impl Future<Output = queue::Result<Found>> + Send + 'static) -> Self {
        let too_long = || queue::Error::NoAnswer(format!("no answer within {LONGEST_LOAD:?}"));
        let future = timeout(LONGEST_LOAD, read).map(move |read| read.unwrap_or_else(|_| Err(too_long())));
        Self { index, future: future.boxed() }
    }

    pub(super) fn page(hub: &Arc<Hub>, index: u32, stream: StreamId, from: Sequence, limit: usize) -> Self {
        let hub = Arc::clone(hub);
        Self::new(index, async move {
            hub.count_output_read();
            match hub.queue.read_outputs(&stream, from, limit).await {
                Err(queue::Error::StreamNotFound(_)) => Ok(Found::Page(None)),
                page => page.map(|page| Found::Page(Some(page))),
            }
        })
    }

    pub(super) fn pictures(hub: &Arc<Hub>, index: u32, entry: Arc<OutputEntry>, want: PictureWant) -> Self {
        let hub = Arc::clone(hub);
        Self::new(index, async move {
            let pictures = hub.pictures(&entry, &want).await?;
            Ok(Found::Pictures(entry, pictures))
        })
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Reads fail, one after the other.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    pub(super) retry_at: Instant,
    backoff: Duration,
}

impl Trouble {
    /// Another failure, after `before` or the first. `None` once it has gone on for `limit`.
    pub(super) fn again(before: Option<&Self>, limit: Duration, spread: Duration) -> Option<Self> {
        let now = Instant::now();
        let since = before.map_or(now, |before| before.since);
        let backoff = before.map_or(FIRST_BACKOFF, |before| (before.backoff * 2).min(LONGEST_BACKOFF));
        (now.duration_since(since) < limit).then(|| Self { since, retry_at: now + backoff + spread, backoff })
    }
}
