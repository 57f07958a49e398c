//! Start positions.

use std::collections::HashSet;
use std::time::Duration;

use super::time;
use crate::domain::limits::MAX_CURSORS;
use crate::domain::{Cursor, Sequence, StoreIdentity};
use crate::grpc::fault::{Fault, Result};
use crate::hub::GroupStart;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::start_position::Position;

/// Reads a start position in `store`.
pub(crate) fn from_pb(start: pb::StartPosition, store: &StoreIdentity) -> Result<GroupStart> {
    let pb::StartPosition { position } = start;
    Ok(match position {
        None => return Err(Fault::invalid("position", "must specify a start position")),
        Some(Position::Live(pb::StartLive {})) => GroupStart::Live,
        Some(Position::Earliest(pb::StartEarliest {})) => GroupStart::Earliest,
        Some(Position::Sequence(number)) => GroupStart::Sequence(Sequence::new(number)?),
        Some(Position::ReceiveTime(at)) => GroupStart::Time(time::from_pb("receive_time", at)?),
        Some(Position::Age(age)) => {
            let age = time::duration_within("age", Some(age), Duration::ZERO, time::MAX_START_AGE)?;
            GroupStart::Age(age.unwrap_or_default())
        }
        Some(Position::Cursors(list)) => GroupStart::Cursors(cursors(list, store)?),
    })
}

fn cursors(list: pb::CursorList, store: &StoreIdentity) -> Result<Vec<Cursor>> {
    let pb::CursorList { cursors } = list;
    if cursors.len() > MAX_CURSORS {
        return Err(Fault::too_many("cursors.cursors", MAX_CURSORS));
    }
    let mut streams = HashSet::new();
    let parse = |(index, cursor): (usize, pb::StreamCursor)| {
        let pb::StreamCursor { stream_id, cursor } = cursor;
        let path = format!("cursors.cursors[{index}]");
        let parsed = Cursor::decode(&cursor, store).map_err(|error| Fault::from(error).within(&path))?;
        if parsed.stream_id.as_str() != stream_id {
            let message = format!("the cursor belongs to stream {}", parsed.stream_id);
            return Err(Fault::new(ErrorReason::CursorInvalid, message).field(format!("{path}.stream_id")));
        }
        if !streams.insert(stream_id) {
            let message = format!("there is another cursor of stream {}", parsed.stream_id);
            return Err(Fault::new(ErrorReason::CursorInvalid, message).field(format!("{path}.stream_id")));
        }
        Ok(parsed)
    };
    cursors.into_iter().enumerate().map(parse).collect()
}
