//! `frameway subscribe --group`: a member of a consumer group that acknowledges each frame after it
//! was shown and saved.

use tokio::time::timeout;

use super::report::Report;
use super::save::Saver;
use crate::client::consume::{AckOutcome, Consumer, Event};
use crate::client::{Error, describe_item};
use crate::console::{Failure, failure_while};

/// Consumes frames until the server has sent the requested number.
pub(super) async fn consume(
    mut consumer: Consumer,
    saver: &mut Saver,
    report: &mut Report,
) -> Result<(), Failure> {
    let failure = |error: Error| failure_while("subscribing as a member of the group", error);
    loop {
        let Ok(event) = timeout(saver.rotation_interval(), consumer.next()).await else {
            saver.rotate()?;
            continue;
        };
        match event.map_err(failure)? {
            Event::Frame(delivered) => {
                let frame = delivered.frame.unwrap_or_default();
                let saved = saver.save(&frame, |text| report.note(text))?;
                report.frame(&frame, &saved);
                // Acknowledge last: if the process ends before, the frame is delivered again.
                for outcome in consumer.ack(vec![delivered.ack_id]).await.map_err(failure)? {
                    match outcome {
                        // After `Unknown`, the next event is `Reconnecting`.
                        AckOutcome::Done | AckOutcome::Unknown(_) => {}
                        AckOutcome::Refused(error) => {
                            let why = error.as_ref().map(describe_item).unwrap_or_default();
                            report.note(&format!("not acknowledged: {why}"));
                        }
                    }
                }
            }
            Event::Gap(gap) => report.gap(&gap),
            Event::Lag(frames) => report.lag(frames),
            Event::Reconnecting(why) => report.note(&format!("{why}; reconnecting")),
            Event::Ready { .. } => {}
            Event::End => return Ok(()),
        }
    }
}
