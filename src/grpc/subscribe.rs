//! SubscribeFrames: a subscription of the hub as a response stream.

use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::Status;

use super::ack_id::AckKey;
use super::convert::{delivery, group_delivery, subscription};
use super::counters::Counters;
use super::delivery::Messages;
use super::fault::{Fault, Result};
use crate::hub::{Consumers, Event, GroupCall, GroupEvent, Hub, Subscription};
use crate::pb::v1 as pb;

/// Opens a subscription; streams named by id need not be there yet where frames register them. `call` keeps a drain waiting until its stream has ended.
pub(crate) async fn subscribe(
    hub: &Arc<Hub>,
    request: pb::SubscribeFramesRequest,
    auto_register: bool,
    counters: Arc<Counters>,
    call: TaskTrackerToken,
) -> Result<Messages> {
    let store = if subscription::has_cursors(&request) { hub.read_store().await? } else { hub.store() };
    let mut request = subscription::from_pb(request, &store)?;
    request.allow_unregistered = auto_register;
    // The hub keeps each picture within its selector's bound; here it bounds those of one message together.
    let max_bytes = request.selectors.iter().map(|one| u64::from(one.want.max_picture_bytes)).collect();
    let subscription = hub.subscribe(request).await?;
    Ok(Box::pin(responses(Arc::clone(hub), subscription, max_bytes, counters, call)))
}

/// Each event is fetched when the connection has room for it: a slow reader waits here, not in memory. `held` lives as
/// long as the stream.
fn responses<H: Send + 'static>(
    hub: Arc<Hub>,
    mut subscription: Subscription,
    max_bytes: Vec<u64>,
    counters: Arc<Counters>,
    held: H,
) -> impl Stream<Item = std::result::Result<pb::SubscribeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        while let Some(event) = subscription.next().await {
            let event = event.map_err(Fault::from)?;
            let last = matches!(event, Event::Draining(_));
            if let Some(message) = delivery::to_pb(event, &max_bytes, &hub.store()) {
                counters.sent(&message);
                yield message;
            }
            if last {
                Err(Fault::draining())?;
            }
        }
    }
}

/// Opens the call of a group's member.
pub(crate) async fn join(
    consumers: &Arc<Consumers>,
    request: pb::SubscribeFramesRequest,
    counters: Arc<Counters>,
    call: TaskTrackerToken,
) -> Result<Messages> {
    let request = group_delivery::from_pb(request)?;
    let key = AckKey::new(consumers.ack_key().await?);
    let (group, room) = (request.group.clone(), u64::from(request.want.max_picture_bytes));
    let member = consumers.subscribe(request).await?;
    let to_pb = move |event| group_delivery::to_pb(event, &key, &group, room);
    Ok(Box::pin(member_responses(member, to_pb, counters, call)))
}

/// The member's task works ahead by one event; the rest waits for the connection. `held` lives as long as the stream.
fn member_responses<H: Send + 'static>(
    mut member: GroupCall,
    to_pb: impl Fn(GroupEvent) -> Option<pb::SubscribeFramesResponse> + Send + 'static,
    counters: Arc<Counters>,
    held: H,
) -> impl Stream<Item = std::result::Result<pb::SubscribeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        while let Some(event) = member.next().await {
            let event = event.map_err(Fault::from)?;
            let finished = matches!(event, GroupEvent::Finished);
            let draining = matches!(event, GroupEvent::Draining);
            if let Some(message) = to_pb(event) {
                counters.sent(&message);
                yield message;
            }
            if finished {
                return;
            }
            if draining {
                break;
            }
        }
        Err(Fault::draining())?;
    }
}
