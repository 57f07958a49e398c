//! WatchStreams: a watch of the hub as a response stream.

use std::sync::Arc;

use async_stream::try_stream;
use bytes::Bytes;
use prost::Message;

use super::connection_end::ConnectionEnd;
use super::convert::{processed, stream, subscription, time};
use super::delivery::{Chunks, around, whole};
use super::fault::{Fault, Result};
use super::permissions;
use crate::access::Caller;
use crate::domain::LabelMatch;
use crate::domain::{Partitions, StreamRecord, Timestamp};
use crate::hub::{ChangeKind, Hub, StreamChange, StreamSet, WatchBody, WatchEvent};
use crate::pb::v1 as pb;
use crate::pb::v1::watch_streams_response::Event as Wire;

/// The numbers of the fields of WatchStreamsResponse whose bytes watchers share.
const EXISTING_FIELD: u8 = 2;
const CHANGE_FIELD: u8 = 4;

/// Opens a watch. `held` lives as long as the response stream.
pub(crate) async fn watch(
    hub: &Arc<Hub>,
    request: pb::WatchStreamsRequest,
    caller: &Caller,
    partitions: Partitions,
    held: impl Send + 'static,
    end: ConnectionEnd,
) -> Result<Chunks> {
    let pb::WatchStreamsRequest { streams, resume_token, heartbeat_interval } = request;
    let streams = match streams.is_empty() {
        true => StreamSet::Labels(LabelMatch::default()),
        false => subscription::stream_set("streams", streams)?,
    };
    let streams = permissions::visible(caller, streams)?;
    let resume = match resume_token.as_str() {
        "" => None,
        token => Some(token.parse()?),
    };
    let heartbeat = time::heartbeat("heartbeat_interval", heartbeat_interval)?;
    let mut watch = hub.watch(&streams, resume, heartbeat).await?;
    Ok(Box::pin(try_stream! {
        let _held = held;
        loop {
            let event = match end.unless_too_old(watch.next()).await {
                Some(event) => event.map_err(Fault::from)?,
                None => Err(Fault::draining())?,
            };
            yield encode(event, partitions);
        }
    }))
}

/// Encodes an event as chunks. The settings and the status of a stream are encoded once for all
/// watchers.
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
        // The state is the one after this change; later events report later changes.
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
