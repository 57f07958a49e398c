//! Makes renditions on demand, once for all who request the same one, on threads of its own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::cache::{ByteCache, SizeBytes};
use super::payloads::Payloads;
use super::threads::CodecThreads;
use crate::domain::{
    ChromaSubsampling, OutputFormat, PartitionId, PayloadKey, PictureFormat, Rendition, StoredPicture,
};
use crate::hub::erasures::Erasures;
use crate::hub::single_flight::SingleFlight;
use crate::metrics::{CacheKind, HubMetrics, RenditionResult};
use crate::picture::{self, Codec, EncodeError, Limits, Metadata, Passthrough, Planes, SourcePicture};
use crate::queue;

/// The size of the cache divided by the maximum size of a rendition in it.
const LARGEST_DIVISOR: u64 = 8;

/// The result of making a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rendered {
    Picture {
        bytes: Bytes,
        width: u32,
        height: u32,
    },
    /// Too many renditions wait already, or this server makes none.
    Busy,
    /// The processed picture cannot be decoded, or the encoder fails.
    Failed,
    /// The processed picture's bytes are gone.
    Gone,
}

type Key = (PayloadKey, Rendition);
type RenderResult = queue::Result<Rendered>;

/// The renditions of one server. Each is made once for all who request it at the same time.
pub(in crate::hub) struct Renditions {
    threads: CodecThreads,
    cache: ByteCache<Key, Rendered>,
    flights: Arc<SingleFlight<Key, RenderResult>>,
    metrics: HubMetrics,
    erasures: Arc<Erasures>,
}

impl fmt::Debug for Renditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renditions").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl SizeBytes for Rendered {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Picture { bytes, .. } => bytes.len() as u64,
            Self::Busy | Self::Failed | Self::Gone => 0,
        }
    }
}

impl Renditions {
    pub(in crate::hub) fn new(
        threads: usize,
        cache_bytes: u64,
        limits: Limits,
        metrics: HubMetrics,
        erasures: Arc<Erasures>,
    ) -> Arc<Self> {
        Arc::new(Self {
            threads: CodecThreads::new(threads, limits),
            cache: ByteCache::new(cache_bytes, LARGEST_DIVISOR),
            flights: Arc::default(),
            metrics,
            erasures,
        })
    }

    /// Forgets the renditions in the cache, and lets no further caller wait for one that is being
    /// made.
    pub(super) fn forget(&self) {
        self.cache.clear();
        self.flights.forget();
    }

    /// Returns the rendition of a stored picture from the cache, or makes it.
    pub(super) async fn get(
        self: &Arc<Self>,
        payloads: &Arc<Payloads>,
        partition: PartitionId,
        source: &StoredPicture,
        rendition: Rendition,
    ) -> RenderResult {
        let key = (source.payload.key, rendition);
        let is_fresh = self.erasures.is_fresh();
        let found = if is_fresh { self.cache.get(&key) } else { None };
        self.metrics.looked(CacheKind::Renditions, found.is_some());
        if let Some(rendered) = found {
            return Ok(rendered);
        }
        if self.threads.is_empty() {
            self.metrics.renditions.of(RenditionResult::Busy).inc();
            return Ok(Rendered::Busy);
        }
        let begin = || {
            let (this, payloads, source) = (Arc::clone(self), Arc::clone(payloads), source.clone());
            async move {
                let generation = this.erasures.generation();
                let Some(bytes) = payloads.get(partition, source.payload).await? else {
                    return Ok(Rendered::Gone);
                };
                let rendered = this.make(bytes, source, rendition).await;
                this.keep(key, &rendered);
                if this.erasures.generation() != generation {
                    this.cache.remove(&key); // it may be erased
                }
                Ok(rendered)
            }
        };
        if !is_fresh {
            return begin().await;
        }
        let flight = self.flights.join(&key, || self.cache.peek(&key).map(Ok), begin);
        flight.await
    }

    fn keep(&self, key: Key, rendered: &Rendered) {
        match rendered {
            // A rendition that failed would fail again.
            Rendered::Picture { .. } | Rendered::Failed => self.cache.insert(key, rendered),
            Rendered::Busy | Rendered::Gone => {}
        }
    }

    async fn make(&self, bytes: Bytes, source: StoredPicture, rendition: Rendition) -> Rendered {
        let (done, result) = oneshot::channel();
        let job = move |codec: &mut Codec| {
            // A rendition that nobody waits for any more is not made.
            if !done.is_closed() {
                let _ = done.send(render(codec, &bytes, &source, rendition));
            }
        };
        let start = Instant::now();
        if !self.threads.submit(Box::new(job)) {
            self.metrics.renditions.of(RenditionResult::Busy).inc();
            return Rendered::Busy;
        }
        let rendered = result.await.unwrap_or(Rendered::Failed);
        self.metrics.rendition_time.observe(start.elapsed());
        let result = match &rendered {
            Rendered::Picture { .. } => RenditionResult::Made,
            Rendered::Busy | Rendered::Failed | Rendered::Gone => RenditionResult::Failed,
        };
        self.metrics.renditions.of(result).inc();
        rendered
    }
}

fn render(codec: &mut Codec, data: &Bytes, source: &StoredPicture, rendition: Rendition) -> Rendered {
    let Rendition { format: _, quality: _, max_width, max_height } = rendition;
    // A relayed picture may need the repair that processing would have made.
    let repaired = picture::repaired(source.format, data, codec.limits());
    let data = repaired.as_ref().unwrap_or(data);
    let picture = SourcePicture {
        format: source.format,
        width: 0,
        height: 0,
        stride: 0,
        colors: Default::default(),
        data,
    };
    let Ok(stored) = picture::probe(&picture, codec.limits()) else { return Rendered::Failed };
    let orientation = Metadata::of(source.format, data).orientation;
    let shown = orientation.shown_size(stored.width, stored.height);
    let (width, height) = picture::fit_within(shown.0, shown.1, max_width, max_height);
    // The picture is decoded only as large as needed, in the orientation in which it is stored.
    let wanted = orientation.shown_size(width, height);
    let Ok(planes) = codec.decode_at_least(&picture, wanted.0, wanted.1) else { return Rendered::Failed };
    let planes = codec.upright(planes, orientation);
    // A picture that encoding would not improve is sent unchanged.
    let metadata = Metadata { orientation, extras: false };
    let passthrough = Passthrough::of(codec, (source.format, data), metadata, shown, &rendition);
    if passthrough == Passthrough::Unchanged {
        codec.recycle(planes);
        return Rendered::Picture { bytes: data.clone(), width, height };
    }
    let encoded = if (width, height) == (planes.width(), planes.height()) {
        encode(codec, &planes, source.format, rendition)
    } else {
        codec.scale(&planes, width, height).and_then(|small| encode(codec, &small, source.format, rendition))
    };
    codec.recycle(planes);
    match encoded {
        Ok(bytes) if passthrough.is_preferred(data.len(), bytes.len()) => {
            Rendered::Picture { bytes: data.clone(), width, height }
        }
        Ok(bytes) => Rendered::Picture { bytes, width, height },
        Err(error) => {
            tracing::warn!(%error, "cannot encode a rendition");
            Rendered::Failed
        }
    }
}

fn encode(
    codec: &mut Codec,
    planes: &Planes,
    from: PictureFormat,
    rendition: Rendition,
) -> Result<Bytes, EncodeError> {
    let planes = match rendition.format {
        OutputFormat::Jpeg => Codec::with_chroma(planes, from, ChromaSubsampling::Auto),
        OutputFormat::Png | OutputFormat::WebP | OutputFormat::WebPLossless => Cow::Borrowed(planes),
    };
    codec.encode(&planes, rendition.format, rendition.quality)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Partitions, PictureRole, StreamPolicies};
    use crate::queue::memory::{MemoryConfig, MemoryQueue};
    use crate::queue::{Budget, Split, Upload};
    use crate::scene::Scene;

    struct Fixture {
        payloads: Arc<Payloads>,
        renditions: Arc<Renditions>,
        source: StoredPicture,
        partition: PartitionId,
    }

    fn fixture(threads: usize, data: Bytes) -> Fixture {
        let partitions = Partitions::new(4).unwrap();
        let budget = Budget::share(1 << 30, Split::default(), partitions);
        let config =
            MemoryConfig { partitions, budget, max_streams: 10, defaults: StreamPolicies::default() };
        let metrics = HubMetrics::default();
        let renditions =
            Renditions::new(threads, 32 << 20, Limits::default(), metrics.clone(), Arc::default());
        let payloads = Payloads::new(Arc::new(MemoryQueue::new(config)), 64 << 20, metrics, Arc::default());
        let upload = Upload::new(data);
        payloads.cache_picture(&upload);
        let payload = upload.payload;
        let (role, format) = (PictureRole::Processed, PictureFormat::Jpeg);
        let source = StoredPicture { role, format, width: 320, height: 180, payload };
        Fixture { payloads, renditions, source, partition: partitions.get(0).unwrap() }
    }

    impl Fixture {
        /// Returns the number of renditions made, including those that failed.
        fn attempts(&self) -> u64 {
            let made = &self.renditions.metrics.renditions;
            made.of(RenditionResult::Made).get() + made.of(RenditionResult::Failed).get()
        }

        async fn get(&self, rendition: Rendition) -> Rendered {
            self.renditions.get(&self.payloads, self.partition, &self.source, rendition).await.unwrap()
        }
    }

    fn road() -> Bytes {
        Scene::new(5, 320, 180).jpeg(&mut Codec::new(Limits::default()), 40, 90).unwrap().0
    }

    const SMALL: Rendition =
        Rendition { format: OutputFormat::Jpeg, quality: 50, max_width: 100, max_height: 0 };

    #[tokio::test]
    async fn concurrent_requests_make_a_rendition_once() {
        let renders = fixture(1, road());
        let all = futures::future::join_all((0..50).map(|_| renders.get(SMALL))).await;
        assert!(matches!(all[0], Rendered::Picture { width: 100, height: 56, .. }), "{:?}", all[0]);
        assert!(all.iter().all(|one| *one == all[0]));
        assert_eq!(renders.get(SMALL).await, all[0]);
        assert_eq!(renders.attempts(), 1);
        let webp = Rendition { format: OutputFormat::WebP, ..SMALL };
        let Rendered::Picture { bytes, .. } = renders.get(webp).await else { panic!("no picture") };
        assert_eq!(picture::sniff(&bytes), Some(PictureFormat::WebP));
        assert_eq!(renders.attempts(), 2, "another format is another rendition");
    }

    #[tokio::test]
    async fn a_picture_that_needs_no_change_is_sent_unchanged() {
        let data = road();
        let renders = fixture(1, data.clone());
        let same = Rendition { quality: 90, max_width: 320, ..SMALL };
        assert!(matches!(renders.get(same).await, Rendered::Picture { bytes, .. } if bytes == data));
    }

    /// The picture is scaled while it is decoded, and then rotated.
    #[tokio::test]
    async fn a_small_rendition_of_a_rotated_picture_is_upright() {
        let jpeg = road();
        let exif =
            b"\xFF\xE1\0\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let renders = fixture(1, [&jpeg[..2], exif, &jpeg[2..]].concat().into());
        for (max_width, expected) in [(45, (45, 80)), (100, (100, 178)), (0, (180, 320))] {
            let wanted = Rendition { max_width, ..SMALL };
            let Rendered::Picture { bytes, width, height } = renders.get(wanted).await else {
                panic!("no picture")
            };
            assert_eq!((width, height), expected);
            let planes =
                Codec::new(Limits::default()).decode(&SourcePicture::encoded(&bytes).unwrap()).unwrap();
            assert_eq!((planes.width(), planes.height()), expected);
        }
    }

    #[tokio::test]
    async fn requests_beyond_the_limit_are_refused() {
        let renders = fixture(1, road());
        let threads = &renders.renditions.threads;
        let (release, held) = std::sync::mpsc::channel::<()>();
        assert!(threads.submit(Box::new(move |_: &mut Codec| held.recv().unwrap_or_default())));
        while threads.submit(Box::new(|_: &mut Codec| {})) {}
        assert_eq!(renders.get(SMALL).await, Rendered::Busy);
        drop(release);
        let none = fixture(0, road());
        assert_eq!(none.get(SMALL).await, Rendered::Busy);
    }

    #[tokio::test]
    async fn a_failed_rendition_is_not_tried_again() {
        let renders = fixture(1, Bytes::from_static(b"\xFF\xD8\xFF nothing"));
        assert_eq!(renders.get(SMALL).await, Rendered::Failed);
        assert_eq!(renders.get(SMALL).await, Rendered::Failed);
        assert_eq!(renders.attempts(), 1);
    }
}
