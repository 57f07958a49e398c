//! Sends a member's frames to its client.

use tokio::time::{Instant, sleep_until};

use super::Member;
use super::ready::{End, Ready};
use crate::hub::group::event::{GroupEvent, MEMBER_TTL};

impl Member {
    /// Sends one event or frame as soon as the client has room for it.
    pub(super) async fn send(&mut self, ready: Ready) -> Result<(), End> {
        let event = match ready {
            Ready::Event(event) => event,
            Ready::Frame(claimed) => match self.loader.load(&claimed).await {
                Ok(Some(frame)) => GroupEvent::Frame(frame),
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
}
