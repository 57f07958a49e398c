mod claiming;
mod following;
mod hand_over;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::desk::Desk;
use super::{Consumers, GroupError, GroupEvent, Handover, MEMBER_TTL, MemberRequest};
use crate::domain::OutputEntry;
use crate::hub::event::{Gap, StreamHead};
use crate::hub::subscribe::Registration;
use crate::queue::{self, Delivery, Seat};
use following::register;
use stream::Stream;

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// Why a member's call ends.
#[derive(Debug)]
enum End {
    /// The client is gone.
    Hung,
    /// The server is going away.
    Draining,
    /// The frames asked for are sent.
    Finished,
    /// It failed.
    Failed(GroupError),
}

impl From<GroupError> for End {
    fn from(error: GroupError) -> Self {
        Self::Failed(error)
    }
}

impl From<queue::Error> for End {
    fn from(error: queue::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A frame that was claimed; without its entry, one that comes again.
#[derive(Debug, Clone)]
struct ClaimedFrame {
    delivery: Delivery,
    entry: Option<Arc<OutputEntry>>,
    /// When it may have become another member's.
    check_at: Instant,
    /// In the handover; `None` for one that an earlier call has sent before.
    token: Option<u64>,
}

impl ClaimedFrame {
    fn new(delivery: Delivery, entry: Option<Arc<OutputEntry>>, token: Option<u64>) -> Self {
        let check_at = Instant::now() + delivery.left / 4;
        Self { delivery, entry, check_at, token }
    }
}

/// What waits to be handed over.
#[derive(Debug)]
enum Ready {
    Event(GroupEvent),
    Frame(ClaimedFrame),
}

/// A member's call.
#[derive(Debug)]
pub(super) struct Member {
    consumers: Arc<Consumers>,
    desk: Arc<Desk>,
    news: watch::Receiver<u64>,
    seat: Seat,
    request: MemberRequest,
    sender: mpsc::Sender<Result<GroupEvent, GroupError>>,
    handover: Arc<Handover>,
    registration: Registration,
    /// Of the settings that it follows streams by, and of the book's positions that it has looked at.
    revision: u64,
    generation: u64,
    incarnation: u64,
    streams: BTreeMap<u32, Stream>,
    /// Of these, those that got their places late: how much is published in them is not known yet.
    unheard: Vec<u32>,
    ready: VecDeque<Ready>,
    outstanding: u64,
    sent: u64,
    next_due: Option<Instant>,
    poll_at: Instant,
    /// There is more than it has room for; so long until it looks again.
    full: Option<Duration>,
    heartbeat_at: Instant,
    trouble: Option<(Instant, Duration)>,
}

impl Member {
    /// Follows the group's streams; the first event is sent.
    pub(super) async fn open(
        consumers: &Arc<Consumers>,
        desk: Arc<Desk>,
        seat: Seat,
        request: MemberRequest,
        sender: mpsc::Sender<Result<GroupEvent, GroupError>>,
        handover: Arc<Handover>,
    ) -> Result<Self, GroupError> {
        let now = Instant::now();
        let news = desk.news();
        let (record, registration) = {
            let mut book = desk.book.lock().await;
            book.stale = true;
            book.refresh(&*consumers.queue).await?;
            (book.record.clone(), register(consumers, &book)?)
        };
        let ack_deadline = record.settings.effective().ack_deadline;
        let mut member = Self {
            consumers: Arc::clone(consumers),
            desk: Arc::clone(&desk),
            news,
            seat,
            sender,
            handover,
            registration,
            revision: record.revision,
            generation: 0,
            incarnation: record.incarnation,
            streams: BTreeMap::new(),
            unheard: Vec::new(),
            ready: VecDeque::new(),
            outstanding: 0,
            sent: 0,
            next_due: None,
            poll_at: now,
            full: None,
            heartbeat_at: now + request.heartbeat_interval,
            trouble: None,
            request,
        };
        {
            let mut book = desk.book.lock().await;
            member.follow(&book).await?;
            member.look_for_removed(&mut book).await?;
        }
        member.ready.push_back(Ready::Event(GroupEvent::Opened(ack_deadline)));
        Ok(member)
    }

    /// Queues what the member had before this call: it may be at work on it, or have lost it.
    pub(super) fn send_again(&mut self, held: Vec<Delivery>) {
        self.outstanding = held.len() as u64;
        self.ready.extend(held.into_iter().map(|one| Ready::Frame(ClaimedFrame::new(one, None, None))));
    }

    /// Serves until the client goes, the server drains or the group ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            match self.step().await {
                Ok(()) => {}
                Err(End::Failed(GroupError::Queue(error))) if error.is_retryable() => {
                    if let Err(end) = self.wait_out(error).await {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        let last = match end {
            // Its seat stays its own until it lapses: it is about to acknowledge what it asked for.
            End::Finished => {
                self.tell_rest().await;
                Ok(GroupEvent::Finished)
            }
            End::Hung => return self.leave().await,
            End::Draining => {
                self.leave().await;
                self.tell_rest().await;
                Ok(GroupEvent::Draining)
            }
            End::Failed(error) => {
                self.leave().await;
                self.tell_rest().await;
                Err(error)
            }
        };
        let _hung_up = self.sender.send_timeout(last, MEMBER_TTL).await;
    }

    /// Tells the gaps that are not told yet: the group's position is behind them, so nobody else will.
    async fn tell_rest(&mut self) {
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

    /// Gives back what was not sent. If that fails, it is due at its deadline.
    async fn leave(&self) {
        let unsent = self.handover.drain();
        let _lapses = self.consumers.queue.leave_group(&self.seat, &unsent).await;
        self.desk.nudge();
    }

    async fn step(&mut self) -> Result<(), End> {
        if self.sender.is_closed() {
            return Err(End::Hung);
        }
        self.take_mail()?;
        if let Some(ready) = self.ready.pop_front() {
            self.hand_over(ready).await?;
        } else if self.request.stop_after_frames.is_some_and(|most| self.sent >= most) {
            return Err(End::Finished);
        } else if Instant::now() >= self.heartbeat_at {
            self.beat();
        } else if !self.claim().await? {
            self.idle().await;
        }
        Ok(())
    }

    /// Waits after a failure of the backend, until it has lasted too long.
    async fn wait_out(&mut self, error: queue::Error) -> Result<(), End> {
        let now = Instant::now();
        let (since, pause) = self.trouble.unwrap_or((now, FIRST_BACKOFF));
        self.trouble = Some((since, (pause * 2).min(LONGEST_BACKOFF)));
        if now - since >= self.consumers.hub.config.outage_limit {
            return Err(End::Failed(error.into()));
        }
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.sender.closed() => Err(End::Hung),
        }
    }

    async fn idle(&mut self) {
        let alarm = [Some(self.heartbeat_at), self.next_due, Some(self.poll_at)];
        let alarm = alarm.into_iter().flatten().min().unwrap_or(self.poll_at);
        tokio::select! {
            () = self.sender.closed() => {}
            () = self.registration.inbox.news() => {}
            changed = self.news.changed() => {
                // The desk lives as long as its members.
                if changed.is_ok() {
                    self.poll_at = Instant::now();
                }
            }
            () = sleep_until(alarm) => {}
        }
    }

    /// Heartbeat: what is pending is told first.
    fn beat(&mut self) {
        self.heartbeat_at = Instant::now() + self.request.heartbeat_interval;
        let gaps: Vec<Gap> = self.streams.values_mut().filter_map(Stream::take_gap).collect();
        self.ready.extend(gaps.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
        let head = |stream: &Stream| {
            let head = stream.topic.head();
            // A stream that the group has not begun yet is no work for it.
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
