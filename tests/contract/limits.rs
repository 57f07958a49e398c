//! Every limit that GetServerInfo tells, at its maximum and beyond.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use frameway::domain::{Cursor, Sequence, StoreIdentity, Timestamp};
use frameway::pb::v1 as pb;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use serde_json::{Value as Json, json};

use crate::fields::{self, Answer, answer, server_with};
use crate::server::TestServer;
use crate::{contract, json, method};

/// How a limit is tried.
enum Case {
    /// With requests at it and over it, of one RPC or several.
    Tried(Vec<Trial>),
    /// By another test, which is so called.
    Shown(&'static str),
}

/// A request that is good at the limit.
struct Trial {
    method: &'static str,
    /// What is merged into a good request for a value of that size.
    fields: fn(u64) -> Json,
    reason: &'static str,
}

fn trial(method: &'static str, reason: &'static str, fields: fn(u64) -> Json) -> Trial {
    Trial { method, fields, reason }
}

fn tried<const N: usize>(trials: [Trial; N]) -> Case {
    Case::Tried(trials.into_iter().collect())
}

fn times(count: u64, item: Json) -> Json {
    Json::Array(vec![item; count as usize])
}

fn text(bytes: u64) -> String {
    "x".repeat(bytes as usize)
}

fn entries(count: u64) -> Json {
    (0..count).map(|index| (format!("key-{index}"), json!("value"))).collect::<serde_json::Map<_, _>>().into()
}

fn frame(fields: Json) -> Json {
    let mut frame = json!({"stream_id": "cam-1", "data": "\u{ff}\u{d8}\u{ff}\u{e0}"});
    frame.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"frames": [frame]})
}

/// A grey raw picture.
fn grey(width: u64, height: u64) -> Json {
    let data = "\u{0}".repeat((width * height) as usize);
    frame(json!({"format": "PICTURE_FORMAT_GRAY8", "width": width, "height": height, "data": data}))
}

fn stream(fields: Json) -> Json {
    let mut stream = json!({"stream_id": "cam-1"});
    stream.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"stream": stream})
}

fn outline(points: u64) -> Json {
    let point = |index: u64| {
        let angle = index as f64 / points as f64 * std::f64::consts::TAU;
        json!({"x": 0.5 + 0.4 * angle.cos(), "y": 0.5 + 0.4 * angle.sin()})
    };
    (0..points).map(point).collect::<Vec<_>>().into()
}

fn regions(id: &str, count: u64) -> Json {
    let region = |index: u64| json!({id: format!("r-{index}"), "polygon": outline(3)});
    (0..count).map(region).collect::<Vec<_>>().into()
}

fn selector(fields: Json) -> Json {
    let mut selector = json!({"streams": [{"id": "cam-1"}]});
    selector.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"selectors": [selector]})
}

/// Cursors of other streams, which are passed over.
fn cursors(count: u64) -> Json {
    let store = StoreIdentity::random();
    let cursor = |index: u64| {
        let id = format!("other-{index}");
        let cursor = Cursor::new(id.parse().expect("an id"), Sequence::FIRST).encode(&store);
        json!({"stream_id": id, "cursor": cursor})
    };
    (0..count).map(cursor).collect::<Vec<_>>().into()
}

fn group(fields: Json) -> Json {
    let mut group = json!({"group_id": "group-1", "streams": [{"id": "cam-1"}]});
    group.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"group": group})
}

/// Capture times so many seconds ahead are good, and one second more behind is bad, whenever the server looks.
fn capture_time(seconds: u64) -> Json {
    let now = Timestamp::now().as_micros() / 1_000_000;
    let offset = seconds as i64;
    let at = if seconds.is_multiple_of(2) { now + offset } else { now - offset };
    frame(json!({"capture_time": {"seconds": at, "nanos": 0}}))
}

/// Frames of one publisher each.
fn publishers(count: u64) -> Json {
    let frame = |index: u64| {
        let publisher = format!("publisher-{index}");
        json!({"stream_id": "cam-2", "data": "\u{ff}\u{d8}\u{ff}", "publisher_id": publisher, "publisher_sequence": 1})
    };
    json!({"frames": (0..count).map(frame).collect::<Vec<_>>()})
}

/// A batch of exactly so many bytes.
fn batch_of(bytes: u64) -> Json {
    let pool = contract();
    let of = method(&pool, "SubmitFrameBatch").input();
    let batch = |last: usize| {
        let frame = |bytes: usize| json!({"stream_id": "cam-1", "data": "\u{ff}".repeat(bytes)});
        json!({"frames": [frame(20_000), frame(20_000), frame(last)]})
    };
    let around = json::message(&of, &batch(20_000)).encoded_len() as u64 - 20_000;
    batch((bytes - around) as usize)
}

fn cases() -> BTreeMap<&'static str, Case> {
    const MANY: &str = "TOO_MANY_ITEMS";
    const BAD: &str = "INVALID_FIELD";
    use Case::Shown;
    BTreeMap::from([
        ("max_message_bytes", tried([trial("SubmitFrameBatch", "BATCH_TOO_LARGE", batch_of)])),
        (
            "max_control_message_bytes",
            Shown("e2e/transport.rs::a_message_that_is_too_large_is_refused_alike_by_every_service"),
        ),
        (
            "max_metadata_bytes",
            Shown("e2e/transport.rs::too_much_metadata_gets_a_status_and_spares_the_connection"),
        ),
        (
            "max_calls_per_connection",
            Shown("e2e/transport.rs::one_connection_carries_many_subscriptions_and_calls_beside_them"),
        ),
        (
            "max_calls",
            Shown("src/grpc/front/admission.rs::calls_beyond_the_limit_are_refused_and_health_checks_never"),
        ),
        (
            "max_batch_frames",
            tried([trial("SubmitFrameBatch", "TOO_MANY_FRAMES", |n| json!({"frames": times(n, json!({}))}))]),
        ),
        (
            "max_picture_bytes",
            tried([trial("SubmitFrameBatch", "PICTURE_TOO_LARGE", |n| {
                frame(json!({"data": "\u{ff}".repeat(n as usize)}))
            })]),
        ),
        (
            "max_picture_pixels",
            tried([trial("SubmitFrameBatch", "PICTURE_TOO_LARGE", |n| grey(2, n / 2 + n % 2))]),
        ),
        ("max_picture_side", tried([trial("SubmitFrameBatch", "PICTURE_TOO_LARGE", |n| grey(n, 1))])),
        (
            "max_attributes",
            tried([
                trial("SubmitFrameBatch", MANY, |n| frame(json!({"attributes": entries(n)}))),
                trial("UpdateStream", MANY, |n| stream(json!({"labels": entries(n)}))),
            ]),
        ),
        (
            "max_attribute_key_bytes",
            tried([
                trial("SubmitFrameBatch", BAD, |n| frame(json!({"attributes": {text(n): ""}}))),
                trial("UpdateStream", BAD, |n| stream(json!({"labels": {text(n): ""}}))),
            ]),
        ),
        (
            "max_attribute_value_bytes",
            tried([
                trial("SubmitFrameBatch", BAD, |n| frame(json!({"attributes": {"key": text(n)}}))),
                trial("UpdateStream", BAD, |n| stream(json!({"labels": {"key": text(n)}}))),
            ]),
        ),
        (
            "max_capture_time_offset",
            tried([trial("SubmitFrameBatch", "CAPTURE_TIME_OUT_OF_RANGE", capture_time)]),
        ),
        ("max_publishers_per_stream", tried([trial("SubmitFrameBatch", "TOO_MANY_PUBLISHERS", publishers)])),
        ("dedup_window", Shown("conformance/dedup.rs::the_window_ends_at_exactly_its_length")),
        (
            "max_in_flight_batches",
            Shown("e2e/submit_frames.rs::more_unanswered_batches_than_the_window_are_too_many"),
        ),
        (
            "max_in_flight_bytes",
            Shown("src/grpc/submit_frames/window.rs::both_bounds_hold_and_answers_make_room"),
        ),
        (
            "max_resume_streams",
            tried([trial(
                "SubmitFrames",
                MANY,
                |n| json!({"setup": {"resume_stream_ids": times(n, json!("cam-1"))}}),
            )]),
        ),
        ("max_streams", Shown("conformance/registry.rs::streams_are_limited_in_number")),
        (
            "max_auto_registered_streams",
            Shown("e2e/submit.rs::unknown_streams_are_registered_where_that_is_on_up_to_its_bound"),
        ),
        ("max_rois", tried([trial("UpdateStream", MANY, |n| stream(json!({"rois": regions("roi_id", n)})))])),
        (
            "max_privacy_masks",
            tried([trial("UpdateStream", MANY, |n| stream(json!({"privacy_masks": regions("mask_id", n)})))]),
        ),
        (
            "max_polygon_points",
            tried([trial("UpdateStream", MANY, |n| {
                stream(json!({"rois": [{"roi_id": "road", "polygon": outline(n)}]}))
            })]),
        ),
        (
            "max_selectors",
            tried([trial(
                "SubscribeFrames",
                MANY,
                |n| json!({"selectors": times(n, json!({"streams": [{"id": "cam-1"}]}))}),
            )]),
        ),
        (
            "max_stream_matches",
            tried([
                trial("SubscribeFrames", MANY, |n| {
                    selector(json!({"streams": times(n, json!({"id": "cam-1"}))}))
                }),
                trial("WatchStreams", MANY, |n| json!({"streams": times(n, json!({"id": "cam-1"}))})),
                trial("UpdateConsumerGroup", MANY, |n| {
                    group(json!({"streams": times(n, json!({"id": "cam-1"}))}))
                }),
                trial("SeekConsumerGroup", MANY, |n| json!({"streams": times(n, json!({"id": "cam-1"}))})),
            ]),
        ),
        (
            "max_glob_chars",
            tried([trial("SubscribeFrames", BAD, |n| selector(json!({"streams": [{"glob": text(n)}]})))]),
        ),
        (
            "max_streams_per_subscription",
            Shown(
                "e2e/many_streams.rs::more_streams_than_a_subscription_follows_are_refused_at_the_start_and_told_later",
            ),
        ),
        (
            "max_cursors",
            tried([
                trial("SubscribeFrames", MANY, |n| {
                    selector(json!({"start": {"cursors": {"cursors": cursors(n)}}}))
                }),
                trial(
                    "SeekConsumerGroup",
                    MANY,
                    |n| json!({"position": {"cursors": {"cursors": cursors(n)}}}),
                ),
            ]),
        ),
        (
            "max_subscriptions",
            Shown(
                "e2e/transport.rs::subscriptions_beyond_the_limit_are_refused_and_leave_room_for_other_calls",
            ),
        ),
        (
            "max_subscriber_buffer_bytes",
            Shown("src/hub/tests/options.rs::a_slow_subscriber_that_asked_for_it_is_disconnected"),
        ),
        (
            "default_response_picture_bytes",
            Shown("e2e/sizes.rs::a_hundred_frames_with_the_longest_words_fit_every_clients_message"),
        ),
        (
            "max_response_picture_bytes",
            tried([
                trial("GetFrames", BAD, |n| json!({"pictures": {"max_picture_bytes": n}})),
                trial("GetDeadLetter", BAD, |n| json!({"max_picture_bytes": n})),
            ]),
        ),
        (
            "max_lookup_items",
            tried([
                trial("GetFrames", MANY, |n| json!({"sequences": times(n, json!(1))})),
                trial("GetLatestFrames", MANY, |n| json!({"stream_ids": times(n, json!("cam-1"))})),
            ]),
        ),
        ("max_consumer_groups", Shown("contract/limits.rs::the_thousand_and_first_group_is_refused")),
        ("max_group_members", Shown("contract/limits.rs::the_thousand_and_first_member_is_refused")),
        (
            "max_group_outstanding_frames",
            tried([trial("UpdateConsumerGroup", BAD, |n| group(json!({"max_outstanding_frames": n})))]),
        ),
        (
            "max_member_outstanding_frames",
            tried([trial("ConsumeFrames", BAD, |n| json!({"max_outstanding_frames": n}))]),
        ),
        (
            "max_member_outstanding_bytes",
            tried([trial("ConsumeFrames", BAD, |n| json!({"max_outstanding_bytes": n}))]),
        ),
        (
            "max_ack_ids",
            tried([
                trial("AcknowledgeFrames", MANY, |n| json!({"ack_ids": times(n, json!("none"))})),
                trial("ExtendAckDeadline", MANY, |n| json!({"ack_ids": times(n, json!("none"))})),
                trial("RejectFrames", MANY, |n| json!({"rejections": times(n, json!({"ack_id": "none"}))})),
                trial("ReplayDeadLetters", MANY, |n| json!({"ids": {"ids": times(n, json!("none"))}})),
                trial("DiscardDeadLetters", MANY, |n| json!({"ids": {"ids": times(n, json!("none"))}})),
            ]),
        ),
        ("max_page_size", Shown("contract/limits.rs::a_page_that_asks_for_more_has_a_thousand_items")),
        ("max_page_bytes", Shown("e2e/registry.rs::a_page_of_large_settings_fits_every_clients_message")),
        (
            "max_filter_bytes",
            tried([trial(
                "ListStreams",
                "FILTER_INVALID",
                |n| json!({"filter": format!("display_name = \"{}\"", text(n - 17))}),
            )]),
        ),
        (
            "max_display_name_bytes",
            tried([
                trial("UpdateStream", BAD, |n| stream(json!({"display_name": text(n)}))),
                trial("UpdateConsumerGroup", BAD, |n| group(json!({"display_name": text(n)}))),
            ]),
        ),
        (
            "max_reason_bytes",
            tried([
                trial("ResumeQueue", BAD, |n| json!({"reason": text(n)})),
                trial("UpdateStream", BAD, |n| json!({"reason": text(n)})),
                trial(
                    "RejectFrames",
                    BAD,
                    |n| json!({"rejections": [{"ack_id": "none", "reason": text(n)}]}),
                ),
            ]),
        ),
    ])
}

/// Limits that take too long to try at their defaults, where configuration can change them.
async fn small_server() -> TestServer {
    TestServer::start(|config| {
        config.limits.max_message_bytes = 100_000;
        config.limits.max_picture_bytes = 70_000;
        config.limits.max_pixels = 10_000;
        config.limits.max_side = 6_000;
    })
    .await
}

/// The numbers of `Limits`, by field; times in seconds.
async fn limits(server: &TestServer) -> BTreeMap<String, u64> {
    let info =
        server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("tells").into_inner();
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
async fn every_limit_is_told_and_has_a_case() {
    let server = TestServer::start(|_| {}).await;
    let limits = limits(&server).await;
    let unset: Vec<_> = limits.iter().filter(|(_, number)| **number == 0).map(|(name, _)| name).collect();
    assert_eq!(unset, ["max_auto_registered_streams"]);
    let cases = cases();
    let told: BTreeSet<&str> = limits.keys().map(String::as_str).collect();
    let tried: BTreeSet<&str> = cases.keys().copied().collect();
    assert_eq!(told, tried, "each limit has one case");
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
                let Answer { code, reason: got, message, .. } = answer(&caller, &method, &request).await;
                // Any other fault of the request shows nothing.
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
async fn a_page_that_asks_for_more_has_a_thousand_items() {
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
    // One that is there is answered still.
    server.groups().create_consumer_group(named_group("g-0".to_owned())).await.expect("answers");
    server.stop().await;
}

#[tokio::test]
async fn the_thousand_and_first_member_is_refused() {
    let server = TestServer::start(|_| {}).await;
    server.groups().create_consumer_group(named_group("group-1".to_owned())).await.expect("makes one");
    let join = async |member_id: String| {
        let request =
            pb::ConsumeFramesRequest { group_id: "group-1".to_owned(), member_id, ..Default::default() };
        let mut events = server.streaming().consume_frames(request).await?.into_inner();
        events.message().await.map(|first| (first, events))
    };
    let mut members = Vec::new();
    for index in 0..1_000 {
        members.push(join(format!("m-{index}")).await.expect("joins"));
    }
    let refused = fields::refusal(&join("one-more".to_owned()).await.expect_err("is one too many"));
    assert_eq!(refused, (tonic::Code::ResourceExhausted, "TOO_MANY_SUBSCRIPTIONS".to_owned()));
    drop(members);
    server.stop().await;
}
