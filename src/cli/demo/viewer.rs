//! The subscriber of the demo.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::board::Board;
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::subscribe::follow::{Event, Follower};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// Watches the streams and writes down what comes; says when nothing can be missed any more.
pub(super) async fn watch(
    client: Client,
    streams: Vec<String>,
    board: Arc<Board>,
    started: oneshot::Sender<()>,
) -> Result<(), Failure> {
    let live = Position::Live(pb::StartLive {});
    let roles = vec![pb::PictureRole::Processed];
    let mut follower = Follower::new(client.streaming, &streams, live, BTreeMap::new(), roles, None);
    let mut started = Some(started);
    loop {
        match follower.next().await? {
            Event::Started { .. } => {
                if let Some(started) = started.take() {
                    let _nobody_waits = started.send(());
                }
            }
            Event::Frame(delivered) => board.delivered(delivered.frame.unwrap_or_default()),
            Event::Gap(gap) => board.gap(&gap.gap.unwrap_or_default()),
            Event::Checkpoint(_) | Event::Lag(_) => {}
            Event::Reconnecting(why) => eprintln!("the subscriber connects again: {why}"),
            Event::End => return Ok(()),
        }
    }
}
