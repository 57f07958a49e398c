//! A member's call as its connection sees it, and what passes between the connection and the
//! member's task.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::event::{GroupDelivery, GroupError, GroupEvent};
use super::loading::Loader;
use crate::domain::{GroupId, Sequence, StreamId};
use crate::queue::{Ack, AckAction, AckResult, Queue};

/// The pause between attempts to find out whether a frame that waited still belongs to the member.
const RETRY: Duration = Duration::from_millis(200);
/// The time after which a gap that was sent counts as received if the call still continues. A dead
/// connection would have been closed by then: it is pinged after 20 s, and has 10 s to answer.
const GAP_RECEIVED_AFTER: Duration = Duration::from_secs(45);

/// The frames that a member's task has claimed and its connection has not taken yet. The connection
/// removes an entry before it sends the frame, and the task removes it before it gives the frame
/// back. So only one of them happens.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<HandoverState>);

#[derive(Debug, Default)]
struct HandoverState {
    next_token: u64,
    frames: HashMap<u64, (StreamId, Sequence)>,
    /// Gaps that the connection has taken, in order.
    sent: VecDeque<SentGap>,
}

#[derive(Debug)]
struct SentGap {
    stream: StreamId,
    from: Sequence,
    to: Sequence,
    at: Instant,
    /// The connection has taken another event after it.
    has_successor: bool,
}

impl Handover {
    /// Notes a claimed frame; returns its token.
    pub(super) fn note(&self, stream: &StreamId, sequence: Sequence) -> u64 {
        let mut state = self.0.lock();
        let token = state.next_token;
        state.next_token += 1;
        state.frames.insert(token, (stream.clone(), sequence));
        token
    }

    /// Removes a frame; returns `false` if it was removed before.
    pub(super) fn take(&self, token: u64) -> bool {
        self.0.lock().frames.remove(&token).is_some()
    }

    /// Notes that the connection takes an event.
    fn note_taken(&self, event: &GroupEvent) {
        let mut state = self.0.lock();
        for one in state.sent.iter_mut().rev().take_while(|one| !one.has_successor) {
            one.has_successor = true;
        }
        if let GroupEvent::Gap(gap) = event
            && gap.causes.iter().any(|(reason, _)| !reason.is_by_settings())
        {
            // A group never reports a gap without sequences.
            if let Ok(to) = Sequence::new(gap.to) {
                let (stream, from) = (gap.stream_id.clone(), gap.from);
                state.sent.push_back(SentGap { stream, from, to, at: Instant::now(), has_successor: false });
            }
        }
    }

    /// Removes up to `limit` gaps that the client has received, and returns them. A gap counts as
    /// received if the call has continued for longer than a dead connection can stay unnoticed.
    pub(super) fn take_received_gaps(&self, limit: usize) -> Vec<(StreamId, Sequence, Sequence)> {
        let mut state = self.0.lock();
        let mut received = Vec::new();
        while received.len() < limit
            && let Some(first) = state.sent.front()
            && first.has_successor
            && first.at.elapsed() >= GAP_RECEIVED_AFTER
            && let Some(SentGap { stream, from, to, .. }) = state.sent.pop_front()
        {
            received.push((stream, from, to));
        }
        received
    }

    fn holds(&self, token: u64) -> bool {
        self.0.lock().frames.contains_key(&token)
    }

    /// Removes all frames and returns them.
    pub(super) fn drain(&self) -> Vec<(StreamId, Sequence)> {
        self.0.lock().frames.drain().map(|(_, frame)| frame).collect()
    }
}

/// A member's call, which ends when the value is dropped. Frames that it has sent stay outstanding
/// until their ack deadlines.
#[derive(Debug)]
pub struct GroupCall {
    events: mpsc::Receiver<Result<GroupEvent, GroupError>>,
    loader: Arc<Loader>,
    /// Received from the task and not returned yet.
    pending: Option<Result<GroupEvent, GroupError>>,
}

impl GroupCall {
    pub(super) fn new(events: mpsc::Receiver<Result<GroupEvent, GroupError>>, loader: Arc<Loader>) -> Self {
        Self { events, loader, pending: None }
    }

    /// Returns the next event; `None` after the last. It is cancel-safe.
    pub async fn next(&mut self) -> Option<Result<GroupEvent, GroupError>> {
        loop {
            if self.pending.is_none() {
                self.pending = Some(self.events.recv().await?);
            }
            let Some(Ok(GroupEvent::Frame(frame))) = &mut self.pending else {
                if let Some(Ok(event)) = &self.pending {
                    self.loader.handover.note_taken(event);
                }
                return self.pending.take();
            };
            let is_sent = confirm(&self.loader, frame).await
                && frame.claimed.token.is_none_or(|token| self.loader.handover.take(token));
            let event = self.pending.take();
            if is_sent {
                if let Some(Ok(event)) = &event {
                    self.loader.handover.note_taken(event);
                }
                return event;
            }
        }
    }
}

/// Prepares a frame that may have waited for its client. Returns whether to send it.
async fn confirm(loader: &Loader, frame: &mut GroupDelivery) -> bool {
    while confirm_ownership(&*loader.consumers.queue, &loader.group, &loader.handover, frame).await {
        if loader.may_send(frame) {
            return true;
        }
        if !load_again(loader, frame).await {
            return false;
        }
    }
    false
}

/// Loads a frame again that may have been erased. Returns `false` if it is not sent.
async fn load_again(loader: &Loader, frame: &mut GroupDelivery) -> bool {
    frame.claimed.entry = None;
    match loader.load(&frame.claimed).await {
        Ok(Some(loaded)) => *frame = loaded,
        Ok(None) => return false,
        Err(error) if error.is_retryable() && is_held(&loader.handover, frame) => sleep(RETRY).await,
        // It will be redelivered.
        Err(_) => {
            give_up(&loader.handover, frame);
            return false;
        }
    }
    true
}

/// Reports whether the task can still give a frame back.
fn is_held(handover: &Handover, frame: &GroupDelivery) -> bool {
    frame.claimed.token.is_some_and(|token| handover.holds(token))
}

fn give_up(handover: &Handover, frame: &GroupDelivery) {
    if let Some(token) = frame.claimed.token {
        handover.take(token);
    }
}

/// Checks whether a frame that has waited for its client still belongs to the member: if this
/// server's process was suspended until after the ack deadline, another member may have it. Returns
/// whether to send the frame. A check also extends the ack deadline, so that the client has the
/// whole time from now on.
async fn confirm_ownership(
    queue: &dyn Queue,
    group: &GroupId,
    handover: &Handover,
    frame: &mut GroupDelivery,
) -> bool {
    while Instant::now() >= frame.claimed.check_at {
        let answer = Ack {
            stream_id: frame.entry.stream_id.clone(),
            sequence: frame.entry.sequence,
            attempt: frame.attempt,
            generation: frame.generation,
            incarnation: frame.incarnation,
            action: AckAction::Extend(None),
        };
        match queue.acknowledge(group, &[answer]).await.map(|mut results| results.pop()) {
            Ok(Some(AckResult::Done(Some(deadline)))) => {
                frame.deadline = deadline;
                frame.claimed.delivery.deadline = deadline;
                return true;
            }
            // If this lasts too long, the task gives the frame back.
            Err(error) if error.is_retryable() && is_held(handover, frame) => {
                sleep(RETRY).await;
            }
            // The frame belongs to another member, or is done. Otherwise it will be redelivered.
            Ok(_) | Err(_) => {
                give_up(handover, frame);
                return false;
            }
        }
    }
    true
}
