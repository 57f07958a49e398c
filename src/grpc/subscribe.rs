//! SubscribeFrames and ConsumeFrames: subscriptions and members' calls of the hub as response streams.

use std::pin::pin;
use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::Status;

use super::ack_id::AckKey;
use super::connection_end::ConnectionEnd;
use super::convert::{delivery, group_delivery, subscription, time};
use super::counters::Counters;
use super::delivery::Messages;
use super::fault::{Fault, Result};
use crate::hub::{Consumers, Event, GroupCall, GroupEvent, Hub, SubscribeError, Subscription};
use crate::pb::v1 as pb;
use crate::pb::v1::consume_frames_response;
use crate::pb::v1::subscribe_frames_response::Event as Wire;

/// Opens a subscription; streams named by id need not be there yet where frames register them. `call` keeps a drain waiting until its stream has ended.
pub(crate) async fn subscribe(
    hub: &Arc<Hub>,
    request: pb::SubscribeFramesRequest,
    auto_register: bool,
    counters: Arc<Counters>,
    call: TaskTrackerToken,
    end: ConnectionEnd,
) -> Result<Messages<pb::SubscribeFramesResponse>> {
    let store = if subscription::has_cursors(&request) { hub.read_store().await? } else { hub.store() };
    let name = request.subscriber_name.clone();
    let mut request = subscription::from_pb(request, &store)?;
    request.allow_unregistered = auto_register;
    // The hub keeps each picture within its selector's bound; here it bounds those of one message together.
    let max_bytes = request.selectors.iter().map(|one| u64::from(one.want.max_picture_bytes)).collect();
    let subscription = hub.subscribe(request).await?;
    if !name.is_empty() {
        tracing::info!(subscriber = name, "a subscription begins");
    }
    Ok(Box::pin(responses(Arc::clone(hub), subscription, max_bytes, counters, call, end)))
}

/// Each event is fetched when the connection has room for it: a slow reader waits here, not in memory. `held` lives as
/// long as the stream.
fn responses<H: Send + 'static>(
    hub: Arc<Hub>,
    mut subscription: Subscription,
    max_bytes: Vec<u64>,
    counters: Arc<Counters>,
    held: H,
    end: ConnectionEnd,
) -> impl Stream<Item = std::result::Result<pb::SubscribeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        while let Some(event) = next_until(&mut subscription, &end).await {
            let event = event.map_err(Fault::from)?;
            let farewell = matches!(event, Event::Draining(_)).then(Fault::draining);
            if let Some(message) = delivery::to_pb(event, &max_bytes, &hub.store()) {
                let message = with_delay(message, farewell.as_ref());
                counters.sent(&message);
                yield message;
            }
            if let Some(farewell) = farewell {
                Err(farewell)?;
            }
        }
    }
}

/// The next event. When the connection ends, the subscription does as if the server drained.
async fn next_until(
    subscription: &mut Subscription,
    end: &ConnectionEnd,
) -> Option<std::result::Result<Event, SubscribeError>> {
    let drainer = subscription.drainer();
    let mut next = pin!(subscription.next());
    match end.unless_too_old(&mut next).await {
        Some(event) => event,
        None => {
            drainer.drain();
            next.await
        }
    }
}

/// The message, with the delay that the status behind it will name.
fn with_delay(
    mut message: pb::SubscribeFramesResponse,
    farewell: Option<&Fault>,
) -> pb::SubscribeFramesResponse {
    if let (Some(Wire::Draining(draining)), Some(farewell)) = (&mut message.event, farewell) {
        draining.reconnect_delay = farewell.retry_delay.map(time::duration_to_pb);
    }
    message
}

/// Opens the call of a group's member.
pub(crate) async fn join(
    consumers: &Arc<Consumers>,
    request: pb::ConsumeFramesRequest,
    counters: Arc<Counters>,
    call: TaskTrackerToken,
    end: ConnectionEnd,
) -> Result<Messages<pb::ConsumeFramesResponse>> {
    let request = group_delivery::from_pb(request)?;
    let key = AckKey::new(consumers.ack_key().await?);
    let (group, room) = (request.group.clone(), u64::from(request.want.max_picture_bytes));
    let member = consumers.subscribe(request).await?;
    let to_pb = move |event| group_delivery::to_pb(event, &key, &group, room);
    Ok(Box::pin(member_responses(member, to_pb, counters, call, end)))
}

/// The member's task works ahead by one event; the rest waits for the connection. `held` lives as long as the stream.
fn member_responses<H: Send + 'static>(
    mut member: GroupCall,
    to_pb: impl Fn(GroupEvent) -> Option<pb::ConsumeFramesResponse> + Send + 'static,
    counters: Arc<Counters>,
    held: H,
    end: ConnectionEnd,
) -> impl Stream<Item = std::result::Result<pb::ConsumeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        let farewell = Fault::draining();
        // When the connection ends, the member leaves as one whose client went: what it has not got goes to others.
        while let Some(event) = end.unless_too_old(member.next()).await.unwrap_or(Some(Ok(GroupEvent::Draining))) {
            let event = event.map_err(Fault::from)?;
            let finished = matches!(event, GroupEvent::Finished);
            let draining = matches!(event, GroupEvent::Draining);
            if let Some(mut message) = to_pb(event) {
                if let Some(consume_frames_response::Event::Draining(draining)) = &mut message.event {
                    draining.reconnect_delay = farewell.retry_delay.map(time::duration_to_pb);
                }
                counters.sent_to_member(&message);
                yield message;
            }
            if finished {
                return;
            }
            if draining {
                break;
            }
        }
        Err(farewell)?;
    }
}
