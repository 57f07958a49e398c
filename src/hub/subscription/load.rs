//! Reads that a subscription waits for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::domain::{OutputEntry, Sequence, StreamId};
use crate::hub::Hub;
use crate::hub::erasures::Known;
use crate::hub::event::PicturesOrLost;
use crate::hub::pictures::want::PictureWant;
use crate::queue::{self, OutputPage};

/// A read that takes longer is abandoned; the backends have shorter limits of their own.
const MAX_LOAD_TIME: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A read in progress. The subscription keeps it between calls, so that a caller that stops waiting
/// loses nothing.
pub(super) struct Load {
    /// The index of the stream.
    pub(super) index: u32,
    pub(super) future: BoxFuture<'static, queue::Result<LoadResult>>,
}

/// The result of a read.
#[derive(Debug)]
pub(super) enum LoadResult {
    /// A page of the output, `None` if the stream is unknown; and the generation of what is in memory
    /// when the read began.
    Page(Option<OutputPage>, u64),
    Pictures(FoundEntry, PicturesOrLost),
}

/// An entry, and what was known of erasures when it was looked for.
#[derive(Debug)]
pub(super) struct FoundEntry {
    pub(super) entry: Arc<OutputEntry>,
    pub(super) known: Known,
}

impl Load {
    fn new(index: u32, read: impl Future<Output = queue::Result<LoadResult>> + Send + 'static) -> Self {
        let too_long = || queue::Error::NoAnswer(format!("no answer within {MAX_LOAD_TIME:?}"));
        let future = timeout(MAX_LOAD_TIME, read).map(move |read| read.unwrap_or_else(|_| Err(too_long())));
        Self { index, future: future.boxed() }
    }

    pub(super) fn page(hub: &Arc<Hub>, index: u32, stream: StreamId, from: Sequence, limit: usize) -> Self {
        let hub = Arc::clone(hub);
        Self::new(index, async move {
            hub.count_output_read();
            let generation = hub.erasures.generation();
            match hub.queue.read_outputs(&stream, from, limit).await {
                Err(queue::Error::StreamNotFound(_)) => Ok(LoadResult::Page(None, generation)),
                page => page.map(|page| LoadResult::Page(Some(page), generation)),
            }
        })
    }

    pub(super) fn pictures(hub: &Arc<Hub>, index: u32, found: FoundEntry, want: PictureWant) -> Self {
        let hub = Arc::clone(hub);
        Self::new(index, async move {
            let pictures = hub.pictures(&found.entry, &want).await?;
            Ok(LoadResult::Pictures(found, pictures))
        })
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("index", &self.index).finish_non_exhaustive()
    }
}

/// A series of failed reads.
#[derive(Debug)]
pub(super) struct Outage {
    since: Instant,
    pub(super) retry_at: Instant,
    backoff: Backoff,
}

impl Outage {
    /// Adds a failure to the series `before`, or starts one; `None` if the series has lasted for
    /// `limit`. `spread` lengthens the pause.
    pub(super) fn after_failure(before: Option<&Self>, limit: Duration, spread: Duration) -> Option<Self> {
        let now = Instant::now();
        let since = before.map_or(now, |before| before.since);
        let mut backoff = before.map_or(Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), |before| before.backoff);
        let retry_at = now + backoff.next() + spread;
        (now.duration_since(since) < limit).then_some(Self { since, retry_at, backoff })
    }
}
