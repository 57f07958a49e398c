//! A camera: it takes a picture at every tick and submits it, like the agent of a real camera.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::footage::Reel;
use super::tally::Tally;
use crate::client::publish::{Decision, PublishOptions};
use crate::client::{Client, describe_item};
use crate::console::Failure;
use crate::console::output::timestamp;
use crate::pb::v1 as pb;

/// The maximum number of frames in a batch. It lets a delayed camera catch up.
const BATCH_FRAMES: usize = 16;

/// A camera.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) stream: String,
    pub(super) period: Duration,
    /// The time from the start to the first tick.
    pub(super) offset: Duration,
    pub(super) client: Client,
    /// The time without progress after which the camera gives up.
    pub(super) patience: Duration,
}

impl Camera {
    /// Takes pictures until `end` or `stop`, and sends all that were taken.
    pub(super) async fn run(
        self,
        reel: Reel,
        end: Instant,
        stop: CancellationToken,
        tally: Arc<Tally>,
    ) -> Result<(), Failure> {
        let (frames, intake) = mpsc::channel(1);
        let options = PublishOptions {
            publisher_id: self.publisher(),
            batch_frames: BATCH_FRAMES,
            patience: self.patience,
            ..Default::default()
        };
        let decided = |frame: pb::Frame, decision| match decision {
            // A duplicate was accepted earlier, by a call whose answer was lost.
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                tally.accepted(&frame.stream_id, sequence, frame.data.len());
            }
            Decision::Refused(error) => {
                tally.state().refused += 1;
                let number = frame.publisher_sequence();
                eprintln!("{} #{number} was refused: {}", frame.stream_id, describe_item(&error));
            }
            Decision::Unconfirmed(_) => tally.state().unconfirmed += 1,
        };
        // `stop` does not end publishing: frames that were taken are still sent.
        let publishing = self.client.publish(options, intake, CancellationToken::new(), decided);
        let (taken, published) = tokio::join!(self.take(reel, end, stop, frames), publishing);
        let published = published?;
        tally.state().retries += published.retries;
        match published.given_up {
            Some(why) => Err(Failure::Failed(anyhow!("{} gave up: {why}", self.stream))),
            None => taken,
        }
    }

    fn publisher(&self) -> String {
        format!("agent-{}", self.stream).chars().take(64).collect()
    }

    /// Takes a picture at every tick.
    async fn take(
        &self,
        mut reel: Reel,
        end: Instant,
        stop: CancellationToken,
        frames: mpsc::Sender<pb::Frame>,
    ) -> Result<(), Failure> {
        let mut tick = interval_at(Instant::now() + self.offset, self.period);
        // A camera that could not send in time skips the missed pictures.
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut number = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(end) => return Ok(()),
                _ = tick.tick() => {}
            }
            let picture = tokio::select! {
                picture = reel.next() => picture,
                () = sleep_until(end) => return Ok(()),
            };
            let Some(data) = picture else {
                return Err(Failure::Failed(anyhow!("cannot draw pictures of {}", self.stream)));
            };
            number += 1;
            let frame = pb::Frame {
                stream_id: self.stream.clone(),
                publisher_id: self.publisher(),
                publisher_sequence: Some(number),
                capture_time: Some(timestamp(SystemTime::now())),
                data,
                ..Default::default()
            };
            if frames.send(frame).await.is_err() {
                // Publishing has ended and reports why.
                return Ok(());
            }
        }
    }
}
