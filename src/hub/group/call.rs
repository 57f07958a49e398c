//! A member's call as its connection sees it, and what passes between it and its task.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::{Consumers, GroupDelivery, GroupError, GroupEvent};
use crate::domain::{GroupId, Sequence, StreamId};
use crate::hub::lock;
use crate::queue::{Answer, AnswerResult, Verdict};

/// Between two tries to learn whether a frame that waited is still the member's.
const RETRY: Duration = Duration::from_millis(200);
/// A gap has reached the client if its call goes on for so long: a connection that is dead is closed before, by its pings
/// (20 s, and 10 s for an answer).
const GAP_PROOF: Duration = Duration::from_secs(45);

/// What a call's task has claimed and its connection has not taken yet. Whichever of the two takes an entry out decides: the
/// connection sends the frame, or the task gives it back, and never both.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<Unsent>);

#[derive(Debug, Default)]
struct Unsent {
    next_token: u64,
    frames: HashMap<u64, (StreamId, Sequence)>,
    /// Gaps that the connection has taken, in that order.
    told: VecDeque<Told>,
}

#[derive(Debug)]
struct Told {
    stream: StreamId,
    from: Sequence,
    to: Sequence,
    at: Instant,
    /// The connection has taken something behind it.
    followed: bool,
}

impl Handover {
    /// Notes a frame that was claimed; answers its token.
    pub(super) fn note(&self, stream: &StreamId, sequence: Sequence) -> u64 {
        let mut unsent = lock(&self.0);
        let token = unsent.next_token;
        unsent.next_token += 1;
        unsent.frames.insert(token, (stream.clone(), sequence));
        token
    }

    /// Takes a frame out; false if it was out already.
    pub(super) fn take(&self, token: u64) -> bool {
        lock(&self.0).frames.remove(&token).is_some()
    }

    /// The connection takes an event.
    fn hand_out(&self, event: &GroupEvent) {
        let mut unsent = lock(&self.0);
        for one in unsent.told.iter_mut().rev().take_while(|one| !one.followed) {
            one.followed = true;
        }
        if let GroupEvent::Gap(gap) = event
            && gap.causes.iter().any(|(reason, _)| !reason.is_chosen())
        {
            // A gap without numbers is told by no group.
            if let Ok(to) = Sequence::new(gap.to) {
                let (stream, from) = (gap.stream_id.clone(), gap.from);
                unsent.told.push_back(Told { stream, from, to, at: Instant::now(), followed: false });
            }
        }
    }

    /// Takes out gaps that the client has: the call has gone on for longer than a dead connection can remain unnoticed.
    pub(super) fn proven(&self, most: usize) -> Vec<(StreamId, Sequence, Sequence)> {
        let mut unsent = lock(&self.0);
        let mut proven = Vec::new();
        while proven.len() < most
            && let Some(first) = unsent.told.front()
            && first.followed
            && first.at.elapsed() >= GAP_PROOF
            && let Some(Told { stream, from, to, .. }) = unsent.told.pop_front()
        {
            proven.push((stream, from, to));
        }
        proven
    }

    fn holds(&self, token: u64) -> bool {
        lock(&self.0).frames.contains_key(&token)
    }

    /// Takes all frames out.
    pub(super) fn drain(&self) -> Vec<(StreamId, Sequence)> {
        lock(&self.0).frames.drain().map(|(_, frame)| frame).collect()
    }
}

/// A member's call. Dropping it ends it: what it has sent stays the member's until the ack deadlines.
#[derive(Debug)]
pub struct GroupCall {
    events: mpsc::Receiver<Result<GroupEvent, GroupError>>,
    handover: Arc<Handover>,
    consumers: Arc<Consumers>,
    group: GroupId,
    /// Taken from the task, and not handed out yet.
    taken: Option<Result<GroupEvent, GroupError>>,
}

impl GroupCall {
    pub(super) fn new(
        events: mpsc::Receiver<Result<GroupEvent, GroupError>>,
        handover: Arc<Handover>,
        consumers: Arc<Consumers>,
        group: GroupId,
    ) -> Self {
        Self { events, handover, consumers, group, taken: None }
    }

    /// The next event; `None` after the last. May be dropped and called again at any time.
    pub async fn next(&mut self) -> Option<Result<GroupEvent, GroupError>> {
        loop {
            if self.taken.is_none() {
                self.taken = Some(self.events.recv().await?);
            }
            let Some(Ok(GroupEvent::Frame(frame))) = &mut self.taken else {
                if let Some(Ok(event)) = &self.taken {
                    self.handover.hand_out(event);
                }
                return self.taken.take();
            };
            let is_given = renew(&self.consumers, &self.group, &self.handover, frame).await
                && frame.token.is_none_or(|token| self.handover.take(token));
            let event = self.taken.take();
            if is_given {
                if let Some(Ok(event)) = &event {
                    self.handover.hand_out(event);
                }
                return event;
            }
        }
    }
}

/// A frame that has waited for its client may be another member's by now: this server may have stood still past the deadline.
/// Answers whether it is to be sent; from here on the client has its time.
async fn renew(
    consumers: &Arc<Consumers>,
    group: &GroupId,
    handover: &Handover,
    frame: &mut GroupDelivery,
) -> bool {
    while Instant::now() >= frame.check_at {
        let answer = Answer {
            stream_id: frame.entry.stream_id.clone(),
            sequence: frame.entry.sequence,
            attempt: frame.attempt,
            generation: frame.generation,
            incarnation: frame.incarnation,
            verdict: Verdict::Extend(None),
        };
        match consumers.queue.answer_frames(group, &[answer]).await.map(|mut results| results.pop()) {
            Ok(Some(AnswerResult::Done(Some(deadline)))) => {
                frame.deadline = deadline;
                return true;
            }
            // The task gives it back if this lasts too long.
            Err(error) if error.is_retryable() && frame.token.is_some_and(|token| handover.holds(token)) => {
                sleep(RETRY).await;
            }
            // It is another's, or done: it comes again by itself, where it must.
            Ok(_) | Err(_) => {
                if let Some(token) = frame.token {
                    handover.take(token);
                }
                return false;
            }
        }
    }
    true
}
