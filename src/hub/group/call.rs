//! A member's call as its connection sees it, and what passes between it and its task.

use std::collections::HashMap;
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

/// What a call's task has claimed and its connection has not taken yet. Whichever of the two takes an entry out decides: the
/// connection sends the frame, or the task gives it back, and never both.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<Unsent>);

#[derive(Debug, Default)]
struct Unsent {
    next_token: u64,
    frames: HashMap<u64, (StreamId, Sequence)>,
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
            let Some(Ok(GroupEvent::Frame(frame))) = &mut self.taken else { return self.taken.take() };
            let is_given = renew(&self.consumers, &self.group, &self.handover, frame).await
                && frame.token.is_none_or(|token| self.handover.take(token));
            let event = self.taken.take();
            if is_given {
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
