//! The whole server over real gRPC, with the embedded queue.

// A test names the answer it expects; any other fails it.
#![allow(clippy::wildcard_enum_match_arm)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod dead_letters;
mod drain;
mod frames;
mod group_members;
mod group_operators;
mod group_replay;
mod groups;
mod measures;
mod operate;
mod options;
mod outputs;
mod pictures;
mod process;
mod raw;
mod refused_backends;
mod registry;
mod relay;
mod removal;
#[path = "../common/server.rs"]
mod server;
mod service;
mod stores;
mod submit;
mod submit_frames;
mod transport;
mod watch;

use frameway::pb::v1::ErrorReason;
use tonic::Status;
use tonic_types::StatusExt as _;

/// The reason in a status' ErrorInfo, without the enum's prefix.
fn reason(status: &Status) -> String {
    let info = status.get_error_details().error_info().cloned();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "frameway.v1");
    info.reason
}

/// A fact in a status' ErrorInfo.
fn fact(status: &Status, name: &str) -> Option<String> {
    status.get_error_details().error_info().and_then(|info| info.metadata.get(name).cloned())
}

/// The name of a reason as ErrorInfo has it.
fn name(reason: ErrorReason) -> String {
    reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned()
}
