//! Reads and makes the pictures that subscribers ask for, once for all of them.

mod cache;
mod payloads;
pub(super) mod renditions;
mod threads;
pub(super) mod want;

use std::fmt;
use std::sync::Arc;

use futures::future;

use super::erasures::Erasures;
use super::event::{DeliveredPicture, GapReason, PictureContent, PicturesOrLost};
use crate::domain::{
    OutputBody, OutputEntry, PartitionId, PayloadKey, PayloadRef, PictureRole, ProcessedFrame, Rendition,
    StoredPicture,
};
use crate::metrics::HubMetrics;
use crate::queue::{self, Queue};
use payloads::Payloads;
use renditions::{Rendered, Renditions};
use want::PictureWant;

/// The pictures of one server: those read from the queue, and those made from them.
pub(super) struct Pictures {
    queue: Arc<dyn Queue>,
    payloads: Arc<Payloads>,
    renditions: Arc<Renditions>,
}

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pictures").finish_non_exhaustive()
    }
}

impl Pictures {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        cache_bytes: u64,
        renditions: Arc<Renditions>,
        metrics: HubMetrics,
        erasures: Arc<Erasures>,
    ) -> Self {
        let payloads = Payloads::new(Arc::clone(&queue), cache_bytes, metrics, erasures);
        Self { queue, payloads, renditions }
    }

    /// Returns the number of bytes in the cache of payloads.
    pub(super) fn cached_bytes(&self) -> u64 {
        self.payloads.cached_bytes()
    }

    /// Forgets all pictures in memory.
    pub(super) fn forget(&self) {
        self.payloads.forget();
        self.renditions.forget();
    }

    /// Puts the bytes of an upload into the cache.
    pub(super) fn cache_picture(&self, upload: &queue::Upload) {
        self.payloads.cache_picture(upload);
    }

    /// Returns the requested pictures of an entry; none for a tombstone.
    pub(super) async fn of(&self, entry: &OutputEntry, want: &PictureWant) -> queue::Result<PicturesOrLost> {
        let frame = match &entry.body {
            OutputBody::Frame(frame) => frame,
            OutputBody::Tombstone(_) => return Ok(PicturesOrLost::Pictures(Vec::new())),
        };
        let partition = self.queue.partitions().of(&entry.stream_id);
        let load = |role| async move {
            match want.rendition {
                Some(rendition) if role == PictureRole::Rendition => {
                    self.rendition(partition, frame, rendition, want.limit_bytes()).await
                }
                _ if role == PictureRole::Original && !want.may_send_original(&entry.stream_id) => {
                    Ok(Some(withheld(frame, role)))
                }
                Some(_) | None => self.picture(partition, frame, role, want.limit_bytes()).await,
            }
        };
        let loads = want.roles().map(load);
        let loaded: Option<Vec<_>> = future::try_join_all(loads).await?.into_iter().collect();
        match loaded {
            Some(pictures) => Ok(PicturesOrLost::Pictures(pictures)),
            None => self.explain_loss(entry).await.map(PicturesOrLost::Lost),
        }
    }

    /// Returns one picture; `None` if its bytes are gone.
    async fn picture(
        &self,
        partition: PartitionId,
        frame: &ProcessedFrame,
        role: PictureRole,
        limit_bytes: u64,
    ) -> queue::Result<Option<DeliveredPicture>> {
        let Some(picture) = stored(frame, role) else {
            return Ok(Some(DeliveredPicture {
                picture: not_kept(frame, role),
                content: PictureContent::NotKept,
            }));
        };
        let content = if picture.payload.size_bytes > limit_bytes {
            PictureContent::TooLarge
        } else if let Some(bytes) = self.payloads.get(partition, picture.payload).await? {
            PictureContent::Data(bytes)
        } else {
            return Ok(None);
        };
        Ok(Some(DeliveredPicture { picture: picture.clone(), content }))
    }

    /// Returns a rendition of the processed picture; `None` if its bytes are gone.
    async fn rendition(
        &self,
        partition: PartitionId,
        frame: &ProcessedFrame,
        rendition: Rendition,
        limit_bytes: u64,
    ) -> queue::Result<Option<DeliveredPicture>> {
        let mut picture = StoredPicture {
            role: PictureRole::Rendition,
            format: rendition.format.picture_format(),
            width: 0,
            height: 0,
            payload: PayloadRef { key: PayloadKey::from_bits(0), size_bytes: 0 },
        };
        let Some(source) = frame.pictures.iter().find(|picture| picture.role == PictureRole::Processed)
        else {
            return Ok(Some(DeliveredPicture { picture, content: PictureContent::NotKept }));
        };
        let content = match self.renditions.get(&self.payloads, partition, source, rendition).await? {
            Rendered::Picture { bytes, width, height } => {
                (picture.width, picture.height) = (width, height);
                picture.payload.size_bytes = bytes.len() as u64;
                if picture.payload.size_bytes > limit_bytes {
                    PictureContent::TooLarge
                } else {
                    PictureContent::Data(bytes)
                }
            }
            Rendered::Busy => PictureContent::RenditionBudget,
            Rendered::Failed => PictureContent::RenditionFailed,
            Rendered::Gone => return Ok(None),
        };
        Ok(Some(DeliveredPicture { picture, content }))
    }

    /// Finds out why the bytes of an entry are gone. The loss is normal if the entry is gone too,
    /// and an error if the entry is still there. The backend may also have been restored to an
    /// older state.
    async fn explain_loss(&self, entry: &OutputEntry) -> queue::Result<GapReason> {
        let page = match self.queue.read_outputs(&entry.stream_id, entry.sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => return Ok(GapReason::Unregistered),
            page => page?,
        };
        if entry.sequence.get() <= page.counters.floor_sequence {
            return Ok(GapReason::Unregistered);
        }
        if let Some(found) = page.entries.first().filter(|found| found.sequence == entry.sequence) {
            if let OutputBody::Tombstone(tombstone) = &found.body {
                return Ok(GapReason::of(&tombstone.kind)); // it was erased
            }
            tracing::error!(stream = %entry.stream_id, sequence = %entry.sequence,
                "the picture of a published frame is missing");
            return Ok(GapReason::PayloadLost);
        }
        if entry.sequence.get() > page.counters.published_sequence {
            return Ok(GapReason::BackendFailover);
        }
        Ok(GapReason::Retention)
    }
}

/// Returns the stored picture of a role.
fn stored(frame: &ProcessedFrame, role: PictureRole) -> Option<&StoredPicture> {
    frame.pictures.iter().find(|picture| picture.role == role)
}

/// Returns a picture that its receiver may not see.
fn withheld(frame: &ProcessedFrame, role: PictureRole) -> DeliveredPicture {
    let picture = stored(frame, role).cloned().unwrap_or_else(|| not_kept(frame, role));
    DeliveredPicture { picture, content: PictureContent::NotPermitted }
}

/// Describes a picture that the frame does not have.
fn not_kept(frame: &ProcessedFrame, role: PictureRole) -> StoredPicture {
    let payload = PayloadRef { key: PayloadKey::from_bits(0), size_bytes: 0 };
    StoredPicture {
        role,
        format: frame.header.source.format,
        width: frame.width,
        height: frame.height,
        payload,
    }
}
