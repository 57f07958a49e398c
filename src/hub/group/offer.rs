use std::sync::Arc;

use super::Consumers;
use super::choice::passes_over;
use super::desk::Place;
use crate::domain::{GroupSettings, OutputEntry, PictureRole, Sequence, StreamRecord};
use crate::hub::event::GapReason;
use crate::hub::sampling::Sampler;
use crate::hub::select::PictureWant;
use crate::hub::topic::{Look, Topic};
use crate::queue::{self, Candidate, GapRun, StreamOffer};

/// Most entries of one stream in one claim, those passed over included.
const MAX_ENTRIES: usize = 64;
/// Entries in one read of an output.
const PAGE_ENTRIES: usize = 32;

/// An offer, and what is told of each of its numbers once they are claimed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) offer: StreamOffer,
    /// One for each candidate, in order.
    pub(super) entries: Vec<Drafted>,
    /// Nothing up to this number is left, since the stream was unregistered behind it; `None` = as far as is known, it never was.
    pub(super) floor: Option<u64>,
    /// Nothing is left of the stream's output, nor will be.
    pub(super) gone: bool,
}

impl Draft {
    /// Whether the group has come to nothing but what was removed, of a stream that the store has a position in.
    pub(super) fn is_cut(&self) -> bool {
        let below = self.floor.is_some_and(|floor| self.offer.from.get() <= floor);
        below && self.offer.candidates.is_empty() && !self.offer.begin
    }
}

#[derive(Debug)]
pub(super) struct Drafted {
    pub(super) entry: Arc<OutputEntry>,
    /// Numbers right below that have no entry, with the reason.
    pub(super) missing: Vec<(GapReason, u64)>,
    /// Why it is passed over.
    pub(super) reason: Option<GapReason>,
}

/// What a stream has.
#[derive(Debug, Default)]
struct Found {
    entries: Vec<Arc<OutputEntry>>,
    /// How many it has lost to retention in all, as far as its output was read.
    trimmed: u64,
    /// Nothing up to this number is left, since the stream was unregistered behind it; `None` where its output was not read.
    floor: Option<u64>,
    /// Nothing is left, nor will be.
    gone: bool,
}

/// What the entries of a stream are chosen by.
#[derive(Debug)]
pub(super) struct Taste<'a> {
    pub(super) settings: &'a GroupSettings,
    pub(super) want: PictureWant,
    /// Most frames, those passed over not counted.
    pub(super) most: usize,
}

impl Consumers {
    /// Looks what a stream has from a place on.
    pub(super) async fn draft(
        &self,
        topic: &Topic,
        place: &Place,
        record: Option<&StreamRecord>,
        taste: &Taste<'_>,
    ) -> queue::Result<Draft> {
        let Found { entries: found, trimmed, floor, gone } =
            self.entries(topic, place.next, taste.most).await?;
        // A stream that came back after it was unregistered is thinned out from its beginning, as for a subscription.
        let is_new = place.next.get() <= topic.floor() + 1;
        let mut sampler = if is_new { Sampler::default() } else { Sampler::read(&place.mark) };
        let (mut candidates, mut entries) = (Vec::new(), Vec::new());
        let (mut next, mut frames, mut lost) = (place.next, 0, 0);
        for entry in found {
            if frames >= taste.most || candidates.len() >= MAX_ENTRIES {
                break;
            }
            let reason = passes_over(taste.settings, record, &entry, &mut sampler);
            frames += usize::from(reason.is_none());
            let hole = entry.sequence.get() - next.get();
            let mut missing = Vec::new();
            if hole > 0 {
                let removed = (floor.unwrap_or(0) + 1).saturating_sub(next.get()).min(hole);
                // At the beginning of what is kept, retention has taken as many as it ever took, at most.
                let first = candidates.is_empty() && self.is_oldest(&entry).await?;
                let taken = if first { (hole - removed).min(trimmed) } else { 0 };
                lost += removed + taken;
                missing.extend([(GapReason::Unregistered, removed), (GapReason::Retention, taken)]);
                missing.push((GapReason::BackendFailover, hole - removed - taken));
                missing.retain(|(_, count)| *count > 0);
            }
            let mut gaps = Vec::new();
            let mut from = next;
            for (reason, count) in &missing {
                let to = Sequence::after(from.get() + count - 2);
                gaps.push(GapRun { from, to, reason: reason.code() });
                from = to.next();
            }
            // What the group leaves out by its own choice is done, and told as far as its members live.
            if let Some(reason) = reason.filter(|reason| !reason.is_chosen()) {
                gaps.push(GapRun { from: entry.sequence, to: entry.sequence, reason: reason.code() });
            }
            next = entry.sequence.next();
            let size_bytes = size(&entry, &taste.want);
            let (sequence, skip, mark) = (entry.sequence, reason.is_some(), sampler.write());
            candidates.push(Candidate { sequence, size_bytes, skip, mark, gaps });
            entries.push(Drafted { entry, missing, reason });
        }
        let (stream_id, from, begin) = (topic.id().clone(), place.next, place.begin);
        Ok(Draft { offer: StreamOffer { stream_id, from, begin, lost, candidates }, entries, floor, gone })
    }

    /// Entries from a number on.
    async fn entries(&self, topic: &Topic, from: Sequence, most: usize) -> queue::Result<Found> {
        let (mut found, mut next) = (Found::default(), from);
        while found.entries.len() < most {
            match topic.look(next) {
                Look::Entry(entry) => {
                    next = entry.sequence.next();
                    found.entries.push(entry);
                }
                Look::NotYet(_) => break,
                Look::Older => {
                    let page = match self.queue.read_outputs(topic.id(), next, PAGE_ENTRIES).await {
                        Err(queue::Error::StreamNotFound(_)) => return Ok(Found { gone: true, ..found }),
                        page => page?,
                    };
                    topic.observe(&page.counters);
                    found.gone = page.removed && page.entries.is_empty() && found.entries.is_empty();
                    found.floor = Some(page.counters.floor_sequence);
                    found.trimmed = page.counters.trimmed_frames;
                    found.entries.extend(page.entries);
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    async fn is_oldest(&self, entry: &OutputEntry) -> queue::Result<bool> {
        let asked = [(entry.stream_id.clone(), entry.sequence)];
        let spans = self.queue.count_outputs(&asked).await?;
        Ok(spans.first().is_none_or(|span| span.oldest >= entry.sequence.get()))
    }
}

/// What an entry counts for in a member's bytes: the pictures that it would be sent.
fn size(entry: &OutputEntry, want: &PictureWant) -> u64 {
    let limit = want.limit_bytes();
    let size = |role| {
        // A rendition is made of the processed picture, and mostly smaller.
        let role = if role == PictureRole::Rendition { PictureRole::Processed } else { role };
        let picture = entry.body.pictures().iter().find(|picture| picture.role == role);
        picture.map_or(0, |picture| picture.payload.size_bytes)
    };
    want.roles().map(size).filter(|size| *size <= limit).sum()
}
