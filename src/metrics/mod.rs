//! Metrics: the families that a process exports, and the handles by which the other rooms count.
//!
//! All families are created at the start, each with its name, its labels and a text that says what
//! to do with it, so that the reference (`docs/metrics.md`) is complete. There is no global state:
//! [`Metrics`] is built by the composition root, which passes the handles of one area to each room
//! that counts. A handle is a clone of an `Arc`; counting is an atomic addition, and recording a
//! duration takes a lock for a few nanoseconds. Handles that were created by `default` count as
//! well, but are not exported.

mod access;
mod delivery;
mod families;
mod groups;
mod hub;
mod label;
mod process;
mod redis_requests;
mod reference;
mod rpc;
mod store;
mod streams;
mod text;
mod worker;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

pub use access::{AccessMetrics, CallRefusal, ReloadResult};
pub use delivery::FrameMetrics;
use families::Families;
pub use families::{Counter, Gauge, Seconds};
pub use groups::{GroupAnswer, GroupMetrics, GroupReading};
pub use hub::{CacheKind, CacheResult, HubMetrics, RenditionResult};
pub use label::{Label, Per};
pub use process::ProcessMetrics;
pub use redis_requests::{RedisError, RedisMetrics, RedisOperation};
pub use reference::reference;
pub use rpc::{Call, Method, RpcMetrics};
pub use store::{PartitionState, ScrapePart, StoreFrames, StoreMetrics};
pub use streams::StreamMetrics;
pub use text::{Exposition, TextError};
pub use worker::{FrameOutcome, LeaseEvent, WorkerMetrics};

/// The prefix of all names.
const PREFIX: &str = "frameway";
/// The label of every sample that names the process.
const PROCESS_LABEL: &str = "process";

/// The process that exports the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It has the API.
    Server,
    /// It only processes frames.
    Worker,
}

/// The parts of a process, which decide what it exports.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The process.
    pub process: Process,
    /// True if it processes frames.
    pub works: bool,
    /// True if its queue is in Redis.
    pub uses_redis: bool,
}

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    /// Calls.
    pub rpc: RpcMetrics,
    /// Frames that were submitted and sent.
    pub frames: FrameMetrics,
    /// Subscriptions, caches and renditions.
    pub hub: HubMetrics,
    /// The store and its work queues, read at a scrape.
    pub store: StoreMetrics,
    /// Consumer groups, read at a scrape.
    pub groups: GroupMetrics,
    /// Requests to Redis.
    pub redis: RedisMetrics,
    /// The work of the worker.
    pub worker: WorkerMetrics,
    /// Callers and certificates.
    pub access: AccessMetrics,
    /// The operating system's figures of the process.
    pub process: ProcessMetrics,
    registry: Registry,
    families: Vec<families::Described>,
}

impl Metrics {
    /// Creates the metrics of a process; `max_streams` streams have samples of their own.
    #[must_use]
    pub fn new(parts: Parts, max_streams: usize) -> Self {
        let label = match parts.process {
            Process::Server => "server",
            Process::Worker => "worker",
        };
        let labels = [(PROCESS_LABEL.into(), label.into())].into_iter();
        let mut families = Families::new(Registry::with_prefix_and_labels(PREFIX, labels));
        let serves = parts.process == Process::Server;
        let rpc = RpcMetrics::new(families.area("Calls", serves));
        let frames = FrameMetrics::new(families.area("Frames", serves), max_streams);
        let hub = HubMetrics::new(families.area("Subscriptions", serves));
        let store = StoreMetrics::new(families.area("Store and queues", serves));
        let groups = GroupMetrics::new(families.area("Consumer groups", serves));
        let worker = WorkerMetrics::new(families.area("Worker and pictures", parts.works));
        let redis = RedisMetrics::new(families.area("Redis", parts.uses_redis));
        let access = AccessMetrics::new(families.area("Access and TLS", serves));
        let process = ProcessMetrics::new(families.area("Process", true));
        let (registry, families) = families.end();
        Self { rpc, frames, hub, store, groups, redis, worker, access, process, registry, families }
    }

    /// Returns the samples of this process at the moment.
    ///
    /// # Errors
    /// Never, unless the library that writes the text has a fault.
    pub fn exposition(&self) -> Result<Exposition, TextError> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry).map_err(|_| TextError::Unwritable)?;
        Exposition::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Parts = Parts { process: Process::Server, works: true, uses_redis: true };

    #[test]
    fn names_are_unique_and_have_base_units() {
        let metrics = Metrics::new(ALL, 1);
        let mut names: Vec<&str> = metrics.families.iter().map(|family| family.name.as_str()).collect();
        assert!(names.iter().all(|name| name.starts_with("frameway_")), "{names:?}");
        for wrong in ["_ms", "_millis", "_kb", "_mb", "_percent", "_minutes"] {
            assert!(!names.iter().any(|name| name.ends_with(wrong)), "{wrong}");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_process_exports_only_what_it_does() {
        let parts = Parts { process: Process::Worker, works: true, uses_redis: false };
        let text = Metrics::new(parts, 0).exposition().unwrap().plain();
        assert!(text.contains("frameway_worker_frames_total{process=\"worker\",outcome=\"processed\"} 0"));
        assert!(!text.contains("frameway_rpc_") && !text.contains("frameway_redis_"), "{text}");
    }
}
