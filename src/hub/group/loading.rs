//! Loads the frames that a member has claimed.

use std::sync::Arc;

use super::cache::GroupCache;
use super::call::Handover;
use super::consumers::Consumers;
use super::event::{ClaimedFrame, GroupDelivery};
use crate::domain::{GroupId, OutputBody, Sequence, StreamId};
use crate::hub::Hub;
use crate::hub::event::{GapReason, PicturesOrLost};
use crate::hub::pictures::want::PictureWant;
use crate::queue::{self, Delivery, EndedFrame, FrameEnd};

/// Loads the frames of one member's call.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) consumers: Arc<Consumers>,
    pub(super) cache: Arc<GroupCache>,
    pub(super) handover: Arc<Handover>,
    pub(super) group: GroupId,
    pub(super) incarnation: u64,
    pub(super) want: PictureWant,
}

impl Loader {
    /// Returns a delivery with its entry and pictures. If they are gone, removes the frame from the
    /// group, and a later claim returns the gap.
    pub(super) async fn load(&self, claimed: &ClaimedFrame) -> queue::Result<Option<GroupDelivery>> {
        let Delivery { stream_id, sequence, attempt, deadline, left: _, generation, letter } =
            &claimed.delivery;
        let erasures = &self.consumers.hub.erasures;
        let (mut entry, known) = match &claimed.entry {
            Some((entry, known)) if erasures.may_use(*known) => (Some(Arc::clone(entry)), *known),
            Some(_) | None => {
                let known = erasures.known();
                (self.consumers.entry(stream_id, *sequence, *letter).await?, known)
            }
        };
        let mut lost = None;
        // The entry may still be in the memory of this server although its stream was unregistered.
        if is_below_floor(&self.consumers.hub, stream_id, *sequence) {
            (entry, lost) = (None, Some(GapReason::Unregistered));
        }
        // Retention may remove the entry before its pictures are read. A replayed frame is then
        // read from its dead letter.
        for _ in 0..2 {
            let Some(found) = entry else { break };
            if let OutputBody::Tombstone(tombstone) = &found.body {
                lost = Some(GapReason::of(&tombstone.kind)); // it was erased after it was delivered
                break;
            }
            match self.consumers.hub.pictures(&found, &self.want).await? {
                PicturesOrLost::Pictures(pictures) => {
                    return Ok(Some(GroupDelivery {
                        entry: found,
                        pictures,
                        attempt: *attempt,
                        deadline: *deadline,
                        generation: *generation,
                        incarnation: self.incarnation,
                        partition: self.consumers.queue.partitions().of(stream_id),
                        claimed: claimed.clone(),
                        known,
                    }));
                }
                PicturesOrLost::Lost(reason) => lost = Some(reason),
            }
            if letter.is_none() {
                break;
            }
            entry = self.consumers.entry(stream_id, *sequence, *letter).await?;
        }
        let lost = match lost {
            Some(lost) => lost,
            None => self.consumers.loss_reason(stream_id, *sequence).await?,
        };
        let ended = EndedFrame {
            stream_id: stream_id.clone(),
            sequence: *sequence,
            attempt: *attempt,
            letter: *letter,
            end: FrameEnd::Lost(lost.code()),
        };
        self.consumers.queue.end_frames(&self.group, &[ended]).await?;
        if let Some(token) = claimed.token {
            self.handover.take(token);
        }
        // The next claim of any member returns the gap.
        self.cache.notify_members();
        Ok(None)
    }

    /// Reports whether a loaded frame may still be sent. One that has waited for its client may have
    /// been erased.
    pub(super) fn may_send(&self, frame: &GroupDelivery) -> bool {
        self.consumers.hub.erasures.may_use(frame.known)
    }
}

/// Reports whether this server knows that the sequence is not above the stream's floor.
fn is_below_floor(hub: &Hub, stream: &StreamId, sequence: Sequence) -> bool {
    hub.index.topic(stream).is_some_and(|topic| sequence.get() <= topic.floor())
}
