//! Processes one leased partition: takes frames, processes them in parallel, and publishes them in
//! the order of their streams.

mod taking;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::TryAcquireError;
use tokio::task::JoinSet;

use super::failures::Failures;
use super::frame::{self, Done, process_frame};
use super::handle::PartitionHandle;
use super::isolation::{self, IsolatedFrame, Isolation};
use super::order::StreamOrder;
use super::overflow::Overflow;
use super::pause::{PAUSED_POLL, Pause};
use super::retention::Retention;
use super::scenes::Scenes;
use super::states::States;
use super::tombstone::{erased, tombstone_of};
use super::{RETRY_PAUSE, Shared};
use crate::domain::{HuffmanTables, StreamId, StreamRecord, TombstoneKind};
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};
use taking::Backlog;

/// The maximum number of frames that one call publishes.
const FINISH_BATCH: usize = 16;
/// The maximum number of streams whose records are remembered.
const CACHED_STREAMS: usize = 4096;

pub(super) struct Partition {
    shared: Arc<Shared>,
    lease: Lease,
    handle: Arc<PartitionHandle>,
    /// The records of streams, as they were last read.
    streams: HashMap<StreamId, Arc<StreamRecord>>,
    /// Frames that are not taken.
    backlog: Backlog,
    /// Frames that were taken and wait for memory.
    waiting: VecDeque<WorkItem>,
    /// Frames in work. Each task returns the ticket of its frame.
    working: JoinSet<(u64, Done)>,
    /// All frames that were taken and are not published.
    order: StreamOrder,
    scenes: Scenes,
    retention: Retention,
    overflow: Overflow,
    pause: Pause,
    isolation: Isolation,
    failures: Failures,
    states: States,
    /// Whether there may be more to erase.
    erasing: bool,
}

impl Partition {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease, handle: Arc<PartitionHandle>) -> Self {
        let retention = Retention::new(Arc::clone(&shared), lease.clone());
        let overflow = Overflow::new(Arc::clone(&shared));
        let pause = Pause::new(Arc::clone(&shared), lease.clone());
        Self {
            shared,
            lease,
            handle,
            streams: HashMap::new(),
            backlog: Backlog::new(),
            waiting: VecDeque::new(),
            working: JoinSet::new(),
            order: StreamOrder::default(),
            scenes: Scenes::default(),
            retention,
            overflow,
            pause,
            isolation: Isolation::default(),
            failures: Failures::default(),
            states: States::default(),
            erasing: false,
        }
    }

    /// Works until the lease is lost, or it is asked to stop and all frames in work are published.
    pub(super) async fn run(mut self) {
        let handle = Arc::clone(&self.handle);
        tokio::select! {
            () = handle.lost.cancelled() => {}
            result = self.work() => if let Err(error) = result {
                if error == Error::LeaseLost {
                    handle.note_lease_lost();
                }
                tracing::info!(partition = %self.lease.partition, %error, "leaving a partition");
            }
        }
        self.failures.report_all();
        handle.lost.cancel();
    }

    async fn work(&mut self) -> Result<()> {
        let handle = Arc::clone(&self.handle);
        let mut retention = tokio::time::interval(self.shared.config.retention_interval);
        retention.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.isolation = loop {
            match Isolation::take_over(&self.shared, &self.lease).await {
                Ok(isolation) => break isolation,
                Err(error) => self.wait_out(error).await?,
            }
        };
        loop {
            let stopping = handle.stop.is_cancelled();
            if stopping {
                // These frames are not begun: the next holder takes them.
                self.waiting.drain(..).for_each(|item| self.order.leave(&item.stream_id));
                if self.in_flight() == 0 {
                    return Ok(());
                }
            } else {
                self.take().await?;
                self.begin_work().await?;
                // A frame that needs no work may be the next to publish already.
                self.publish().await?;
            }
            self.handle.set_in_flight(self.in_flight());
            // The waiting frames need memory, which was released when others were published. No
            // event would wake this task for them, so it continues at once.
            let held_up = !stopping && !self.waiting.is_empty() && self.working.is_empty();
            if (!stopping && self.can_take()) || held_up {
                continue;
            }
            tokio::select! {
                Some(ended) = self.working.join_next() => {
                    self.collect(ended);
                    while let Some(ended) = self.working.try_join_next() {
                        self.collect(ended);
                    }
                    self.publish().await?;
                }
                () = handle.wake.notified(), if !stopping && !self.pause.is_paused() => self.backlog.woken(),
                () = tokio::time::sleep(PAUSED_POLL), if !stopping && self.pause.is_paused() => self.backlog.woken(),
                () = handle.stop.cancelled(), if !stopping => {}
                _ = retention.tick() => self.pass().await?,
                // Frames are taken and published between the steps of an erasure.
                () = std::future::ready(()), if self.erasing => self.erase().await?,
            }
        }
    }

    fn in_flight(&self) -> usize {
        self.order.frames()
    }

    fn room(&self) -> usize {
        self.shared.config.frames_in_flight.saturating_sub(self.in_flight())
    }

    /// Reports whether frames are in work.
    fn has_begun(&self) -> bool {
        self.order.frames() > self.waiting.len()
    }

    /// Starts work on taken frames, in order, as far as memory allows.
    async fn begin_work(&mut self) -> Result<()> {
        while let Some(item) = self.waiting.front() {
            if item.fate.is_some() {
                self.end_first();
                continue;
            }
            let (position, size_bytes) = (item.position, item.payload.size_bytes);
            let format = item.header.source.format;
            let Some(stream) = self.first_stream().await? else {
                // Its masks are not known any more, so nothing of it may be shown.
                let forgotten = TombstoneKind::Purged("the stream's settings are gone".to_owned());
                if let Some(item) = self.waiting.front_mut() {
                    item.fate = Some(forgotten);
                }
                continue;
            };
            if stream.effective.output.relays(format) {
                self.relay_first(stream);
                continue;
            }
            let isolated = self.isolation.applies_to(position);
            if isolated && self.has_begun() {
                return Ok(());
            }
            let kib = kib(size_bytes).min(kib(self.shared.config.bytes_in_flight as u64));
            let memory = match Arc::clone(&self.shared.memory).try_acquire_many_owned(kib) {
                Ok(memory) => memory,
                // Frames in work here release memory when they are published. If this task waited
                // for memory, it could not publish them.
                Err(TryAcquireError::NoPermits) if self.has_begun() => return Ok(()),
                Err(_) => match Arc::clone(&self.shared.memory).acquire_many_owned(kib).await {
                    Ok(memory) => memory,
                    Err(_) => return Ok(()),
                },
            };
            let isolated = if isolated { Some(self.begin_isolated(position).await?) } else { None };
            let Some(item) = self.waiting.pop_front() else { return Ok(()) };
            let ticket = self.order.begin(&item.stream_id);
            let codes = match stream.effective.output.huffman {
                HuffmanTables::Standard => None,
                HuffmanTables::Stream => self.scenes.codes(&item.stream_id),
            };
            let shared = Arc::clone(&self.shared);
            self.working.spawn(async move {
                (ticket, process_frame(&shared, item, stream, memory, codes, isolated).await)
            });
        }
        Ok(())
    }

    /// Puts the first waiting frame, whose picture is not read, in line to be published.
    fn relay_first(&mut self, stream: Arc<StreamRecord>) {
        let Some(item) = self.waiting.pop_front() else { return };
        let ticket = self.order.begin(&item.stream_id);
        self.order.done(ticket, frame::relay(item, stream));
    }

    /// Puts the first waiting frame, which is not processed, in line to be published.
    fn end_first(&mut self) {
        let Some(mut item) = self.waiting.pop_front() else { return };
        let Some(kind) = item.fate.take() else { return };
        let ticket = self.order.begin(&item.stream_id);
        let finished = tombstone_of(item, kind);
        let done = Done { finished, observed: None, leased: Instant::now(), _memory: None, _isolated: None };
        self.order.done(ticket, done);
    }

    async fn begin_isolated(&mut self, position: WorkPosition) -> Result<IsolatedFrame> {
        loop {
            match isolation::begin_isolated(&self.shared, &self.lease, position).await {
                Ok(isolated) => return Ok(isolated),
                Err(error) => self.wait_out(error).await?,
            }
        }
    }

    /// Returns the stream of the first waiting frame; `None` if it is unknown. Its settings are those
    /// with which the frame was accepted, or newer ones.
    async fn first_stream(&mut self) -> Result<Option<Arc<StreamRecord>>> {
        let Some(item) = self.waiting.front() else { return Ok(None) };
        if let Some(stream) = self.streams.get(&item.stream_id)
            && stream.revision >= item.settings_revision
        {
            return Ok(Some(Arc::clone(stream)));
        }
        let id = item.stream_id.clone();
        let record = loop {
            match self.shared.queue.get_streams(std::slice::from_ref(&id)).await {
                Ok(mut records) => break records.pop().flatten(),
                Err(error) => self.wait_out(error).await?,
            }
        };
        let Some(record) = record else { return Ok(None) };
        let stream = Arc::new(record);
        if self.streams.len() >= CACHED_STREAMS {
            self.streams.clear();
        }
        self.streams.insert(id, Arc::clone(&stream));
        Ok(Some(stream))
    }

    fn collect(&mut self, ended: std::result::Result<(u64, Done), tokio::task::JoinError>) {
        match ended {
            Ok((ticket, done)) => self.order.done(ticket, done),
            // A missing ticket would block all frames of its stream after it: the next holder starts again.
            Err(error) => {
                tracing::error!(%error, "frame task failed; giving up the partition");
                self.handle.lost.cancel();
            }
        }
    }

    /// Publishes the processed frames that are next in their streams.
    async fn publish(&mut self) -> Result<()> {
        loop {
            let mut batch = Vec::new();
            while batch.len() < FINISH_BATCH
                && let Some(mut done) = self.order.next_ready()
            {
                self.scenes.complete(&mut done.finished, &mut done.observed);
                batch.push(done);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.publish_batch(batch).await?;
            if self.retention.is_due() {
                self.pass().await?;
            }
        }
    }

    async fn publish_batch(&mut self, mut batch: Vec<Done>) -> Result<()> {
        while !batch.is_empty() {
            let frames: Vec<Finished> = batch.iter().map(|done| done.finished.clone()).collect();
            self.retention.make_room_for(&frames).await?;
            let start = Instant::now();
            let results = match self.shared.queue.finish(&self.lease, &frames).await {
                Ok(results) => results,
                Err(error) => {
                    self.wait_out(error).await?;
                    continue;
                }
            };
            self.shared.totals.batch_took(start.elapsed());
            let has_erased = results.contains(&FinishResult::Erased);
            let may_wait = self.drop_published(&mut batch, results);
            if batch.is_empty() {
                return Ok(());
            }
            if has_erased {
                continue; // the erased frames are tombstones now
            }
            if !may_wait {
                // Redis lost these frames or some before them: a new lease takes from the start.
                return Err(Error::LeaseLost);
            }
            tracing::warn!(
                frames = batch.len(),
                "pictures expired before they were published; uploading them again"
            );
            tokio::time::sleep(RETRY_PAUSE).await;
            // A full Redis accepts pictures again when retention has made room.
            self.retention.pass().await?;
        }
        Ok(())
    }

    /// Removes the published frames from the batch, and makes tombstones of the erased ones; returns
    /// whether the rest waits for pictures that must be uploaded again.
    fn drop_published(&mut self, batch: &mut Vec<Done>, results: Vec<FinishResult>) -> bool {
        let may_wait = results.contains(&FinishResult::PayloadGone);
        let mut results = results.into_iter();
        batch.retain_mut(|done| match results.next() {
            Some(FinishResult::Published | FinishResult::AlreadyPublished) => {
                let Finished { stream_id, sequence, receive_time, body, .. } = &done.finished;
                let traces = &self.shared.config.traces;
                traces.published(stream_id, *sequence, *receive_time, body);
                self.failures.published(&done.finished, traces, Instant::now());
                if let Some(record) = self.streams.get(stream_id) {
                    self.states.published(&done.finished, record, Instant::now());
                }
                self.handle.published(done.leased.elapsed());
                self.order.leave(&done.finished.stream_id);
                self.overflow.published(&done.finished);
                self.retention.published(&done.finished);
                self.shared.totals.published(&done.finished);
                false
            }
            Some(FinishResult::Removed) => {
                self.states.removed(&done.finished.stream_id);
                self.handle.published(done.leased.elapsed());
                self.order.leave(&done.finished.stream_id);
                self.overflow.published(&done.finished);
                self.shared.totals.removed();
                false
            }
            Some(FinishResult::Erased) => {
                done.finished = erased(&done.finished);
                true
            }
            Some(FinishResult::PayloadGone | FinishResult::NotNext) | None => true,
        });
        may_wait
    }

    /// Does what is due from time to time: erases, logs, and trims the outputs.
    async fn pass(&mut self) -> Result<()> {
        let now = Instant::now();
        self.failures.report(now);
        let quiet = self.states.due(now);
        // Without an answer, they are looked up in the next pass.
        if !quiet.is_empty()
            && let Ok(records) = self.shared.queue.get_streams(&quiet).await
        {
            self.states.looked_up(&quiet, &records, now);
        }
        self.erase().await?;
        self.retention.pass().await
    }

    /// Carries out a step of the partition's erasures.
    async fn erase(&mut self) -> Result<()> {
        self.erasing = match self.shared.queue.erase_step(&self.lease).await {
            Ok(more) => more,
            Err(Error::LeaseLost) => return Err(Error::LeaseLost),
            // The next pass tries again.
            Err(error) => {
                tracing::warn!(partition = %self.lease.partition, %error, "an erasure is postponed");
                false
            }
        };
        if self.erasing {
            self.retention.forget_sizes();
        }
        Ok(())
    }

    /// Waits a moment if the error is retryable; returns it if not.
    async fn wait_out(&self, error: Error) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        tracing::debug!(%error, "the queue does not answer; retrying");
        tokio::time::sleep(RETRY_PAUSE).await;
        Ok(())
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1)
}
