//! The accounts of a demo, to which the cameras and the subscriber add.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::console::latency::Latency;
use crate::console::ledger::Ledger;
use crate::console::output::{bytes, short, since};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;

/// The number of pictures of each camera on the contact sheet.
pub(super) const SAMPLES: usize = 3;
/// The maximum number of cameras on the contact sheet.
const SAMPLED_CAMERAS: usize = 8;

/// The accounts of a demo.
#[derive(Debug)]
pub(super) struct Tally {
    streams: Vec<String>,
    length: Duration,
    begin: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ledger: Ledger,
    /// Latencies from the server's receive time to the subscriber.
    pub(super) latency: Latency,
    /// Bytes that were submitted and accepted.
    pub(super) bytes_in: u64,
    /// Bytes of pictures that were delivered.
    pub(super) bytes_out: u64,
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) refused: u64,
    /// Frames that were neither accepted nor refused when a camera gave up.
    pub(super) unconfirmed: u64,
    pub(super) retries: u64,
    samples: Vec<[Option<Sample>; SAMPLES]>,
}

/// A picture for the contact sheet.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) stream: String,
    pub(super) sequence: u64,
    pub(super) picture: Bytes,
}

impl Tally {
    pub(super) fn new(streams: &[String], length: Duration) -> Self {
        let state = State {
            ledger: Ledger::default(),
            latency: Latency::new(),
            bytes_in: 0,
            bytes_out: 0,
            accepted: 0,
            delivered: 0,
            refused: 0,
            unconfirmed: 0,
            retries: 0,
            samples: streams.iter().take(SAMPLED_CAMERAS).map(|_| Default::default()).collect(),
        };
        Self {
            streams: streams.to_vec(),
            length,
            begin: Instant::now(),
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    pub(super) fn streams(&self) -> &[String] {
        &self.streams
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Records that the server has accepted a frame of this size.
    pub(super) fn accepted(&self, stream: &str, sequence: u64, size: usize) {
        let mut state = self.state();
        state.ledger.accepted(stream, sequence);
        state.accepted += 1;
        state.bytes_in += size as u64;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Records that the subscriber has received a frame.
    pub(super) fn delivered(&self, frame: pb::ProcessedFrame) {
        let latency = frame.receive_time.as_ref().map(since);
        let mut state = self.state();
        state.ledger.delivered(&frame.stream_id, frame.sequence, frame.publisher_sequence);
        state.latency.record(latency);
        state.delivered += 1;
        for picture in frame.pictures {
            if let Some(Content::Data(picture)) = picture.content {
                state.bytes_out += picture.len() as u64;
                let sample = Sample { stream: frame.stream_id.clone(), sequence: frame.sequence, picture };
                self.sample(&mut state, sample);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Records a gap that the subscriber has received.
    pub(super) fn gap(&self, gap: &pb::Gap) {
        let name = |cause: &pb::GapCause| short(cause.reason().as_str_name(), "GAP_REASON_");
        let causes: Vec<_> = gap.causes.iter().map(|cause| (name(cause), cause.count)).collect();
        self.state().ledger.gap(&gap.stream_id, gap.from_sequence, gap.to_sequence, &causes);
        self.changed.notify_waiters();
    }

    /// Waits up to `within` until every accepted frame is delivered or reported in a gap.
    pub(super) async fn all_settled(&self, within: Duration) {
        let all = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.state().ledger.unsettled() == 0 {
                    return;
                }
                changed.await;
            }
        };
        let _late_is_lost = timeout(within, all).await;
    }

    /// Returns the pictures for the contact sheet: a row of all cameras for each part of the run.
    pub(super) fn samples(&self) -> Vec<Vec<Sample>> {
        let state = self.state();
        let row = |time: usize| state.samples.iter().filter_map(|samples| samples[time].clone()).collect();
        (0..SAMPLES).map(row).filter(|row: &Vec<Sample>| !row.is_empty()).collect()
    }

    /// Formats one line for the progress display.
    pub(super) fn line(&self, elapsed: Duration) -> String {
        let state = self.state();
        let rate = state.delivered as f64 / elapsed.as_secs_f64().max(0.1);
        let latency = state.latency.words().unwrap_or_default();
        let (accepted, delivered) = (state.accepted, state.delivered);
        format!(
            "accepted {accepted}  delivered {delivered}  {rate:.1}/s  {}  {latency}",
            bytes(state.bytes_out)
        )
    }

    /// Keeps the first picture of each camera in each part of the run.
    fn sample(&self, state: &mut State, sample: Sample) {
        let part = self.begin.elapsed().as_secs_f64() / self.length.as_secs_f64().max(0.001);
        let time = ((part * SAMPLES as f64) as usize).min(SAMPLES - 1);
        let camera = self.streams.iter().position(|stream| *stream == sample.stream);
        if let Some(samples) = camera.and_then(|camera| state.samples.get_mut(camera)) {
            samples[time].get_or_insert(sample);
        }
    }
}
