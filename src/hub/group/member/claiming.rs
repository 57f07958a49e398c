//! Claims frames for a member: proposes candidates after the group's positions, and handles the
//! result of the claim.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::Member;
use super::ready::{End, Ready};
use super::stream::Stream;
use crate::backoff::Backoff;
use crate::domain::{GroupAffinity, Sequence, StreamId};
use crate::hub::event::GapReason;
use crate::hub::gaps::PendingGap;
use crate::hub::group::cache::{GroupView, StreamPosition};
use crate::hub::group::event::{ClaimedFrame, GroupError, GroupEvent, MEMBER_TTL};
use crate::hub::group::prepared::{PreparedEntry, PreparedStream, SelectionOptions};
use crate::hub::streams::records;
use crate::queue::{
    self, CandidateResult, Claim, Claimed, Delivery, Exhausted, GapRun, RemovedStream, UnsentGaps,
};

/// The maximum number of frames in one claim. It is small, so that the members share the available
/// frames, and only a few frames wait for a slow client.
const CLAIM_FRAMES: usize = 8;
/// The maximum number of gaps that one claim reports as received by the client.
const MAX_RECEIVED_GAPS: usize = 64;
/// The maximum number of streams in one claim.
const CLAIM_STREAMS: usize = 16;
/// The interval at which a member looks for changes that nothing reports to it: due frames, moved
/// positions, and acks through other servers.
const POLL: Duration = Duration::from_secs(1);
/// The first interval while the member has no room for available frames; it doubles up to the
/// longest one.
const FIRST_FULL_POLL: Duration = Duration::from_millis(20);
const LONGEST_FULL_POLL: Duration = Duration::from_millis(320);

impl Member {
    /// Claims frames; returns whether there is something to do at once.
    pub(super) async fn claim(&mut self) -> Result<bool, End> {
        let cache = Arc::clone(&self.cache);
        let mut view = cache.view.lock().await;
        self.refresh(&mut view).await?;
        if !self.heads_unread.is_empty() {
            self.read_heads().await?;
        }
        if view.check_removed_at <= Instant::now() {
            self.check_removed(&mut view).await?;
        }
        if self.poll_at <= Instant::now()
            && view.record.settings.effective().affinity == GroupAffinity::Stream
        {
            // A stream that lags may belong to a member that has died, and nothing reports that.
            let lags = |stream: &Stream| {
                let position = view.positions.get(stream.topic.id());
                position.is_none_or(|position| stream.topic.head() >= position.next.get())
            };
            let lagging = self.streams.iter().filter(|(_, stream)| lags(stream));
            lagging.for_each(|(index, _)| self.enqueue(*index));
        }
        let streams = self.prepare_streams(&mut view).await?;
        let now = Instant::now();
        let due = self.next_due.is_some_and(|due| due <= now) || self.poll_at <= now;
        let has_candidates = streams.iter().any(|(_, prepared)| !prepared.claim.candidates.is_empty());
        if !due && (!has_candidates || self.full.is_some()) {
            streams.iter().filter(|(_, prepared)| !prepared.claim.candidates.is_empty()).for_each(
                |(index, _)| {
                    self.registration.inbox.enqueue(*index);
                },
            );
            return Ok(false);
        }
        let left =
            self.request.stop_after_frames.map_or(u64::MAX, |maximum| maximum.saturating_sub(self.sent));
        let claim = Claim {
            revision: self.revision,
            incarnation: self.incarnation,
            max_frames: self.request.max_frames.into(),
            max_bytes: self.request.max_bytes,
            paced: self.request.paced,
            max_deliveries: CLAIM_FRAMES.min(usize::try_from(left).unwrap_or(usize::MAX)),
            ttl: MEMBER_TTL,
            received_gaps: self.handover.take_received_gaps(MAX_RECEIVED_GAPS),
            streams: streams.iter().map(|(_, prepared)| prepared.claim.clone()).collect(),
        };
        let claimed = self.consumers.queue.claim_frames(&self.membership, &claim).await;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                streams.iter().for_each(|(index, _)| self.enqueue(*index));
                if matches!(error, queue::Error::RevisionMismatch { .. }) {
                    view.stale = true;
                    return Ok(true);
                }
                return Err(self.end_for(error));
            }
        };
        self.outage = None;
        let (busy, exhausted) = self.take_claimed(&mut view, streams, claimed, claim.max_deliveries);
        let record = view.record.clone();
        // Storing dead letters reads pictures. Other members may claim in the meantime.
        drop(view);
        if !exhausted.is_empty() {
            self.consumers.store_dead_letters(&record, &exhausted).await?;
        }
        Ok(busy)
    }

    pub(super) fn end_for(&self, error: queue::Error) -> End {
        if let queue::Error::GroupNotFound(id) = error {
            return End::Failed(GroupError::Deleted(id));
        }
        error.into()
    }

    /// Updates the group's settings and positions, and what this member follows.
    pub(super) async fn refresh(&mut self, view: &mut MutexGuard<'_, GroupView>) -> Result<(), End> {
        view.refresh(&*self.consumers.queue).await.map_err(|error| self.end_for(error))?;
        if view.record.incarnation != self.incarnation {
            return Err(End::Failed(GroupError::Deleted(self.membership.group.clone())));
        }
        if view.record.revision != self.revision {
            self.follow_changed_settings(view).await?;
        }
        if view.record.generation != self.generation {
            self.generation = view.record.generation;
            self.streams.keys().for_each(|index| self.enqueue(*index));
        }
        Ok(())
    }

    /// Prepares the candidates of the streams with news.
    async fn prepare_streams(&mut self, view: &mut GroupView) -> Result<Vec<(u32, PreparedStream)>, End> {
        let mut streams = Vec::new();
        while streams.len() < CLAIM_STREAMS
            && let Some((index, _)) = self.registration.inbox.dequeue()
        {
            let Some(stream) = self.streams.get(&index) else { continue };
            let outcome = match self.prepare(view, stream).await {
                Ok(prepared) if prepared.gone || (stream.removed && prepared.claim.candidates.is_empty()) => {
                    self.drop_stream(view, index, &prepared).await.map(|()| None)
                }
                Ok(prepared) if prepared.is_below_floor() => {
                    self.continue_after_floor(view, index, &prepared).await.map(|()| None)
                }
                Ok(prepared) => Ok(Some(prepared).filter(|prepared| !prepared.claim.candidates.is_empty())),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(prepared) => streams.extend(prepared.map(|prepared| (index, prepared))),
                Err(error) => {
                    self.registration.inbox.enqueue(index);
                    streams.iter().for_each(|(index, _)| self.enqueue(*index));
                    return Err(error.into());
                }
            }
        }
        Ok(streams)
    }

    /// Drops a stream of which nothing is left, and reports what the group had not reached. The
    /// group's position after those frames is kept until the store has forgotten the stream. So, if
    /// the stream comes back, the group gets what it publishes.
    async fn drop_stream(
        &mut self,
        view: &mut GroupView,
        index: u32,
        prepared: &PreparedStream,
    ) -> queue::Result<()> {
        let Some(stream) = self.streams.get(&index) else { return Ok(()) };
        let id = stream.topic.id().clone();
        // The end of the stream if its output was not read: the head that this server knows, or the
        // group's position if that is further ahead.
        let known_head = stream.topic.head().max(prepared.claim.from.get() - 1);
        let is_forgotten = prepared.gone && prepared.floor.is_none();
        self.report_removed(view, &id, prepared.floor.unwrap_or(known_head), !is_forgotten).await?;
        self.forget(index);
        Ok(())
    }

    /// Continues after a stream was unregistered and registered again, and reports what the group
    /// had not reached.
    async fn continue_after_floor(
        &mut self,
        view: &mut GroupView,
        index: u32,
        prepared: &PreparedStream,
    ) -> queue::Result<()> {
        let (Some(stream), Some(floor)) = (self.streams.get(&index), prepared.floor) else { return Ok(()) };
        let id = stream.topic.id().clone();
        self.report_removed(view, &id, floor, true).await?;
        self.set_position(index, Sequence::after(floor));
        Ok(())
    }

    async fn report_removed(
        &mut self,
        view: &mut GroupView,
        id: &StreamId,
        last: u64,
        continues: bool,
    ) -> queue::Result<()> {
        let gone = [RemovedStream { stream_id: id.clone(), last: Some(last), continues }];
        let reason = GapReason::Unregistered.code();
        self.consumers.queue.drop_group_streams(&view.record.id, &gone, reason).await?;
        // If the store has another position, the next claim returns it.
        let begun = view.positions.get(id).is_some_and(|position| !position.is_new);
        if continues && begun {
            view.note(id, Sequence::after(last), String::new());
        } else {
            view.positions.remove(id);
        }
        // The next claim returns the gap to report.
        self.poll_at = Instant::now();
        Ok(())
    }

    async fn prepare(&self, view: &mut GroupView, stream: &Stream) -> queue::Result<PreparedStream> {
        let id = stream.topic.id();
        let settings = &view.record.settings;
        let known = view.positions.get(id).cloned();
        let record = if known.is_none() || !settings.filter.stream_labels.is_empty() {
            records(&*self.consumers.queue, std::slice::from_ref(id)).await?.pop()
        } else {
            None
        };
        let position = match (known, &record) {
            (Some(position), _) => position,
            (None, Some(record)) => {
                let next = self.consumers.beginning(record, view.record.create_time).await?;
                let position = StreamPosition { next, sampler_state: String::new(), is_new: true };
                view.positions.insert(id.clone(), position.clone());
                position
            }
            (None, None) => {
                StreamPosition { next: Sequence::FIRST, sampler_state: String::new(), is_new: true }
            }
        };
        let options = SelectionOptions {
            settings: &view.record.settings,
            want: self.request.want.clone(),
            max_frames: CLAIM_FRAMES,
        };
        self.consumers.prepare(&stream.topic, &position, record.as_ref(), &options).await
    }

    /// Notes the result of a claim; returns whether there is something to do at once, and the
    /// frames that the group has given up.
    fn take_claimed(
        &mut self,
        view: &mut GroupView,
        streams: Vec<(u32, PreparedStream)>,
        claimed: Claimed,
        max_deliveries: usize,
    ) -> (bool, Vec<Exhausted>) {
        let Claimed {
            deliveries,
            exhausted,
            streams: results,
            gaps,
            generation,
            outstanding_frames,
            next_due,
        } = claimed;
        let now = Instant::now();
        self.outstanding = outstanding_frames;
        self.next_due = next_due.map(|wait| now + wait);
        if generation != view.record.generation {
            view.stale = true;
        }
        // Noted before anything else can fail, so that frames that are not sent are given back.
        let note = |one: Delivery| (self.handover.note(&one.stream_id, one.sequence), one);
        let deliveries: Vec<(u64, Delivery)> = deliveries.into_iter().map(note).collect();
        self.ready.extend(gaps.into_iter().flat_map(unsent_gap_events));
        for (token, delivery) in deliveries.iter().filter(|(_, one)| !is_taken(&streams, &results, one)) {
            // The gap comes first: an ack of the frame proves that all gaps before it were sent.
            let stream = self.streams.values_mut().find(|one| *one.topic.id() == delivery.stream_id);
            self.ready
                .extend(stream.and_then(Stream::take_gap).map(|gap| Ready::Event(GroupEvent::Gap(gap))));
            let frame = ClaimedFrame::new(delivery.clone(), None, Some(*token));
            self.ready.push_back(Ready::Frame(frame));
        }
        let mut left_over = false;
        let took = deliveries.len();
        for ((index, prepared), result) in streams.into_iter().zip(results) {
            let id = prepared.claim.stream_id.clone();
            match result {
                CandidateResult::At(next, sampler_state) => {
                    let all_taken = prepared.entries.last().is_none_or(|last| last.entry.sequence < next);
                    left_over |= !all_taken;
                    self.queue_events(index, prepared, next, &deliveries);
                    view.note(&id, next, sampler_state);
                    self.set_position(index, next);
                    self.enqueue_if_behind(index, next);
                }
                CandidateResult::Moved(next, sampler_state) => {
                    view.note(&id, next, sampler_state);
                    self.set_position(index, next);
                    self.enqueue_if_behind(index, next);
                }
                CandidateResult::Owned(next, sampler_state) => {
                    view.note(&id, next, sampler_state);
                    self.set_position(index, next);
                }
                CandidateResult::Later => {
                    self.registration.inbox.enqueue(index);
                }
                CandidateResult::Unknown => {
                    view.positions.remove(&id);
                    self.registration.inbox.enqueue(index);
                }
            }
        }
        let full = left_over && took < max_deliveries;
        let new_backoff = || Backoff::new(FIRST_FULL_POLL, LONGEST_FULL_POLL);
        // The pauses start again after progress.
        self.full = full.then(|| self.full.filter(|_| took == 0).unwrap_or_else(new_backoff));
        self.poll_at = now + self.full.as_mut().map_or(POLL, Backoff::next);
        (took > 0 || !self.ready.is_empty() || view.stale, exhausted)
    }

    fn set_position(&mut self, index: u32, next: Sequence) {
        if let Some(stream) = self.streams.get_mut(&index) {
            stream.next = Some(next);
        }
    }

    /// Lets the member look at a stream again.
    pub(super) fn enqueue(&self, index: u32) {
        self.registration.inbox.enqueue(index);
    }

    fn enqueue_if_behind(&self, index: u32, next: Sequence) {
        if self.streams.get(&index).is_some_and(|stream| stream.topic.head() >= next.get()) {
            self.registration.inbox.mark(index);
        }
    }

    /// Queues the events for a stream's sequences below `next`.
    fn queue_events(
        &mut self,
        index: u32,
        prepared: PreparedStream,
        next: Sequence,
        deliveries: &[(u64, Delivery)],
    ) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let mut from = prepared.claim.from;
        let entries = prepared.entries.into_iter().take_while(|prepared| prepared.entry.sequence < next);
        for PreparedEntry { entry, missing, reason } in entries {
            let sequence = entry.sequence;
            for (reason, count) in missing {
                let to = from.get() + count - 1;
                stream.pass_over(&mut self.ready, from, to, reason);
                from = Sequence::after(to);
            }
            if let Some(reason) = reason {
                stream.pass_over(&mut self.ready, sequence, sequence.get(), reason);
            } else if let Some((token, delivery)) = deliveries
                .iter()
                .find(|(_, one)| one.sequence == sequence && one.stream_id == prepared.claim.stream_id)
            {
                self.ready.extend(stream.take_gap().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
                let entry = Some((entry, prepared.known));
                let frame = ClaimedFrame::new(delivery.clone(), entry, Some(*token));
                self.ready.push_back(Ready::Frame(frame));
            }
            from = sequence.next();
        }
    }
}

/// Returns an event for each range of gaps that no call has sent, or that may not have reached the
/// client of another call.
fn unsent_gap_events(unsent: UnsentGaps) -> Vec<Ready> {
    let UnsentGaps { stream_id, runs } = unsent;
    let mut events = Vec::new();
    let (mut gap, mut end) = (PendingGap::default(), None);
    for GapRun { from, to, reason } in runs {
        if end != Some(from) {
            events.extend(gap.take(&stream_id, 0));
        }
        // A reason that only a newer server knows is still a gap.
        gap.add(from, to, GapReason::from_code(reason).unwrap_or(GapReason::Retention));
        end = Some(to.next());
    }
    events.extend(gap.take(&stream_id, 0));
    events.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))).collect()
}

/// Reports whether a delivery is a candidate that this claim has taken. Such frames are queued
/// together with the gaps of their stream, in order. A redelivered frame is not one of them, even
/// if it has the same sequence as a candidate that the claim could not take.
fn is_taken(streams: &[(u32, PreparedStream)], results: &[CandidateResult], delivery: &Delivery) -> bool {
    streams.iter().zip(results).any(|((_, prepared), result)| {
        prepared.claim.stream_id == delivery.stream_id
            && prepared.claim.candidates.iter().any(|one| one.sequence == delivery.sequence)
            && matches!(result, CandidateResult::At(next, _) if delivery.sequence < *next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::hub::erasures::Erasures;
    use crate::queue::{Candidate, ClaimCandidates};

    #[test]
    fn a_delivery_of_a_taken_candidate_is_told_apart_from_a_redelivery() {
        let sequence = |sequence| Sequence::new(sequence).unwrap();
        let candidate = |at| Candidate {
            sequence: sequence(at),
            size_bytes: 1,
            skip: false,
            sampler_state: String::new(),
            gaps: Vec::new(),
        };
        let candidates = ClaimCandidates {
            stream_id: "cam".parse().unwrap(),
            from: sequence(1),
            is_new: false,
            lost: 0,
            candidates: vec![candidate(1), candidate(2)],
        };
        let known = Erasures::default().known();
        let streams =
            [(0, PreparedStream { claim: candidates, entries: Vec::new(), known, floor: None, gone: false })];
        let delivery = |at| Delivery {
            stream_id: "cam".parse().unwrap(),
            sequence: sequence(at),
            attempt: 1,
            deadline: Timestamp::default(),
            left: Duration::ZERO,
            generation: 1,
            letter: None,
        };
        let covers = |result, at| is_taken(&streams, &[result], &delivery(at));
        assert!(covers(CandidateResult::At(sequence(3), String::new()), 2));
        assert!(!covers(CandidateResult::At(sequence(3), String::new()), 3), "it was no candidate");
        // Another member had received the frames and gave them back: they are redelivered, and
        // nothing else queues them.
        assert!(!covers(CandidateResult::Moved(sequence(9), String::new()), 2));
        assert!(
            !covers(CandidateResult::At(sequence(2), String::new()), 2),
            "the claim took only the candidates before it"
        );
    }
}
