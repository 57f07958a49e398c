//! SubscribeFrames and ConsumeFrames: the subscriptions and members of the hub as response streams.

use std::pin::pin;
use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use tonic::Status;

use super::ack_id::AckKey;
use super::connection_end::ConnectionEnd;
use super::convert::{delivery, group_delivery, subscription, time};
use super::delivery::Messages;
use super::fault::{Fault, Result};
use super::permissions;
use super::sent::Sent;
use crate::access::Caller;
use crate::hub::{Consumers, Event, GroupCall, GroupEvent, Hub, SubscribeError, Subscription};
use crate::pb::v1 as pb;
use crate::pb::v1::consume_frames_response;
use crate::pb::v1::subscribe_frames_response::Event as Wire;

/// Opens a subscription. With `auto_register`, streams that are selected by id need not exist yet:
/// their first frames register them. `held` lives as long as the response stream.
pub(crate) async fn subscribe(
    hub: &Arc<Hub>,
    request: pb::SubscribeFramesRequest,
    caller: &Caller,
    auto_register: bool,
    sent: Sent,
    held: impl Send + 'static,
    end: ConnectionEnd,
) -> Result<Messages<pb::SubscribeFramesResponse>> {
    let store = if subscription::has_cursors(&request) { hub.read_store().await? } else { hub.store() };
    let name = request.subscriber_name.clone();
    let mut request = subscription::from_pb(request, &store, caller)?;
    request.allow_unregistered = auto_register;
    // The hub limits each picture of a selector; here the same limit applies to the pictures of one
    // message together.
    let max_bytes = request.selectors.iter().map(|one| u64::from(one.want.max_picture_bytes)).collect();
    let subscription = hub.subscribe(request).await?;
    if !name.is_empty() {
        tracing::info!(subscriber = name, "subscription started");
    }
    Ok(Box::pin(responses(Arc::clone(hub), subscription, max_bytes, sent, held, end)))
}

/// Returns the messages of a subscription. Each event is fetched when the connection has room for
/// it, so that a slow reader does not fill the memory. `held` lives as long as the stream.
fn responses<H: Send + 'static>(
    hub: Arc<Hub>,
    mut subscription: Subscription,
    max_bytes: Vec<u64>,
    sent: Sent,
    held: H,
    end: ConnectionEnd,
) -> impl Stream<Item = std::result::Result<pb::SubscribeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        while let Some(event) = next_until(&mut subscription, &end).await {
            let event = event.map_err(Fault::from)?;
            let end_fault = matches!(event, Event::Draining(_)).then(Fault::draining);
            if let Some(message) = delivery::to_pb(event, &max_bytes, &hub.store()) {
                let message = with_delay(message, end_fault.as_ref());
                sent.to_subscriber(&message);
                yield message;
            }
            if let Some(end_fault) = end_fault {
                Err(end_fault)?;
            }
        }
    }
}

/// Waits for the next event. When the connection ends, the subscription ends as if the server
/// drained.
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

/// Sets the reconnect delay of a `draining` message to the delay of the status that follows it.
fn with_delay(
    mut message: pb::SubscribeFramesResponse,
    end_fault: Option<&Fault>,
) -> pb::SubscribeFramesResponse {
    if let (Some(Wire::Draining(draining)), Some(end_fault)) = (&mut message.event, end_fault) {
        draining.reconnect_delay = end_fault.retry_delay.map(time::duration_to_pb);
    }
    message
}

/// Opens the call of a group's member. `held` lives as long as the response stream.
pub(crate) async fn join(
    consumers: &Arc<Consumers>,
    request: pb::ConsumeFramesRequest,
    caller: &Caller,
    sent: Sent,
    held: impl Send + 'static,
    end: ConnectionEnd,
) -> Result<Messages<pb::ConsumeFramesResponse>> {
    let request = group_delivery::from_pb(request, caller)?;
    permissions::check_consume(caller, &request.group)?;
    let key = AckKey::new(consumers.ack_key().await?);
    let (group, room) = (request.group.clone(), u64::from(request.want.max_picture_bytes));
    let member = consumers.subscribe(request).await?;
    let to_pb = move |event| group_delivery::to_pb(event, &key, &group, room);
    Ok(Box::pin(member_responses(member, to_pb, sent, held, end)))
}

/// Returns the messages of a member. The task of the member prepares one event in advance; further
/// events are prepared when the connection has room. `held` lives as long as the stream.
fn member_responses<H: Send + 'static>(
    mut member: GroupCall,
    to_pb: impl Fn(GroupEvent) -> Option<pb::ConsumeFramesResponse> + Send + 'static,
    sent: Sent,
    held: H,
    end: ConnectionEnd,
) -> impl Stream<Item = std::result::Result<pb::ConsumeFramesResponse, Status>> + Send {
    try_stream! {
        let _held = held;
        let end_fault = Fault::draining();
        // When the connection ends, the member leaves as if its client had gone: other members
        // receive the frames that it has not received.
        while let Some(event) = end.unless_too_old(member.next()).await.unwrap_or(Some(Ok(GroupEvent::Draining))) {
            let event = event.map_err(Fault::from)?;
            let finished = matches!(event, GroupEvent::Finished);
            let draining = matches!(event, GroupEvent::Draining);
            if let Some(mut message) = to_pb(event) {
                if let Some(consume_frames_response::Event::Draining(draining)) = &mut message.event {
                    draining.reconnect_delay = end_fault.retry_delay.map(time::duration_to_pb);
                }
                sent.to_member(&message);
                yield message;
            }
            if finished {
                return;
            }
            if draining {
                break;
            }
        }
        Err(end_fault)?;
    }
}
