//! One frame from taken to ready to be published: its picture is fetched and worked out on the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::adaptive::Allowance;
use super::caution::Alone;
use super::pool::JobError;
use super::process::{self, Outcome, Product, Task};
use super::scenes::Observed;
use super::settled::tombstone;
use super::{CRASH_ATTRIBUTE, CRASH_BY_HANGING, RETRY_PAUSE, Shared};
use crate::analysis::MEASURES_VERSION;
use crate::domain::{
    Failure, FailureReason, OutputBody, PictureRole, ProcessedFrame, Reencode, Stage, StageTiming,
    StoredPicture, StreamRecord, Timestamp, TombstoneKind,
};
use crate::queue::{Finished, WorkItem};

/// A frame that is worked out, and the memory it holds until it is published.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) finished: Finished,
    /// What is to be measured when its turn comes; `None` once it was, and for a tombstone.
    pub(super) observed: Option<Observed>,
    pub(super) leased: Instant,
    /// `None` if its picture was not fetched.
    pub(super) _memory: Option<OwnedSemaphorePermit>,
    pub(super) _alone: Option<Alone>,
}

/// Fetches a frame's picture and works it out. Never fails: what cannot be processed becomes a tombstone.
pub(super) async fn work_out(
    shared: &Shared,
    item: WorkItem,
    stream: Arc<StreamRecord>,
    memory: OwnedSemaphorePermit,
    alone: Option<Alone>,
) -> Done {
    let hides_originals = stream.settings.hides_originals();
    let leased = Instant::now();
    let lease_time = Timestamp::now();
    let mut attempt = 1 + alone.as_ref().map_or(0, Alone::strikes);
    let made = match &alone {
        Some(alone) => match alone.verdict() {
            Some(failure) => {
                attempt -= 1; // Not tried again.
                Err(failure)
            }
            None => make(shared, &item, Arc::clone(&stream)).await,
        },
        None => {
            let _others = shared.running.read().await;
            make(shared, &item, Arc::clone(&stream)).await
        }
    };
    let (mut finished, observed) = match made {
        Ok(product) => published(item, lease_time, product, stream, attempt),
        Err(failure) => {
            let (stream_id, sequence) = (&item.stream_id, item.sequence);
            tracing::info!(stream = %stream_id, %sequence, reason = ?failure.reason, "frame failed");
            (tombstone(item, TombstoneKind::Failed(failure), attempt), None)
        }
    };
    // A dead letter is a place where a picture is kept, too.
    finished.source_withheld = hides_originals;
    Done { finished, observed, leased, _memory: Some(memory), _alone: alone }
}

/// A frame whose picture is not read: it is published as it came.
pub(super) fn passed_on(item: WorkItem, stream: Arc<StreamRecord>) -> Done {
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
    let (offers, stages) = (Vec::new(), Vec::new());
    let product = Product { width, height, still: None, outcome, mask_version: 0, pictures, offers, stages };
    let (finished, observed) = published(item, lease_time, product, stream, 1);
    Done { finished, observed, leased, _memory: None, _alone: None }
}

/// What is published of a frame that was worked out, and what is left to be measured.
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
        quality: product.still.as_ref().map(|still| still.quality),
        scene: None,
        rois: Vec::new(),
        measures_version: if product.still.is_some() { MEASURES_VERSION } else { 0 },
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
        offers: product.offers,
    };
    (finished, Some(Observed { still: product.still, stream, since: Instant::now() }))
}

async fn make(
    shared: &Shared,
    item: &WorkItem,
    stream: Arc<StreamRecord>,
) -> std::result::Result<Product, Failure> {
    // In the order in which they are asked for; closed never.
    let _fetched = shared.fetches.acquire().await;
    let start = Instant::now();
    let partition = shared.queue.partitions().of(&item.stream_id);
    let data = loop {
        match shared.queue.fetch(partition, &[item.payload]).await {
            Ok(mut found) => break found.pop().flatten(),
            Err(error) => {
                tracing::debug!(%error, "the queue does not answer; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    };
    let fetch = StageTiming { stage: Stage::Fetch, duration: start.elapsed() };
    let Some(data) = data else {
        tracing::error!(stream = %item.stream_id, sequence = %item.sequence, "the picture of an accepted frame is gone");
        return Err(Failure {
            reason: FailureReason::PayloadLost,
            message: "its bytes were not in the queue any more".to_owned(),
        });
    };
    let (source, stored) = (item.header.source.clone(), item.payload);
    let asked = item.header.attributes.get(CRASH_ATTRIBUTE).filter(|_| shared.config.crash_on_request);
    let (hang, crash) = (asked.is_some_and(|how| how == CRASH_BY_HANGING), asked.is_some());
    let timeout = shared.config.frame_timeout;
    let policy = stream.effective.output;
    let quality = policy.rendition.quality;
    let steered = |adaptive| shared.steering.allow(&item.stream_id, adaptive, quality, item.receive_time);
    let allowance = policy.adaptive.map_or_else(|| Allowance::fixed(quality), steered);
    let worked = shared.pool.run(timeout, move |codec| {
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
        };
        process::process(codec, &task)
    });
    let worked = worked.await;
    if policy.adaptive.is_some() {
        let (bytes, choice) = match &worked {
            Ok(Ok(product)) => (product.outcome.bytes, product.outcome.choice),
            Ok(Err(_)) | Err(_) => (0, None),
        };
        shared.steering.spent(&item.stream_id, item.receive_time, bytes, choice, allowance);
    }
    match worked {
        Ok(product) => product.map(|mut product| {
            product.stages.insert(0, fetch);
            product
        }),
        Err(JobError::TimedOut) => Err(process::timed_out(timeout)),
        // Left to the next worker: this one is about to go.
        Err(JobError::NoThreads) if shared.config.restarted => std::future::pending().await,
        Err(JobError::NoThreads) => Err(process::no_threads()),
        Err(JobError::Panicked) => Err(Failure {
            reason: FailureReason::DecoderPanicked,
            message: "the picture work panicked".to_owned(),
        }),
    }
}
