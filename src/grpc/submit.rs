//! SubmitFrameBatch: checks and digests the frames of a batch, and submits them to the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Semaphore;

use super::batch::{self, BatchItem, ItemState};
use super::convert::frame::SubmittedFrame;
use super::convert::result;
use super::counters::Counters;
use super::fault::{Fault, Result};
use super::permissions;
use super::settings::SettingsCache;
use super::status::BACKEND_RETRY;
use crate::access::Caller;
use crate::domain::limits::RequestLimits;
use crate::domain::{Digest, StreamId, Timestamp};
use crate::hub::Hub;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::queue::{AcceptResult, NewFrame, Queue, Refusal, Upload};
use crate::traces::Traces;

/// The size above which a batch is large. The pictures of a large batch are digested on a blocking
/// thread. After a refusal, the queue is asked which frames of a large batch it would refuse,
/// before it gets the pictures.
const LARGE_BATCH_BYTES: usize = 64 << 10;
/// The time after a refusal in which further refusals are expected. The queue is asked first only
/// in this time. At other times, that would double the calls to the queue without need.
const REFUSALS_EXPECTED: Duration = Duration::from_secs(1);
/// A picture that is smaller than its message divided by this number is copied: a slice of the
/// message would keep the whole message in memory.
const COPY_BELOW_DIVISOR: usize = 4;

/// The operation that submits batches of frames to the queue.
#[derive(Debug)]
pub(crate) struct Submitter {
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    settings: Arc<SettingsCache>,
    limits: RequestLimits,
    /// Limits the calls that are processed at a time; each may hold a whole message.
    calls: Semaphore,
    /// Limits the batches that are digested at a time to one per core.
    digests: Semaphore,
    /// The time of the last refusal.
    last_refusal: Mutex<Option<Instant>>,
    counters: Arc<Counters>,
    traces: Traces,
}

impl Submitter {
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        hub: Arc<Hub>,
        settings: Arc<SettingsCache>,
        limits: RequestLimits,
        max_concurrent_calls: usize,
        counters: Arc<Counters>,
        traces: Traces,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            queue,
            hub,
            settings,
            limits,
            calls: Semaphore::new(max_concurrent_calls),
            digests: Semaphore::new(cores),
            last_refusal: Mutex::default(),
            counters,
            traces,
        }
    }

    /// Stores the frames of a batch, and returns one result for each, in their order.
    ///
    /// # Errors
    /// The batch as a whole is refused, or the backend failed for every frame that was submitted to
    /// it.
    pub(crate) async fn submit(
        &self,
        request: pb::SubmitFrameBatchRequest,
        caller: &Caller,
    ) -> Result<pb::SubmitFrameBatchResponse> {
        let message_bytes = request.encoded_len();
        let pb::SubmitFrameBatchRequest { frames } = request;
        self.check_batch(frames.len(), message_bytes)?;
        permissions::take_frames(caller, &frames)?;
        let _permit = self.calls.acquire().await;
        let frames = frames.into_iter().map(Ok).collect();
        let (mut items, failed) = self.prepare(frames, message_bytes, caller, None).await;
        if let Some(fault) = failed {
            return Err(fault);
        }
        match self.store(&mut items).await {
            Some(fault) => Err(fault),
            None => Ok(pb::SubmitFrameBatchResponse { results: batch::results(items) }),
        }
    }

    /// Waits for a place among the calls that are processed at a time, and then stores the ready
    /// frames of a batch. Afterwards every item has its result. If the backend failed for every
    /// frame that was submitted to it, returns its fault.
    pub(crate) async fn store_in_turn(&self, items: &mut [BatchItem]) -> Option<Fault> {
        let _permit = self.calls.acquire().await;
        self.store(items).await
    }

    async fn store(&self, items: &mut [BatchItem]) -> Option<Fault> {
        let failed = self.accept(items).await;
        if failed.is_none() {
            self.counters.answered(items);
        }
        failed
    }

    /// Does the work that needs no order: checks the frames that are not refused yet, and digests
    /// their pictures. With `over_quota`, all frames are refused with it. Returns a fault if the
    /// settings of the streams cannot be read; no frame is ready then.
    pub(crate) async fn prepare(
        &self,
        frames: Vec<Result<pb::Frame>>,
        message_bytes: usize,
        caller: &Caller,
        over_quota: Option<&Fault>,
    ) -> (Vec<BatchItem>, Option<Fault>) {
        let now = Timestamp::now();
        let check = |frame| {
            let frame = SubmittedFrame::from_pb(frame, &self.limits, now, caller.name())?;
            permissions::check_publish(caller, &frame.stream_id)?;
            over_quota.map_or(Ok(frame), |fault| Err(fault.clone()))
        };
        let checked =
            frames.into_iter().map(|frame| BatchItem::new(frame, now).map(|frame| frame.and_then(check)));
        let mut items: Vec<BatchItem<Result<SubmittedFrame>>> = checked.collect();
        let failed = self.check_settings(&mut items, now, caller).await.err();
        if let Some(fault) = &failed {
            items
                .iter_mut()
                .filter(|item| item.state.is_ok())
                .for_each(|item| item.state = Err(fault.clone()));
        }
        match self.digest(items, message_bytes).await {
            Ok(items) => (items, failed),
            Err(fault) => (Vec::new(), Some(fault)),
        }
    }

    /// Refuses a batch that is empty or too large.
    pub(crate) fn check_batch(&self, frames: usize, message_bytes: usize) -> Result<()> {
        let RequestLimits { max_batch_frames, max_message_bytes, .. } = self.limits;
        if frames == 0 {
            return Err(Fault::new(ErrorReason::EmptyBatch, "a batch must contain at least one frame")
                .field("frames"));
        }
        if frames > max_batch_frames {
            let message = format!("{frames} frames are over the limit of {max_batch_frames} per batch");
            return Err(Fault::new(ErrorReason::TooManyFrames, message)
                .field("frames")
                .fact("limit", max_batch_frames)
                .fact("actual", frames));
        }
        if message_bytes > max_message_bytes {
            return Err(batch_too_large(message_bytes, max_message_bytes));
        }
        Ok(())
    }

    /// Refuses frames of unknown streams, and frames that the clock policies of their streams
    /// reject.
    async fn check_settings(
        &self,
        items: &mut [BatchItem<Result<SubmittedFrame>>],
        now: Timestamp,
        caller: &Caller,
    ) -> Result<()> {
        let frames = items.iter().filter_map(|item| item.state.as_ref().ok());
        let streams: Vec<StreamId> = frames.map(|frame| frame.stream_id.clone()).collect();
        let settings = self.settings.of(&streams, caller).await?;
        for item in items {
            let Ok(frame) = &mut item.state else { continue };
            let checked = match settings.get(&frame.stream_id) {
                Some(Ok(settings)) => frame.check_clock(settings.clock, now),
                Some(Err(fault)) => Err(fault.clone()),
                None => Err(Refusal::StreamNotFound.into()),
            };
            if let Err(fault) = checked {
                item.state = Err(fault);
            }
        }
        Ok(())
    }

    /// Digests the pictures, and copies small ones out of the message.
    async fn digest(
        &self,
        items: Vec<BatchItem<Result<SubmittedFrame>>>,
        message_bytes: usize,
    ) -> Result<Vec<BatchItem>> {
        let digest_one = move |frame: Result<SubmittedFrame>| match frame {
            Ok(mut frame) => {
                if frame.data.len() * COPY_BELOW_DIVISOR < message_bytes {
                    frame.data = Bytes::copy_from_slice(&frame.data);
                }
                let digest = Digest::of(&frame.data);
                ItemState::Ready(Box::new(frame.into_new_frame(digest)))
            }
            Err(fault) => ItemState::Decided(result::rejected(fault)),
        };
        let digest = move || items.into_iter().map(|item| item.map(digest_one)).collect();
        if message_bytes <= LARGE_BATCH_BYTES {
            return Ok(digest());
        }
        let _permit = self.digests.acquire().await;
        tokio::task::spawn_blocking(digest).await.map_err(|error| {
            Fault::new(ErrorReason::Internal, format!("cannot digest the pictures: {error}"))
        })
    }

    async fn accept(&self, items: &mut [BatchItem]) -> Option<Fault> {
        let attempted = items.iter().filter(|item| item.ready().is_some()).count();
        if attempted == 0 {
            return None;
        }
        let picture_bytes: u64 =
            items.iter().filter(|item| item.ready().is_some()).map(|item| item.bytes).sum();
        if picture_bytes > LARGE_BATCH_BYTES as u64
            && self.expects_refusals()
            && let Err(fault) = self.decide_refused(items).await
        {
            for item in items.iter_mut().filter(|item| item.ready().is_some()) {
                item.decide(result::rejected(fault.clone()));
            }
            return Some(fault);
        }
        let asked: Vec<Asked> = match self.traces.is_on() {
            true => items.iter().filter_map(Asked::of).collect(),
            false => Vec::new(),
        };
        let frames: Vec<NewFrame> = items.iter_mut().filter_map(BatchItem::take_ready).collect();
        let uploads: Vec<Option<Upload>> = frames.iter().map(|frame| self.soon_wanted(frame)).collect();
        let accepted = match frames.is_empty() {
            true => Vec::new(),
            false => self.queue.accept(frames).await,
        };
        for (upload, accepted) in uploads.into_iter().zip(&accepted) {
            match (accepted, upload) {
                (AcceptResult::Accepted(..), Some(upload)) => self.hub.cache_picture(&upload),
                (AcceptResult::Accepted(..), None) => {}
                _ => *self.last_refusal.lock() = Some(Instant::now()),
            }
        }
        for (asked, accepted) in asked.iter().zip(&accepted) {
            asked.trace(&self.traces, accepted);
        }
        let all_failed = accepted.len() == attempted && accepted.iter().all(result::is_backend_failure);
        let failed = all_failed.then(|| nothing_confirmed(&accepted));
        let mut accepted = accepted.into_iter();
        for item in items.iter_mut().filter(|item| item.is_submitted()) {
            item.decide(result::to_pb(accepted.next().unwrap_or_else(batch::no_answer)));
        }
        failed
    }

    /// Reports whether a frame was refused a moment ago, so that further refusals are likely.
    fn expects_refusals(&self) -> bool {
        self.last_refusal.lock().is_some_and(|refused| refused.elapsed() < REFUSALS_EXPECTED)
    }

    /// Returns the picture if subscribers of this server are likely to receive it unchanged. The
    /// hub can then cache it, and need not read it from the backend.
    fn soon_wanted(&self, frame: &NewFrame) -> Option<Upload> {
        let wanted = self.hub.is_followed(&frame.stream_id) && self.settings.may_relay(&frame.stream_id);
        wanted.then(|| frame.upload.clone())
    }

    /// Asks the queue which frames it would refuse, and gives those their results, so that their
    /// pictures are not sent to it.
    async fn decide_refused(&self, items: &mut [BatchItem]) -> Result<()> {
        let without_picture = |frame: &NewFrame| NewFrame {
            stream_id: frame.stream_id.clone(),
            header: frame.header.clone(),
            upload: frame.upload.sent(),
        };
        let frames: Vec<NewFrame> = items.iter().filter_map(BatchItem::ready).map(without_picture).collect();
        let refused = self.queue.would_refuse(&frames).await?;
        let ready = items.iter_mut().filter(|item| item.ready().is_some());
        for (item, refused) in ready.zip(refused) {
            match refused {
                // A duplicate is submitted like a new frame, so that the backend counts and
                // confirms it.
                None | Some(AcceptResult::Duplicate(_) | AcceptResult::Accepted(..)) => {}
                Some(refused) => item.decide(result::to_pb(refused)),
            }
        }
        Ok(())
    }
}

/// The facts for a frame's trace that are gone once the queue has the frame.
struct Asked {
    stream_id: StreamId,
    traceparent: String,
    tracestate: String,
    check_time: Timestamp,
}

impl Asked {
    fn of(item: &BatchItem) -> Option<Self> {
        let NewFrame { stream_id, header, .. } = item.ready()?;
        let (traceparent, tracestate) = (header.traceparent.clone(), header.tracestate.clone());
        Some(Self { stream_id: stream_id.clone(), traceparent, tracestate, check_time: item.check_time })
    }

    fn trace(&self, traces: &Traces, result: &AcceptResult) {
        let AcceptResult::Accepted(sequence, receive_time) = *result else { return };
        let caller = (self.traceparent.as_str(), self.tracestate.as_str());
        traces.submitted(caller, &self.stream_id, sequence, self.check_time, receive_time);
    }
}

/// Creates the fault of a message that is too large.
pub(crate) fn batch_too_large(actual: usize, limit: usize) -> Fault {
    let message =
        format!("a message of {actual} bytes is over the limit of {limit} bytes; send smaller batches");
    Fault::new(ErrorReason::BatchTooLarge, message).fact("limit", limit).fact("actual", actual)
}

/// Creates the fault of a call of which no frame was confirmed.
fn nothing_confirmed(results: &[AcceptResult]) -> Fault {
    let mut reasons: HashMap<&str, usize> = HashMap::new();
    for result in results {
        if let AcceptResult::Refused(Refusal::Backend(why)) | AcceptResult::Unconfirmed(why) = result {
            *reasons.entry(why).or_default() += 1;
        }
    }
    let why = reasons.into_iter().max_by_key(|(_, count)| *count).map_or("no answer", |(why, _)| why);
    Fault::new(
        ErrorReason::BackendUnavailable,
        format!("no frame was confirmed: {why}; send the batch again"),
    )
    .retry_in(BACKEND_RETRY)
}
