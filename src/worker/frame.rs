//! Fetches the picture of one frame and processes it on the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::adaptive::Allowance;
use super::isolation::IsolatedFrame;
use super::pool::JobError;
use super::process::{self, Outcome, Product, Task};
use super::scenes::Observed;
use super::tombstone::tombstone;
use super::{CRASH_ATTRIBUTE, CRASH_BY_HANGING, RETRY_PAUSE, Shared};
use crate::analysis::MEASURES_VERSION;
use crate::domain::{
    Failure, FailureReason, OutputBody, PictureRole, ProcessedFrame, Reencode, Stage, StageTiming,
    StoredPicture, StreamRecord, Timestamp, TombstoneKind,
};
use crate::picture::HuffmanCodes;
use crate::queue::{Finished, WorkItem};

/// A processed frame, and the memory that it holds until it is published.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) finished: Finished,
    /// The input of the measures that are made right before it is published; `None` after that, and
    /// for a tombstone.
    pub(super) observed: Option<Observed>,
    pub(super) leased: Instant,
    /// `None` if its picture was not fetched.
    pub(super) _memory: Option<OwnedSemaphorePermit>,
    pub(super) _isolated: Option<IsolatedFrame>,
}

/// Fetches a frame's picture and processes it, with the stream's Huffman codes. Never fails: a frame that cannot be processed
/// becomes a tombstone.
pub(super) async fn process_frame(
    shared: &Shared,
    item: WorkItem,
    stream: Arc<StreamRecord>,
    memory: OwnedSemaphorePermit,
    codes: Option<Arc<HuffmanCodes>>,
    isolated: Option<IsolatedFrame>,
) -> Done {
    let hides_originals = stream.settings.hides_originals();
    let leased = Instant::now();
    let lease_time = Timestamp::now();
    let mut attempt = 1 + isolated.as_ref().map_or(0, IsolatedFrame::strikes);
    let made = match &isolated {
        Some(isolated) => match isolated.failure() {
            Some(failure) => {
                attempt -= 1; // It is not attempted again.
                Err(failure)
            }
            None => fetch_and_process(shared, &item, Arc::clone(&stream), codes).await,
        },
        None => {
            let _others = shared.running.read().await;
            fetch_and_process(shared, &item, Arc::clone(&stream), codes).await
        }
    };
    let (mut finished, observed) = match made {
        Ok(product) => published(item, lease_time, product, stream, attempt),
        Err(failure) => (tombstone(item, TombstoneKind::Failed(failure), attempt), None),
    };
    // Without this, a dead letter would keep the original that the settings hide.
    finished.source_withheld = hides_originals;
    Done { finished, observed, leased, _memory: Some(memory), _isolated: isolated }
}

/// Returns a frame that is published as it was submitted: its picture is not read.
pub(super) fn relay(item: WorkItem, stream: Arc<StreamRecord>) -> Done {
    let (leased, lease_time) = (Instant::now(), Timestamp::now());
    let (format, payload) = (item.header.source.format, item.payload);
    let (width, height) = (item.header.source.width, item.header.source.height);
    let picture = |role| StoredPicture { role, format, width, height, payload };
    let mut pictures = vec![picture(PictureRole::Processed)];
    if stream.effective.output.keep_original {
        pictures.push(picture(PictureRole::Original));
    }
    let (reencode, bytes) = (Reencode::Relayed, payload.size_bytes);
    let outcome = Outcome { reencode, bytes, quality: None, choice: None, over_budget: false };
    let (uploads, stages) = (Vec::new(), Vec::new());
    let product = Product {
        width,
        height,
        measures: None,
        codes: None,
        outcome,
        mask_version: 0,
        pictures,
        uploads,
        stages,
    };
    let (finished, observed) = published(item, lease_time, product, stream, 1);
    Done { finished, observed, leased, _memory: None, _isolated: None }
}

/// Returns the output of a processed frame, and the input of the measures still to be made.
fn published(
    item: WorkItem,
    lease_time: Timestamp,
    product: Product,
    stream: Arc<StreamRecord>,
    attempt: u32,
) -> (Finished, Option<Observed>) {
    let waited = lease_time.as_micros().saturating_sub(item.receive_time.as_micros());
    let waited = Duration::from_micros(u64::try_from(waited).unwrap_or_default());
    let mut stages = vec![StageTiming { stage: Stage::QueueWait, duration: waited }];
    stages.extend(product.stages);
    let frame = ProcessedFrame {
        header: item.header,
        width: product.width,
        height: product.height,
        lease_time,
        process_time: Timestamp::now(),
        pictures: product.pictures,
        quality: product.measures.as_ref().map(|measures| measures.quality),
        scene: None,
        rois: Vec::new(),
        measures_version: if product.measures.is_some() { MEASURES_VERSION } else { 0 },
        validation_failures: Vec::new(),
        stages,
        reencode: product.outcome.reencode,
        encoded_quality: product.outcome.quality,
        over_budget: product.outcome.over_budget,
        mask_version: product.mask_version,
        worker_version: env!("CARGO_PKG_VERSION").to_owned(),
        attempt,
    };
    let finished = Finished {
        position: item.position,
        stream_id: item.stream_id,
        sequence: item.sequence,
        receive_time: item.receive_time,
        source: item.payload,
        source_withheld: false,
        body: OutputBody::Frame(Box::new(frame)),
        uploads: product.uploads,
    };
    let Product { measures, codes, .. } = product;
    (finished, Some(Observed { measures, codes, stream, since: Instant::now() }))
}

async fn fetch_and_process(
    shared: &Shared,
    item: &WorkItem,
    stream: Arc<StreamRecord>,
    codes: Option<Arc<HuffmanCodes>>,
) -> std::result::Result<Product, Failure> {
    let _fetched = shared.fetches.turn(&item.stream_id).await;
    let start = Instant::now();
    let partition = shared.queue.partitions().of(&item.stream_id);
    let data = loop {
        match shared.queue.fetch(partition, &[item.payload]).await {
            Ok(mut found) => break found.pop().flatten(),
            Err(error) => {
                tracing::debug!(%error, "the queue does not answer; retrying");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    };
    let fetch = StageTiming { stage: Stage::Fetch, duration: start.elapsed() };
    let Some(data) = data else {
        let trace_id =
            shared.config.traces.id_for_log(&item.header, &item.stream_id, item.sequence, item.receive_time);
        tracing::error!(stream = %item.stream_id, sequence = %item.sequence, trace_id, "the picture of an accepted frame is missing");
        return Err(Failure {
            reason: FailureReason::PayloadLost,
            message: "its picture is not stored any more".to_owned(),
        });
    };
    let (source, stored) = (item.header.source.clone(), item.payload);
    let asked = item.header.attributes.get(CRASH_ATTRIBUTE).filter(|_| shared.config.crash_on_request);
    let (hang, crash) = (asked.is_some_and(|how| how == CRASH_BY_HANGING), asked.is_some());
    let timeout = shared.config.frame_timeout;
    let policy = stream.effective.output;
    let quality = policy.rendition.quality;
    let allowed = |adaptive| shared.budgets.allow(&item.stream_id, adaptive, quality, item.receive_time);
    let allowance = policy.adaptive.map_or_else(|| Allowance::fixed(quality), allowed);
    let worked = shared.pool.run(&item.stream_id, timeout, move |codec| {
        if hang {
            loop {
                std::thread::park();
            }
        }
        if crash {
            std::process::abort();
        }
        let task = Task {
            source: &source,
            data: &data,
            is_repaired: false,
            stored,
            settings: &stream.settings,
            output: &stream.effective.output,
            allowance,
            codes: codes.as_deref(),
        };
        process::process(codec, &task)
    });
    let worked = worked.await;
    if policy.adaptive.is_some() {
        let (bytes, choice) = match &worked {
            Ok(Ok(product)) => (product.outcome.bytes, product.outcome.choice),
            Ok(Err(_)) | Err(_) => (0, None),
        };
        shared.budgets.record(&item.stream_id, item.receive_time, bytes, choice, allowance);
    }
    match worked {
        Ok(product) => product.map(|mut product| {
            product.stages.insert(0, fetch);
            product
        }),
        Err(JobError::TimedOut) => Err(process::timed_out(timeout)),
        // The frame is left to the next worker, since this one is about to exit.
        Err(JobError::NoThreads) if shared.config.supervised => std::future::pending().await,
        Err(JobError::NoThreads) => Err(process::no_threads()),
        Err(JobError::Panicked) => Err(Failure {
            reason: FailureReason::DecoderPanicked,
            message: "the picture work panicked".to_owned(),
        }),
    }
}
