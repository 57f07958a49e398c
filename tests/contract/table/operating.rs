//! The requests of all services, without the messages that they contain.

use serde_json::json;

use super::{Bad, Rule, bad, inner, invalid, no_id, no_times, not, over, required, spans, text};

const ANY_FLAG: Rule = Rule::Free("both values are good");
const PAGE_SIZE: Rule = Rule::Free("more is lowered to 1,000, and 0 is the default");

fn stream_id() -> Rule {
    Rule::Bad(no_id("INVALID_STREAM_ID", true))
}

fn group_id() -> Rule {
    Rule::Bad(no_id("INVALID_FIELD", true))
}

fn reason() -> Rule {
    not([text(513), json!("\u{e9}".repeat(257))])
}

fn etag() -> Rule {
    not([json!("x"), json!("7"), json!("7-"), json!("-7"), json!("07-1"), text(513)])
}

fn page_token() -> Rule {
    Rule::Bad(["x", "AAAAAAAA", "a b"].map(|token| bad(json!(token), "PAGE_TOKEN_INVALID")).to_vec())
}

/// Creates filters that are invalid in every list.
fn no_filters() -> Vec<Bad> {
    let deep = format!("{}stream_id = \"a\"{}", "(".repeat(17), ")".repeat(17));
    let filters = [
        "stream_id",
        "stream_id =",
        "= \"a\"",
        "nothing = 1",
        "stream_id = \"a",
        "f(x)",
        "(stream_id = \"a\"",
        "stream_id = \"a\" AND queue_id = \"b\" OR stream_id = \"c\"",
        deep.as_str(),
    ];
    let long = bad(json!(format!("stream_id = \"{}\"", "x".repeat(1_011))), "FILTER_INVALID");
    filters.map(|filter| bad(json!(filter), "FILTER_INVALID")).into_iter().chain([long]).collect()
}

fn filter() -> Rule {
    Rule::Bad(no_filters())
}

fn mask(fixed: &str) -> Rule {
    let mask = |paths: serde_json::Value| bad(json!({"paths": paths}), "UPDATE_MASK_INVALID");
    Rule::Bad(vec![
        required("UPDATE_MASK_INVALID").at("update_mask"),
        mask(json!([])),
        mask(json!(["nothing"])),
        mask(json!([""])),
        mask(json!([fixed])),
        mask(json!(["*", "display_name"])),
        mask(json!(["display_name.x"])),
        mask(json!(["output.adaptive.min_quality.x"])),
        mask(json!(vec!["display_name"; 1_001])),
    ])
}

fn queue_target() -> Rule {
    Rule::Bad(vec![
        invalid(json!("")),
        bad(json!("p99"), "QUEUE_NOT_FOUND"),
        bad(json!("p0"), "QUEUE_NOT_FOUND"),
        bad(text(500), "QUEUE_NOT_FOUND"),
    ])
}

/// Creates targets that select nothing: unset, or `false`.
fn all() -> Rule {
    let none = required("INVALID_FIELD").at("target");
    Rule::Bad(vec![
        invalid(json!(false)),
        none.clone().only("Queue"),
        none.only("DeadLetters").with(json!({"ids": null})),
    ])
}

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules = submitting();
    rules.extend(acknowledging());
    rules.extend(registry());
    rules.extend(groups());
    rules.extend(dead_letters());
    rules.extend(queues());
    rules
}

fn submitting() -> Vec<(&'static str, Rule)> {
    let frames = || {
        Rule::Bad(vec![
            required("EMPTY_BATCH"),
            Bad { reason: "TOO_MANY_FRAMES", ..over(100, json!({"stream_id": "cam-1"})) },
        ])
    };
    vec![
        ("SubmitFrameBatchRequest.frames", frames()),
        ("SubmitFramesRequest.setup", inner()),
        ("SubmitFramesRequest.batch", inner()),
        ("SubmitSetup.publisher_id", Rule::Bad(no_id("INVALID_FIELD", false))),
        (
            "SubmitSetup.resume_stream_ids",
            Rule::Bad(vec![
                bad(json!(["a b"]), "INVALID_STREAM_ID").at("resume_stream_ids[0]"),
                bad(json!(["cam-1", ""]), "INVALID_STREAM_ID").at("resume_stream_ids[1]"),
                over(1_000, json!("cam-1")),
            ]),
        ),
        ("SubmitSetup.heartbeat_interval", spans(1_000, 60)),
        ("SubmitBatch.batch_id", inner()),
        ("SubmitBatch.frames", frames()),
    ]
}

fn acknowledging() -> Vec<(&'static str, Rule)> {
    let ack_ids = || {
        let item = |id| bad(json!([id]), "ACK_ID_INVALID").at("ack_id").in_item();
        let long = "x".repeat(257);
        Rule::Bad(vec![
            required("INVALID_FIELD"),
            over(1_000, json!("none")),
            item(""),
            item("none"),
            item(long.as_str()),
        ])
    };
    vec![
        ("AcknowledgeFramesRequest.group_id", group_id()),
        ("AcknowledgeFramesRequest.ack_ids", ack_ids()),
        ("RejectFramesRequest.group_id", group_id()),
        (
            "RejectFramesRequest.rejections",
            Rule::Bad(vec![required("INVALID_FIELD"), over(1_000, json!({"ack_id": "none"}))]),
        ),
        (
            "Rejection.ack_id",
            Rule::Bad(
                [json!(""), json!("none"), text(257)].map(|id| bad(id, "ACK_ID_INVALID").in_item()).to_vec(),
            ),
        ),
        ("Rejection.reason", reason()),
        ("Rejection.retry_delay", spans(0, 3_600)),
        (
            "Rejection.dead_letter",
            Rule::Bad(vec![
                invalid(json!(true))
                    .with(json!({"retry_delay": {"seconds": 1, "nanos": 0}}))
                    .at("retry_delay"),
            ]),
        ),
        ("ExtendAckDeadlineRequest.group_id", group_id()),
        ("ExtendAckDeadlineRequest.ack_ids", ack_ids()),
        ("ExtendAckDeadlineRequest.extension", spans(1_000, 3_600)),
        ("GetFramesRequest.stream_id", stream_id()),
        (
            "GetFramesRequest.sequences",
            Rule::Bad(vec![
                required("INVALID_FIELD"),
                over(100, json!(1)),
                invalid(json!([1, 0])).at("sequences[1]"),
            ]),
        ),
        ("GetFramesRequest.pictures", inner()),
        (
            "GetLatestFramesRequest.stream_ids",
            Rule::Bad(vec![
                required("INVALID_FIELD"),
                over(100, json!("cam-1")),
                bad(json!(["cam-1", "a b"]), "INVALID_STREAM_ID").at("stream_ids[1]"),
                bad(json!([""]), "INVALID_STREAM_ID").at("stream_ids[0]"),
            ]),
        ),
        ("GetLatestFramesRequest.pictures", inner()),
    ]
}

fn registry() -> Vec<(&'static str, Rule)> {
    vec![
        ("RegisterStreamRequest.stream", Rule::Bad(vec![required("INVALID_FIELD")])),
        ("GetStreamRequest.stream_id", stream_id()),
        ("ListStreamsRequest.page_size", PAGE_SIZE),
        ("ListStreamsRequest.page_token", page_token()),
        ("ListStreamsRequest.filter", filter()),
        ("UpdateStreamRequest.stream", Rule::Bad(vec![required("INVALID_FIELD")])),
        ("UpdateStreamRequest.update_mask", mask("stream_id")),
        ("UpdateStreamRequest.reason", reason()),
        ("UnregisterStreamRequest.stream_id", stream_id()),
        ("UnregisterStreamRequest.etag", etag()),
        ("UnregisterStreamRequest.reason", reason()),
        ("EraseFramesRequest.stream_id", stream_id()),
        ("EraseFramesRequest.sequences", Rule::Bad(vec![required("INVALID_FIELD").at("range")])),
        ("EraseFramesRequest.receive_times", inner()),
        ("EraseFramesRequest.dry_run", ANY_FLAG),
        ("EraseFramesRequest.reason", reason()),
        ("WatchStreamsRequest.streams", Rule::Bad(vec![over(100, json!({"id": "cam-1"}))])),
        ("WatchStreamsRequest.resume_token", not([json!("x"), json!("a b"), text(513)])),
        ("WatchStreamsRequest.heartbeat_interval", spans(1_000, 60)),
    ]
}

fn groups() -> Vec<(&'static str, Rule)> {
    let streams = Rule::Bad(vec![
        required("INVALID_FIELD"),
        invalid(json!([{"id": "cam-1"}])).with(json!({"all_streams": true})),
        over(100, json!({"id": "cam-1"})),
    ]);
    vec![
        ("CreateConsumerGroupRequest.group", Rule::Bad(vec![required("INVALID_FIELD")])),
        ("GetConsumerGroupRequest.group_id", group_id()),
        ("ListConsumerGroupsRequest.page_size", PAGE_SIZE),
        ("ListConsumerGroupsRequest.page_token", page_token()),
        ("ListConsumerGroupsRequest.filter", filter()),
        ("ListConsumerGroupPositionsRequest.group_id", group_id()),
        ("ListConsumerGroupPositionsRequest.page_size", PAGE_SIZE),
        ("ListConsumerGroupPositionsRequest.page_token", page_token()),
        ("ListConsumerGroupPositionsRequest.filter", filter()),
        ("UpdateConsumerGroupRequest.group", Rule::Bad(vec![required("INVALID_FIELD")])),
        (
            "UpdateConsumerGroupRequest.update_mask",
            match (mask("group_id"), mask("start")) {
                (Rule::Bad(one), Rule::Bad(other)) => Rule::Bad(one.into_iter().chain(other).collect()),
                (rule, _) => rule,
            },
        ),
        ("UpdateConsumerGroupRequest.reason", reason()),
        ("SeekConsumerGroupRequest.group_id", group_id()),
        ("SeekConsumerGroupRequest.position", Rule::Bad(vec![required("INVALID_FIELD")])),
        ("SeekConsumerGroupRequest.streams", streams),
        (
            "SeekConsumerGroupRequest.all_streams",
            Rule::Bad(vec![
                invalid(json!(true)).at("streams"),
                invalid(json!(false)).with(json!({"streams": null})).at("streams"),
            ]),
        ),
        ("SeekConsumerGroupRequest.etag", etag()),
        ("SeekConsumerGroupRequest.reason", reason()),
        ("DeleteConsumerGroupRequest.group_id", group_id()),
        ("DeleteConsumerGroupRequest.etag", etag()),
        ("DeleteConsumerGroupRequest.reason", reason()),
    ]
}

fn dead_letters() -> Vec<(&'static str, Rule)> {
    let filters = || {
        let empty = [json!(""), json!("  ")].map(invalid);
        Rule::Bad(empty.into_iter().chain(no_filters()).collect())
    };
    let max_count = || {
        Rule::Bad(vec![
            invalid(json!(1)),
            invalid(json!(0)).with(json!({"all": true})),
            invalid(json!(1_001)).with(json!({"all": true})),
        ])
    };
    vec![
        ("ListDeadLettersRequest.page_size", PAGE_SIZE),
        ("ListDeadLettersRequest.page_token", page_token()),
        ("ListDeadLettersRequest.filter", filter()),
        (
            "GetDeadLetterRequest.dead_letter_id",
            Rule::Bad(vec![
                invalid(json!("")),
                bad(json!("none"), "DEAD_LETTER_NOT_FOUND").names_no_field(),
                bad(text(257), "DEAD_LETTER_NOT_FOUND").names_no_field(),
            ]),
        ),
        ("GetDeadLetterRequest.metadata_only", ANY_FLAG),
        ("GetDeadLetterRequest.max_picture_bytes", not([json!(0), json!((32 << 20) + 1)])),
        ("DeadLetterIdList.ids", Rule::Bad(vec![required("INVALID_FIELD"), over(1_000, json!("none"))])),
        ("ReplayDeadLettersRequest.ids", inner()),
        ("ReplayDeadLettersRequest.filter", filters()),
        ("ReplayDeadLettersRequest.all", all()),
        ("ReplayDeadLettersRequest.max_count", max_count()),
        ("ReplayDeadLettersRequest.dry_run", ANY_FLAG),
        ("ReplayDeadLettersRequest.discard_replayed", ANY_FLAG),
        ("ReplayDeadLettersRequest.reason", reason()),
        ("DiscardDeadLettersRequest.ids", inner()),
        ("DiscardDeadLettersRequest.filter", filters()),
        ("DiscardDeadLettersRequest.all", all()),
        ("DiscardDeadLettersRequest.max_count", max_count()),
        ("DiscardDeadLettersRequest.dry_run", ANY_FLAG),
        ("DiscardDeadLettersRequest.reason", reason()),
    ]
}

fn queues() -> Vec<(&'static str, Rule)> {
    vec![
        ("ListQueuesRequest.page_size", PAGE_SIZE),
        ("ListQueuesRequest.page_token", page_token()),
        ("ListQueuesRequest.filter", filter()),
        ("GetQueueStatsRequest.queue_id", Rule::Bad(vec![bad(json!("p99"), "QUEUE_NOT_FOUND")])),
        ("ListStreamStatsRequest.page_size", PAGE_SIZE),
        ("ListStreamStatsRequest.page_token", page_token()),
        ("ListStreamStatsRequest.filter", filter()),
        ("PauseQueueRequest.queue_id", queue_target()),
        ("PauseQueueRequest.all_queues", all()),
        ("PauseQueueRequest.reason", reason()),
        ("ResumeQueueRequest.queue_id", queue_target()),
        ("ResumeQueueRequest.all_queues", all()),
        ("ResumeQueueRequest.reason", reason()),
        ("DrainQueueRequest.queue_id", queue_target()),
        ("DrainQueueRequest.all_queues", all()),
        ("DrainQueueRequest.reason", reason()),
        ("PurgeQueueRequest.queue_id", queue_target()),
        ("PurgeQueueRequest.stream_id", stream_id()),
        ("PurgeQueueRequest.all_queues", all()),
        ("PurgeQueueRequest.before_receive_time", Rule::Bad(no_times("INVALID_FIELD"))),
        ("PurgeQueueRequest.dry_run", ANY_FLAG),
        ("PurgeQueueRequest.reason", reason()),
    ]
}
