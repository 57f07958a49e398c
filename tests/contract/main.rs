//! Tests of the contract over the wire: every field of every request with values outside its
//! bounds, every limit at its maximum and beyond, and the promises of the comments about responses,
//! repeated calls and dry runs.
//!
//! Fields and limits are found by walking the descriptor, so that the tests fail for a new one
//! without a case.

// A test names the answer that it expects and fails with any other.
#![allow(clippy::wildcard_enum_match_arm)]

#[path = "../skew/caller.rs"]
mod caller;
mod calls;
mod cases;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod json;
mod limits;
mod limits_page;
mod many_streams;
mod reasons_page;
mod repeats;
mod samples;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/server.rs"]
mod server;
mod service_config;
mod sizes;
#[path = "../skew/state.rs"]
mod state;
mod table;

use frameway::pb::v1 as pb;
use prost_reflect::DescriptorPool;

use common::eventually;
use server::TestServer;

/// Returns the contract of the server.
fn contract() -> DescriptorPool {
    DescriptorPool::decode(frameway::pb::FILE_DESCRIPTOR_SET).expect("the server's contract")
}

/// Waits until this many frames of a stream are published, including tombstones.
async fn published(server: &TestServer, stream: &str, frames: u64) {
    eventually("they are published", async || {
        let request = pb::GetStreamRequest { stream_id: stream.to_owned() };
        let stream = server.registry().get_stream(request).await.expect("reads").into_inner().stream?;
        (stream.status?.published_sequence == frames).then_some(())
    })
    .await;
}
