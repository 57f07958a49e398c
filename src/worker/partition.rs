//! One leased partition: take in order, work in parallel, publish in order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::task::JoinSet;

use super::caution::{self, Alone, Caution};
use super::handle::Handle;
use super::pool::JobError;
use super::process::{self, Product};
use super::retention::Retention;
use super::{CRASH_ATTRIBUTE, Shared};
use crate::domain::{
    Failure, FailureReason, OutputBody, OutputPolicy, ProcessedFrame, Stage, StageTiming, StreamId,
    Timestamp, Tombstone, TombstoneKind,
};
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};

/// Most frames that one call publishes.
const FINISH_BATCH: usize = 16;
/// Pause before an operation that the backend refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Most streams whose settings are remembered.
const CACHED_SETTINGS: usize = 4096;

/// A frame that is worked out, and the memory it holds until it is published.
#[derive(Debug)]
struct Done {
    finished: Finished,
    leased: Instant,
    _memory: OwnedSemaphorePermit,
    _alone: Option<Alone>,
}

pub(super) struct Partition {
    shared: Arc<Shared>,
    lease: Lease,
    handle: Arc<Handle>,
    /// Settings by stream: (revision they were read for, policy).
    policies: HashMap<StreamId, (u64, OutputPolicy)>,
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
    retention: Retention,
    caution: Caution,
}

impl Partition {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease, handle: Arc<Handle>) -> Self {
        let retention = Retention::new(Arc::clone(&shared), lease.clone());
        Self {
            shared,
            lease,
            handle,
            policies: HashMap::new(),
            taken: WorkPosition::default(),
            waiting: VecDeque::new(),
            working: JoinSet::new(),
            done: BTreeMap::new(),
            next_turn: 0,
            next_to_publish: 0,
            retention,
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
            }
            self.handle.set_in_flight(self.in_flight());
            let room = self.room() > 0 && !stopping;
            if may_have_work && room {
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
                () = handle.wake.notified(), if room => may_have_work = true,
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
        let items = match self.shared.queue.take(&self.lease, self.taken, room).await {
            Ok(items) => items,
            Err(error) => return self.wait_out(error).await.map(|()| true),
        };
        let more = items.len() == room;
        if let Some(last) = items.last() {
            self.taken = last.position;
            self.handle.saw(last.position);
        }
        self.waiting.extend(items);
        Ok(more)
    }

    /// Starts work on taken frames, in order, as far as memory allows.
    async fn begin(&mut self) -> Result<()> {
        while let Some(item) = self.waiting.front() {
            let position = item.position;
            let alone = self.caution.applies_to(position);
            if alone && !(self.working.is_empty() && self.done.is_empty()) {
                return Ok(());
            }
            let kib = kib(item.payload.size_bytes).min(kib(self.shared.config.bytes_in_flight as u64));
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
            let policy = self.policy().await?;
            let alone = if alone { Some(self.begin_alone(position).await?) } else { None };
            let Some(item) = self.waiting.pop_front() else { return Ok(()) };
            let turn = self.next_turn;
            self.next_turn += 1;
            let shared = Arc::clone(&self.shared);
            self.working.spawn(async move { (turn, work_out(&shared, item, policy, memory, alone).await) });
        }
        Ok(())
    }

    async fn begin_alone(&mut self, position: WorkPosition) -> Result<Alone> {
        loop {
            match caution::begin_alone(&self.shared, &self.lease, position).await {
                Ok(alone) => return Ok(alone),
                Err(error) => self.wait_out(error).await?,
            }
        }
    }

    /// The output policy for the first waiting frame: as it was when the frame was accepted, or newer.
    async fn policy(&mut self) -> Result<OutputPolicy> {
        let Some(item) = self.waiting.front() else { return Ok(OutputPolicy::default()) };
        if let Some((revision, policy)) = self.policies.get(&item.stream_id)
            && *revision >= item.settings_revision
        {
            return Ok(*policy);
        }
        let (id, revision) = (item.stream_id.clone(), item.settings_revision);
        let record = loop {
            match self.shared.queue.get_streams(std::slice::from_ref(&id)).await {
                Ok(mut records) => break records.pop().flatten(),
                Err(error) => self.wait_out(error).await?,
            }
        };
        // Unregistered and forgotten: it had these settings, and may come back with others under a higher revision.
        let known = record.map_or((revision, OutputPolicy::default()), |r| (r.revision, r.settings.output));
        if self.policies.len() >= CACHED_SETTINGS {
            self.policies.clear();
        }
        self.policies.insert(id, known);
        Ok(known.1)
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
                && let Some(done) = self.done.remove(&self.next_to_publish)
            {
                batch.push(done);
                self.next_to_publish += 1;
            }
            if batch.is_empty() {
                return Ok(());
            }
            let bytes =
                batch.iter().flat_map(|done| &done.finished.offers).map(|o| o.payload.size_bytes).sum();
            self.publish_batch(batch).await?;
            if self.retention.is_due(bytes) {
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
    fn drop_published(&self, batch: &mut Vec<Done>, results: Vec<FinishResult>) -> bool {
        let may_wait = results.contains(&FinishResult::PayloadGone);
        let mut results = results.into_iter();
        batch.retain(|done| match results.next() {
            Some(FinishResult::Published | FinishResult::AlreadyPublished) => {
                self.handle.published(done.leased.elapsed());
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

/// Fetches a frame's picture and works it out. Never fails: what cannot be processed becomes a tombstone.
async fn work_out(
    shared: &Shared,
    item: WorkItem,
    policy: OutputPolicy,
    memory: OwnedSemaphorePermit,
    alone: Option<Alone>,
) -> Done {
    let leased = Instant::now();
    let leased_time = Timestamp::now();
    let made = match &alone {
        Some(alone) => match alone.verdict() {
            Some(failure) => Err(failure),
            None => make(shared, &item, policy).await,
        },
        None => {
            let _others = shared.running.read().await;
            make(shared, &item, policy).await
        }
    };
    let WorkItem { position, stream_id, sequence, received_time, header, payload, settings_revision: _ } =
        item;
    let (body, offers) = match made {
        Ok(product) => {
            let frame = ProcessedFrame {
                header,
                width: product.width,
                height: product.height,
                leased_time,
                processed_time: Timestamp::now(),
                pictures: product.pictures,
                quality: product.quality,
                stages: product.stages,
                reencode: product.reencode,
                worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            (OutputBody::Frame(Box::new(frame)), product.offers)
        }
        Err(failure) => {
            tracing::info!(stream = %stream_id, %sequence, reason = ?failure.reason, "frame failed");
            let kind = TombstoneKind::Failed(failure);
            (OutputBody::Tombstone(Box::new(Tombstone { header, kind })), Vec::new())
        }
    };
    let finished = Finished { position, stream_id, sequence, received_time, source: payload, body, offers };
    Done { finished, leased, _memory: memory, _alone: alone }
}

async fn make(
    shared: &Shared,
    item: &WorkItem,
    policy: OutputPolicy,
) -> std::result::Result<Product, Failure> {
    let start = Instant::now();
    let partition = shared.queue.partitions().of(&item.stream_id);
    let data = loop {
        match shared.queue.fetch(partition, &[item.payload]).await {
            Ok(mut found) => break found.pop().flatten(),
            Err(error) => {
                tracing::debug!(%error, "the queue does not answer; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    };
    let fetch = StageTiming { stage: Stage::Fetch, duration: start.elapsed() };
    let Some(data) = data else {
        tracing::error!(stream = %item.stream_id, sequence = %item.sequence, "the picture of an accepted frame is gone");
        return Err(Failure {
            reason: FailureReason::PayloadLost,
            message: "its bytes were not in the queue any more".to_owned(),
        });
    };
    let (source, stored) = (item.header.source.clone(), item.payload);
    let crash = shared.config.crash_on_request && item.header.attributes.contains_key(CRASH_ATTRIBUTE);
    let timeout = shared.config.frame_timeout;
    let worked = shared.pool.run(timeout, move |codec| {
        if crash {
            std::process::abort();
        }
        process::process(codec, &source, &data, stored, &policy)
    });
    match worked.await {
        Ok(product) => product.map(|mut product| {
            product.stages.insert(0, fetch);
            product
        }),
        Err(JobError::TimedOut) => Err(process::timed_out(timeout)),
        Err(JobError::Panicked) => Err(Failure {
            reason: FailureReason::DecoderPanicked,
            message: "the picture work panicked".to_owned(),
        }),
    }
}
