//! Subscriptions, positions, groups, and the pictures of frames.

use serde_json::json;

use crate::samples::CURSOR;

use super::{
    ABOVE_53_BITS, Bad, Rule, bad, inner, invalid, maps, no_id, no_times, not, over, required, spans, text,
};

const ANY_FLAG: Rule = Rule::Free("both values are good");
const OUTPUT_ONLY: Rule = Rule::Free("output only: ignored in requests");
/// 36,500 days, in seconds.
const MAX_START_AGE: i64 = 36_500 * 86_400;

fn share() -> Rule {
    not([json!(-0.000_001), json!(1.000_001), json!("NaN")])
}

fn matches(is_required: bool) -> Rule {
    let empty = is_required.then(|| required("INVALID_FIELD"));
    Rule::Bad(empty.into_iter().chain([over(100, json!({"id": "cam-1"}))]).collect())
}

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules = selection();
    rules.extend(position());
    rules.extend(pictures());
    rules.extend(group());
    rules
}

fn selection() -> Vec<(&'static str, Rule)> {
    vec![
        ("StreamSelector.streams", matches(true)),
        ("StreamSelector.start", inner()),
        ("StreamSelector.stop", Rule::Bad(vec![invalid(json!({}))])),
        ("StreamSelector.sampling", inner()),
        ("StreamSelector.max_age", spans(10, 86_400)),
        ("StreamSelector.pictures", inner()),
        ("StreamSelector.filter", inner()),
        ("StreamSelector.overflow_policy", not([json!(99)])),
        ("StreamSelector.fail_if_trimmed", ANY_FLAG),
        ("StreamMatch.id", Rule::Bad(no_id("INVALID_STREAM_ID", true))),
        (
            "StreamMatch.glob",
            not([json!(""), text(129), json!("["), json!("a[b"), json!("{a,b}"), json!("[!a]")]),
        ),
        ("StreamMatch.labels", Rule::Bad(vec![invalid(json!({}))])),
        ("Sampling.max_fps", not([json!(0.0), json!(-1.0), json!(1_000.000_1), json!("NaN")])),
        ("Sampling.every_nth", not([json!(0)])),
        ("Sampling.latest_only", Rule::Bad(vec![invalid(json!(true)).only("ConsumerGroup.group.")])),
        ("FrameFilter.min_quality_score", share()),
        ("FrameFilter.min_motion_intensity", share()),
        ("FrameFilter.min_foreground_ratio", share()),
        ("FrameFilter.attributes", Rule::Bad(maps(16))),
        ("FrameFilter.stream_labels", Rule::Bad(maps(16))),
        ("FrameFilter.valid_only", ANY_FLAG),
    ]
}

fn position() -> Vec<(&'static str, Rule)> {
    let future = || bad(json!({"seconds": 4_000_000_000_i64, "nanos": 0}), "POSITION_IN_FUTURE");
    let far = || bad(json!(1_000_002), "POSITION_IN_FUTURE");
    let cursor_of = |stream: &str| bad(json!(stream), "CURSOR_INVALID");
    let cursor = json!({"stream_id": "cam-1", "cursor": CURSOR});
    let mut times = no_times("INVALID_FIELD");
    times.push(future());
    vec![
        ("StartPosition.live", Rule::Free("without fields")),
        ("StartPosition.earliest", Rule::Free("without fields")),
        ("StartPosition.sequence", Rule::Bad(vec![invalid(json!(0)), far()])),
        ("StartPosition.receive_time", Rule::Bad(times)),
        ("StartPosition.age", spans(0, MAX_START_AGE)),
        ("StartPosition.cursors", inner()),
        (
            "CursorList.cursors",
            Rule::Bad(vec![
                over(10_000, json!({"stream_id": "cam-1", "cursor": "x"})),
                // Two cursors of one stream.
                bad(json!([cursor, cursor]), "CURSOR_INVALID").at("cursors[1].stream_id"),
            ]),
        ),
        ("StreamCursor.stream_id", Rule::Bad(vec![cursor_of("cam-2"), cursor_of(""), cursor_of("a b")])),
        (
            "StreamCursor.cursor",
            Rule::Bad(["", "x", "AAAA", "a b"].map(|text| bad(json!(text), "CURSOR_INVALID")).to_vec())
                .and(bad(text(513), "CURSOR_INVALID")),
        ),
        ("StopPosition.sequence", not([json!(0)])),
        ("StopPosition.receive_time", Rule::Bad(no_times("INVALID_FIELD"))),
        ("StopPosition.frame_count", not([json!(0)])),
    ]
}

impl Rule {
    fn and(self, bad: Bad) -> Self {
        match self {
            Self::Bad(mut all) => {
                all.push(bad);
                Self::Bad(all)
            }
            free @ Self::Free(_) => free,
        }
    }
}

fn pictures() -> Vec<(&'static str, Rule)> {
    let side = || not([json!(0), json!(8_193)]);
    let processed = "PICTURE_ROLE_PROCESSED";
    vec![
        (
            "PictureSelection.roles",
            Rule::Bad(vec![
                invalid(json!([99])).at("roles[0]"),
                invalid(json!(["PICTURE_ROLE_UNSPECIFIED"])).at("roles[0]"),
                invalid(json!([processed, processed])).at("roles[1]"),
                invalid(json!(["PICTURE_ROLE_RENDITION", "PICTURE_ROLE_RENDITION"])).at("roles[1]"),
                invalid(json!([processed])).with(json!({"metadata_only": true})),
            ]),
        ),
        ("PictureSelection.metadata_only", ANY_FLAG),
        ("PictureSelection.rendition", inner()),
        ("PictureSelection.max_picture_bytes", not([json!(0), json!((32 << 20) + 1)])),
        ("Rendition.format", not([json!(99), json!("PICTURE_FORMAT_RGB8"), json!("PICTURE_FORMAT_NV12")])),
        ("Rendition.quality", not([json!(0), json!(101)])),
        ("Rendition.max_width", side()),
        ("Rendition.max_height", side()),
        ("Rendition.lossless", ANY_FLAG),
    ]
}

fn group() -> Vec<(&'static str, Rule)> {
    let etags = ["x", "7", "7-", "-7", "07-1"].map(|etag| invalid(json!(etag)).only("UpdateConsumerGroup"));
    let etags = etags.into_iter().chain([invalid(text(513)).only("UpdateConsumerGroup")]);
    vec![
        ("ConsumerGroup.group_id", Rule::Bad(no_id("INVALID_FIELD", true))),
        ("ConsumerGroup.display_name", not([text(257)])),
        ("ConsumerGroup.streams", matches(true)),
        ("ConsumerGroup.filter", inner()),
        ("ConsumerGroup.sampling", inner()),
        ("ConsumerGroup.start", inner()),
        ("ConsumerGroup.ack_deadline", spans(1_000, 3_600)),
        ("ConsumerGroup.max_delivery_attempts", not([json!(0), json!(101)])),
        ("ConsumerGroup.backoff", inner()),
        ("ConsumerGroup.affinity", not([json!(99)])),
        ("ConsumerGroup.max_outstanding_frames", not([json!(0), json!(100_001)])),
        ("ConsumerGroup.etag", Rule::Bad(etags.collect())),
        ("ConsumerGroup.generation", OUTPUT_ONLY),
        ("ConsumerGroup.create_time", OUTPUT_ONLY),
        ("ConsumerGroup.update_time", OUTPUT_ONLY),
        ("ConsumerGroup.status", OUTPUT_ONLY),
        ("ConsumerGroup.effective", OUTPUT_ONLY),
        ("RetryBackoff.min_delay", spans(0, 600)),
        (
            "RetryBackoff.max_delay",
            spans(1_000, 3_600).and(
                invalid(json!({"seconds": 4, "nanos": 999_999_999}))
                    .with(json!({"min_delay": {"seconds": 5, "nanos": 0}})),
            ),
        ),
        ("ConsumeFramesRequest.group_id", Rule::Bad(no_id("INVALID_FIELD", true))),
        ("ConsumeFramesRequest.member_id", Rule::Bad(no_id("INVALID_FIELD", true))),
        ("ConsumeFramesRequest.max_outstanding_frames", not([json!(0), json!(10_001)])),
        (
            "ConsumeFramesRequest.max_outstanding_bytes",
            not([json!(0), json!((256 << 20) + 1), json!(ABOVE_53_BITS)]),
        ),
        ("ConsumeFramesRequest.pictures", inner()),
        ("ConsumeFramesRequest.heartbeat_interval", spans(1_000, 60)),
        ("ConsumeFramesRequest.stop_after_frames", not([json!(0)])),
        (
            "SubscribeFramesRequest.selectors",
            Rule::Bad(vec![required("INVALID_FIELD"), over(100, json!({"streams": [{"id": "cam-1"}]}))]),
        ),
        ("SubscribeFramesRequest.heartbeat_interval", spans(1_000, 60)),
        ("SubscribeFramesRequest.checkpoint_interval", spans(1_000, 300)),
        ("SubscribeFramesRequest.stop_after_frames", not([json!(0)])),
        ("SubscribeFramesRequest.stop_at_head", ANY_FLAG),
        ("SubscribeFramesRequest.subscriber_name", Rule::Bad(no_id("INVALID_FIELD", false))),
    ]
}
