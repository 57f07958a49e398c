//! A camera: takes a picture at every tick and submits it, as an agent beside a real one would.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::board::Board;
use super::footage::Reel;
use crate::cli::Failure;
use crate::cli::fault::frame_words;
use crate::cli::output::timestamp;
use crate::cli::publisher::{self, Grpc, Options};
use crate::cli::send::Decision;
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

/// Most frames in a batch: a camera that has fallen behind catches up by it.
const BATCH_FRAMES: usize = 16;

/// One camera.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) stream: String,
    pub(super) period: Duration,
    /// From the start to the first tick.
    pub(super) offset: Duration,
    pub(super) client: StreamingServiceClient<Channel>,
    /// How long it goes on trying to send without any progress.
    pub(super) patience: Duration,
}

impl Camera {
    /// Runs until `end` or `stop`; frames that were taken by then are still sent.
    pub(super) async fn run(
        self,
        reel: Reel,
        end: Instant,
        stop: CancellationToken,
        board: Arc<Board>,
    ) -> Result<(), Failure> {
        let (frames, intake) = mpsc::channel(1);
        let options = Options {
            publisher_id: self.publisher(),
            batch_frames: BATCH_FRAMES,
            patience: self.patience,
            seed: rand::random(),
        };
        let decided = |frame: pb::Frame, decision| match decision {
            // A duplicate was accepted before, by a call whose answer was lost.
            Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                board.accepted(&frame.stream_id, sequence, frame.data.len());
            }
            Decision::Refused(error) => {
                board.state().refused += 1;
                let number = frame.publisher_sequence();
                eprintln!("{} #{number} was refused: {}", frame.stream_id, frame_words(&error));
            }
            Decision::Open(_) => board.state().unconfirmed += 1,
        };
        let grpc = Grpc(self.client.clone());
        // What was taken is sent, whatever ends the taking.
        let publishing = publisher::publish(grpc, options, intake, CancellationToken::new(), decided);
        let (taken, published) = tokio::join!(self.take(reel, end, stop, frames), publishing);
        let published = published?;
        board.state().retries += published.retries;
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
        // A camera that could not send in time has missed a picture; it does not hurry after it.
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
                return Err(Failure::Failed(anyhow!("the drawing of {} ended", self.stream)));
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
                // Publishing has ended, and says why.
                return Ok(());
            }
        }
    }
}
