//! The subscriber of the demo.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::tally::Tally;
use crate::client::Client;
use crate::client::subscribe::{Event, Subscription, selector};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Follows the streams and records the events. Sends on `started` when the start positions are
/// fixed.
pub(super) async fn watch(
    client: Client,
    streams: Vec<String>,
    tally: Arc<Tally>,
    started: oneshot::Sender<()>,
) -> Result<(), Failure> {
    let selectors = streams.iter().map(|stream| selector(stream)).collect();
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut subscription = Subscription::new(&client, request);
    let mut started = Some(started);
    loop {
        match subscription.next().await? {
            Event::Started { .. } => {
                if let Some(started) = started.take() {
                    let _nobody_waits = started.send(());
                }
            }
            Event::Frame(delivered) => tally.delivered(delivered.frame.unwrap_or_default()),
            Event::Gap(gap) => tally.gap(&gap.gap.unwrap_or_default()),
            Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber reconnects: {why}"),
            Event::End => return Ok(()),
        }
    }
}
