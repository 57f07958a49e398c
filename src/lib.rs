//! Frameway carries camera frames: submitted in batches over gRPC, queued, processed by workers,
//! and streamed to subscribers. `ARCHITECTURE.md` follows one frame through the modules.
//!
//! Programs that use a server need only the feature `client`: see [`client`].

#[cfg(feature = "server")]
pub mod access;
#[cfg(feature = "server")]
pub mod analysis;
#[cfg(feature = "server")]
pub mod app;
pub mod backoff;
#[cfg(feature = "server")]
pub mod bench;
#[cfg(feature = "server")]
pub mod cli;
pub mod client;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
mod console;
#[cfg(feature = "server")]
mod demo;
#[cfg(feature = "server")]
pub mod domain;
#[cfg(all(feature = "server", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "server")]
pub mod grpc;
#[cfg(feature = "server")]
pub mod hub;
#[cfg(feature = "server")]
pub mod metrics;
pub mod pb;
#[cfg(feature = "server")]
pub mod picture;
#[cfg(feature = "server")]
pub mod queue;
#[cfg(feature = "server")]
pub mod scene;
#[cfg(feature = "server")]
pub mod shutdown;
#[cfg(feature = "server")]
pub mod traces;
#[cfg(feature = "server")]
pub mod worker;
