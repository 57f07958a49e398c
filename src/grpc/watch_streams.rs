//! WatchStreams: a watch of the hub as a response stream.

use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use bytes::Bytes;
use prost::Message;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connection_end::ConnectionEnd;
use super::convert::{processed, stream, subscription, time};
use super::delivery::{InPieces, around, whole};
use super::fault::{Fault, Result};
use crate::domain::LabelMatch;
use crate::domain::{Partitions, StreamRecord, Timestamp};
use crate::hub::{ChangeKind, Hub, StreamChange, StreamSet, WatchBody, WatchEvent};
use crate::pb::v1 as pb;
use crate::pb::v1::watch_streams_response::Event as Wire;

const LEAST_HEARTBEAT: Duration = Duration::from_secs(1);
const MOST_HEARTBEAT: Duration = Duration::from_secs(60);
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);

/// Numbers of fields of WatchStreamsResponse whose bytes watchers share.
const EXISTING_FIELD: u8 = 2;
const CHANGE_FIELD: u8 = 4;

/// Opens a watch. `call` keeps a drain waiting until its stream has ended.
pub(crate) async fn watch(
    hub: &Arc<Hub>,
    request: pb::WatchStreamsRequest,
    partitions: Partitions,
    call: TaskTrackerToken,
    end: ConnectionEnd,
) -> Result<InPieces> {
    let pb::WatchStreamsRequest { streams, resume_token, heartbeat_interval } = request;
    let streams = match streams.is_empty() {
        true => StreamSet::Labels(LabelMatch::default()),
        false => subscription::stream_set("streams", streams)?,
    };
    let resume = match resume_token.as_str() {
        "" => None,
        token => Some(token.parse()?),
    };
    let heartbeat =
        time::duration_within("heartbeat_interval", heartbeat_interval, LEAST_HEARTBEAT, MOST_HEARTBEAT)?;
    let mut watch = hub.watch(&streams, resume, heartbeat.unwrap_or(DEFAULT_HEARTBEAT)).await?;
    Ok(Box::pin(try_stream! {
        let _held = call;
        loop {
            let event = match end.unless_too_old(watch.next()).await {
                Some(event) => event.map_err(Fault::from)?,
                None => Err(Fault::draining())?,
            };
            yield encode(event, partitions);
        }
    }))
}

/// A message in pieces. A stream's settings and status are encoded once for all watchers.
fn encode(event: WatchEvent, partitions: Partitions) -> Vec<Bytes> {
    let WatchEvent { body, token } = event;
    let mut message = pb::WatchStreamsResponse {
        event: None,
        resume_token: token.map(|token| token.encode()).unwrap_or_default(),
    };
    message.event = Some(match body {
        WatchBody::Existing(shared) => {
            let existing =
                |record: &StreamRecord| encoded(&stream::to_pb(record.clone(), partitions, Timestamp::now()));
            return around(EXISTING_FIELD, shared.existing(existing), &message);
        }
        WatchBody::Change(change) => {
            let change = change.encoded(|change| encoded(&change_to_pb(change, partitions)));
            return around(CHANGE_FIELD, change, &message);
        }
        WatchBody::SnapshotStart => Wire::SnapshotStart(pb::WatchSnapshotStart {}),
        WatchBody::SnapshotEnd(stream_count) => Wire::SnapshotEnd(pb::WatchSnapshotEnd { stream_count }),
        WatchBody::Heartbeat => {
            Wire::Heartbeat(pb::WatchHeartbeat { server_time: Some(time::to_pb(Timestamp::now())) })
        }
    });
    whole(&message)
}

fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn change_to_pb(change: &StreamChange, partitions: Partitions) -> pb::StreamChange {
    let StreamChange { kind, record, state, time: at, failure } = change;
    let mut stream = stream::to_pb(record.record().clone(), partitions, Timestamp::now());
    if let Some(status) = &mut stream.status {
        // As it was after this change: the next one tells what has come since.
        status.set_state(stream::state_to_pb(*state));
    }
    let kind = match kind {
        ChangeKind::Registered => pb::StreamChangeKind::Registered,
        ChangeKind::Updated => pb::StreamChangeKind::Updated,
        ChangeKind::Live => pb::StreamChangeKind::Live,
        ChangeKind::Stalled => pb::StreamChangeKind::Stalled,
        ChangeKind::Error => pb::StreamChangeKind::Error,
        ChangeKind::Removed => pb::StreamChangeKind::Removed,
    };
    pb::StreamChange {
        kind: kind.into(),
        stream: Some(stream),
        change_time: Some(time::to_pb(*at)),
        error: failure.clone().filter(|_| kind == pb::StreamChangeKind::Error).map(|failure| {
            Fault::new(processed::failure_to_pb(failure.reason), failure.message).into_item_error()
        }),
    }
}
