//! Prepares the candidates of a claim from the entries of a stream.

use std::sync::Arc;

use super::cache::StreamPosition;
use super::consumers::Consumers;
use super::selection::gap_reason;
use crate::domain::{GroupSettings, OutputEntry, PictureRole, Sequence, StreamRecord};
use crate::hub::erasures::Known;
use crate::hub::event::GapReason;
use crate::hub::feed::topic::{Lookup, Topic};
use crate::hub::pictures::want::PictureWant;
use crate::hub::sampling::Sampler;
use crate::queue::{self, Candidate, ClaimCandidates, GapRun, SpanQuery};

/// The maximum number of entries of one stream in one claim, including those that are left out.
const MAX_ENTRIES: usize = 64;
/// The number of entries in one read of an output.
const PAGE_ENTRIES: usize = 32;

/// The candidates of one stream, and what is sent for each of their sequences once they are
/// claimed.
#[derive(Debug)]
pub(super) struct PreparedStream {
    pub(super) claim: ClaimCandidates,
    /// One for each candidate, in order.
    pub(super) entries: Vec<PreparedEntry>,
    /// The state of the erasures when the entries were looked for.
    pub(super) known: Known,
    /// The stream's floor, 0 = none; `None` if the output was not read.
    pub(super) floor: Option<u64>,
    /// Nothing is left of the stream's output, and nothing will be published.
    pub(super) gone: bool,
}

impl PreparedStream {
    /// Reports whether the group's position is not above the stream's floor and there is nothing to
    /// claim. Returns `false` if the store does not have the position yet.
    pub(super) fn is_below_floor(&self) -> bool {
        let below = self.floor.is_some_and(|floor| self.claim.from.get() <= floor);
        below && self.claim.candidates.is_empty() && !self.claim.is_new
    }
}

#[derive(Debug)]
pub(super) struct PreparedEntry {
    pub(super) entry: Arc<OutputEntry>,
    /// The sequences right before it that have no entry: the number for each reason.
    pub(super) missing: Vec<(GapReason, u64)>,
    /// The reason why the group leaves it out.
    pub(super) reason: Option<GapReason>,
}

/// The entries of a stream.
#[derive(Debug, Default)]
struct Entries {
    entries: Vec<Arc<OutputEntry>>,
    /// The number of frames that retention has removed so far, if the output was read.
    trimmed: u64,
    /// The stream's floor, 0 = none; `None` if the output was not read.
    floor: Option<u64>,
    /// Nothing is left, and nothing will be published.
    gone: bool,
}

/// The options by which entries are selected.
#[derive(Debug)]
pub(super) struct SelectionOptions<'a> {
    pub(super) settings: &'a GroupSettings,
    pub(super) want: PictureWant,
    /// The maximum number of frames, not counting those that are left out.
    pub(super) max_frames: usize,
}

impl Consumers {
    /// Prepares candidates from the entries of a stream after a position.
    pub(super) async fn prepare(
        &self,
        topic: &Topic,
        position: &StreamPosition,
        record: Option<&StreamRecord>,
        options: &SelectionOptions<'_>,
    ) -> queue::Result<PreparedStream> {
        let known = self.hub.erasures.known();
        let Entries { entries: found, trimmed, floor, gone } =
            self.entries(topic, position.next, options.max_frames).await?;
        // A stream that came back after it was unregistered is sampled from its beginning, as for a
        // subscription.
        let restarts = position.next.get() <= topic.floor() + 1;
        let mut sampler = if restarts { Sampler::default() } else { Sampler::read(&position.sampler_state) };
        let (mut candidates, mut entries) = (Vec::new(), Vec::new());
        let (mut next, mut frames, mut lost) = (position.next, 0, 0);
        for entry in found {
            if frames >= options.max_frames || candidates.len() >= MAX_ENTRIES {
                break;
            }
            let reason = gap_reason(options.settings, record, &entry, &mut sampler);
            frames += usize::from(reason.is_none());
            let hole = entry.sequence.get() - next.get();
            let mut missing = Vec::new();
            if hole > 0 {
                let removed = (floor.unwrap_or(0) + 1).saturating_sub(next.get()).min(hole);
                // Retention can have removed frames only before the oldest kept entry, and at most
                // as many as it has removed so far.
                let first = candidates.is_empty() && self.is_oldest(&entry).await?;
                let by_retention = if first { (hole - removed).min(trimmed) } else { 0 };
                lost += removed + by_retention;
                missing.extend([(GapReason::Unregistered, removed), (GapReason::Retention, by_retention)]);
                missing.push((GapReason::BackendFailover, hole - removed - by_retention));
                missing.retain(|(_, count)| *count > 0);
            }
            let mut gaps = Vec::new();
            let mut from = next;
            for (reason, count) in &missing {
                let to = Sequence::after(from.get() + count - 2);
                gaps.push(GapRun { from, to, reason: reason.code() });
                from = to.next();
            }
            // Frames that the group's settings leave out count as done. The store does not keep
            // them as gaps, so they are not reported if this call ends before it sends them.
            if let Some(reason) = reason.filter(|reason| !reason.is_by_settings()) {
                gaps.push(GapRun { from: entry.sequence, to: entry.sequence, reason: reason.code() });
            }
            next = entry.sequence.next();
            let size_bytes = size(&entry, &options.want);
            let (sequence, skip, sampler_state) = (entry.sequence, reason.is_some(), sampler.write());
            candidates.push(Candidate { sequence, size_bytes, skip, sampler_state, gaps });
            entries.push(PreparedEntry { entry, missing, reason });
        }
        let (stream_id, from, is_new) = (topic.id().clone(), position.next, position.is_new);
        Ok(PreparedStream {
            claim: ClaimCandidates { stream_id, from, is_new, lost, candidates },
            entries,
            known,
            floor,
            gone,
        })
    }

    /// Returns entries from a sequence on.
    async fn entries(&self, topic: &Topic, from: Sequence, limit: usize) -> queue::Result<Entries> {
        let (mut found, mut next) = (Entries::default(), from);
        while found.entries.len() < limit {
            match topic.lookup(next) {
                Lookup::Entry(entry) => {
                    next = entry.sequence.next();
                    found.entries.push(entry);
                }
                Lookup::NotYet(_) => break,
                Lookup::Older => {
                    let page = match self.queue.read_outputs(topic.id(), next, PAGE_ENTRIES).await {
                        Err(queue::Error::StreamNotFound(_)) => return Ok(Entries { gone: true, ..found }),
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
        let asked = [SpanQuery::from(entry.stream_id.clone(), entry.sequence)];
        let spans = self.queue.count_outputs(&asked).await?;
        Ok(spans.first().is_none_or(|span| span.oldest >= entry.sequence.get()))
    }
}

/// Returns the bytes that an entry counts for at a member: those of the pictures that it would
/// receive.
fn size(entry: &OutputEntry, want: &PictureWant) -> u64 {
    let limit = want.limit_bytes();
    let size = |role| {
        // A rendition is made from the processed picture and is usually smaller.
        let role = if role == PictureRole::Rendition { PictureRole::Processed } else { role };
        let picture = entry.body.pictures().iter().find(|picture| picture.role == role);
        picture.map_or(0, |picture| picture.payload.size_bytes)
    };
    want.roles().map(size).filter(|size| *size <= limit).sum()
}
