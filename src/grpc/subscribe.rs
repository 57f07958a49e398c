//! SubscribeFrames: a subscription of the hub as a response stream.

use std::pin::Pin;
use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::Status;

use super::convert::{delivery, subscription};
use super::counters::Counters;
use super::fault::{Fault, Result};
use crate::hub::{Event, Hub, Subscription};
use crate::pb::v1 as pb;

/// A response stream of SubscribeFrames.
pub(crate) type Responses =
    Pin<Box<dyn Stream<Item = std::result::Result<pb::SubscribeFramesResponse, Status>> + Send>>;

/// Opens a subscription; streams named by id need not be there yet where frames register them. `call` keeps a drain waiting until its stream has ended.
pub(crate) async fn subscribe(
    hub: &Arc<Hub>,
    request: pb::SubscribeFramesRequest,
    auto_register: bool,
    counters: Arc<Counters>,
    call: TaskTrackerToken,
) -> Result<Responses> {
    let mut request = subscription::from_pb(request)?;
    request.allow_unregistered = auto_register;
    // The hub keeps each picture within its selector's bound; here it bounds those of one message together.
    let max_bytes = request.selectors.iter().map(|one| u64::from(one.want.max_picture_bytes)).collect();
    let subscription = hub.subscribe(request).await?;
    Ok(Box::pin(responses(subscription, max_bytes, counters, call)))
}

/// Each event is fetched when the connection has room for it: a slow reader waits here, not in memory. `held` lives as
/// long as the stream.
fn responses<H: Send + 'static>(
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
            if let Some(message) = delivery::to_pb(event, &max_bytes) {
                counters.sent(&message);
                yield message;
            }
            if last {
                Err(Fault::draining())?;
            }
        }
    }
}
