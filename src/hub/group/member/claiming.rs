//! What a member takes: offers of what lies behind the group's positions, and what a claim brought of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::stream::Stream;
use super::{ClaimedFrame, End, Member, Ready};
use crate::domain::{GroupAffinity, Sequence, StreamId};
use crate::hub::event::GapReason;
use crate::hub::gaps::PendingGap;
use crate::hub::group::desk::{Book, Place};
use crate::hub::group::offer::{Draft, Taste};
use crate::hub::group::{GroupError, GroupEvent, MEMBER_TTL};
use crate::queue::{
    self, Claim, Claimed, Delivery, Exhausted, GapRun, OfferResult, RemovedStream, UntoldGaps,
};

/// Most frames of one claim: few, so that members share what there is, and little waits for a slow client.
const CLAIM_FRAMES: usize = 8;
/// Most gaps that one claim says the client has.
const MAX_PROVEN: usize = 64;
/// Most streams of one claim.
const CLAIM_STREAMS: usize = 16;
/// How often a member looks for what nobody told it of: due frames, seeks and answers through other servers.
const POLL: Duration = Duration::from_secs(1);
/// The same while it has no room for frames that are there, at first; doubled up to the longest.
const FULL_POLL: Duration = Duration::from_millis(20);
const LONGEST_FULL_POLL: Duration = Duration::from_millis(320);

impl Member {
    /// Claims frames; answers whether there is something to do now.
    pub(super) async fn claim(&mut self) -> Result<bool, End> {
        let desk = Arc::clone(&self.desk);
        let mut book = desk.book.lock().await;
        self.refresh(&mut book).await?;
        if !self.unheard.is_empty() {
            self.hear().await?;
        }
        if book.look_at <= Instant::now() {
            self.look_for_removed(&mut book).await?;
        }
        if self.poll_at <= Instant::now()
            && book.record.settings.effective().affinity == GroupAffinity::Stream
        {
            // Streams that were another's: nobody tells when their owner dies.
            let behind = |stream: &Stream| {
                let place = book.positions.get(stream.topic.id());
                place.is_none_or(|place| stream.topic.head() >= place.next.get())
            };
            let behind = self.streams.iter().filter(|(_, stream)| behind(stream));
            behind.for_each(|(index, _)| self.put_back(*index));
        }
        let drafts = self.drafts(&mut book).await?;
        let now = Instant::now();
        let due = self.next_due.is_some_and(|due| due <= now) || self.poll_at <= now;
        let offered = drafts.iter().any(|(_, draft)| !draft.offer.candidates.is_empty());
        if !due && (!offered || self.full.is_some()) {
            drafts.iter().filter(|(_, draft)| !draft.offer.candidates.is_empty()).for_each(|(index, _)| {
                self.registration.inbox.enqueue(*index);
            });
            return Ok(false);
        }
        let left = self.request.stop_after_frames.map_or(u64::MAX, |most| most.saturating_sub(self.sent));
        let claim = Claim {
            revision: self.revision,
            incarnation: self.incarnation,
            max_frames: self.request.max_frames.into(),
            max_bytes: self.request.max_bytes,
            paced: self.request.paced,
            most: CLAIM_FRAMES.min(usize::try_from(left).unwrap_or(usize::MAX)),
            ttl: MEMBER_TTL,
            told: self.handover.proven(MAX_PROVEN),
            offers: drafts.iter().map(|(_, draft)| draft.offer.clone()).collect(),
        };
        let claimed = self.consumers.queue.claim_frames(&self.seat, &claim).await;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                drafts.iter().for_each(|(index, _)| self.put_back(*index));
                if matches!(error, queue::Error::RevisionMismatch { .. }) {
                    book.stale = true;
                    return Ok(true);
                }
                return Err(self.failed(error));
            }
        };
        self.trouble = None;
        let (busy, exhausted) = self.take_claimed(&mut book, drafts, claimed, claim.most);
        let record = book.record.clone();
        // Pictures are fetched for it: others may claim meanwhile.
        drop(book);
        if !exhausted.is_empty() {
            self.consumers.bury(&record, &exhausted).await?;
        }
        Ok(busy)
    }

    pub(super) fn failed(&self, error: queue::Error) -> End {
        if let queue::Error::GroupNotFound(id) = error {
            return End::Failed(GroupError::Deleted(id));
        }
        error.into()
    }

    /// Brings the book, and what this member follows, up to date.
    pub(super) async fn refresh(&mut self, book: &mut MutexGuard<'_, Book>) -> Result<(), End> {
        book.refresh(&*self.consumers.queue).await.map_err(|error| self.failed(error))?;
        if book.record.incarnation != self.incarnation {
            return Err(End::Failed(GroupError::Deleted(self.seat.group.clone())));
        }
        if book.record.revision != self.revision {
            self.follow_anew(book).await?;
        }
        if book.record.generation != self.generation {
            self.generation = book.record.generation;
            self.streams.keys().for_each(|index| self.put_back(*index));
        }
        Ok(())
    }

    /// Offers of the streams with news.
    async fn drafts(&mut self, book: &mut Book) -> Result<Vec<(u32, Draft)>, End> {
        let mut drafts = Vec::new();
        while drafts.len() < CLAIM_STREAMS
            && let Some((index, _)) = self.registration.inbox.dequeue()
        {
            let Some(stream) = self.streams.get(&index) else { continue };
            let looked = match self.draft(book, stream).await {
                Ok(draft) if draft.gone || (stream.removed && draft.offer.candidates.is_empty()) => {
                    self.drop_stream(book, index, &draft).await.map(|()| None)
                }
                Ok(draft) if draft.is_cut() => self.go_on_behind(book, index, &draft).await.map(|()| None),
                Ok(draft) => Ok(Some(draft).filter(|draft| !draft.offer.candidates.is_empty())),
                Err(error) => Err(error),
            };
            match looked {
                Ok(draft) => drafts.extend(draft.map(|draft| (index, draft))),
                Err(error) => {
                    self.registration.inbox.enqueue(index);
                    drafts.iter().for_each(|(index, _)| self.put_back(*index));
                    return Err(error.into());
                }
            }
        }
        Ok(drafts)
    }

    /// Nothing is left of a stream: what the group had not come to is told. Its position stays behind that, so that what is
    /// published when the stream comes back is the group's, until the store has forgotten the stream.
    async fn drop_stream(&mut self, book: &mut Book, index: u32, draft: &Draft) -> queue::Result<()> {
        let Some(stream) = self.streams.get(&index) else { return Ok(()) };
        let id = stream.topic.id().clone();
        // Where its output was not read: what this server knows of it, and what the group has passed.
        let heard = stream.topic.head().max(draft.offer.from.get() - 1);
        let is_forgotten = draft.gone && draft.floor.is_none();
        self.lose(book, &id, draft.floor.unwrap_or(heard), !is_forgotten).await?;
        self.forget(index);
        Ok(())
    }

    /// A stream was unregistered and is registered again: what the group had not come to is told, and it goes on behind that.
    async fn go_on_behind(&mut self, book: &mut Book, index: u32, draft: &Draft) -> queue::Result<()> {
        let (Some(stream), Some(floor)) = (self.streams.get(&index), draft.floor) else { return Ok(()) };
        let id = stream.topic.id().clone();
        self.lose(book, &id, floor, true).await?;
        self.stands_at(index, Sequence::after(floor));
        Ok(())
    }

    async fn lose(&mut self, book: &mut Book, id: &StreamId, last: u64, goes_on: bool) -> queue::Result<()> {
        let gone = [RemovedStream { stream_id: id.clone(), last: Some(last), goes_on }];
        let reason = GapReason::Unregistered.code();
        self.consumers.queue.drop_group_streams(&book.record.id, &gone, reason).await?;
        // If the store did not do it yet, or is further, the next claim says so.
        let begun = book.positions.get(id).is_some_and(|place| !place.begin);
        if goes_on && begun {
            book.note(id, Sequence::after(last), String::new());
        } else {
            book.positions.remove(id);
        }
        // The claim brings what is to be told.
        self.poll_at = Instant::now();
        Ok(())
    }

    async fn draft(&self, book: &mut Book, stream: &Stream) -> queue::Result<Draft> {
        let id = stream.topic.id();
        let settings = &book.record.settings;
        let known = book.positions.get(id).cloned();
        let record = if known.is_none() || !settings.filter.stream_labels.is_empty() {
            self.consumers.hub.records(std::slice::from_ref(id)).await?.pop()
        } else {
            None
        };
        let place = match (known, &record) {
            (Some(place), _) => place,
            (None, Some(record)) => {
                let next = self.consumers.beginning(record, book.record.create_time).await?;
                let place = Place { next, mark: String::new(), begin: true };
                book.positions.insert(id.clone(), place.clone());
                place
            }
            (None, None) => Place { next: Sequence::FIRST, mark: String::new(), begin: true },
        };
        let taste = Taste { settings: &book.record.settings, want: self.request.want, most: CLAIM_FRAMES };
        self.consumers.draft(&stream.topic, &place, record.as_ref(), &taste).await
    }

    /// Notes what a claim brought; answers whether there is something to do now, and what the group has given up.
    fn take_claimed(
        &mut self,
        book: &mut Book,
        drafts: Vec<(u32, Draft)>,
        claimed: Claimed,
        most: usize,
    ) -> (bool, Vec<Exhausted>) {
        let Claimed { deliveries, exhausted, offers, gaps, generation, outstanding_frames, next_due } =
            claimed;
        let now = Instant::now();
        self.outstanding = outstanding_frames;
        self.next_due = next_due.map(|wait| now + wait);
        if generation != book.record.generation {
            book.stale = true;
        }
        // Noted before anything else can fail: what is not sent is given back.
        let note = |one: Delivery| (self.handover.note(&one.stream_id, one.sequence), one);
        let deliveries: Vec<(u64, Delivery)> = deliveries.into_iter().map(note).collect();
        self.ready.extend(gaps.into_iter().flat_map(untold_events));
        for (token, delivery) in deliveries.iter().filter(|(_, one)| !is_told(&drafts, &offers, one)) {
            // An ack of it is taken to prove that all gaps below it were sent.
            let stream = self.streams.values_mut().find(|one| *one.topic.id() == delivery.stream_id);
            self.ready
                .extend(stream.and_then(Stream::take_gap).map(|gap| Ready::Event(GroupEvent::Gap(gap))));
            let again = ClaimedFrame::new(delivery.clone(), None, Some(*token));
            self.ready.push_back(Ready::Frame(again));
        }
        let mut left_over = false;
        let took = deliveries.len();
        for ((index, draft), result) in drafts.into_iter().zip(offers) {
            let id = draft.offer.stream_id.clone();
            match result {
                OfferResult::At(next, mark) => {
                    let all = draft.entries.last().is_none_or(|last| last.entry.sequence < next);
                    left_over |= !all;
                    self.tell(index, draft, next, &deliveries);
                    book.note(&id, next, mark);
                    self.stands_at(index, next);
                    self.enqueue_if_behind(index, next);
                }
                OfferResult::Moved(next, mark) => {
                    book.note(&id, next, mark);
                    self.stands_at(index, next);
                    self.enqueue_if_behind(index, next);
                }
                OfferResult::Owned(next, mark) => {
                    book.note(&id, next, mark);
                    self.stands_at(index, next);
                }
                OfferResult::Later => {
                    self.registration.inbox.enqueue(index);
                }
                OfferResult::Unknown => {
                    book.positions.remove(&id);
                    self.registration.inbox.enqueue(index);
                }
            }
        }
        let full = left_over && took < most;
        let pause = self.full.map_or(FULL_POLL, |pause| (pause * 2).min(LONGEST_FULL_POLL));
        self.full = full.then_some(if took > 0 { FULL_POLL } else { pause });
        self.poll_at = now + self.full.unwrap_or(POLL);
        (took > 0 || !self.ready.is_empty() || book.stale, exhausted)
    }

    fn stands_at(&mut self, index: u32, next: Sequence) {
        if let Some(stream) = self.streams.get_mut(&index) {
            stream.next = Some(next);
        }
    }

    /// Has a stream looked at again.
    pub(super) fn put_back(&self, index: u32) {
        self.registration.inbox.enqueue(index);
    }

    fn enqueue_if_behind(&self, index: u32, next: Sequence) {
        if self.streams.get(&index).is_some_and(|stream| stream.topic.head() >= next.get()) {
            self.registration.inbox.mark(index);
        }
    }

    /// Queues what is to be told of a stream's numbers below `next`.
    fn tell(&mut self, index: u32, draft: Draft, next: Sequence, deliveries: &[(u64, Delivery)]) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let mut from = draft.offer.from;
        for drafted in draft.entries.into_iter().take_while(|drafted| drafted.entry.sequence < next) {
            let sequence = drafted.entry.sequence;
            for (reason, count) in drafted.missing {
                let to = from.get() + count - 1;
                stream.pass_over(&mut self.ready, from, to, reason);
                from = Sequence::after(to);
            }
            if let Some(reason) = drafted.reason {
                stream.pass_over(&mut self.ready, sequence, sequence.get(), reason);
            } else if let Some((token, delivery)) = deliveries
                .iter()
                .find(|(_, one)| one.sequence == sequence && one.stream_id == draft.offer.stream_id)
            {
                self.ready.extend(stream.take_gap().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
                let frame = ClaimedFrame::new(delivery.clone(), Some(drafted.entry), Some(*token));
                self.ready.push_back(Ready::Frame(frame));
            }
            from = sequence.next();
        }
    }
}

/// What is to be told of gaps that another call was to tell before, or nobody: a gap for each range.
fn untold_events(untold: UntoldGaps) -> Vec<Ready> {
    let UntoldGaps { stream_id, runs } = untold;
    let mut events = Vec::new();
    let (mut gap, mut end) = (PendingGap::default(), None);
    for GapRun { from, to, reason } in runs {
        if end != Some(from) {
            events.extend(gap.take(&stream_id, 0));
        }
        // One that a newer server knows is still a gap.
        gap.add(from, to, GapReason::from_code(reason).unwrap_or(GapReason::Retention));
        end = Some(to.next());
    }
    events.extend(gap.take(&stream_id, 0));
    events.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))).collect()
}

/// Whether a delivery is one of the frames that were offered, and so told with its stream's gaps, in order. One that comes
/// again may have the same number as a candidate of an offer that came too late.
fn is_told(drafts: &[(u32, Draft)], offers: &[OfferResult], delivery: &Delivery) -> bool {
    drafts.iter().zip(offers).any(|((_, draft), result)| {
        draft.offer.stream_id == delivery.stream_id
            && draft.offer.candidates.iter().any(|one| one.sequence == delivery.sequence)
            && matches!(result, OfferResult::At(next, _) if delivery.sequence < *next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::queue::{Candidate, StreamOffer};

    #[test]
    fn a_frame_is_told_once_by_its_offer_or_as_one_that_comes_again() {
        let number = |number| Sequence::new(number).unwrap();
        let candidate = |at| Candidate {
            sequence: number(at),
            size_bytes: 1,
            skip: false,
            mark: String::new(),
            gaps: Vec::new(),
        };
        let offer = StreamOffer {
            stream_id: "cam".parse().unwrap(),
            from: number(1),
            begin: false,
            lost: 0,
            candidates: vec![candidate(1), candidate(2)],
        };
        let drafts = [(0, Draft { offer, entries: Vec::new(), floor: None, gone: false })];
        let delivery = |at| Delivery {
            stream_id: "cam".parse().unwrap(),
            sequence: number(at),
            attempt: 1,
            deadline: Timestamp::default(),
            left: Duration::ZERO,
            generation: 1,
            letter: None,
        };
        let told = |result, at| is_told(&drafts, &[result], &delivery(at));
        assert!(told(OfferResult::At(number(3), String::new()), 2));
        assert!(!told(OfferResult::At(number(3), String::new()), 3), "it was no candidate");
        // Another member had been given them, and gave them back: they come again, and nothing else tells them.
        assert!(!told(OfferResult::Moved(number(9), String::new()), 2));
        assert!(!told(OfferResult::At(number(2), String::new()), 2), "the offer was taken up to there only");
    }
}
