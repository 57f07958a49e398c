//! GetFrames and GetLatestFrames: output entries by sequence, and the newest ones.

use std::sync::Arc;

use prost::Message as _;

use super::convert::check_count;
use super::convert::picture;
use super::convert::processed::{self, Entry, SentPicture};
use super::convert::time;
use super::fault::{Fault, Result};
use super::permissions;
use crate::access::Caller;
use crate::domain::limits::{DEFAULT_MAX_DELIVERED_PICTURE_BYTES, MAX_PAGE_BYTES};
use crate::domain::{
    OutputBody, OutputEntry, PayloadRef, PictureRole, Sequence, StoredPicture, StreamId, StreamRecord,
    Timestamp,
};
use crate::hub::{GapReason, Hub, PictureWant, PicturesOrLost};
use crate::pb::v1 as pb;
use crate::pb::v1::frame_lookup::Outcome as Lookup;
use crate::pb::v1::latest_frame::Outcome as Latest;
use crate::queue::{self, OutputPage, Queue};

/// The maximum number of sequences or streams in one request.
pub(crate) const MAX_LOOKUP_ITEMS: usize = 100;

/// The size that is counted for each entry of a message in addition to the entry itself: the id of
/// the stream, an age, keys, lengths, and the descriptions of four pictures.
const ITEM_OVERHEAD_BYTES: usize = 512;
/// The part of a message's maximum size that is left free.
const MESSAGE_SLACK_BYTES: usize = 16 << 10;

/// A reader of outputs.
#[derive(Debug)]
pub(crate) struct FrameReader {
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
}

impl FrameReader {
    pub(crate) fn new(queue: Arc<dyn Queue>, hub: Arc<Hub>) -> Self {
        Self { queue, hub }
    }

    pub(crate) async fn by_sequence(
        &self,
        request: pb::GetFramesRequest,
        caller: &Caller,
    ) -> Result<pb::GetFramesResponse> {
        let pb::GetFramesRequest { stream_id, sequences, pictures } = request;
        let stream: StreamId = stream_id.parse()?;
        permissions::check_read(caller, &stream)?;
        check_count("sequences", sequences.len(), MAX_LOOKUP_ITEMS)?;
        let want = picture::want("pictures", pictures, caller)?;
        let number = |(index, number)| {
            Sequence::new(number).map_err(|e| Fault::invalid(format!("sequences[{index}]"), e.message))
        };
        let numbers: Vec<Sequence> = sequences.into_iter().enumerate().map(number).collect::<Result<_>>()?;
        let mut found = Vec::with_capacity(numbers.len());
        for &number in &numbers {
            let page = self.queue.read_outputs(&stream, number, 1).await?;
            if page.removed {
                return Err(queue::Error::StreamNotFound(stream).into());
            }
            let entry = page.entries.first().filter(|entry| entry.sequence == number);
            found.push(entry.cloned().ok_or_else(|| missing(number, &page)));
        }
        let mut response = ResponsePictures::new(want, found.iter().flatten());
        let mut results = Vec::with_capacity(numbers.len());
        for (number, found) in numbers.into_iter().zip(found) {
            let outcome = match found {
                Ok(entry) => match response.add(&self.hub, &entry).await? {
                    Entry::Frame(frame) => Lookup::Frame(*frame),
                    Entry::Tombstone(tombstone) => Lookup::Tombstone(*tombstone),
                },
                Err(reason) => Lookup::Missing(pb::MissingFrame { reason: reason.into() }),
            };
            results.push(pb::FrameLookup { sequence: number.get(), outcome: Some(outcome) });
        }
        Ok(pb::GetFramesResponse { results })
    }

    pub(crate) async fn latest(
        &self,
        request: pb::GetLatestFramesRequest,
        caller: &Caller,
    ) -> Result<pb::GetLatestFramesResponse> {
        let pb::GetLatestFramesRequest { stream_ids, pictures } = request;
        check_count("stream_ids", stream_ids.len(), MAX_LOOKUP_ITEMS)?;
        let want = picture::want("pictures", pictures, caller)?;
        let id = |(index, id): (usize, &String)| {
            id.parse().map_err(|error| Fault::from(error).field(format!("stream_ids[{index}]")))
        };
        let ids: Vec<StreamId> = stream_ids.iter().enumerate().map(id).collect::<Result<_>>()?;
        ids.iter().try_for_each(|id| permissions::check_read(caller, id))?;
        let mut found = Vec::with_capacity(ids.len());
        for id in &ids {
            found.push(self.latest_frame(id).await?);
        }
        let mut response = ResponsePictures::new(want, found.iter().flatten());
        let mut results = Vec::with_capacity(ids.len());
        for (id, found) in ids.into_iter().zip(found) {
            let (outcome, age) = match found {
                Ok(entry) => match response.add(&self.hub, &entry).await? {
                    Entry::Frame(frame) => {
                        let age = Timestamp::now().since(entry.receive_time);
                        (Latest::Frame(*frame), Some(time::duration_to_pb(age)))
                    }
                    Entry::Tombstone(_) => (no_frame(pb::MissingReason::NoPicture), None),
                },
                Err(reason) => (no_frame(reason), None),
            };
            results.push(pb::LatestFrame { stream_id: id.to_string(), outcome: Some(outcome), age });
        }
        Ok(pb::GetLatestFramesResponse { results })
    }

    /// Reads the newest processed frame of a stream, or the reason why there is none.
    async fn latest_frame(
        &self,
        id: &StreamId,
    ) -> Result<std::result::Result<Arc<OutputEntry>, pb::MissingReason>> {
        if let Some(frame) = self.queue.latest_frame(id).await? {
            return Ok(Ok(frame));
        }
        let newest = self.queue.latest_outputs(id, 1).await?.pop();
        Ok(match newest {
            None => Err(self.why_empty(id).await?),
            // The frame was published after the first read.
            Some(entry) if matches!(entry.body, OutputBody::Frame(_)) => Ok(entry),
            Some(_) => Err(pb::MissingReason::NoPicture),
        })
    }

    /// Returns the reason why the output of a stream has no frame.
    async fn why_empty(&self, id: &StreamId) -> Result<pb::MissingReason> {
        let record = self.queue.get_streams(std::slice::from_ref(id)).await?.into_iter().next().flatten();
        Ok(match record {
            None => pb::MissingReason::StreamNotFound,
            Some(record) if record.removed => pb::MissingReason::StreamNotFound,
            Some(StreamRecord { counters, .. }) => {
                if counters.published_sequence > counters.floor_sequence {
                    pb::MissingReason::Retention
                } else if counters.accepted_sequence > counters.floor_sequence {
                    pb::MissingReason::Pending
                } else {
                    pb::MissingReason::NotAccepted
                }
            }
        })
    }
}

/// The pictures of one response, which share a maximum size.
struct ResponsePictures {
    want: PictureWant,
    left_bytes: u64,
}

impl ResponsePictures {
    /// Creates an empty collection for a response with these entries. If the caller asks for at
    /// most the default size, the whole response stays below the receive limit of every client.
    fn new<'a>(want: PictureWant, entries: impl Iterator<Item = &'a Arc<OutputEntry>>) -> Self {
        let other_bytes: usize = entries.map(|entry| size_without_pictures(entry)).sum();
        let room = (MAX_PAGE_BYTES - MESSAGE_SLACK_BYTES).saturating_sub(other_bytes) as u64;
        let asked = u64::from(want.max_picture_bytes);
        let is_default = want.max_picture_bytes <= DEFAULT_MAX_DELIVERED_PICTURE_BYTES;
        Self { want, left_bytes: if is_default { asked.min(room) } else { asked } }
    }

    /// Converts an entry with the pictures that still fit; others are not even fetched.
    async fn add(&mut self, hub: &Arc<Hub>, entry: &OutputEntry) -> Result<Entry> {
        let limit = u64::from(self.want.max_picture_bytes);
        let mut fetched = PictureWant {
            max_picture_bytes: self.want.max_picture_bytes,
            originals: self.want.originals.clone(),
            ..PictureWant::default()
        };
        let mut sent = Vec::new();
        let mut room = self.left_bytes;
        for role in self.want.roles() {
            let stored = entry.body.pictures().iter().find(|picture| picture.role == role);
            // A picture that is not stored, exceeds the limit by itself or may not be seen is left
            // to the hub, which reports it.
            let is_withheld = role == PictureRole::Original && !fetched.may_send_original(&entry.stream_id);
            let stored = stored.filter(|_| !is_withheld);
            let needed = stored.map_or(0, |picture| picture.payload.size_bytes);
            match stored {
                Some(picture) if needed <= limit && needed > room => {
                    sent.push(SentPicture::omitted(picture.clone(), pb::OmittedReason::MessageFull));
                }
                Some(_) | None => {
                    room -= if needed <= limit { needed } else { 0 };
                    match role {
                        PictureRole::Thumbnail => fetched.thumbnail = true,
                        PictureRole::Processed => fetched.processed = true,
                        PictureRole::Original => fetched.original = true,
                        // The size of a rendition is known only after it is made.
                        PictureRole::Rendition => fetched.rendition = self.want.rendition,
                    }
                }
            }
        }
        match hub.pictures(entry, &fetched).await? {
            PicturesOrLost::Pictures(pictures) => {
                sent.extend(pictures.into_iter().map(|one| SentPicture::within(&mut self.left_bytes, one)));
            }
            PicturesOrLost::Lost(reason) => {
                let wanted = |picture: &&StoredPicture| fetched.roles().any(|role| role == picture.role);
                let lost = entry.body.pictures().iter().filter(wanted);
                let mut omit = |picture| sent.push(SentPicture::omitted(picture, lost_to_pb(reason)));
                lost.cloned().for_each(&mut omit);
                let processed =
                    entry.body.pictures().iter().find(|picture| picture.role == PictureRole::Processed);
                if let (Some(rendition), Some(processed)) = (fetched.rendition, processed) {
                    let (role, format) = (PictureRole::Rendition, rendition.format.picture_format());
                    let payload = PayloadRef { size_bytes: 0, ..processed.payload };
                    omit(StoredPicture { role, format, width: 0, height: 0, payload });
                }
            }
        }
        Ok(processed::to_pb(entry, sent))
    }
}

/// Returns the size of an entry in a message without its pictures.
fn size_without_pictures(entry: &OutputEntry) -> usize {
    let other_bytes = match processed::to_pb(entry, Vec::new()) {
        Entry::Frame(frame) => frame.encoded_len(),
        Entry::Tombstone(tombstone) => tombstone.encoded_len(),
    };
    other_bytes + ITEM_OVERHEAD_BYTES
}

fn lost_to_pb(reason: GapReason) -> pb::OmittedReason {
    match reason {
        GapReason::PayloadLost => pb::OmittedReason::PayloadLost,
        GapReason::Sampled
        | GapReason::Filtered
        | GapReason::SlowConsumer
        | GapReason::Stale
        | GapReason::Overflow
        | GapReason::Failed
        | GapReason::Purged
        | GapReason::Retention
        | GapReason::BackendFailover
        | GapReason::Unregistered
        | GapReason::StoreReplaced => pb::OmittedReason::Retention,
        GapReason::Erased => pb::OmittedReason::Erased,
    }
}

/// Returns the reason why there is no entry with a sequence.
fn missing(number: Sequence, page: &OutputPage) -> pb::MissingReason {
    let counters = &page.counters;
    if number.get() <= counters.floor_sequence {
        pb::MissingReason::Unregistered
    } else if number.get() > counters.accepted_sequence {
        pb::MissingReason::NotAccepted
    } else if number.get() > counters.published_sequence {
        pb::MissingReason::Pending
    } else if page.entries.first().is_some_and(|next| next.previous_sequence < number.get()) {
        pb::MissingReason::BackendFailover
    } else {
        pb::MissingReason::Retention
    }
}

fn no_frame(reason: pb::MissingReason) -> Latest {
    Latest::Missing(pb::MissingFrame { reason: reason.into() })
}
