//! Frameway carries camera frames: submitted in batches over gRPC, queued, processed by workers, and streamed to
//! subscribers. `ARCHITECTURE.md` walks one frame through the modules.

pub mod analysis;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grpc;
pub mod hub;
pub mod pb;
pub mod picture;
pub mod queue;
pub mod scene;
pub mod shutdown;
pub mod worker;
