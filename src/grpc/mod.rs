//! The gRPC server: handlers, and the only place where wire types meet the types of the domain.
//!
//! A handler converts the request (`convert`), asks the queue port or the hub, and converts the
//! answer. Every error becomes a `Fault`, and a fault becomes a status or the error of an
//! item, in one place. `server` builds the services and the layers around them (`layers`).

mod ack_id;
mod admin_service;
mod audit;
mod batch;
pub(crate) mod codec;
mod config;
mod connection_end;
mod convert;
mod counters;
mod dead_letter_service;
mod dead_letters;
mod delivery;
#[cfg(test)]
mod documented;
mod erase;
mod fault;
mod filter;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod group_acks;
mod group_service;
pub(crate) mod groups;
mod health;
mod http1;
mod http2;
mod info;
mod layers;
mod list_frames;
pub(crate) mod mask;
mod message_size;
mod metrics;
mod operate;
mod page;
mod permissions;
mod queue_service;
pub(crate) mod reflect;
mod registered;
pub(crate) mod registry;
mod registry_service;
mod scaler;
mod sent;
mod server;
mod settings;
mod status;
mod streaming_service;
mod submit;
mod submit_frames;
mod subscribe;
mod unknown;
mod watch_streams;
mod web;

pub(crate) use config::{BackendKind, GrpcConfig};
pub(crate) use connection_end::ConnectionEnd;
pub use fault::ERROR_DOMAIN;
pub(crate) use http1::http1;
pub(crate) use http2::http2;
pub(crate) use server::{Grpc, Observers};
