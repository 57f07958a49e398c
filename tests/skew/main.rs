//! Version skew: a newer client, whose contract has more than the server's, calls every method with
//! one part in the request that the server does not know. The server must refuse the request and do
//! nothing.
//!
//! The newer contract is made from the server's own: every message has one more field, every oneof
//! one more case, every enum one more value. Methods, messages and fields are found by walking it,
//! so that new ones are covered automatically.

// A test names the answer that it expects and fails with any other.
#![allow(clippy::wildcard_enum_match_arm)]

mod caller;
#[path = "../common/clients.rs"]
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod newer;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/server.rs"]
mod server;
mod state;

use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::Code;

use caller::{Caller, Refused, method, methods};
use newer::{Newer, Skew, Variant};
use server::TestServer;

/// The methods that accept unknown fields.
const LENIENT: [&str; 2] = ["SubmitFrameBatch", "SubmitFrames"];

/// Starts a server with a stream, a group and a dead letter; returns the id of the dead letter,
/// too.
async fn busy_server(newer: &Newer) -> (TestServer, Caller, String) {
    let server = TestServer::start(|_| {}).await;
    let caller = Caller::new(server.channel());
    server.register(&["cam-1"]).await;
    server.submit(vec![state::broken("cam-1")]).await;
    let create = method(newer.pool(), "CreateConsumerGroup");
    caller.call(&create, &newer.request(&create, "group-1", "")).await.expect("makes a group");
    let list = method(newer.pool(), "ListDeadLetters");
    let dead_letter = common::eventually("the broken picture becomes a dead letter", async || {
        let page = caller.call(&list, &DynamicMessage::new(list.input())).await.expect("lists");
        let page = DynamicMessage::decode(list.output(), page).expect("a page");
        let letters = page.get_field_by_name("dead_letters")?;
        let id = letters.as_list()?.first()?.as_message()?.get_field_by_name("dead_letter_id")?;
        id.as_str().map(str::to_owned)
    });
    let dead_letter = dead_letter.await;
    (server, caller, dead_letter)
}

fn describe(method: &MethodDescriptor, variant: &Variant) -> String {
    format!("{} with {:?} at {}", method.full_name(), variant.skew, variant.path)
}

#[tokio::test]
async fn unknown_parts_are_refused_at_every_place_of_every_request_and_change_nothing() {
    let newer = Newer::new();
    let (server, caller, dead_letter) = busy_server(&newer).await;
    let lists = state::LISTS.map(|name| method(newer.pool(), name));
    let before = state::read(&lists, &caller).await;
    let mut refused = 0;
    for method in methods(newer.pool()).into_iter().filter(|method| !LENIENT.contains(&method.name())) {
        let request = newer.request(&method, "new", &dead_letter);
        for variant in newer.variants(&request) {
            let what = describe(&method, &variant);
            let answer = caller.call(&method, &variant.message).await;
            let Err(Refused { code, reason, field, .. }) = answer else { panic!("{what} is obeyed") };
            let expected = match variant.skew {
                Skew::Field | Skew::Case => "UNKNOWN_FIELD",
                Skew::Value | Skew::Number | Skew::NoCase => "INVALID_FIELD",
            };
            let expected = (Code::InvalidArgument, expected, variant.path.as_str());
            assert_eq!((code, reason.as_str(), field.as_str()), expected, "{what}");
            refused += 1;
        }
        let after = state::read(&lists, &caller).await;
        let changed = state::changes(&before, &after);
        assert!(changed.is_empty(), "{} changed {changed:?}", method.full_name());
    }
    assert!(refused > 200, "only {refused} variants");
    server.stop().await;
}

#[tokio::test]
async fn the_same_requests_without_unknown_parts_are_not_refused_for_them() {
    let newer = Newer::new();
    let (server, caller, dead_letter) = busy_server(&newer).await;
    let (mut done, mut refused) = (0, Vec::new());
    for method in methods(newer.pool()) {
        match caller.call(&method, &newer.request(&method, "new", &dead_letter)).await {
            Ok(_) => done += 1,
            Err(Refused { reason, message, .. }) => {
                assert!(
                    !["UNKNOWN_FIELD", "PROTOCOL_VIOLATION"].contains(&reason.as_str()),
                    "{}: {message}",
                    method.full_name()
                );
                refused.push(format!("{}: {reason}, {message}", method.name()));
            }
        }
    }
    // Nearly all requests succeed as they are, so that the server would execute what the other test
    // sees refused.
    let all = methods(newer.pool()).len();
    assert!(done * 10 >= all * 8, "{done} of {all} are done: {refused:#?}");
    server.stop().await;
}

#[tokio::test]
async fn submit_calls_accept_unknown_fields_but_no_unknown_kind_of_request() {
    let newer = Newer::new();
    let (server, caller, _) = busy_server(&newer).await;
    for method in LENIENT.map(|name| method(newer.pool(), name)) {
        let request = newer.request(&method, "new", "");
        let mut taken = 0;
        for variant in newer.variants(&request) {
            let what = describe(&method, &variant);
            let in_item = variant.path.contains('[');
            let answer = caller.call(&method, &variant.message).await;
            match (variant.skew, answer) {
                (Skew::Field, Ok(_)) => taken += 1,
                // A batch must not be the first message.
                (_, Err(Refused { reason, .. }))
                    if variant.path.starts_with("batch.") && reason == "PROTOCOL_VIOLATION" => {}
                (Skew::Field, Err(refused)) => {
                    // The request may be refused for another part of it, such as a time of 0 s.
                    assert!(
                        !refused.field.contains("15000") && refused.reason != "UNKNOWN_FIELD",
                        "{what}: {refused:?}"
                    );
                    assert!(variant.path != "15000", "{what}: {refused:?}");
                }
                (Skew::Case, Err(refused)) => {
                    assert_eq!(
                        (refused.code, refused.reason.as_str()),
                        (Code::Unimplemented, "NOT_IMPLEMENTED")
                    );
                }
                (Skew::NoCase, Err(refused)) => assert_eq!(refused.reason, "PROTOCOL_VIOLATION", "{what}"),
                // The errors of a frame are in its result.
                (Skew::Value | Skew::Number, Ok(_)) => assert!(in_item, "{what} is obeyed"),
                (Skew::Value | Skew::Number, Err(refused)) => {
                    assert_eq!(
                        (refused.reason.as_str(), refused.field),
                        ("INVALID_FIELD", variant.path),
                        "{what}"
                    );
                }
                (skew, answer) => panic!("{what}, {skew:?}: {answer:?}"),
            }
        }
        assert!(taken > 0, "{} takes no unknown field", method.full_name());
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_that_are_not_the_calls_message_are_a_protocol_violation() {
    let newer = Newer::new();
    let (server, caller, _) = busy_server(&newer).await;
    for method in methods(newer.pool()) {
        let refused = caller.send(&method, vec![0xFF; 12].into()).await.expect_err("is refused");
        let got = (refused.code, refused.reason.as_str());
        assert_eq!(got, (Code::InvalidArgument, "PROTOCOL_VIOLATION"), "{}", method.full_name());
    }
    server.stop().await;
}
