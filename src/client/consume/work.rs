//! The frames that a consumer has received and that are not settled yet. It does no I/O.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::settled::Settled;
use crate::client::time::{pb_duration, system_time};
use crate::pb::v1 as pb;

/// The maximum number of ids in one call.
const MAX_IDS: usize = 1_000;

/// The time before a frame that goes back is delivered again. By then, the server knows that this
/// member has left: otherwise it could give the frame to it once more, and keep it until the deadline.
const GIVE_BACK_DELAY: Duration = Duration::from_secs(1);

/// The result of a handler.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Ack,
    Reject(pb::Rejection),
}

/// A group of ids that are sent to the server in one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Batch {
    Acks(Vec<String>),
    Rejections(Vec<pb::Rejection>),
}

impl Batch {
    pub(super) fn ids(&self) -> Vec<String> {
        match self {
            Self::Acks(ids) => ids.clone(),
            Self::Rejections(rejections) => rejections.iter().map(|one| one.ack_id.clone()).collect(),
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// No handler has begun.
    Waiting(Box<pb::ConsumedFrame>),
    Running,
    Decided(Verdict),
    /// The verdict is under way to the server.
    Sent(Verdict),
}

#[derive(Debug)]
struct Entry {
    stream_id: String,
    sequence: u64,
    stage: Stage,
    /// When the deadline has to be extended; `None` if the frame is not this member's any more.
    due: Option<Instant>,
}

/// All unsettled frames, by ack id.
#[derive(Debug)]
pub(super) struct Work {
    entries: HashMap<String, Entry>,
    waiting: VecDeque<String>,
    /// The streams of running handlers, if frames of a stream are handled one after another.
    busy: Option<HashSet<String>>,
    settled: Settled,
    /// The time after which a deadline is extended: a third of the ack deadline.
    interval: Duration,
}

impl Work {
    pub(super) fn new(in_order: bool) -> Self {
        Self {
            entries: HashMap::new(),
            waiting: VecDeque::new(),
            busy: in_order.then(HashSet::new),
            settled: Settled::default(),
            interval: Duration::from_secs(10),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of unsettled frames.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Records that the member has joined. The deadlines of its frames went on meanwhile.
    pub(super) fn joined(&mut self, ack_deadline: Duration, now: Instant) {
        self.interval = ack_deadline / 3;
        self.entries.values_mut().filter(|entry| entry.due.is_some()).for_each(|entry| entry.due = Some(now));
    }

    /// Records a frame, unless it is a redelivery of one that is in progress or settled.
    pub(super) fn received(&mut self, frame: Box<pb::ConsumedFrame>, now: Instant) {
        let id = frame.ack_id.clone();
        if self.settled.contains(&id) || self.entries.contains_key(&id) {
            return;
        }
        // A redelivery may come with less than the whole deadline.
        let left = frame
            .ack_expire_time
            .as_ref()
            .and_then(|time| system_time(time).duration_since(SystemTime::now()).ok());
        let due = now + left.unwrap_or_default().min(self.interval * 3) / 3;
        let (stream_id, sequence) =
            frame.frame.as_ref().map(|frame| (frame.stream_id.clone(), frame.sequence)).unwrap_or_default();
        self.waiting.push_back(id.clone());
        self.entries.insert(id, Entry { stream_id, sequence, stage: Stage::Waiting(frame), due: Some(due) });
    }

    /// Returns the next frame to handle.
    pub(super) fn begin(&mut self) -> Option<Box<pb::ConsumedFrame>> {
        let may_begin = |id: &String| match (&self.busy, self.entries.get(id)) {
            (Some(busy), Some(entry)) => !busy.contains(&entry.stream_id),
            _ => true,
        };
        let at = self.waiting.iter().position(may_begin)?;
        let entry = self.entries.get_mut(&self.waiting.remove(at)?)?;
        if let Some(busy) = &mut self.busy {
            busy.insert(entry.stream_id.clone());
        }
        match std::mem::replace(&mut entry.stage, Stage::Running) {
            Stage::Waiting(frame) => Some(frame),
            Stage::Running | Stage::Decided(_) | Stage::Sent(_) => None,
        }
    }

    /// Records the result of a handler. Returns the stream and the sequence.
    pub(super) fn decide(&mut self, id: &str, verdict: Verdict) -> (String, u64) {
        let Some(entry) = self.entries.get_mut(id) else { return Default::default() };
        if let Some(busy) = &mut self.busy {
            busy.remove(&entry.stream_id);
        }
        entry.stage = Stage::Decided(verdict);
        (entry.stream_id.clone(), entry.sequence)
    }

    /// Decides that the frames that no handler has begun are delivered to other members.
    /// Returns their number.
    pub(super) fn give_back(&mut self) -> u64 {
        let waiting = std::mem::take(&mut self.waiting);
        for ack_id in &waiting {
            let rejection = pb::Rejection {
                ack_id: ack_id.clone(),
                reason: "the member ended before it handled the frame".to_owned(),
                retry_delay: Some(pb_duration(GIVE_BACK_DELAY)),
                dead_letter: false,
            };
            self.decide(ack_id, Verdict::Reject(rejection));
        }
        waiting.len() as u64
    }

    /// Forgets the frames that no handler has begun, because they are another member's now.
    pub(super) fn forget_waiting(&mut self) {
        for id in std::mem::take(&mut self.waiting) {
            self.entries.remove(&id);
        }
    }

    /// Reports whether verdicts wait to be sent.
    pub(super) fn has_verdicts(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry.stage, Stage::Decided(_)))
    }

    /// Returns verdicts to send, all of one kind; `None` if there are none.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        let (mut ids, mut rejections) = (Vec::new(), Vec::new());
        for (id, entry) in &self.entries {
            match &entry.stage {
                Stage::Decided(Verdict::Ack) if ids.len() < MAX_IDS => ids.push(id.clone()),
                Stage::Decided(Verdict::Reject(one)) if rejections.len() < MAX_IDS => {
                    rejections.push(one.clone());
                }
                Stage::Decided(_) | Stage::Waiting(_) | Stage::Running | Stage::Sent(_) => {}
            }
        }
        let batch = match (ids.is_empty(), rejections.is_empty()) {
            (true, true) => return None,
            (true, false) => Batch::Rejections(rejections),
            (false, _) => Batch::Acks(ids),
        };
        for id in batch.ids() {
            if let Some(entry) = self.entries.get_mut(&id)
                && let Stage::Decided(verdict) = &entry.stage
            {
                entry.stage = Stage::Sent(verdict.clone());
            }
        }
        Some(batch)
    }

    /// Records that a batch got no answer, so that it is sent again.
    pub(super) fn unanswered(&mut self, batch: &Batch) {
        for id in batch.ids() {
            if let Some(entry) = self.entries.get_mut(&id)
                && let Stage::Sent(verdict) = &entry.stage
            {
                entry.stage = Stage::Decided(verdict.clone());
            }
        }
    }

    /// Records that the server has answered for a frame. Returns its stream and its sequence.
    pub(super) fn settle(&mut self, id: &str) -> (String, u64) {
        self.settled.insert(id);
        self.entries.remove(id).map(|entry| (entry.stream_id, entry.sequence)).unwrap_or_default()
    }

    /// Returns the time at which a deadline has to be extended.
    pub(super) fn next_extension(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.due).min()
    }

    /// Returns the ids whose deadlines have to be extended now.
    pub(super) fn due(&self, now: Instant) -> Vec<String> {
        let due = self.entries.iter().filter(|(_, entry)| entry.due.is_some_and(|due| due <= now));
        due.map(|(id, _)| id.clone()).take(MAX_IDS).collect()
    }

    /// Records the answer to an extension. `taken` is false if the frame is not this member's any more:
    /// its handler goes on if it has begun.
    pub(super) fn extended(&mut self, id: &str, taken: bool, next: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.due = taken.then_some(next);
        if !taken && matches!(entry.stage, Stage::Waiting(_)) {
            self.entries.remove(id);
            self.waiting.retain(|waiting| waiting != id);
        }
    }

    /// Returns the time between two extensions.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: &str, id: &str) -> Box<pb::ConsumedFrame> {
        let frame = pb::ProcessedFrame { stream_id: stream.to_owned(), sequence: 1, ..Default::default() };
        Box::new(pb::ConsumedFrame { frame: Some(frame), ack_id: id.to_owned(), ..Default::default() })
    }

    fn begun(work: &mut Work) -> Vec<String> {
        std::iter::from_fn(|| work.begin()).map(|frame| frame.ack_id).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_redelivered_frame_is_matched_to_the_work_in_progress() {
        let mut work = Work::new(false);
        let again = |work: &mut Work| {
            work.received(frame("cam", "a"), Instant::now());
            assert_eq!(begun(work), [""; 0]);
        };
        work.received(frame("cam", "a"), Instant::now());
        assert_eq!(begun(&mut work), ["a"]);
        again(&mut work);
        work.decide("a", Verdict::Ack);
        again(&mut work);
        let batch = work.next_batch().unwrap();
        assert_eq!((&batch, work.next_batch()), (&Batch::Acks(vec!["a".to_owned()]), None));
        again(&mut work);
        work.unanswered(&batch);
        assert_eq!(work.next_batch(), Some(batch));
        assert_eq!(work.settle("a"), ("cam".to_owned(), 1));
        again(&mut work);
        assert!(work.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_one_stream_can_be_handled_one_after_another() {
        let mut work = Work::new(true);
        for (stream, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
            work.received(frame(stream, id), Instant::now());
        }
        assert_eq!(begun(&mut work), ["a1", "b1"]);
        work.decide("a1", Verdict::Ack);
        assert_eq!(begun(&mut work), ["a2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_no_handler_has_begun_go_back_at_once() {
        let mut work = Work::new(false);
        work.received(frame("a", "running"), Instant::now());
        work.begin();
        work.received(frame("a", "waiting"), Instant::now());
        assert_eq!(work.give_back(), 1);
        let Some(Batch::Rejections(rejections)) = work.next_batch() else { panic!("{work:?}") };
        assert_eq!(rejections[0].ack_id, "waiting");
        assert_eq!(rejections[0].retry_delay, Some(pb_duration(GIVE_BACK_DELAY)));
        assert_eq!((work.next_batch(), work.len()), (None, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_are_extended_until_the_frame_is_lost() {
        let mut work = Work::new(false);
        let now = Instant::now();
        work.received(frame("a", "1"), now);
        work.received(frame("a", "2"), now);
        work.joined(Duration::from_secs(30), now);
        let mut due = work.due(now);
        due.sort();
        assert_eq!(due, ["1", "2"]);
        work.extended("1", true, now + work.interval());
        work.extended("2", false, now);
        assert_eq!((work.len(), work.next_extension()), (1, Some(now + Duration::from_secs(10))));
        assert_eq!(begun(&mut work), ["1"]);
        work.extended("1", false, now);
        assert_eq!((work.len(), work.next_extension()), (1, None), "its handler goes on");
    }
}
