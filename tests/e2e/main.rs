//! Tests of the whole server over real gRPC, with the embedded queue.

// A test names the answer that it expects and fails with any other.
#![allow(clippy::wildcard_enum_match_arm)]

mod budget;
#[path = "../common/certificates.rs"]
mod certificates;
mod client;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod dead_letters;
mod drain;
mod erase;
mod frames;
mod group_members;
mod group_operators;
mod group_replay;
mod groups;
#[path = "../common/http1.rs"]
mod http1;
mod list_frames;
mod measures;
mod operate;
mod options;
mod outputs;
mod pictures;
mod post;
mod process;
mod raw;
mod redis_security;
mod redis_sentinel;
mod refused_backends;
mod registry;
mod relay;
mod removal;
mod scaler;
#[path = "../common/server.rs"]
mod server;
mod service;
mod stores;
mod submit;
mod submit_frames;
mod submit_frames_ends;
mod submit_throttle;
mod tls;
mod traces;
mod transport;
mod watch;
mod web;

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason;
use tonic::Status;
use tonic_types::StatusExt as _;

/// Returns the reason in the ErrorInfo of a status: the full name of an enum value.
fn reason(status: &Status) -> String {
    let info = status.get_error_details().error_info().cloned();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "frameway.example");
    info.reason
}

/// Returns a fact in the ErrorInfo of a status.
fn fact(status: &Status, name: &str) -> Option<String> {
    status.get_error_details().error_info().and_then(|info| info.metadata.get(name).cloned())
}

/// Pauses all queues, and returns them.
async fn pause_all(server: &server::TestServer) -> Vec<pb::Queue> {
    let target = Some(pb::pause_queue_request::Target::AllQueues(true));
    let request = pb::PauseQueueRequest { target, reason: "a test".into() };
    server.queues().pause_queue(request).await.expect("pauses").into_inner().queues
}

/// Resumes all queues, and returns them.
async fn resume_all(server: &server::TestServer) -> Vec<pb::Queue> {
    let target = Some(pb::resume_queue_request::Target::AllQueues(true));
    let request = pb::ResumeQueueRequest { target, ..Default::default() };
    server.queues().resume_queue(request).await.expect("resumes").into_inner().queues
}

/// Returns the statistics of all streams, by id.
async fn stream_stats(server: &server::TestServer) -> Vec<pb::StreamStats> {
    let answer = server.queues().list_stream_stats(pb::ListStreamStatsRequest::default()).await;
    answer.expect("answers").into_inner().streams
}

/// Returns the name of a reason in ErrorInfo.
fn name(reason: ErrorReason) -> String {
    reason.as_str_name().to_owned()
}
