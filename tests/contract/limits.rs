//! Tests every limit that GetServerInfo reports, at its maximum and beyond.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use frameway::pb::v1 as pb;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use crate::caller::method;
use crate::cases::{Case, Trial, cases};
use crate::fields::{self, CallOutcome, answer, server_with};
use crate::server::TestServer;
use crate::{contract, json};

/// Starts a server with small limits where the defaults would take too long to test.
async fn small_server() -> TestServer {
    TestServer::start(|config| {
        config.limits.max_message_bytes = 2_000_000;
        config.limits.max_picture_bytes = 900_000;
        config.limits.max_pixels = 10_000;
        config.limits.max_side = 6_000;
    })
    .await
}

/// Reads the values of `Limits`, by field; times in seconds.
pub(crate) async fn limits(server: &TestServer) -> BTreeMap<String, u64> {
    let info =
        server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("answers").into_inner();
    let limits = info.limits.expect("limits").encode_to_vec();
    let of = contract().get_message_by_name("frameway.v1.Limits").expect("the message");
    let limits = DynamicMessage::decode(of.clone(), &limits[..]).expect("limits");
    let number = |value: &Value| match value {
        Value::U32(number) => u64::from(*number),
        Value::U64(number) => *number,
        Value::Message(span) => {
            let seconds = span.get_field_by_name("seconds").and_then(|seconds| seconds.as_i64());
            seconds.and_then(|seconds| u64::try_from(seconds).ok()).expect("a duration")
        }
        other => panic!("no limit: {other:?}"),
    };
    of.fields().map(|field| (field.name().to_owned(), number(&limits.get_field(&field)))).collect()
}

#[tokio::test]
async fn every_limit_is_reported_and_has_a_case() {
    let server = TestServer::start(|_| {}).await;
    let limits = limits(&server).await;
    let unset: Vec<_> = limits.iter().filter(|(_, number)| **number == 0).map(|(name, _)| name).collect();
    assert_eq!(unset, ["max_auto_registered_streams"]);
    let cases = cases();
    let reported: BTreeSet<&str> = limits.keys().map(String::as_str).collect();
    let tried: BTreeSet<&str> = cases.keys().copied().collect();
    assert_eq!(reported, tried, "each limit has one case");
    server.stop().await;
}

#[test]
fn the_tests_that_show_other_limits_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, case) in cases() {
        let Case::Shown(test) = case else { continue };
        let (file, test) = test.split_once("::").expect("a file and a test");
        let file = if file.starts_with("src/") { root.join(file) } else { root.join("tests").join(file) };
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {file:?}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{name}: no test {test} in {file:?}");
    }
}

#[tokio::test]
async fn each_limit_is_accepted_and_one_more_is_refused_with_its_reason() {
    let pool = contract();
    let (server, caller, given) = server_with(small_server().await).await;
    server.register(&["cam-2"]).await;
    let limits = limits(&server).await;
    let mut faults = Vec::new();
    for (name, case) in cases() {
        let Case::Tried(trials) = case else { continue };
        let limit = limits[name];
        for Trial { method: rpc, fields, reason } in trials {
            let method = method(&pool, rpc);
            for value in [limit, limit + 1] {
                let mut request = given.request(&method);
                json::merge(&mut request, &fields(value));
                let CallOutcome { code, reason: got, message, .. } = answer(&caller, &method, &request).await;
                // Any other error of the request proves nothing.
                let others = ["UNSPECIFIED", "ACK_ID_INVALID", "INVALID_STREAM_ID"];
                let is_as_expected = match value > limit {
                    false => others.contains(&got.as_str()) && code.is_none(),
                    true => got == reason,
                };
                if !is_as_expected {
                    faults.push(format!("{name} = {limit}, {rpc} with {value}: {code:?} {got} {message}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    server.stop().await;
}

#[tokio::test]
async fn a_page_has_at_most_a_thousand_items() {
    let server = TestServer::start(|config| {
        config.queue.partitions = frameway::domain::Partitions::new(1_024).expect("a power of two");
    })
    .await;
    let request = pb::ListQueuesRequest { page_size: 1_001, ..Default::default() };
    let page = server.queues().list_queues(request).await.expect("lists").into_inner();
    assert_eq!(page.queues.len(), 1_000);
    let request = pb::ListQueuesRequest { page_token: page.next_page_token, ..Default::default() };
    let rest = server.queues().list_queues(request).await.expect("lists").into_inner();
    assert_eq!((rest.queues.len(), rest.next_page_token.as_str()), (24, ""));
    server.stop().await;
}

fn named_group(id: String) -> pb::CreateConsumerGroupRequest {
    let streams =
        vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id("cam-1".to_owned())) }];
    let group = pb::ConsumerGroup { group_id: id, streams, ..Default::default() };
    pb::CreateConsumerGroupRequest { group: Some(group) }
}

#[tokio::test]
async fn the_thousand_and_first_group_is_refused() {
    let server = TestServer::start(|_| {}).await;
    for index in 0..1_000 {
        server.groups().create_consumer_group(named_group(format!("g-{index}"))).await.expect("makes one");
    }
    let refused = server.groups().create_consumer_group(named_group("one-more".to_owned())).await;
    let refused = fields::refusal(&refused.expect_err("is one too many"));
    assert_eq!(refused, (tonic::Code::ResourceExhausted, "TOO_MANY_GROUPS".to_owned()));
    // A repeated creation of an existing group is still answered.
    server.groups().create_consumer_group(named_group("g-0".to_owned())).await.expect("answers");
    server.stop().await;
}
