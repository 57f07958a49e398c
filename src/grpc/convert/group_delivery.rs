//! SubscribeFrames of a group's member.

use super::processed::{self, Entry, SentPicture};
use super::subscription::{DEFAULT_HEARTBEAT, MAX_CHECKPOINT, MAX_HEARTBEAT, SECOND};
use super::{delivery, picture, time};
use crate::domain::limits::{MAX_MEMBER_BYTES, MAX_MEMBER_FRAMES};
use crate::domain::{GroupId, StoreIdentity};
use crate::grpc::ack_id::{AckId, AckKey};
use crate::grpc::fault::{Fault, Result};
use crate::hub::{GroupDelivery, GroupEvent, MemberRequest};
use crate::pb::v1 as pb;
use crate::pb::v1::subscribe_frames_response::Event as Wire;

const DEFAULT_FRAMES: u32 = 100;
const DEFAULT_BYTES: u64 = 64 << 20;

/// What a member asks for.
pub(crate) fn from_pb(request: pb::SubscribeFramesRequest) -> Result<MemberRequest> {
    let pb::SubscribeFramesRequest {
        selectors,
        heartbeat_interval,
        checkpoint_interval,
        stop_after_frames,
        group,
    } = request;
    if !selectors.is_empty() {
        return Err(Fault::invalid("selectors", "must be empty with `group`: it has its own selection"));
    }
    let heartbeat = time::duration_within("heartbeat_interval", heartbeat_interval, SECOND, MAX_HEARTBEAT)?;
    // A group has no cursors to tell, but nonsense is refused all the same.
    time::duration_within("checkpoint_interval", checkpoint_interval, SECOND, MAX_CHECKPOINT)?;
    let member = member(group.unwrap_or_default()).map_err(|fault| fault.within("group"))?;
    Ok(MemberRequest {
        heartbeat_interval: heartbeat.unwrap_or(DEFAULT_HEARTBEAT),
        stop_after_frames: Some(stop_after_frames).filter(|&count| count > 0),
        ..member
    })
}

fn member(member: pb::GroupMember) -> Result<MemberRequest> {
    let pb::GroupMember { group_id, member_id, max_outstanding_frames, max_outstanding_bytes, pictures } =
        member;
    if max_outstanding_frames > MAX_MEMBER_FRAMES {
        let rule = format!("must be at most {MAX_MEMBER_FRAMES}");
        return Err(Fault::invalid("max_outstanding_frames", rule));
    }
    if max_outstanding_bytes > MAX_MEMBER_BYTES {
        return Err(Fault::invalid("max_outstanding_bytes", format!("must be at most {MAX_MEMBER_BYTES}")));
    }
    Ok(MemberRequest {
        group: group_id.parse()?,
        member: member_id.parse()?,
        max_frames: if max_outstanding_frames == 0 { DEFAULT_FRAMES } else { max_outstanding_frames },
        paced: max_outstanding_frames == 0,
        max_bytes: if max_outstanding_bytes == 0 { DEFAULT_BYTES } else { max_outstanding_bytes },
        want: picture::want("pictures", pictures)?,
        heartbeat_interval: DEFAULT_HEARTBEAT,
        stop_after_frames: None,
    })
}

/// One message of a member's call; `room` bounds the picture data of a frame.
pub(crate) fn to_pb(
    event: GroupEvent,
    key: &AckKey,
    group: &GroupId,
    room: u64,
) -> Option<pb::SubscribeFramesResponse> {
    let event = match event {
        GroupEvent::Opened | GroupEvent::Finished => Wire::Checkpoint(pb::Checkpoint { cursors: Vec::new() }),
        GroupEvent::Frame(frame) => Wire::Frame(frame_to_pb(frame, key, group, room)?),
        GroupEvent::Gap(gap) => Wire::Gap(pb::Gap {
            cursor: String::new(),
            ..delivery::gap_to_pb(gap, &StoreIdentity::default())
        }),
        GroupEvent::Heartbeat { heads, outstanding_frames, unfollowed_streams: _ } => {
            Wire::Heartbeat(pb::Heartbeat { outstanding_frames, ..delivery::heartbeat_to_pb(heads) })
        }
        GroupEvent::Draining => {
            Wire::Draining(pb::SubscribeDraining { cursors: Vec::new(), reconnect_delay: None })
        }
    };
    Some(pb::SubscribeFramesResponse { event: Some(event) })
}

fn frame_to_pb(
    frame: GroupDelivery,
    key: &AckKey,
    group: &GroupId,
    mut room: u64,
) -> Option<pb::DeliveredFrame> {
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
        Entry::Frame(frame) => Some(pb::DeliveredFrame {
            frame: Some(*frame),
            cursor: String::new(),
            selector_index: 0,
            ack_id: key.write(group, &id),
            delivery_attempt: attempt,
            ack_deadline: Some(time::to_pb(deadline)),
        }),
        // The group passes tombstones over.
        Entry::Tombstone(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_defaults_and_bounds() {
        let with = |change: fn(&mut pb::GroupMember)| {
            let mut group =
                pb::GroupMember { group_id: "site".into(), member_id: "m.1".into(), ..Default::default() };
            change(&mut group);
            from_pb(pb::SubscribeFramesRequest { group: Some(group), ..Default::default() })
        };
        let member = with(|_| {}).unwrap();
        assert_eq!((member.max_frames, member.max_bytes, member.paced), (100, 64 << 20, true));
        assert!(!with(|m| m.max_outstanding_frames = 100).unwrap().paced);
        assert!(member.want.processed);
        for (bad, field) in [
            (with(|m| m.group_id = String::new()), "group.group_id"),
            (with(|m| m.member_id = "a b".into()), "group.member_id"),
            (with(|m| m.max_outstanding_frames = 10_001), "group.max_outstanding_frames"),
            (with(|m| m.max_outstanding_bytes = (256 << 20) + 1), "group.max_outstanding_bytes"),
        ] {
            assert_eq!(bad.unwrap_err().field, field);
        }
        let both = pb::SubscribeFramesRequest {
            selectors: vec![pb::StreamSelector::default()],
            group: Some(pb::GroupMember::default()),
            ..Default::default()
        };
        assert_eq!(from_pb(both).unwrap_err().field, "selectors");
    }
}
