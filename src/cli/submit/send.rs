//! Sending the frames of all cameras at their pace.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::frames::Reader;
use super::pace::Pace;
use super::report::Report;
use crate::client::Client;
use crate::client::publish::{BatchSender, PublishOptions, PublishSummary};
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;

/// The part of the maximum message size that a batch leaves free for everything except pictures.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 20;
/// The number of frames that are read ahead.
const FRAMES_AHEAD: usize = 16;
/// The maximum wait for a further frame of a batch.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// Submits over one long call, and over further calls when it ends.
pub(super) async fn submit_stream(
    mut reader: Reader,
    client: &Client,
    options: PublishOptions,
    mut pace: Pace,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), Failure> {
    let (frames, intake) = mpsc::channel(FRAMES_AHEAD);
    let remarks = report.remarks();
    let (mut read, mut count) = (Ok(()), 0);
    let reading = async {
        read = loop {
            let mut frame = match reader.next().await {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            };
            if let Some(due) = pace.due() {
                sleep_until(due).await;
            }
            if let Some(remark) = pace.sent(reader.cameras()) {
                remarks.print(&remark);
            }
            reader.set_capture_time(&mut frame);
            count += 1;
            if stop.is_cancelled() || frames.send(frame).await.is_err() {
                break Ok(());
            }
        };
        drop(frames);
        std::future::pending::<Infallible>().await
    };
    let decided = |frame: pb::Frame, decision| report.record(&frame, decision);
    let published = tokio::select! {
        ended = client.publish(options, intake, stop.clone(), decided) => ended,
        never = reading => match never {},
    };
    (report.read, report.skipped_ticks) = (count, pace.skipped());
    let PublishSummary { retries, reconnects, given_up } =
        published.map_err(|error| failure_while("submitting", error))?;
    (report.retries, report.reconnects) = (retries, reconnects);
    report.interrupted = stop.is_cancelled();
    match given_up {
        Some(why) if !report.interrupted => Err(gave_up(&why)),
        Some(_) | None => read,
    }
}

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    frames: usize,
    bytes: u64,
}

impl BatchLimits {
    /// Returns the limits of a server, or fewer frames.
    pub(super) fn of(frames: u32, server: &pb::Limits) -> Self {
        Self {
            frames: match server.max_batch_frames {
                0 => frames.min(100) as usize,
                max => frames.min(max) as usize,
            },
            bytes: match server.max_message_bytes {
                0 => (32 << 20) - MESSAGE_MARGIN_BYTES,
                max => max.saturating_sub(MESSAGE_MARGIN_BYTES),
            },
        }
    }
}

/// Submits in separate calls, each of which is answered before the next one is sent.
pub(super) async fn submit_batches(
    mut reader: Reader,
    sender: BatchSender,
    limits: BatchLimits,
    mut pace: Pace,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), Failure> {
    let remarks = report.remarks();
    let (mut carried, mut failed) = (None, None);
    loop {
        let mut batch: Vec<pb::Frame> = Vec::new();
        let mut bytes = 0;
        while failed.is_none() && batch.len() < limits.frames {
            // Send the batch without the frames that are not due yet.
            if let Some(due) = pace.due().filter(|due| *due > Instant::now()) {
                let stopped = stop.run_until_cancelled(sleep_until(due));
                if !batch.is_empty() || stopped.await.is_none() {
                    break;
                }
            }
            let next = match carried.take() {
                Some(frame) => Some(frame),
                None => {
                    // Send the batch without the frames that are not there yet.
                    let wait = if batch.is_empty() { Duration::MAX } else { BATCH_WAIT };
                    match stop.run_until_cancelled(timeout(wait, reader.next())).await {
                        Some(Ok(Ok(next))) => next,
                        Some(Ok(Err(failure))) => {
                            failed = Some(failure);
                            break;
                        }
                        Some(Err(_)) | None => break,
                    }
                }
            };
            let Some(mut frame) = next else { break };
            let size = frame.data.len() as u64;
            if !batch.is_empty() && bytes + size > limits.bytes {
                carried = Some(frame);
                break;
            }
            if let Some(remark) = pace.sent(reader.cameras()) {
                remarks.print(&remark);
            }
            reader.set_capture_time(&mut frame);
            bytes += size;
            batch.push(frame);
        }
        report.skipped_ticks = pace.skipped();
        if batch.is_empty() || stop.is_cancelled() {
            report.interrupted = stop.is_cancelled();
            return failed.map_or(Ok(()), Err);
        }
        report.read += batch.len() as u64;
        let frames = batch.clone();
        let result = sender.send(batch).await.map_err(|error| failure_while("submitting", error))?;
        let given_up = result.given_up.clone();
        report.record_batch(&frames, result);
        if let Some(why) = given_up {
            report.interrupted = stop.is_cancelled();
            return if stop.is_cancelled() { Ok(()) } else { Err(gave_up(&why)) };
        }
    }
}

fn gave_up(why: &str) -> Failure {
    Failure::Failed(anyhow!("gave up: {why}"))
}
