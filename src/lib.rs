//! Frameway: a gRPC service that carries camera frames.

pub mod analysis;
pub mod domain;
pub mod picture;
pub mod scene;
