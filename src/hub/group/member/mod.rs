//! A member's task: claims frames and sends them to the client.

mod claiming;
mod following;
mod open;
mod ready;
mod sending;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::cache::GroupCache;
use super::call::Handover;
use super::consumers::Consumers;
use super::event::{ClaimedFrame, GroupError, GroupEvent, MEMBER_TTL, MemberRequest};
use super::loading::Loader;
use crate::backoff::Backoff;
use crate::hub::event::{Gap, StreamHead};
use crate::hub::feed::registration::Registration;
use crate::queue::{self, Delivery, Membership};
use ready::{End, Ready};
use stream::Stream;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A member's call.
#[derive(Debug)]
pub(super) struct Member {
    consumers: Arc<Consumers>,
    cache: Arc<GroupCache>,
    news: watch::Receiver<u64>,
    membership: Membership,
    request: MemberRequest,
    sender: mpsc::Sender<Result<GroupEvent, GroupError>>,
    handover: Arc<Handover>,
    loader: Arc<Loader>,
    registration: Registration,
    /// The revision of the settings by which it follows streams.
    revision: u64,
    /// The generation of the positions that it has seen.
    generation: u64,
    incarnation: u64,
    streams: BTreeMap<u32, Stream>,
    /// Streams that got their slots late: how much they have published is not known yet.
    heads_unread: Vec<u32>,
    ready: VecDeque<Ready>,
    outstanding: u64,
    sent: u64,
    next_due: Option<Instant>,
    poll_at: Instant,
    /// More frames are available than the member has room for; it looks again after these pauses.
    full: Option<Backoff>,
    heartbeat_at: Instant,
    /// The time at which the backend stopped answering, and the pauses between attempts.
    outage: Option<(Instant, Backoff)>,
}

impl Member {
    /// Returns what loads the frames of the call.
    pub(super) fn loader(&self) -> Arc<Loader> {
        Arc::clone(&self.loader)
    }

    /// Queues the frames that were outstanding before this call: the member may be working on them,
    /// or may have lost them.
    pub(super) fn send_again(&mut self, held: Vec<Delivery>) {
        self.outstanding = held.len() as u64;
        self.ready.extend(held.into_iter().map(|one| Ready::Frame(ClaimedFrame::new(one, None, None))));
    }

    /// Serves the call until the client disconnects, the server drains or the group ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            match self.step().await {
                Ok(()) => {}
                Err(End::Failed(GroupError::Queue(error))) if error.is_retryable() => {
                    if let Err(end) = self.wait_for_backend(error).await {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        let last = match end {
            // The member keeps its membership until it expires, because it is about to acknowledge
            // the frames.
            End::Finished => {
                self.send_pending_gaps().await;
                Ok(GroupEvent::Finished)
            }
            End::Disconnected => return self.leave().await,
            End::Draining => {
                self.leave().await;
                self.send_pending_gaps().await;
                Ok(GroupEvent::Draining)
            }
            End::Failed(error) => {
                self.leave().await;
                self.send_pending_gaps().await;
                Err(error)
            }
        };
        let _hung_up = self.sender.send_timeout(last, MEMBER_TTL).await;
    }

    /// Sends the gaps that were not sent yet: the group's position is after them, so no other
    /// member will.
    async fn send_pending_gaps(&mut self) {
        let waiting = std::mem::take(&mut self.ready).into_iter().filter_map(|ready| match ready {
            Ready::Event(event @ GroupEvent::Gap(_)) => Some(event),
            Ready::Event(_) | Ready::Frame(_) => None,
        });
        let pending = self.streams.values_mut().filter_map(Stream::take_gap).map(GroupEvent::Gap);
        let gaps: Vec<GroupEvent> = waiting.chain(pending).collect();
        let deadline = Instant::now() + MEMBER_TTL;
        for gap in gaps {
            let sent = tokio::time::timeout_at(deadline, self.sender.send(Ok(gap))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Gives back the frames that were not sent. If that fails, they are redelivered after their
    /// deadlines.
    async fn leave(&self) {
        let unsent = self.handover.drain();
        let _ignored = self.consumers.queue.leave_group(&self.membership, &unsent).await;
        self.cache.notify_members();
    }

    async fn step(&mut self) -> Result<(), End> {
        if self.sender.is_closed() {
            return Err(End::Disconnected);
        }
        self.take_updates()?;
        if let Some(ready) = self.ready.pop_front() {
            self.send(ready).await?;
        } else if self.request.stop_after_frames.is_some_and(|maximum| self.sent >= maximum) {
            return Err(End::Finished);
        } else if Instant::now() >= self.heartbeat_at {
            self.queue_heartbeat();
        } else if !self.claim().await? {
            self.idle().await;
        }
        Ok(())
    }

    /// Waits after a failure of the backend, unless the outage has lasted too long.
    async fn wait_for_backend(&mut self, error: queue::Error) -> Result<(), End> {
        let now = Instant::now();
        let (since, backoff) =
            self.outage.get_or_insert_with(|| (now, Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)));
        let pause = backoff.next();
        if now - *since >= self.consumers.hub.config.outage_limit {
            return Err(End::Failed(error.into()));
        }
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.sender.closed() => Err(End::Disconnected),
        }
    }

    async fn idle(&mut self) {
        let alarm = [Some(self.heartbeat_at), self.next_due, Some(self.poll_at)];
        let alarm = alarm.into_iter().flatten().min().unwrap_or(self.poll_at);
        tokio::select! {
            () = self.sender.closed() => {}
            () = self.registration.inbox.news() => {}
            changed = self.news.changed() => {
                // The sender lives as long as the members.
                if changed.is_ok() {
                    self.poll_at = Instant::now();
                }
            }
            () = sleep_until(alarm) => {}
        }
    }

    /// Queues a heartbeat, after the pending gaps.
    fn queue_heartbeat(&mut self) {
        self.heartbeat_at = Instant::now() + self.request.heartbeat_interval;
        let gaps: Vec<Gap> = self.streams.values_mut().filter_map(Stream::take_gap).collect();
        self.ready.extend(gaps.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
        let head = |stream: &Stream| {
            let head = stream.topic.head();
            // A stream that the group has not started yet has no lag.
            let done = stream.next.map_or(head, |next| next.get() - 1);
            StreamHead {
                stream_id: stream.topic.id().clone(),
                head_sequence: head,
                lag_frames: head.saturating_sub(done),
            }
        };
        let mut heads: Vec<_> = self.streams.values().map(head).collect();
        heads.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
        self.ready.push_back(Ready::Event(GroupEvent::Heartbeat {
            heads,
            outstanding_frames: self.outstanding,
            unfollowed_streams: self.registration.inbox.unfollowed(),
        }));
    }
}
