use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::roster::all_streams;
use crate::domain::{PartitionId, Sequence, StreamCounters, StreamId, StreamRecord, Timestamp};
use crate::queue::{self, FeedEvent, FeedPage, FeedPosition};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// A read of the feeds that takes this much longer than it was to wait is given up.
const FEED_GRACE: Duration = Duration::from_secs(10);
/// Streams asked for in one call.
const RECORDS_A_CALL: usize = 500;
/// A stream registered this long before the feeds were last read may still be news: clocks differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(10);

/// Whether the hub hears of what happens.
#[derive(Debug, Clone, PartialEq)]
pub enum TailState {
    /// It has not read the feeds yet.
    Starting,
    /// It follows the feeds.
    Connected,
    /// It cannot read them; it goes on trying.
    Down {
        /// Since when.
        since: Instant,
        /// What the last attempt came to.
        error: queue::Error,
    },
}

/// The server's reader of all partitions' feeds.
#[derive(Debug)]
struct Tail {
    hub: Arc<Hub>,
    positions: Vec<(PartitionId, FeedPosition)>,
    /// Whether the positions must be checked: they may lie behind the ends of a store that lost data.
    lost: bool,
    /// Partitions of which something was missed.
    missed: HashSet<PartitionId>,
    last_read: Timestamp,
    /// When the positions were last held against the feeds' ends.
    last_check: Instant,
}

/// Follows the feeds until it is stopped.
pub(super) async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let last_read = hub.create_time; // nobody subscribed before
    let mut tail = Tail {
        hub,
        positions: Vec::new(),
        lost: true,
        missed: HashSet::new(),
        last_read,
        last_check: Instant::now(),
    };
    let mut backoff = FIRST_BACKOFF;
    loop {
        let step = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            step = tail.step() => step,
        };
        let Err(error) = step else {
            backoff = FIRST_BACKOFF;
            continue;
        };
        tail.fail(error);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff) => {}
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

impl Tail {
    async fn step(&mut self) -> queue::Result<()> {
        if self.lost {
            self.reconnect().await?;
        }
        if !self.missed.is_empty() {
            self.recheck().await?;
        }
        self.hub.tail.send_if_modified(|state| {
            let new = *state != TailState::Connected;
            *state = TailState::Connected;
            new
        });
        let wait = self.hub.config.feed_wait;
        let read = timeout(wait + FEED_GRACE, self.hub.queue.read_feed(&self.positions, wait));
        let pages = read.await.unwrap_or_else(|_| {
            Err(queue::Error::NoAnswer("reading the feeds took longer than it was to wait".into()))
        })?;
        self.hub.count_feed_read();
        for page in pages {
            self.page(page).await?;
        }
        self.last_read = Timestamp::now();
        if self.last_check.elapsed() >= wait {
            self.check_ends().await?;
        }
        Ok(())
    }

    /// A store that went back, or was emptied, without its connection breaking would never be heard of again.
    async fn check_ends(&mut self) -> queue::Result<()> {
        let ends = self.hub.queue.feed_ends().await?;
        let behind = |partition: &PartitionId, end: FeedPosition| {
            self.positions.iter().any(|(known, position)| known == partition && *position > end)
        };
        if ends.iter().any(|(partition, end)| behind(partition, *end)) {
            tracing::warn!("the feeds have gone back; looking at everything anew");
            self.lost = true;
        }
        self.last_check = Instant::now();
        Ok(())
    }

    fn fail(&mut self, error: queue::Error) {
        if matches!(error, queue::Error::Corrupt(_)) {
            // Read again, it would be as corrupt: go on behind it. The outputs themselves tell what was skipped.
            self.positions.clear();
        }
        self.lost = true;
        self.hub.tail.send_modify(|state| {
            let since = match state {
                TailState::Down { since, .. } => *since,
                TailState::Starting | TailState::Connected => {
                    tracing::warn!(%error, "the feeds cannot be read; trying again");
                    Instant::now()
                }
            };
            *state = TailState::Down { since, error };
        });
    }

    /// Finds positions, or checks that those it has still exist, and has everything looked at anew.
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
        self.lost = false;
        Ok(())
    }

    async fn page(&mut self, page: FeedPage) -> queue::Result<()> {
        let dynamic = self.hub.followers.any_dynamic() || self.hub.roster.is_active();
        if page.missed || page.events.iter().any(|event| event.changed_stream().is_some()) {
            self.hub.registry_changed();
        }
        let records = if dynamic { self.changed_streams(&page).await? } else { Vec::new() };
        let ring_entries = self.hub.ring_entries();
        for event in &page.events {
            match event {
                FeedEvent::Output(entry) => {
                    if let Some(topic) = self.hub.followers.topic(&entry.stream_id) {
                        topic.publish(entry, ring_entries);
                    }
                }
                FeedEvent::StreamRemoved(id, floor) => {
                    if let Some(topic) = self.hub.followers.topic(id) {
                        topic.cut(*floor);
                    }
                }
                FeedEvent::StreamChanged(_) => {}
            }
            if let Some(id) = event.changed_stream().filter(|_| dynamic) {
                match records.iter().find(|record| record.id == *id) {
                    Some(record) => self.hub.followers.stream_changed(record, None),
                    None => self.hub.followers.stream_gone(id),
                }
            }
        }
        self.hub.roster.page(&page, &records);
        // Only now: an error above has the page read again.
        if let Some((_, position)) = self.positions.iter_mut().find(|(known, _)| *known == page.partition) {
            *position = page.next;
        }
        if page.missed {
            tracing::warn!(partition = %page.partition, "the feed was trimmed before it was read; looking at outputs");
            self.missed.insert(page.partition);
        }
        Ok(())
    }

    /// The records of the streams that a page says have changed.
    async fn changed_streams(&self, page: &FeedPage) -> queue::Result<Vec<StreamRecord>> {
        let changed: HashSet<StreamId> =
            page.events.iter().filter_map(|event| event.changed_stream().cloned()).collect();
        self.hub.records(&changed.into_iter().collect::<Vec<_>>()).await
    }

    /// Asks for the heads of all followed streams, and for streams that came, in partitions of which something was
    /// missed.
    async fn recheck(&mut self) -> queue::Result<()> {
        let hub = Arc::clone(&self.hub);
        let partitions = hub.queue.partitions();
        let mut topics = hub.followers.topics();
        topics.retain(|topic| self.missed.contains(&partitions.of(topic.id())));
        for topics in topics.chunks(RECORDS_A_CALL) {
            let ids: Vec<StreamId> = topics.iter().map(|topic| topic.id().clone()).collect();
            let records = hub.records(&ids).await?;
            for id in ids.iter().filter(|id| !records.iter().any(|record| record.id == **id)) {
                if let Some(topic) = hub.followers.topic(id) {
                    topic.refresh(&StreamCounters::default());
                }
                hub.followers.stream_gone(id);
            }
            for record in records {
                if let Some(topic) = hub.followers.topic(&record.id) {
                    topic.refresh(&record.counters);
                }
                hub.followers.stream_changed(&record, Some(self.first_unheard(&record)));
            }
        }
        if hub.followers.any_dynamic() || hub.roster.is_active() {
            self.find_new_streams().await?;
        }
        self.missed.clear();
        Ok(())
    }

    /// The number that a stream begins with for those who would follow it, had they heard of it. What it published
    /// meanwhile is unseen: if it was registered meanwhile, its first frame.
    fn first_unheard(&self, record: &StreamRecord) -> Sequence {
        if record.create_time > self.last_read.before(CLOCK_MARGIN) {
            return Sequence::FIRST;
        }
        Sequence::after(record.counters.published_sequence)
    }

    /// Has streams followed that came while nothing was heard.
    async fn find_new_streams(&self) -> queue::Result<()> {
        let since = self.hub.roster.version();
        let records = all_streams(&self.hub).await?;
        for record in &records {
            self.hub.followers.stream_changed(record, Some(self.first_unheard(record)));
            tokio::task::consume_budget().await;
        }
        self.hub.roster.sync(&records, self.positions.iter().copied().collect(), since);
        Ok(())
    }
}

impl Hub {
    /// Records of streams, in chunks; those never registered are left out.
    pub(super) async fn records(&self, ids: &[StreamId]) -> queue::Result<Vec<StreamRecord>> {
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(RECORDS_A_CALL) {
            records.extend(self.queue.get_streams(ids).await?.into_iter().flatten());
        }
        Ok(records)
    }
}
