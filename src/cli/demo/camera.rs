//! A camera: takes a picture at every tick and submits it, as an agent beside a real one would.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::footage::Reel;
use crate::cli::Failure;
use crate::cli::fault::frame_words;
use crate::cli::output::timestamp;
use crate::cli::send::{Decision, Sender};
use crate::pb::v1 as pb;

/// One camera.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) stream: String,
    pub(super) period: Duration,
    /// From the start to the first tick.
    pub(super) offset: Duration,
    pub(super) sender: Sender,
}

impl Camera {
    /// Runs until `end` or `stop`; a frame that is being sent then is still sent.
    pub(super) async fn run(
        mut self,
        mut reel: Reel,
        end: Instant,
        stop: CancellationToken,
        board: Arc<Board>,
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
            let size = data.len();
            let frame = pb::Frame {
                stream_id: self.stream.clone(),
                publisher_id: format!("agent-{}", self.stream).chars().take(64).collect(),
                publisher_sequence: Some(number),
                capture_time: Some(timestamp(SystemTime::now())),
                data,
                ..Default::default()
            };
            let sent = self.sender.send(vec![frame]).await?;
            board.state().retries += sent.retries;
            for decision in sent.decisions {
                match decision {
                    // A duplicate was accepted before, by a call whose answer was lost.
                    Decision::Accepted { sequence } | Decision::Duplicate { sequence } => {
                        board.accepted(&self.stream, sequence, size);
                    }
                    Decision::Refused(error) => {
                        board.state().refused += 1;
                        eprintln!("{} #{number} was refused: {}", self.stream, frame_words(&error));
                    }
                    Decision::Open(_) => board.state().unconfirmed += 1,
                }
            }
            if let Some(why) = sent.given_up {
                return Err(Failure::Failed(anyhow!("{} gave up: {why}", self.stream)));
            }
        }
    }
}
