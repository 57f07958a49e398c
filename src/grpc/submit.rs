//! SubmitFrameBatch: check, digest, ask, accept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::Semaphore;

use super::convert::frame::SubmittedFrame;
use super::convert::result;
use super::counters::Counters;
use super::fault::{Fault, Result};
use super::settings::SettingsCache;
use super::status::BACKEND_RETRY;
use crate::config::Limits;
use crate::domain::{Digest, StreamId, Timestamp};
use crate::hub::Hub;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::queue::{AcceptResult, NewFrame, Offer, Queue, Refusal};

/// Pictures of a batch that are together larger than this are digested off the async threads, and, after a refusal, the queue
/// is asked whether it would refuse them before their bytes are sent to it.
const LARGE_BATCH_BYTES: usize = 64 << 10;
/// How long a refusal is expected to be followed by others. Where all is accepted, asking first would double the calls.
const DOUBT: Duration = Duration::from_secs(1);
/// A picture below this share of its message is copied out: a kept slice would pin the whole message.
const COPY_BELOW_SHARE: usize = 4;

/// Takes batches of frames to the queue.
#[derive(Debug)]
pub(crate) struct Submitter {
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    settings: Arc<SettingsCache>,
    limits: Limits,
    /// Calls being worked on; each may hold a whole message.
    calls: Semaphore,
    /// Digests being computed: at most one a core.
    digests: Semaphore,
    /// When a frame was last not accepted.
    refused: Mutex<Option<Instant>>,
    counters: Arc<Counters>,
}

/// The stream that a frame names; one that is refused already names none.
pub(crate) fn stream_of(frame: &Result<pb::Frame>) -> String {
    frame.as_ref().map(|frame| frame.stream_id.clone()).unwrap_or_default()
}

/// A frame and its place in the batch.
type Placed<T> = (usize, T);

/// A batch that only waits for its turn to be stored.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// By place: the stream that the frame names.
    pub(crate) streams: Vec<String>,
    /// Those that may be stored.
    pub(crate) frames: Vec<Placed<NewFrame>>,
    /// By place: what is decided already.
    pub(crate) results: Vec<Option<pb::FrameResult>>,
}

impl Submitter {
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        hub: Arc<Hub>,
        settings: Arc<SettingsCache>,
        limits: Limits,
        max_concurrent_calls: usize,
        counters: Arc<Counters>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            queue,
            hub,
            settings,
            limits,
            calls: Semaphore::new(max_concurrent_calls),
            digests: Semaphore::new(cores),
            refused: Mutex::default(),
            counters,
        }
    }

    /// Stores the frames of a batch: one result each, in their order.
    ///
    /// # Errors
    /// The batch as a whole is refused, or the backend failed all frames that were attempted.
    pub(crate) async fn submit(
        &self,
        request: pb::SubmitFrameBatchRequest,
    ) -> Result<pb::SubmitFrameBatchResponse> {
        let message_bytes = request.encoded_len();
        let pb::SubmitFrameBatchRequest { frames } = request;
        self.check_batch(frames.len(), message_bytes)?;
        let _permit = self.calls.acquire().await;
        let prepared = self.prepare(frames.into_iter().map(Ok).collect(), message_bytes).await?;
        match self.enter(prepared).await {
            (_, Some(fault)) => Err(fault),
            (results, None) => Ok(pb::SubmitFrameBatchResponse { results }),
        }
    }

    /// Stores prepared frames, in turn with other calls: one result each, in their order; and the backend's fault, if
    /// it failed all that were attempted.
    pub(crate) async fn enter_in_turn(&self, prepared: Prepared) -> (Vec<pb::FrameResult>, Option<Fault>) {
        let _permit = self.calls.acquire().await;
        self.enter(prepared).await
    }

    async fn enter(&self, prepared: Prepared) -> (Vec<pb::FrameResult>, Option<Fault>) {
        let Prepared { streams, frames, mut results } = prepared;
        let failed = self.accept(frames, &mut results).await;
        let mut results: Vec<_> = results.into_iter().map(|found| found.unwrap_or_else(no_answer)).collect();
        streams.iter().zip(&mut results).for_each(|(stream, result)| result::name_stream(stream, result));
        if failed.is_none() {
            self.counters.answered(&streams, &results);
        }
        (results, failed)
    }

    /// Does what needs no order: checks the frames that are not refused yet, and digests their pictures.
    ///
    /// # Errors
    /// The backend cannot be asked for the streams' settings.
    pub(crate) async fn prepare(
        &self,
        frames: Vec<Result<pb::Frame>>,
        message_bytes: usize,
    ) -> Result<Prepared> {
        let streams = frames.iter().map(stream_of).collect();
        let mut results: Vec<Option<pb::FrameResult>> = vec![None; frames.len()];
        let now = Timestamp::now();
        let mut sound = Vec::with_capacity(frames.len());
        for (place, frame) in frames.into_iter().enumerate() {
            match frame.and_then(|frame| SubmittedFrame::from_pb(frame, &self.limits, now)) {
                Ok(frame) => sound.push((place, frame)),
                Err(fault) => results[place] = Some(result::rejected(fault)),
            }
        }
        let sound = self.checked_against_settings(sound, now, &mut results).await?;
        let frames = self.digested(sound, message_bytes).await?;
        Ok(Prepared { streams, frames, results })
    }

    /// Refuses a batch that is empty, or larger than it may be.
    pub(crate) fn check_batch(&self, frames: usize, message_bytes: usize) -> Result<()> {
        let Limits { max_batch_frames, max_message_bytes, .. } = self.limits;
        if frames == 0 {
            return Err(
                Fault::new(ErrorReason::EmptyBatch, "a batch holds at least one frame").field("frames")
            );
        }
        if frames > max_batch_frames {
            let message = format!("{frames} frames are over the limit of {max_batch_frames} a batch");
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

    /// Refuses frames of unknown streams and by clock policies.
    async fn checked_against_settings(
        &self,
        frames: Vec<Placed<SubmittedFrame>>,
        now: Timestamp,
        results: &mut [Option<pb::FrameResult>],
    ) -> Result<Vec<Placed<SubmittedFrame>>> {
        let streams: Vec<StreamId> = frames.iter().map(|(_, frame)| frame.stream_id.clone()).collect();
        let settings = self.settings.of(&streams).await?;
        let mut sound = Vec::with_capacity(frames.len());
        for (place, mut frame) in frames {
            let checked = match settings.get(&frame.stream_id).copied().flatten() {
                Some(settings) => frame.check_clock(settings.clock, now),
                None => Err(Refusal::StreamNotFound.into()),
            };
            match checked {
                Ok(()) => sound.push((place, frame)),
                Err(fault) => results[place] = Some(result::rejected(fault)),
            }
        }
        Ok(sound)
    }

    /// Digests the pictures, and copies small ones out of the message.
    async fn digested(
        &self,
        frames: Vec<Placed<SubmittedFrame>>,
        message_bytes: usize,
    ) -> Result<Vec<Placed<NewFrame>>> {
        let digest = move || {
            let digest_one = |(place, mut frame): Placed<SubmittedFrame>| {
                if frame.data.len() * COPY_BELOW_SHARE < message_bytes {
                    frame.data = Bytes::copy_from_slice(&frame.data);
                }
                let digest = Digest::of(&frame.data);
                (place, frame.into_new_frame(digest))
            };
            frames.into_iter().map(digest_one).collect()
        };
        if message_bytes <= LARGE_BATCH_BYTES {
            return Ok(digest());
        }
        let _permit = self.digests.acquire().await;
        tokio::task::spawn_blocking(digest)
            .await
            .map_err(|error| Fault::new(ErrorReason::Internal, format!("digesting failed: {error}")))
    }

    async fn accept(
        &self,
        mut frames: Vec<Placed<NewFrame>>,
        results: &mut [Option<pb::FrameResult>],
    ) -> Option<Fault> {
        let attempted = frames.len();
        let picture_bytes: u64 = frames.iter().map(|(_, frame)| frame.header.source.size_bytes).sum();
        if picture_bytes > LARGE_BATCH_BYTES as u64 && self.doubts() {
            let places: Vec<usize> = frames.iter().map(|(place, _)| *place).collect();
            frames = match self.without_refused(frames, results).await {
                Ok(frames) => frames,
                Err(fault) => {
                    places
                        .into_iter()
                        .for_each(|place| results[place] = Some(result::rejected(fault.clone())));
                    return Some(fault);
                }
            };
        }
        let (places, frames): (Vec<usize>, Vec<NewFrame>) = frames.into_iter().unzip();
        let offers: Vec<Option<Offer>> = frames.iter().map(|frame| self.soon_wanted(frame)).collect();
        let accepted = match frames.is_empty() {
            true => Vec::new(),
            false => self.queue.accept(frames).await,
        };
        for (offer, accepted) in offers.into_iter().zip(&accepted) {
            match (accepted, offer) {
                (AcceptResult::Accepted(..), Some(offer)) => self.hub.keep(&offer),
                (AcceptResult::Accepted(..), None) => {}
                _ => *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now()),
            }
        }
        let all_failed = accepted.len() == attempted && accepted.iter().all(result::is_backend_failure);
        let failed = (attempted > 0 && all_failed).then(|| nothing_confirmed(&accepted));
        for (place, result) in places.into_iter().zip(accepted) {
            results[place] = Some(result::to_pb(result));
        }
        failed
    }

    /// Whether it is likely that something is refused now.
    fn doubts(&self) -> bool {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|refused| refused.elapsed() < DOUBT)
    }

    /// The picture, if subscribers of this server are likely to get it as it is: they need not read it again.
    fn soon_wanted(&self, frame: &NewFrame) -> Option<Offer> {
        let wanted = self.hub.is_followed(&frame.stream_id) && self.settings.passes_on(&frame.stream_id);
        wanted.then(|| frame.offer.clone())
    }

    /// Settles the frames that the queue would refuse (or has already) without sending it their pictures.
    async fn without_refused(
        &self,
        frames: Vec<Placed<NewFrame>>,
        results: &mut [Option<pb::FrameResult>],
    ) -> Result<Vec<Placed<NewFrame>>> {
        let (places, frames): (Vec<usize>, Vec<NewFrame>) = frames.into_iter().unzip();
        let bare: Vec<NewFrame> = frames
            .iter()
            .map(|frame| NewFrame {
                stream_id: frame.stream_id.clone(),
                header: frame.header.clone(),
                offer: frame.offer.sent(),
            })
            .collect();
        let refused = self.queue.would_refuse(&bare).await?;
        let mut wanted = Vec::with_capacity(frames.len());
        for ((place, frame), refused) in places.into_iter().zip(frames).zip(refused) {
            match refused {
                // A duplicate is entered like a new frame: the backend counts it, and confirms it like one.
                None | Some(AcceptResult::Duplicate(_) | AcceptResult::Accepted(..)) => {
                    wanted.push((place, frame))
                }
                Some(refused) => results[place] = Some(result::to_pb(refused)),
            }
        }
        Ok(wanted)
    }
}

/// The refusal of a message that is too large, whoever notices it.
pub(crate) fn batch_too_large(actual: usize, limit: usize) -> Fault {
    let message =
        format!("a message of {actual} bytes is over the limit of {limit} bytes; send smaller batches");
    Fault::new(ErrorReason::BatchTooLarge, message).fact("limit", limit).fact("actual", actual)
}

/// No frame was confirmed: the call as a whole is to be sent again.
fn nothing_confirmed(results: &[AcceptResult]) -> Fault {
    let mut reasons: HashMap<&str, usize> = HashMap::new();
    for result in results {
        if let AcceptResult::Refused(Refusal::Backend(why)) | AcceptResult::Unconfirmed(why) = result {
            *reasons.entry(why).or_default() += 1;
        }
    }
    let why = reasons.into_iter().max_by_key(|(_, count)| *count).map_or("no answer", |(why, _)| why);
    Fault::new(ErrorReason::BackendUnavailable, format!("no frame was confirmed: {why}"))
        .retry_in(BACKEND_RETRY)
}

/// Stands in for a result that the backend owed.
fn no_answer() -> pb::FrameResult {
    result::to_pb(AcceptResult::Unconfirmed("the backend gave no result for this frame".to_owned()))
}
