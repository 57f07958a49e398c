//! Sends a member's frames to its client.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::Member;
use super::ready::{ClaimedFrame, End, Ready};
use crate::domain::{OutputBody, Sequence, StreamId};
use crate::hub::Hub;
use crate::hub::event::{GapReason, PicturesOrLost};
use crate::hub::group::event::{GroupDelivery, GroupEvent, MEMBER_TTL};
use crate::queue::{self, Delivery, EndedFrame, FrameEnd};

impl Member {
    /// Sends one event or frame as soon as the client has room for it.
    pub(super) async fn send(&mut self, ready: Ready) -> Result<(), End> {
        let event = match ready {
            Ready::Event(event) => event,
            Ready::Frame(claimed) => match self.frame(&claimed).await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.ready.push_front(Ready::Frame(claimed));
                    return Err(error.into());
                }
            },
        };
        let sender = self.sender.clone();
        let mut renew_at = Instant::now() + MEMBER_TTL / 4;
        let permit = loop {
            tokio::select! {
                biased;
                permit = sender.reserve() => match permit {
                    Ok(permit) => break permit,
                    Err(_closed) => return Err(End::Disconnected),
                },
                () = sleep_until(renew_at) => renew_at = Instant::now() + MEMBER_TTL / 4,
                // If another call took over the membership, this call notices at once.
                _changed = self.news.changed() => {}
                () = self.registration.inbox.news() => {
                    // A drain must not wait for a client that does not read.
                    if self.registration.inbox.is_draining() {
                        self.put_back_gap(event);
                        return Err(End::Draining);
                    }
                    continue;
                }
            }
            let result = self.consumers.queue.renew_membership(&self.membership, MEMBER_TTL).await;
            if let Err(error) = result.or_else(|error| if error.is_retryable() { Ok(()) } else { Err(error) })
            {
                self.put_back_gap(event);
                return Err(self.end_for(error));
            }
        };
        if let GroupEvent::Frame(_) = &event {
            self.sent += 1;
        }
        permit.send(Ok(event));
        Ok(())
    }

    /// Puts back a gap that could not be sent, so that it is sent at the end: the group's position
    /// is after it.
    fn put_back_gap(&mut self, event: GroupEvent) {
        if let GroupEvent::Gap(_) = &event {
            self.ready.push_front(Ready::Event(event));
        }
    }

    /// Returns a delivery with its entry and pictures. If they are gone, removes the frame from the
    /// group, and a later claim returns the gap.
    async fn frame(&self, claimed: &ClaimedFrame) -> queue::Result<Option<GroupEvent>> {
        let ClaimedFrame { delivery, entry, check_at, token } = claimed;
        let Delivery { stream_id, sequence, attempt, deadline, left: _, generation, letter } = delivery;
        let mut entry = match entry {
            Some(entry) => Some(Arc::clone(entry)),
            None => self.consumers.entry(stream_id, *sequence, *letter).await?,
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
            match self.consumers.hub.pictures(&found, &self.request.want).await? {
                PicturesOrLost::Pictures(pictures) => {
                    return Ok(Some(GroupEvent::Frame(GroupDelivery {
                        entry: found,
                        pictures,
                        attempt: *attempt,
                        deadline: *deadline,
                        generation: *generation,
                        incarnation: self.incarnation,
                        partition: self.consumers.queue.partitions().of(stream_id),
                        check_at: *check_at,
                        token: *token,
                    })));
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
        self.consumers.queue.end_frames(&self.membership.group, &[ended]).await?;
        if let Some(token) = token {
            self.handover.take(*token);
        }
        // The next claim of any member returns the gap.
        self.cache.notify_members();
        Ok(None)
    }
}

/// Reports whether this server knows that the sequence is not above the stream's floor.
fn is_below_floor(hub: &Hub, stream: &StreamId, sequence: Sequence) -> bool {
    hub.index.topic(stream).is_some_and(|topic| sequence.get() <= topic.floor())
}
