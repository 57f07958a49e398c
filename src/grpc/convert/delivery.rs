use super::processed::{self, Entry, SentPicture};
use super::time;
use crate::domain::{Cursor, StoreIdentity, Timestamp};
use crate::hub::{DeliveredFrame, Event, Gap, GapReason, StreamHead, TimeGap};
use crate::pb::v1 as pb;
use crate::pb::v1::subscribe_frames_response::Event as Wire;

/// The maximum number of streams that one heartbeat reports.
const MAX_HEARTBEAT_STREAMS: usize = 1000;

/// Converts an event of a subscription; returns `None` for an event that is not sent. `max_bytes`
/// contains, for each selector, the maximum size of the picture data in one message. Cursors belong
/// to `store`.
pub(crate) fn to_pb(
    event: Event,
    max_bytes: &[u64],
    store: &StoreIdentity,
) -> Option<pb::SubscribeFramesResponse> {
    let event = match event {
        Event::Frame(frame) => Wire::Frame(frame_to_pb(frame, max_bytes, store)?),
        Event::Gap(gap) => Wire::Gap(delivered_gap(gap, store)),
        Event::TimeGap(gap) => Wire::Gap(delivered_time_gap(gap, store)),
        Event::Heartbeat { heads, unfollowed_streams } => Wire::Heartbeat(pb::Heartbeat {
            server_time: Some(time::to_pb(Timestamp::now())),
            streams: lags_to_pb(heads),
            unfollowed_streams,
        }),
        Event::Checkpoint { cursors, unfollowed_streams } => {
            let cursors = cursors_to_pb(cursors, store);
            Wire::Checkpoint(pb::Checkpoint { cursors, unfollowed_streams })
        }
        Event::Draining(cursors) => Wire::Draining(pb::SubscribeDraining {
            cursors: cursors_to_pb(cursors, store),
            reconnect_delay: None,
        }),
    };
    Some(pb::SubscribeFramesResponse { event: Some(event) })
}

fn frame_to_pb(
    frame: DeliveredFrame,
    max_bytes: &[u64],
    store: &StoreIdentity,
) -> Option<pb::DeliveredFrame> {
    let DeliveredFrame { entry, selector, pictures, cursor } = frame;
    let mut room = max_bytes.get(selector).copied().unwrap_or_default();
    let pictures = pictures.into_iter().map(|one| SentPicture::within(&mut room, one)).collect();
    match processed::to_pb(&entry, pictures) {
        Entry::Frame(frame) => Some(pb::DeliveredFrame {
            frame: Some(*frame),
            cursor: cursor.encode(store),
            selector_index: index_to_pb(selector),
        }),
        // The hub reports tombstones as gaps.
        Entry::Tombstone(_) => None,
    }
}

/// Converts the index of a selector. It fits: a request has at most `MAX_SELECTORS` selectors.
fn index_to_pb(selector: usize) -> u32 {
    u32::try_from(selector).unwrap_or(u32::MAX)
}

fn delivered_gap(gap: Gap, store: &StoreIdentity) -> pb::DeliveredGap {
    let (cursor, selector_index) = (gap.cursor.encode(store), index_to_pb(gap.selector));
    pb::DeliveredGap { gap: Some(gap_to_pb(gap)), cursor, selector_index }
}

fn delivered_time_gap(gap: TimeGap, store: &StoreIdentity) -> pb::DeliveredGap {
    let (cursor, selector_index) = (gap.cursor.encode(store), index_to_pb(gap.selector));
    pb::DeliveredGap { gap: Some(time_gap_to_pb(gap)), cursor, selector_index }
}

/// Converts a range of sequences that is not delivered.
pub(crate) fn gap_to_pb(gap: Gap) -> pb::Gap {
    let Gap { stream_id, selector: _, from, to, causes, failover_frames, cursor: _ } = gap;
    let cause = |(reason, count)| {
        let frames = match reason {
            GapReason::BackendFailover => failover_frames,
            GapReason::StoreReplaced => None,
            GapReason::Sampled
            | GapReason::Filtered
            | GapReason::SlowConsumer
            | GapReason::Stale
            | GapReason::Overflow
            | GapReason::Failed
            | GapReason::Purged
            | GapReason::Retention
            | GapReason::PayloadLost
            | GapReason::Unregistered
            | GapReason::Erased => Some(count),
        };
        pb::GapCause { reason: reason_to_pb(reason).into(), count, frames }
    };
    pb::Gap {
        stream_id: stream_id.to_string(),
        from_sequence: from.get(),
        to_sequence: to,
        causes: causes.into_iter().map(cause).collect(),
        start_receive_time: None,
        end_receive_time: None,
        oldest_receive_time: None,
    }
}

/// Converts a gap of which only the range of time is known, not the sequences and not their number.
pub(crate) fn time_gap_to_pb(gap: TimeGap) -> pb::Gap {
    let TimeGap { stream_id, selector: _, reason, start, end, oldest, cursor: _ } = gap;
    pb::Gap {
        stream_id: stream_id.to_string(),
        from_sequence: 0,
        to_sequence: 0,
        causes: vec![pb::GapCause { reason: reason_to_pb(reason).into(), count: 0, frames: None }],
        start_receive_time: start.map(time::to_pb),
        end_receive_time: Some(time::to_pb(end)),
        oldest_receive_time: oldest.map(time::to_pb),
    }
}

fn reason_to_pb(reason: GapReason) -> pb::GapReason {
    match reason {
        GapReason::Sampled => pb::GapReason::Sampled,
        GapReason::Filtered => pb::GapReason::Filtered,
        GapReason::SlowConsumer => pb::GapReason::SlowConsumer,
        GapReason::Stale => pb::GapReason::Stale,
        GapReason::Overflow => pb::GapReason::Overflow,
        GapReason::Failed => pb::GapReason::Failed,
        GapReason::Purged => pb::GapReason::Purged,
        GapReason::Retention => pb::GapReason::Retention,
        GapReason::PayloadLost => pb::GapReason::PayloadLost,
        GapReason::BackendFailover => pb::GapReason::BackendFailover,
        GapReason::Unregistered => pb::GapReason::Unregistered,
        GapReason::StoreReplaced => pb::GapReason::StoreReplaced,
        GapReason::Erased => pb::GapReason::Erased,
    }
}

/// Returns the streams with the largest lag, sorted by stream id.
pub(crate) fn lags_to_pb(mut heads: Vec<StreamHead>) -> Vec<pb::StreamLag> {
    if heads.len() > MAX_HEARTBEAT_STREAMS {
        heads.sort_by_key(|head| std::cmp::Reverse(head.lag_frames));
        heads.truncate(MAX_HEARTBEAT_STREAMS);
    }
    heads.sort_by(|a, b| a.stream_id.cmp(&b.stream_id));
    let lag = |head| {
        let StreamHead { stream_id, head_sequence, lag_frames } = head;
        pb::StreamLag { stream_id: stream_id.to_string(), head_sequence, lag_frames }
    };
    heads.into_iter().map(lag).collect()
}

fn cursors_to_pb(mut cursors: Vec<Cursor>, store: &StoreIdentity) -> Vec<pb::StreamCursor> {
    cursors.sort_by(|a, b| a.stream_id.cmp(&b.stream_id));
    let to_pb = |cursor: Cursor| pb::StreamCursor {
        stream_id: cursor.stream_id.to_string(),
        cursor: cursor.encode(store),
    };
    cursors.into_iter().map(to_pb).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Sequence, StreamId};

    fn id(text: &str) -> StreamId {
        text.parse().unwrap()
    }

    #[test]
    fn cursors_are_sorted_by_stream_id() {
        let cursor = |stream: &str| Cursor::new(id(stream), Sequence::FIRST);
        let store = StoreIdentity::random();
        let event = to_pb(Event::Draining(vec![cursor("b"), cursor("a")]), &[], &store).unwrap().event;
        let Some(Wire::Draining(draining)) = event else { panic!("{event:?}") };
        let ids: Vec<_> = draining.cursors.iter().map(|c| c.stream_id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_long_heartbeat_keeps_those_that_lag_most() {
        let heads = (0..1500u64)
            .map(|n| StreamHead { stream_id: id(&format!("cam-{n:04}")), head_sequence: n, lag_frames: n })
            .collect();
        let lags = lags_to_pb(heads);
        assert_eq!(lags.len(), 1000);
        assert_eq!(lags[0].stream_id, "cam-0500");
    }
}
