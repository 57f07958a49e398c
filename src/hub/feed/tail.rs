//! The tail: reads the feeds of all partitions, once for the whole server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::state::TailState;
use crate::backoff::Backoff;
use crate::domain::{PartitionId, Sequence, StreamCounters, StreamId, StreamRecord, Timestamp};
use crate::hub::Hub;
use crate::hub::streams::{RECORDS_PER_READ, all_streams, records};
use crate::queue::{self, FeedEvent, FeedPage, FeedPosition};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The time after the requested wait at which a read of the feeds is abandoned.
const FEED_GRACE: Duration = Duration::from_secs(10);
/// The tolerance for clocks that differ: a stream that was registered at most this long before the
/// last read of the feeds counts as new.
const CLOCK_MARGIN: Duration = Duration::from_secs(10);

/// The reader of the feeds of all partitions.
#[derive(Debug)]
struct Tail {
    hub: Arc<Hub>,
    positions: Vec<(PartitionId, FeedPosition)>,
    /// The positions must be checked: they may be beyond the ends of a store that lost data.
    unchecked: bool,
    /// The partitions with events that the tail has missed.
    missed: HashSet<PartitionId>,
    last_read: Timestamp,
    /// The time at which the positions were last compared with the ends of the feeds.
    last_check: Instant,
}

/// Follows the feeds until `stop` is cancelled.
pub(in crate::hub) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let last_read = hub.create_time; // there were no subscriptions before
    let mut tail = Tail {
        hub,
        positions: Vec::new(),
        unchecked: true,
        missed: HashSet::new(),
        last_read,
        last_check: Instant::now(),
    };
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let step = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            step = tail.step() => step,
        };
        let Err(error) = step else {
            backoff.reset();
            continue;
        };
        tail.fail(error);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff.next()) => {}
        }
    }
}

impl Tail {
    async fn step(&mut self) -> queue::Result<()> {
        if self.unchecked {
            self.reconnect().await?;
        }
        if !self.missed.is_empty() {
            self.reload_missed().await?;
        }
        self.hub.tail.send_if_modified(|state| {
            let new = *state != TailState::Connected;
            *state = TailState::Connected;
            new
        });
        let wait = self.hub.config.feed_wait;
        let read = timeout(wait + FEED_GRACE, self.hub.queue.read_feed(&self.positions, wait));
        let pages = read.await.unwrap_or_else(|_| {
            Err(queue::Error::NoAnswer("a read of the feeds did not return in time".into()))
        })?;
        self.hub.count_feed_read();
        for page in pages {
            self.take_page(page).await?;
        }
        self.last_read = Timestamp::now();
        if self.last_check.elapsed() >= wait {
            self.check_ends().await?;
        }
        Ok(())
    }

    /// Detects a store that was restored to an older state or emptied while its connection stayed
    /// open: no event would ever report that.
    async fn check_ends(&mut self) -> queue::Result<()> {
        let ends = self.hub.queue.feed_ends().await?;
        let is_beyond = |partition: &PartitionId, end: FeedPosition| {
            self.positions.iter().any(|(known, position)| known == partition && *position > end)
        };
        if ends.iter().any(|(partition, end)| is_beyond(partition, *end)) {
            tracing::warn!("the feeds moved backwards; reloading all streams");
            self.unchecked = true;
        }
        self.last_check = Instant::now();
        Ok(())
    }

    fn fail(&mut self, error: queue::Error) {
        if matches!(error, queue::Error::Corrupt(_)) {
            // Another read would find the same corrupt event, so continue after it. The outputs
            // contain what was skipped.
            self.positions.clear();
        }
        self.unchecked = true;
        self.hub.tail.send_modify(|state| {
            let since = match state {
                TailState::Down { since, .. } => *since,
                TailState::Starting | TailState::Connected => {
                    tracing::warn!(%error, "cannot read the feeds; retrying");
                    Instant::now()
                }
            };
            *state = TailState::Down { since, error };
        });
    }

    /// Finds the ends of the feeds, moves back the positions that are beyond them, and marks all
    /// partitions for a recheck.
    async fn reconnect(&mut self) -> queue::Result<()> {
        let mut ends = self.hub.queue.feed_ends().await?;
        self.hub.registry_changed();
        for (partition, end) in &mut ends {
            if let Some((_, position)) = self.positions.iter().find(|(known, _)| known == partition) {
                *end = (*end).min(*position);
            }
            self.missed.insert(*partition);
        }
        self.positions = ends;
        self.last_check = Instant::now();
        self.unchecked = false;
        Ok(())
    }

    async fn take_page(&mut self, page: FeedPage) -> queue::Result<()> {
        let dynamic = self.hub.index.any_dynamic() || self.hub.directory.is_active();
        if page.missed || page.events.iter().any(|event| event.changed_stream().is_some()) {
            self.hub.registry_changed();
        }
        let records = if dynamic { self.changed_streams(&page).await? } else { Vec::new() };
        let ring_entries = self.hub.ring_entries();
        for event in &page.events {
            match event {
                FeedEvent::Output(entry) => {
                    if let Some(topic) = self.hub.index.topic(&entry.stream_id) {
                        topic.publish(entry, ring_entries);
                    }
                }
                FeedEvent::StreamRemoved(id, floor) => {
                    if let Some(topic) = self.hub.index.topic(id) {
                        topic.raise_floor(*floor);
                    }
                }
                FeedEvent::StreamChanged(_) => {}
            }
            if let Some(id) = event.changed_stream().filter(|_| dynamic) {
                match records.iter().find(|record| record.id == *id) {
                    Some(record) => self.hub.index.stream_changed(record, None),
                    None => self.hub.index.stream_gone(id),
                }
            }
        }
        self.hub.directory.take_page(&page, &records);
        // The position moves only now, because the page must be read again after an error above.
        if let Some((_, position)) = self.positions.iter_mut().find(|(known, _)| *known == page.partition) {
            *position = page.next;
        }
        if page.missed {
            tracing::warn!(
                partition = %page.partition,
                "the feed was trimmed before it was read; reading outputs instead"
            );
            self.missed.insert(page.partition);
        }
        Ok(())
    }

    /// Returns the records of the streams that a page reports as changed.
    async fn changed_streams(&self, page: &FeedPage) -> queue::Result<Vec<StreamRecord>> {
        let changed: HashSet<StreamId> =
            page.events.iter().filter_map(|event| event.changed_stream().cloned()).collect();
        records(&*self.hub.queue, &changed.into_iter().collect::<Vec<_>>()).await
    }

    /// Reads the heads of all followed streams, and looks for new streams, in the partitions whose
    /// events were missed.
    async fn reload_missed(&mut self) -> queue::Result<()> {
        let hub = Arc::clone(&self.hub);
        let partitions = hub.queue.partitions();
        let mut topics = hub.index.topics();
        topics.retain(|topic| self.missed.contains(&partitions.of(topic.id())));
        for topics in topics.chunks(RECORDS_PER_READ) {
            let ids: Vec<StreamId> = topics.iter().map(|topic| topic.id().clone()).collect();
            let records = records(&*hub.queue, &ids).await?;
            for id in ids.iter().filter(|id| !records.iter().any(|record| record.id == **id)) {
                if let Some(topic) = hub.index.topic(id) {
                    topic.refresh(&StreamCounters::default());
                }
                hub.index.stream_gone(id);
            }
            for record in records {
                if let Some(topic) = hub.index.topic(&record.id) {
                    topic.refresh(&record.counters);
                }
                hub.index.stream_changed(&record, Some(self.first_unseen(&record)));
            }
        }
        if hub.index.any_dynamic() || hub.directory.is_active() {
            self.find_new_streams().await?;
        }
        self.missed.clear();
        Ok(())
    }

    /// Returns the first sequence of a stream for the subscriptions that start to follow it only
    /// now, because the tail missed events. If the stream was registered since the last read of the
    /// feeds, that is its first frame. Otherwise, it is the next frame that is published.
    fn first_unseen(&self, record: &StreamRecord) -> Sequence {
        if record.create_time > self.last_read.before(CLOCK_MARGIN) {
            return Sequence::FIRST;
        }
        Sequence::after(record.counters.published_sequence)
    }

    /// Follows the streams that were registered while the tail could not read the feeds.
    async fn find_new_streams(&self) -> queue::Result<()> {
        let since = self.hub.directory.version();
        let records = all_streams(&*self.hub.queue).await?;
        for record in &records {
            self.hub.index.stream_changed(record, Some(self.first_unseen(record)));
            tokio::task::consume_budget().await;
        }
        self.hub.directory.sync(&records, self.positions.iter().copied().collect(), since);
        Ok(())
    }
}
