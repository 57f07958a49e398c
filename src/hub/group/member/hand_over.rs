//! How a member's frames reach its client.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{ClaimedFrame, End, Member, Ready};
use crate::domain::{Sequence, StreamId};
use crate::hub::Hub;
use crate::hub::event::{GapReason, PicturesOrLost};
use crate::hub::group::{GroupDelivery, GroupEvent, MEMBER_TTL};
use crate::queue::{self, Delivery, Settled, Settlement};

impl Member {
    /// Sends one thing, when the client has room for it.
    pub(super) async fn hand_over(&mut self, ready: Ready) -> Result<(), End> {
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
        let mut keep_at = Instant::now() + MEMBER_TTL / 4;
        let permit = loop {
            tokio::select! {
                biased;
                permit = sender.reserve() => match permit {
                    Ok(permit) => break permit,
                    Err(_closed) => return Err(End::Hung),
                },
                () = sleep_until(keep_at) => keep_at = Instant::now() + MEMBER_TTL / 4,
                // A seat that was taken by another call is heard of at once.
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
            let kept = self.consumers.queue.keep_seat(&self.seat, MEMBER_TTL).await;
            if let Err(error) = kept.or_else(|error| if error.is_retryable() { Ok(()) } else { Err(error) }) {
                self.put_back_gap(event);
                return Err(self.failed(error));
            }
        };
        if let GroupEvent::Frame(_) = &event {
            self.sent += 1;
        }
        permit.send(Ok(event));
        Ok(())
    }

    /// A gap that could not be sent is told at the end: the group's position is behind it.
    fn put_back_gap(&mut self, event: GroupEvent) {
        if let GroupEvent::Gap(_) = &event {
            self.ready.push_front(Ready::Event(event));
        }
    }

    /// A delivery with its entry and pictures, or the gap that it is where they are gone.
    async fn frame(&self, claimed: &ClaimedFrame) -> queue::Result<Option<GroupEvent>> {
        let ClaimedFrame { delivery, entry, check_at, token } = claimed;
        let Delivery { stream_id, sequence, attempt, deadline, left: _, generation, letter } = delivery;
        let mut entry = match entry {
            Some(entry) => Some(Arc::clone(entry)),
            None => self.consumers.entry(stream_id, *sequence, *letter).await?,
        };
        let mut lost = None;
        // It may be in this server's memory still.
        if is_cut(&self.consumers.hub, stream_id, *sequence) {
            (entry, lost) = (None, Some(GapReason::Unregistered));
        }
        // Retention may take the entry before its pictures are read: one that was replayed is in its dead letter then.
        for _ in 0..2 {
            let Some(found) = entry else { break };
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
            None => self.consumers.why_gone(stream_id, *sequence).await?,
        };
        let settled = Settled {
            stream_id: stream_id.clone(),
            sequence: *sequence,
            attempt: *attempt,
            letter: *letter,
            settlement: Settlement::Lost(lost.code()),
        };
        self.consumers.queue.settle_frames(&self.seat.group, &[settled]).await?;
        if let Some(token) = token {
            self.handover.take(*token);
        }
        // Somebody's next claim brings it to be told.
        self.desk.nudge();
        Ok(None)
    }
}

/// Whether this server has heard that the stream was unregistered behind this number.
fn is_cut(hub: &Hub, stream: &StreamId, sequence: Sequence) -> bool {
    hub.followers.topic(stream).is_some_and(|topic| sequence.get() <= topic.floor())
}
