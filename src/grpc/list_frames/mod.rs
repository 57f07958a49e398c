//! ListFrames: the entries of an output without their pictures, in pages.

mod gaps;
mod range;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;

use super::convert::delivery::time_gap_to_pb;
use super::convert::processed::{self, Entry, SentPicture};
use super::convert::time;
use super::fault::Result;
use super::page::{self, Page};
use super::permissions;
use crate::access::Caller;
use crate::domain::{OutputEntry, Sequence, StreamId, StreamRecord, Timestamp};
use crate::hub::TimeGap;
use crate::pb::v1 as pb;
use crate::pb::v1::listed_frame::Outcome;
use crate::queue::{self, OutputPage, Queue};
use range::{Place, Range};

/// The name of the list, which its page tokens are checked against.
const LIST: &str = "frames";

/// A reader of outputs that lists their entries.
#[derive(Debug)]
pub(crate) struct FrameLister {
    queue: Arc<dyn Queue>,
}

/// The start of a list.
struct Start {
    place: Place,
    /// The frames that are missing before the place.
    gap: Option<pb::Gap>,
}

impl FrameLister {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue }
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListFramesRequest,
        caller: &Caller,
    ) -> Result<pb::ListFramesResponse> {
        // A token is valid for the same stream and range only.
        let asked = pb::ListFramesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let pb::ListFramesRequest { stream_id, range, page_size, page_token } = request;
        let stream: StreamId = stream_id.parse()?;
        permissions::check_read(caller, &stream)?;
        let range = Range::from_pb(range)?;
        let filter = URL_SAFE_NO_PAD.encode(asked.encode_to_vec());
        let list = page::filtered(LIST, &filter, &self.queue.identity());
        let start = match page::after::<Place>(&list, &page_token)? {
            Some(place) => Start { place, gap: None },
            None => self.start(&stream, &range).await?,
        };
        let mut gaps: Vec<pb::Gap> = start.gap.into_iter().collect();
        let (page, last) = self.page(&stream, &range, start.place, page::size(page_size), &mut gaps).await?;
        Ok(pb::ListFramesResponse {
            frames: page,
            gaps,
            kept: self.kept(&stream).await?,
            next_page_token: last.map(|place| page::token(&list, &place)).unwrap_or_default(),
        })
    }

    /// Finds the first place of a range.
    async fn start(&self, stream: &StreamId, range: &Range) -> Result<Start> {
        match *range {
            Range::Sequences { first, last } => {
                let place = |next| Place { next, left: None };
                if let Some(first) = first {
                    return Ok(Start { place: place(first), gap: None });
                }
                let oldest = self.read(stream, Sequence::FIRST, 1).await?;
                let oldest = oldest.entries.first().map_or(Sequence::FIRST, |entry| entry.sequence);
                // If nothing of the range is kept, all of it is in a gap.
                let is_gone = last.is_some_and(|last| last < oldest);
                Ok(Start { place: place(if is_gone { Sequence::FIRST } else { oldest }), gap: None })
            }
            Range::Times { start, end } => {
                let record = self.record(stream).await?;
                let from = start.unwrap_or(Timestamp::from_micros(0));
                let found = self.queue.first_at(stream, from).await?;
                let published = record.counters.published_sequence;
                let next = found.entry.as_ref().map_or(Sequence::after(published), |entry| entry.sequence);
                let gap = TimeGap::between(&record, 0, start, end, next, &found);
                Ok(Start { place: Place { next, left: None }, gap: gap.map(time_gap_to_pb) })
            }
            Range::Around { time, before, after } => self.start_around(stream, time, before, after).await,
        }
    }

    /// Finds the first of the frames around a moment.
    async fn start_around(
        &self,
        stream: &StreamId,
        time: Timestamp,
        before: usize,
        after: usize,
    ) -> Result<Start> {
        let record = self.record(stream).await?;
        let found = self.queue.first_at(stream, time).await?;
        let published = record.counters.published_sequence;
        let anchor = found.entry.as_ref().map_or(Sequence::after(published), |entry| entry.sequence);
        let earlier = match before {
            0 => Vec::new(),
            before => self.queue.outputs_before(stream, anchor, before).await?,
        };
        let next = earlier.last().map_or(anchor, |entry| entry.sequence);
        let place = Place { next, left: Some(earlier.len() + after) };
        // If frames received since the moment are gone, so are all those before it.
        let gap = match TimeGap::between(&record, 0, Some(time), None, anchor, &found) {
            Some(gap) => Some(time_gap_to_pb(gap)),
            None => {
                let missing = (before - earlier.len()) as u64;
                let from = Sequence::new(next.get().saturating_sub(missing).max(1))?;
                let first = earlier.last().or(found.entry.as_ref()).map(Arc::as_ref);
                gaps::run(stream, from, next.get() - 1, &record.counters, first)
            }
        };
        Ok(Start { place, gap })
    }

    /// Reads a page from a place on, and adds what is missing to `gaps`. Also returns the place of
    /// the next page, if there is one.
    async fn page(
        &self,
        stream: &StreamId,
        range: &Range,
        mut place: Place,
        size: usize,
        gaps: &mut Vec<pb::Gap>,
    ) -> Result<(Vec<pb::ListedFrame>, Option<Place>)> {
        let mut page = Page::new(size);
        loop {
            let limit = page.read_limit(true).min(place.left.unwrap_or(usize::MAX));
            if limit == 0 {
                break;
            }
            let read = self.read(stream, place.next, limit).await?;
            for entry in read.entries.iter().map(Arc::as_ref) {
                let before = place.next;
                if range.ends_before(entry.sequence, entry.receive_time) {
                    if let Range::Sequences { first: _, last: Some(last) } = range {
                        gaps.extend(gaps::run(stream, before, last.get(), &read.counters, Some(entry)));
                    }
                    return Ok((page.all(), None));
                }
                // Frames that retention has removed since the list began count as listed.
                let removed = (entry.previous_sequence + 1).saturating_sub(before.get());
                let Some(here) = place.without(removed) else {
                    gaps.extend(gaps::run(stream, before, place.last(), &read.counters, Some(entry)));
                    return Ok((page.all(), None));
                };
                let (next, listed_before) = (here.after(entry.sequence), page.len());
                let is_full = !page.add(next, listed(entry));
                // An entry that did not fit is on the next page, and so is the gap before it.
                if page.len() > listed_before {
                    let to = entry.sequence.get() - 1;
                    gaps.extend(gaps::run(stream, before, to, &read.counters, Some(entry)));
                    place = next;
                }
                if is_full {
                    let (frames, last) = page.end();
                    return Ok((frames, last.filter(|place| place.left != Some(0))));
                }
            }
            if read.entries.len() < limit {
                // The output has no more. What was published from here on is gone.
                let published = read.counters.published_sequence;
                let last = match range {
                    Range::Sequences { first: _, last } => Some(last.map_or(published, Sequence::get)),
                    Range::Times { .. } => None,
                    Range::Around { .. } => Some(place.last()),
                };
                if let Some(last) = last {
                    let to = published.min(last);
                    gaps.extend(gaps::run(stream, place.next, to, &read.counters, None));
                }
                break;
            }
        }
        Ok((page.all(), None))
    }

    /// Returns what the output of a stream keeps; `None` = nothing.
    async fn kept(&self, stream: &StreamId) -> Result<Option<pb::KeptFrames>> {
        let oldest = self.read(stream, Sequence::FIRST, 1).await?;
        let newest = self.queue.latest_outputs(stream, 1).await?;
        let (Some(oldest_entry), Some(newest)) = (oldest.entries.first(), newest.first()) else {
            return Ok(None);
        };
        Ok(Some(pb::KeptFrames {
            oldest_sequence: oldest_entry.sequence.get(),
            newest_sequence: newest.sequence.get(),
            oldest_receive_time: Some(time::to_pb(oldest_entry.receive_time)),
            newest_receive_time: Some(time::to_pb(newest.receive_time)),
            frame_count: oldest.counters.output_frames,
        }))
    }

    async fn read(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        let page = self.queue.read_outputs(stream, from, limit).await?;
        if page.removed {
            return Err(queue::Error::StreamNotFound(stream.clone()).into());
        }
        Ok(page)
    }

    async fn record(&self, stream: &StreamId) -> Result<StreamRecord> {
        let record = self.queue.get_streams(std::slice::from_ref(stream)).await?.pop().flatten();
        let record = record.filter(|record| !record.removed);
        record.ok_or_else(|| queue::Error::StreamNotFound(stream.clone()).into())
    }
}

/// Converts an entry, and describes its pictures.
fn listed(entry: &OutputEntry) -> pb::ListedFrame {
    let pictures = entry.body.pictures().iter().cloned().map(SentPicture::described).collect();
    pb::ListedFrame {
        outcome: Some(match processed::to_pb(entry, pictures) {
            Entry::Frame(frame) => Outcome::Frame(*frame),
            Entry::Tombstone(tombstone) => Outcome::Tombstone(*tombstone),
        }),
    }
}
