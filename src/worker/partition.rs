//! One leased partition: take in order, work in parallel, publish in order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::TryAcquireError;
use tokio::task::JoinSet;

use super::caution::{self, Alone, Caution};
use super::frame::{self, Done, work_out};
use super::handle::Handle;
use super::overflow::Overflow;
use super::retention::Retention;
use super::scenes::Scenes;
use super::settled::{PAUSED_POLL, Pause, settled};
use super::{RETRY_PAUSE, Shared};
use crate::domain::{StreamId, StreamRecord, TombstoneKind};
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};

/// Most frames that one call publishes.
const FINISH_BATCH: usize = 16;
/// Most streams whose records are remembered.
const CACHED_STREAMS: usize = 4096;

pub(super) struct Partition {
    shared: Arc<Shared>,
    lease: Lease,
    handle: Arc<Handle>,
    /// By stream: its record, as its settings were last read.
    streams: HashMap<StreamId, Arc<StreamRecord>>,
    /// Position of the newest work taken.
    taken: WorkPosition,
    /// Taken, waiting for memory.
    waiting: VecDeque<WorkItem>,
    /// Frames being worked on: each ends with its turn.
    working: JoinSet<(u64, Done)>,
    /// Worked out, by turn, waiting for those before them.
    done: BTreeMap<u64, Done>,
    next_turn: u64,
    next_to_publish: u64,
    scenes: Scenes,
    retention: Retention,
    overflow: Overflow,
    pause: Pause,
    caution: Caution,
}

impl Partition {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease, handle: Arc<Handle>) -> Self {
        let retention = Retention::new(Arc::clone(&shared), lease.clone());
        let overflow = Overflow::new(Arc::clone(&shared));
        let pause = Pause::new(Arc::clone(&shared), lease.clone());
        Self {
            shared,
            lease,
            handle,
            streams: HashMap::new(),
            taken: WorkPosition::default(),
            waiting: VecDeque::new(),
            working: JoinSet::new(),
            done: BTreeMap::new(),
            next_turn: 0,
            next_to_publish: 0,
            scenes: Scenes::default(),
            retention,
            overflow,
            pause,
            caution: Caution::default(),
        }
    }

    /// Works until the lease is lost, or until told to stop and all that was begun is published.
    pub(super) async fn run(mut self) {
        let handle = Arc::clone(&self.handle);
        tokio::select! {
            () = handle.lost.cancelled() => {}
            result = self.work() => if let Err(error) = result {
                tracing::info!(partition = %self.lease.partition, %error, "left a partition");
            }
        }
        handle.lost.cancel();
    }

    async fn work(&mut self) -> Result<()> {
        let handle = Arc::clone(&self.handle);
        let mut retention = tokio::time::interval(self.shared.config.retention_interval);
        retention.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut may_have_work = true;
        self.caution = loop {
            match Caution::inherit(&self.shared, &self.lease).await {
                Ok(caution) => break caution,
                Err(error) => self.wait_out(error).await?,
            }
        };
        loop {
            let stopping = handle.stop.is_cancelled();
            if stopping {
                // Not begun: the next holder takes them.
                self.waiting.clear();
                if self.in_flight() == 0 {
                    return Ok(());
                }
            } else {
                if may_have_work && self.room() > 0 {
                    may_have_work = self.take().await?;
                }
                self.begin().await?;
                // What needs no work may be next in turn already.
                self.publish().await?;
            }
            self.handle.set_in_flight(self.in_flight());
            let room = self.room() > 0 && !stopping;
            // Memory was short while there was something to publish, and now there is not: nothing else would wake this.
            let held_up = !stopping && !self.waiting.is_empty() && self.working.is_empty();
            if (may_have_work && room) || held_up {
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
                () = handle.wake.notified(), if room && !self.pause.is_on() => may_have_work = true,
                () = tokio::time::sleep(PAUSED_POLL), if room && self.pause.is_on() => may_have_work = true,
                () = handle.stop.cancelled(), if !stopping => {}
                _ = retention.tick() => self.retention.pass().await?,
            }
        }
    }

    fn in_flight(&self) -> usize {
        self.working.len() + self.done.len() + self.waiting.len()
    }

    fn room(&self) -> usize {
        self.shared.config.frames_in_flight.saturating_sub(self.in_flight())
    }

    /// Takes what there is room for; answers whether there may be more.
    async fn take(&mut self) -> Result<bool> {
        let room = self.room();
        let mut items = match self.shared.queue.take(&self.lease, self.taken, room).await {
            Ok(items) => items,
            Err(error) => return self.wait_out(error).await.map(|()| true),
        };
        let mut more = items.len() == room;
        if let Some(last) = items.last() {
            self.taken = last.position;
            self.handle.saw(last.position);
            self.pause.is_over();
            self.overflow.judge(&mut items).await;
        } else {
            match self.pause.look(self.taken, self.in_flight() == 0).await {
                Ok(work_waits) => more = work_waits,
                Err(error) => return self.wait_out(error).await.map(|()| true),
            }
        }
        self.waiting.extend(items);
        Ok(more)
    }

    /// Starts work on taken frames, in order, as far as memory allows.
    async fn begin(&mut self) -> Result<()> {
        while let Some(item) = self.waiting.front() {
            if item.fate.is_some() {
                self.settle_first();
                continue;
            }
            let (position, size_bytes) = (item.position, item.payload.size_bytes);
            let format = item.header.source.format;
            let Some(stream) = self.stream().await? else {
                // Nobody knows what may be shown of it: its masks are forgotten with everything else.
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
            let alone = self.caution.applies_to(position);
            if alone && !(self.working.is_empty() && self.done.is_empty()) {
                return Ok(());
            }
            let kib = kib(size_bytes).min(kib(self.shared.config.bytes_in_flight as u64));
            let memory = match Arc::clone(&self.shared.memory).try_acquire_many_owned(kib) {
                Ok(memory) => memory,
                // What is in work here gives memory back; waiting for it would hold up its publishing.
                Err(TryAcquireError::NoPermits) if !self.working.is_empty() || !self.done.is_empty() => {
                    return Ok(());
                }
                Err(_) => match Arc::clone(&self.shared.memory).acquire_many_owned(kib).await {
                    Ok(memory) => memory,
                    Err(_) => return Ok(()),
                },
            };
            let alone = if alone { Some(self.begin_alone(position).await?) } else { None };
            let Some(item) = self.waiting.pop_front() else { return Ok(()) };
            let turn = self.next_turn;
            self.next_turn += 1;
            let shared = Arc::clone(&self.shared);
            self.working.spawn(async move { (turn, work_out(&shared, item, stream, memory, alone).await) });
        }
        Ok(())
    }

    /// Gives the first waiting frame, which is not to be read, its turn to be published.
    fn relay_first(&mut self, stream: Arc<StreamRecord>) {
        let Some(item) = self.waiting.pop_front() else { return };
        self.done.insert(self.next_turn, frame::passed_on(item, stream));
        self.next_turn += 1;
    }

    /// Gives the first waiting frame, which is not to be worked on, its turn to be published.
    fn settle_first(&mut self) {
        let Some(mut item) = self.waiting.pop_front() else { return };
        let Some(kind) = item.fate.take() else { return };
        let finished = settled(item, kind);
        let done = Done { finished, observed: None, leased: Instant::now(), _memory: None, _alone: None };
        self.done.insert(self.next_turn, done);
        self.next_turn += 1;
    }

    async fn begin_alone(&mut self, position: WorkPosition) -> Result<Alone> {
        loop {
            match caution::begin_alone(&self.shared, &self.lease, position).await {
                Ok(alone) => return Ok(alone),
                Err(error) => self.wait_out(error).await?,
            }
        }
    }

    /// The first waiting frame's stream, with its settings as they were when the frame was accepted, or newer. `None` if it is
    /// unknown.
    async fn stream(&mut self) -> Result<Option<Arc<StreamRecord>>> {
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
            Ok((turn, done)) => {
                self.done.insert(turn, done);
            }
            // A frame whose turn never comes would hold up all behind it: the next holder begins anew.
            Err(error) => {
                tracing::error!(%error, "a frame's task failed; giving the partition up");
                self.handle.lost.cancel();
            }
        }
    }

    /// Publishes what is done and next in turn.
    async fn publish(&mut self) -> Result<()> {
        loop {
            let mut batch = Vec::new();
            while batch.len() < FINISH_BATCH
                && let Some(mut done) = self.done.remove(&self.next_to_publish)
            {
                self.scenes.complete(&mut done.finished, &mut done.observed);
                batch.push(done);
                self.next_to_publish += 1;
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.publish_batch(batch).await?;
            if self.retention.is_due() {
                self.retention.pass().await?;
            }
        }
    }

    async fn publish_batch(&mut self, mut batch: Vec<Done>) -> Result<()> {
        while !batch.is_empty() {
            let frames: Vec<Finished> = batch.iter().map(|done| done.finished.clone()).collect();
            self.retention.make_room_for(&frames).await?;
            let results = match self.shared.queue.finish(&self.lease, &frames).await {
                Ok(results) => results,
                Err(error) => {
                    self.wait_out(error).await?;
                    continue;
                }
            };
            let may_wait = self.drop_published(&mut batch, results);
            if batch.is_empty() {
                return Ok(());
            }
            if !may_wait {
                // What is missing lies behind what was taken (Redis lost some of it): a new lease takes from the start.
                return Err(Error::LeaseLost);
            }
            tracing::warn!(
                frames = batch.len(),
                "pictures are gone before they were published; offering anew"
            );
            tokio::time::sleep(RETRY_PAUSE).await;
            // A full Redis takes pictures again when retention has made room.
            self.retention.pass().await?;
        }
        Ok(())
    }

    /// Keeps those to be offered anew, with their bytes, and those behind them; false if none waits for its picture.
    fn drop_published(&mut self, batch: &mut Vec<Done>, results: Vec<FinishResult>) -> bool {
        let may_wait = results.contains(&FinishResult::PayloadGone);
        let mut results = results.into_iter();
        batch.retain(|done| match results.next() {
            Some(FinishResult::Published | FinishResult::AlreadyPublished) => {
                self.handle.published(done.leased.elapsed());
                self.overflow.published(&done.finished);
                self.retention.published(&done.finished);
                self.shared.totals.published(&done.finished.body);
                false
            }
            Some(FinishResult::Removed) => {
                self.handle.published(done.leased.elapsed());
                self.overflow.published(&done.finished);
                false
            }
            Some(FinishResult::PayloadGone | FinishResult::NotNext) | None => true,
        });
        may_wait
    }

    /// Waits a moment if the error may pass; hands it on if not.
    async fn wait_out(&self, error: Error) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        tracing::debug!(%error, "the queue does not answer; trying again");
        tokio::time::sleep(RETRY_PAUSE).await;
        Ok(())
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1)
}
