//! The test case of each limit.

use std::collections::BTreeMap;

use frameway::domain::{Cursor, Sequence, StoreIdentity, Timestamp};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::caller::method;
use crate::table::{letters, map_of, outline, text, with};
use crate::{contract, json};

/// The way in which a limit is tested.
pub(crate) enum Case {
    /// With requests at the limit and over it, of one method or several.
    Tried(Vec<Trial>),
    /// By another test with this name.
    Shown(&'static str),
}

/// A request that is accepted at the limit.
pub(crate) struct Trial {
    pub(crate) method: &'static str,
    /// The fields that are merged into a valid request for a value of the limit's size.
    pub(crate) fields: fn(u64) -> Json,
    pub(crate) reason: &'static str,
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

fn frame(fields: Json) -> Json {
    json!({"frames": [with(json!({"stream_id": "cam-1", "data": "\u{ff}\u{d8}\u{ff}\u{e0}"}), fields)]})
}

/// Returns a frame with a grey raw picture.
fn grey(width: u64, height: u64) -> Json {
    let data = "\u{0}".repeat((width * height) as usize);
    frame(json!({"format": "PICTURE_FORMAT_GRAY8", "width": width, "height": height, "data": data}))
}

fn stream(fields: Json) -> Json {
    json!({"stream": with(json!({"stream_id": "cam-1"}), fields)})
}

fn regions(id: &str, count: u64) -> Json {
    let region = |index: u64| json!({id: format!("r-{index}"), "polygon": outline(3)});
    (0..count).map(region).collect::<Vec<_>>().into()
}

fn selector(fields: Json) -> Json {
    json!({"selectors": [with(json!({"streams": [{"id": "cam-1"}]}), fields)]})
}

/// Returns cursors of other streams, which the server ignores.
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
    json!({"group": with(json!({"group_id": "group-1", "streams": [{"id": "cam-1"}]}), fields)})
}

/// Returns a frame whose capture time is ahead by an even number of seconds, as the limit is, or
/// behind by an odd number. Whenever the server checks it, the limit is allowed and one second more
/// is not.
fn capture_time(seconds: u64) -> Json {
    let now = Timestamp::now().as_micros() / 1_000_000;
    let offset = seconds as i64;
    let at = if seconds.is_multiple_of(2) { now + offset } else { now - offset };
    frame(json!({"capture_time": {"seconds": at, "nanos": 0}}))
}

/// Returns a batch of frames with a publisher each.
fn publishers(count: u64) -> Json {
    let frame = |index: u64| {
        let publisher = format!("publisher-{index}");
        json!({"stream_id": "cam-2", "data": "\u{ff}\u{d8}\u{ff}", "publisher_id": publisher, "publisher_sequence": 1})
    };
    json!({"frames": (0..count).map(frame).collect::<Vec<_>>()})
}

/// Returns a batch of exactly this many bytes.
fn batch_of(bytes: u64) -> Json {
    let pool = contract();
    let of = method(&pool, "SubmitFrameBatch").input();
    let batch = |last: usize| {
        let frame = |bytes: usize| json!({"stream_id": "cam-1", "data": "\u{ff}".repeat(bytes)});
        json!({"frames": [frame(800_000), frame(800_000), frame(last)]})
    };
    let around = json::message(&of, &batch(400_000)).encoded_len() as u64 - 400_000;
    batch((bytes - around) as usize)
}

/// Returns the cases of all limits, by their fields.
pub(crate) fn cases() -> BTreeMap<&'static str, Case> {
    const MANY: &str = "TOO_MANY_ITEMS";
    const BAD: &str = "INVALID_FIELD";
    use Case::Shown;
    BTreeMap::from([
        ("max_message_bytes", tried([trial("SubmitFrameBatch", "BATCH_TOO_LARGE", batch_of)])),
        (
            "max_control_message_bytes",
            Shown("e2e/transport.rs::every_service_refuses_a_message_that_is_too_large"),
        ),
        (
            "max_metadata_bytes",
            Shown("e2e/transport.rs::too_much_metadata_gets_a_status_and_keeps_the_connection"),
        ),
        (
            "max_calls_per_connection",
            Shown("e2e/transport.rs::one_connection_carries_many_subscriptions_and_other_calls"),
        ),
        (
            "max_calls",
            Shown("src/grpc/layers/admission.rs::calls_beyond_the_limit_are_refused_and_health_checks_never"),
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
                trial("SubmitFrameBatch", MANY, |n| frame(json!({"attributes": map_of(n)}))),
                trial("UpdateStream", MANY, |n| stream(json!({"labels": map_of(n)}))),
            ]),
        ),
        (
            "max_attribute_key_bytes",
            tried([
                trial("SubmitFrameBatch", BAD, |n| frame(json!({"attributes": {letters(n): ""}}))),
                trial("UpdateStream", BAD, |n| stream(json!({"labels": {letters(n): ""}}))),
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
        ("dedup_window", Shown("conformance/dedup.rs::the_dedup_window_has_exactly_its_length")),
        (
            "max_in_flight_batches",
            Shown("e2e/submit_frames_ends.rs::more_unanswered_batches_than_the_window_are_too_many"),
        ),
        (
            "max_in_flight_bytes",
            Shown("src/grpc/submit_frames/in_flight.rs::both_bounds_hold_and_answers_make_room"),
        ),
        (
            "max_resume_streams",
            tried([trial(
                "SubmitFrames",
                MANY,
                |n| json!({"setup": {"resume_stream_ids": times(n, json!("cam-1"))}}),
            )]),
        ),
        ("max_streams", Shown("conformance/registry.rs::the_number_of_streams_is_limited")),
        (
            "max_auto_registered_streams",
            Shown("e2e/submit.rs::auto_registration_registers_unknown_streams_up_to_its_bound"),
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
                "contract/many_streams.rs::more_streams_than_a_subscription_follows_are_refused_at_the_start_and_reported_later",
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
            Shown("src/hub/tests/options.rs::a_slow_subscriber_can_be_disconnected_and_resumes_without_loss"),
        ),
        (
            "default_response_picture_bytes",
            Shown("contract/sizes.rs::a_hundred_frames_with_the_longest_texts_fit_every_clients_message"),
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
        ("max_group_members", Shown("conformance/group_members.rs::a_group_has_at_most_a_thousand_members")),
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
        ("max_page_size", Shown("contract/limits.rs::a_page_has_at_most_a_thousand_items")),
        ("max_page_bytes", Shown("e2e/registry.rs::a_page_of_large_settings_fits_every_clients_message")),
        (
            "max_filter_bytes",
            tried([trial(
                "ListStreams",
                "FILTER_INVALID",
                |n| json!({"filter": format!("display_name = \"{}\"", letters(n - 17))}),
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
