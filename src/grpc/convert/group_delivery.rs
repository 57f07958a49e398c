//! ConsumeFrames: the request of a group's member and the messages that it receives.

use super::policy::bounded;
use super::processed::{self, Entry, SentPicture};
use super::subscription::from_one;
use super::{delivery, picture, time};
use crate::access::Caller;
use crate::domain::limits::{MAX_MEMBER_BYTES, MAX_MEMBER_FRAMES};
use crate::domain::{GroupId, MemberId, Timestamp};
use crate::grpc::ack_id::{AckId, AckKey};
use crate::grpc::fault::Result;
use crate::hub::{GroupDelivery, GroupEvent, MemberRequest};
use crate::pb::v1 as pb;
use crate::pb::v1::consume_frames_response::Event as Wire;

const DEFAULT_FRAMES: u32 = 100;
const DEFAULT_BYTES: u64 = 64 << 20;

/// Reads the request of a member.
pub(crate) fn from_pb(request: pb::ConsumeFramesRequest, caller: &Caller) -> Result<MemberRequest> {
    let pb::ConsumeFramesRequest {
        group_id,
        member_id,
        max_outstanding_frames,
        max_outstanding_bytes,
        pictures,
        heartbeat_interval,
        stop_after_frames,
    } = request;
    let heartbeat_interval = time::heartbeat("heartbeat_interval", heartbeat_interval)?;
    let frames = bounded("max_outstanding_frames", max_outstanding_frames, 1, MAX_MEMBER_FRAMES)?;
    let bytes = bounded("max_outstanding_bytes", max_outstanding_bytes, 1, MAX_MEMBER_BYTES)?;
    Ok(MemberRequest {
        group: group_id.parse()?,
        member: MemberId::owned_by(caller.name(), &member_id)?,
        max_frames: frames.unwrap_or(DEFAULT_FRAMES),
        paced: frames.is_none(),
        max_bytes: bytes.unwrap_or(DEFAULT_BYTES),
        want: picture::want("pictures", pictures, caller)?,
        heartbeat_interval,
        stop_after_frames: from_one("stop_after_frames", stop_after_frames)?,
    })
}

/// Converts an event of a member's call; returns `None` for an event that is not sent. `room` is
/// the maximum size of a frame's picture data.
pub(crate) fn to_pb(
    event: GroupEvent,
    key: &AckKey,
    group: &GroupId,
    room: u64,
) -> Option<pb::ConsumeFramesResponse> {
    let event = match event {
        GroupEvent::Opened(ack_deadline) => {
            Wire::Ready(pb::ConsumeReady { ack_deadline: Some(time::duration_to_pb(ack_deadline)) })
        }
        GroupEvent::Finished => return None,
        GroupEvent::Frame(frame) => Wire::Frame(frame_to_pb(frame, key, group, room)?),
        GroupEvent::Gap(gap) => Wire::Gap(delivery::gap_to_pb(gap)),
        GroupEvent::Heartbeat { heads, outstanding_frames, unfollowed_streams } => {
            Wire::Heartbeat(pb::ConsumeHeartbeat {
                server_time: Some(time::to_pb(Timestamp::now())),
                outstanding_frames,
                streams: delivery::lags_to_pb(heads),
                unfollowed_streams,
            })
        }
        GroupEvent::Draining => Wire::Draining(pb::ConsumeDraining { reconnect_delay: None }),
    };
    Some(pb::ConsumeFramesResponse { event: Some(event) })
}

fn frame_to_pb(
    frame: GroupDelivery,
    key: &AckKey,
    group: &GroupId,
    mut room: u64,
) -> Option<pb::ConsumedFrame> {
    let GroupDelivery { entry, pictures, attempt, deadline, generation, incarnation, partition, .. } = frame;
    let pictures = pictures.into_iter().map(|one| SentPicture::within(&mut room, one)).collect();
    let id = AckId {
        partition,
        stream_id: entry.stream_id.clone(),
        sequence: entry.sequence,
        attempt,
        generation,
        incarnation,
    };
    match processed::to_pb(&entry, pictures) {
        Entry::Frame(frame) => Some(pb::ConsumedFrame {
            frame: Some(*frame),
            ack_id: key.write(group, &id),
            delivery_attempt: attempt,
            ack_expire_time: Some(time::to_pb(deadline)),
        }),
        // A group does not deliver tombstones.
        Entry::Tombstone(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_defaults_and_bounds() {
        let with = |change: fn(&mut pb::ConsumeFramesRequest)| {
            let mut request = pb::ConsumeFramesRequest {
                group_id: "site".into(),
                member_id: "m.1".into(),
                ..Default::default()
            };
            change(&mut request);
            from_pb(request, &Caller::anybody())
        };
        let member = with(|_| {}).unwrap();
        assert_eq!((member.max_frames, member.max_bytes, member.paced), (100, 64 << 20, true));
        assert!(!with(|m| m.max_outstanding_frames = Some(100)).unwrap().paced);
        assert!(member.want.processed);
        for (bad, field) in [
            (with(|m| m.group_id = String::new()), "group_id"),
            (with(|m| m.member_id = "a b".into()), "member_id"),
            (with(|m| m.max_outstanding_frames = Some(10_001)), "max_outstanding_frames"),
            (with(|m| m.max_outstanding_frames = Some(0)), "max_outstanding_frames"),
            (with(|m| m.max_outstanding_bytes = Some((256 << 20) + 1)), "max_outstanding_bytes"),
            (with(|m| m.stop_after_frames = Some(0)), "stop_after_frames"),
        ] {
            assert_eq!(bad.unwrap_err().field, field);
        }
    }
}
