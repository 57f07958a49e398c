//! Pictures made on demand from processed ones: once for all who ask for the same, on threads of their own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{mpsc, oneshot};

use super::lock;
use super::payloads::{Payloads, weighted_cache};
use crate::domain::{
    ChromaSubsampling, OutputFormat, PartitionId, PayloadKey, PictureFormat, Rendition, StoredPicture,
};
use crate::picture::{self, Codec, EncodeError, Limits, Metadata, Planes, SourcePicture, Standing};
use crate::queue;

/// Jobs that may wait for each thread. Each holds a processed picture.
const WAITING_PER_THREAD: usize = 8;
/// What an entry of the cache costs beside its bytes.
const ENTRY_BYTES: u64 = 160;
/// A rendition above this share of the cache is not kept.
const LARGEST_SHARE: u64 = 8;

/// What came of a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rendered {
    Picture {
        bytes: Bytes,
        width: u32,
        height: u32,
    },
    /// Too many wait already, or none is made here.
    Busy,
    /// The processed picture cannot be decoded, or the encoder refuses.
    Failed,
    /// The processed picture's bytes are gone.
    Gone,
}

type Key = (PayloadKey, Rendition);
type Found = queue::Result<Rendered>;
type Flight = Shared<BoxFuture<'static, Found>>;
/// What is being made: a number, so that only its own landing strikes it off.
type Open = HashMap<Key, (u64, WeakShared<BoxFuture<'static, Found>>)>;
type Job = Box<dyn FnOnce(&mut Codec) + Send>;

/// The renditions of one server. Threads start with the first job.
pub(super) struct Renditions {
    threads: usize,
    limits: Limits,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    cache: Cache<Key, Rendered, BySize>,
    largest_bytes: u64,
    flights: Mutex<Open>,
    count: AtomicU64,
    tried: AtomicU64,
}

#[derive(Clone)]
pub(super) struct BySize;

impl Weighter<Key, Rendered> for BySize {
    fn weight(&self, _: &Key, rendered: &Rendered) -> u64 {
        match rendered {
            Rendered::Picture { bytes, .. } => bytes.len() as u64 + ENTRY_BYTES,
            Rendered::Busy | Rendered::Failed | Rendered::Gone => ENTRY_BYTES,
        }
    }
}

/// Strikes a rendition off the list when it is made or nobody waits for it any more.
struct Landing {
    renditions: Arc<Renditions>,
    key: Key,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = lock(&self.renditions.flights);
        if flights.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            flights.remove(&self.key);
        }
    }
}

impl Renditions {
    pub(super) fn new(threads: usize, cache_bytes: u64, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            threads,
            limits,
            jobs: Mutex::default(),
            cache: weighted_cache(cache_bytes, BySize),
            largest_bytes: cache_bytes / LARGEST_SHARE,
            flights: Mutex::default(),
            count: AtomicU64::new(0),
            tried: AtomicU64::new(0),
        })
    }

    /// Renditions worked on so far, those that failed too.
    pub(super) fn tried(&self) -> u64 {
        self.tried.load(Ordering::Relaxed)
    }

    /// The rendition of a stored picture.
    pub(super) async fn get(
        self: &Arc<Self>,
        payloads: &Arc<Payloads>,
        partition: PartitionId,
        source: &StoredPicture,
        rendition: Rendition,
    ) -> Found {
        let key = (source.payload.key, rendition);
        if let Some(rendered) = self.cache.get(&key) {
            return Ok(rendered);
        }
        if self.threads == 0 {
            return Ok(Rendered::Busy);
        }
        let flight = self.board(key, payloads, partition, source);
        flight.await
    }

    /// Joins the making of a rendition, or begins it.
    fn board(
        self: &Arc<Self>,
        key: Key,
        payloads: &Arc<Payloads>,
        partition: PartitionId,
        source: &StoredPicture,
    ) -> Flight {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        if let Some(rendered) = self.cache.peek(&key) {
            return futures::future::ready(Ok(rendered)).boxed().shared();
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let landing = Landing { renditions: Arc::clone(self), key, number };
        let (payloads, source) = (Arc::clone(payloads), source.clone());
        let make = async move {
            let landing = landing; // whole, so that it is dropped with the work
            let Some(bytes) = payloads.get(partition, source.payload).await? else {
                return Ok(Rendered::Gone);
            };
            let rendered = landing.renditions.make(bytes, source, key.1).await;
            landing.renditions.keep(key, &rendered);
            Ok(rendered)
        };
        let flight = make.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, (number, weak));
        }
        flight
    }

    fn keep(&self, key: Key, rendered: &Rendered) {
        let small = match rendered {
            Rendered::Picture { bytes, .. } => bytes.len() as u64 <= self.largest_bytes,
            // It would fail again.
            Rendered::Failed => true,
            Rendered::Busy | Rendered::Gone => false,
        };
        if small {
            self.cache.insert(key, rendered.clone());
        }
    }

    async fn make(&self, bytes: Bytes, source: StoredPicture, rendition: Rendition) -> Rendered {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |codec| {
            // Nobody waits any more: the thread has better things to do.
            if !done.is_closed() {
                let _ = done.send(render(codec, &bytes, &source, rendition));
            }
        });
        let Some(jobs) = self.jobs() else { return Rendered::Busy };
        if jobs.try_send(job).is_err() {
            return Rendered::Busy;
        }
        let rendered = result.await.unwrap_or(Rendered::Failed);
        self.tried.fetch_add(1, Ordering::Relaxed);
        rendered
    }

    /// The way to the threads, which are started where they do not run; `None` if the system gives none.
    fn jobs(&self) -> Option<mpsc::Sender<Job>> {
        let mut jobs = lock(&self.jobs);
        if let Some(jobs) = &*jobs {
            return Some(jobs.clone());
        }
        let (sender, queue) = mpsc::channel::<Job>(self.threads * WAITING_PER_THREAD);
        let queue = Arc::new(Mutex::new(queue));
        for started in 0..self.threads {
            let (queue, limits) = (Arc::clone(&queue), self.limits);
            let work = move || {
                let mut codec = Codec::new(limits);
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(job) = job else { return };
                    if catch_unwind(AssertUnwindSafe(|| job(&mut codec))).is_err() {
                        codec = Codec::new(limits);
                    }
                }
            };
            if let Err(error) = thread::Builder::new().name("rendition".to_owned()).spawn(work) {
                tracing::error!(%error, started, "fewer threads for renditions than asked for");
                if started == 0 {
                    return None;
                }
                break;
            }
        }
        Some(jobs.insert(sender).clone())
    }
}

fn render(codec: &mut Codec, data: &Bytes, source: &StoredPicture, rendition: Rendition) -> Rendered {
    let Rendition { format: _, quality: _, max_width, max_height } = rendition;
    // A relayed picture is as it was submitted.
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
    let shown = orientation.turned(stored.width, stored.height);
    let (width, height) = picture::fit_within(shown.0, shown.1, max_width, max_height);
    // Nothing but the smaller picture is needed; it is turned like the one that is stored.
    let wanted = orientation.turned(width, height);
    let Ok(planes) = codec.decode_at_least(&picture, wanted.0, wanted.1) else { return Rendered::Failed };
    let planes = codec.upright(planes, orientation);
    // What would come out no better goes out as it is.
    let metadata = Metadata { orientation, extras: false };
    let standing = Standing::of(codec, (source.format, data), metadata, shown, &rendition);
    if standing == Standing::AsItIs {
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
        Ok(bytes) if standing.holds_against(data.len(), bytes.len()) => {
            Rendered::Picture { bytes: data.clone(), width, height }
        }
        Ok(bytes) => Rendered::Picture { bytes, width, height },
        Err(error) => {
            tracing::warn!(%error, "a rendition could not be encoded");
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
    use crate::domain::{Partitions, PayloadRef, PictureRole, StreamPolicies};
    use crate::queue::Budget;
    use crate::queue::memory::{MemoryConfig, MemoryQueue};
    use crate::scene::Scene;

    struct Bench {
        payloads: Arc<Payloads>,
        renditions: Arc<Renditions>,
        source: StoredPicture,
        partition: PartitionId,
    }

    fn bench(threads: usize, data: Bytes) -> Bench {
        let partitions = Partitions::new(4).unwrap();
        let budget = Budget::share(1 << 30, partitions);
        let config =
            MemoryConfig { partitions, budget, max_streams: 10, defaults: StreamPolicies::default() };
        let renditions = Renditions::new(threads, 32 << 20, Limits::default());
        let payloads = Payloads::new(Arc::new(MemoryQueue::new(config)), 64 << 20, Arc::clone(&renditions));
        let payload = PayloadRef { key: PayloadKey::random(), size_bytes: data.len() as u64 };
        payloads.put(payload.key, data);
        let (role, format) = (PictureRole::Processed, PictureFormat::Jpeg);
        let source = StoredPicture { role, format, width: 320, height: 180, payload };
        Bench { payloads, renditions, source, partition: partitions.get(0).unwrap() }
    }

    impl Bench {
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
    async fn what_many_ask_for_is_made_once() {
        let bench = bench(1, road());
        let all = futures::future::join_all((0..50).map(|_| bench.get(SMALL))).await;
        assert!(matches!(all[0], Rendered::Picture { width: 100, height: 56, .. }), "{:?}", all[0]);
        assert!(all.iter().all(|one| *one == all[0]));
        assert_eq!(bench.get(SMALL).await, all[0]);
        assert_eq!(bench.renditions.tried(), 1);
        let webp = Rendition { format: OutputFormat::WebP, ..SMALL };
        let Rendered::Picture { bytes, .. } = bench.get(webp).await else { panic!("no picture") };
        assert_eq!(picture::sniff(&bytes), Some(PictureFormat::WebP));
        assert_eq!(bench.renditions.tried(), 2, "another one is another");
    }

    #[tokio::test]
    async fn what_is_as_it_should_be_goes_out_as_it_is() {
        let data = road();
        let bench = bench(1, data.clone());
        let same = Rendition { quality: 90, max_width: 320, ..SMALL };
        assert!(matches!(bench.get(same).await, Rendered::Picture { bytes, .. } if bytes == data));
    }

    /// Scaled while it is decoded, and then turned.
    #[tokio::test]
    async fn a_small_rendition_of_a_turned_picture_stands_upright() {
        let jpeg = road();
        let exif =
            b"\xFF\xE1\0\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let bench = bench(1, [&jpeg[..2], exif, &jpeg[2..]].concat().into());
        for (max_width, expected) in [(45, (45, 80)), (100, (100, 178)), (0, (180, 320))] {
            let wanted = Rendition { max_width, ..SMALL };
            let Rendered::Picture { bytes, width, height } = bench.get(wanted).await else {
                panic!("no picture")
            };
            assert_eq!((width, height), expected);
            let planes =
                Codec::new(Limits::default()).decode(&SourcePicture::encoded(&bytes).unwrap()).unwrap();
            assert_eq!((planes.width(), planes.height()), expected);
        }
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_so() {
        let bench = bench(1, road());
        let jobs = bench.renditions.jobs().unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        jobs.try_send(Box::new(move |_: &mut Codec| held.recv().unwrap_or_default())).ok().unwrap();
        while jobs.try_send(Box::new(|_: &mut Codec| {})).is_ok() {}
        assert_eq!(bench.get(SMALL).await, Rendered::Busy);
        drop(release);
        let none = self::bench(0, road());
        assert_eq!(none.get(SMALL).await, Rendered::Busy);
    }

    #[tokio::test]
    async fn what_is_no_picture_fails_once() {
        let bench = bench(1, Bytes::from_static(b"\xFF\xD8\xFF nothing"));
        assert_eq!(bench.get(SMALL).await, Rendered::Failed);
        assert_eq!(bench.get(SMALL).await, Rendered::Failed);
        assert_eq!(bench.renditions.tried(), 1);
    }
}
