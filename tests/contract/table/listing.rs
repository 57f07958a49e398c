//! Lists of frames.

use serde_json::{Value as Json, json};

use super::{Rule, bad, inner, invalid, no_id, no_times, not, required, span};

/// Creates the rule of a time that must also not be at or before another field.
fn times_after(other: &str) -> Rule {
    let mut times = no_times("INVALID_FIELD");
    times.extend([0, 1].map(|seconds| {
        let siblings: Json =
            [(other.to_owned(), span(1, 0))].into_iter().collect::<serde_json::Map<_, _>>().into();
        invalid(span(seconds, 0)).with(siblings)
    }));
    Rule::Bad(times)
}

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let tokens = ["x", "AAAAAAAA", "a b"].map(|token| bad(json!(token), "PAGE_TOKEN_INVALID"));
    let moment = no_times("INVALID_FIELD").into_iter().chain([required("INVALID_FIELD")]).collect();
    vec![
        ("ListFramesRequest.stream_id", Rule::Bad(no_id("INVALID_STREAM_ID", true))),
        ("ListFramesRequest.sequences", inner()),
        ("ListFramesRequest.receive_times", inner()),
        (
            "ListFramesRequest.around",
            Rule::Bad(vec![invalid(json!({"receive_time": span(1, 0), "before": 0, "after": 0}))]),
        ),
        ("ListFramesRequest.page_size", Rule::Free("more is lowered to 1,000, and 0 is the default")),
        ("ListFramesRequest.page_token", Rule::Bad(tokens.to_vec())),
        ("SequenceRange.first_sequence", not([json!(0)])),
        (
            "SequenceRange.last_sequence",
            Rule::Bad(vec![invalid(json!(0)), invalid(json!(6)).with(json!({"first_sequence": 7}))]),
        ),
        ("ReceiveTimeRange.start_receive_time", Rule::Bad(no_times("INVALID_FIELD"))),
        ("ReceiveTimeRange.end_receive_time", times_after("start_receive_time")),
        ("FramesAround.receive_time", Rule::Bad(moment)),
        ("FramesAround.before", not([json!(1_001)])),
        ("FramesAround.after", not([json!(1_001)])),
    ]
}
