//! Filters of the sample contract.

use prost_reflect::Value;

use super::*;
use crate::grpc::documented;
use crate::grpc::reflect::sample::{labels, message, new, text, time, with};
use crate::pb::v1::ErrorReason;

const ALL: Fields = Fields { only: &[], except: &["picture", "status.members"] };

fn camera() -> DynamicMessage {
    let status = with(new("Status"), "state", Value::EnumNumber(1));
    let status = with(status, "frames", Value::U64((1 << 53) - 1));
    let status = with(status, "last_time", time("Timestamp", 1_769_860_800, 5)); // 2026-01-31T12:00:00.000000005Z
    let status = with(status, "age", time("Duration", 20, 500_000_000));
    let status = with(status, "members", Value::List(vec![text("a")]));
    let point = with(new("Point"), "x", Value::F64(0.5));
    let camera = with(new("Camera"), "camera_id", text("road-12"));
    let camera = with(camera, "labels", labels(&[("site", "north \"gate\""), ("a.b", "1"), ("star", "a*b")]));
    let camera = with(camera, "status", Value::Message(status));
    let camera = with(camera, "location", Value::Message(point));
    let camera = with(camera, "flag", Value::Bool(false));
    with(camera, "offset", Value::I32(-3))
}

fn compile(filter: &str) -> Result<Filter> {
    Filter::compile(filter, &message("Camera"), ALL)
}

#[track_caller]
fn expect(filter: &str, expected: bool) {
    let compiled = compile(filter).unwrap_or_else(|fault| panic!("{filter}: {}", fault.message));
    assert_eq!(compiled.passes_dynamic(&camera()), expected, "{filter}");
}

#[test]
fn text_is_compared_as_a_whole_and_stars_match_any_text() {
    for (filter, expected) in [
        ("", true),
        (" \n\t", true),
        (r#"camera_id = "road-12""#, true),
        (r#"camera_id="road-12""#, true),
        (r#"camera_id = "road""#, false),
        (r#"camera_id = "Road-12""#, false),
        (r#"camera_id = "road-*""#, true),
        (r#"camera_id = "*""#, true),
        (r#"camera_id = "*-*2""#, true),
        (r#"camera_id = "r*o*a*d*-*1*2""#, true),
        (r#"camera_id = "road-12*2""#, false),
        (r#"camera_id = "*3*""#, false),
        (r#"camera_id != "road-*""#, false),
        (r#"camera_id != "door""#, true),
        (r#"labels.site = "north \"gate\"""#, true),
        (r#"labels."a.b" = "1""#, true),
        (r#"labels.star = "a\*b""#, true),
        (r#"labels.star = "a\*\*b""#, false),
        (r#"display_name = """#, true),
        (r#"display_name != "x""#, true),
    ] {
        expect(filter, expected);
    }
}

#[test]
fn values_are_compared_by_their_type() {
    for (filter, expected) in [
        ("status.state = STATE_LIVE", true),
        ("status.state != STATE_STALLED", true),
        ("status.frames = 9007199254740991", true),
        ("status.frames > 9007199254740990", true),
        ("status.frames >= 9007199254740992", false),
        ("status.frames < -1", false),
        ("offset = -3", true),
        ("offset<0", true),
        ("location.x >= 0.5", true),
        ("location.x < 5e-1", false),
        ("location.x = 1", false),
        (r#"status.last_time = "2026-01-31T12:00:00.000000005Z""#, true),
        (r#"status.last_time > "2026-01-31T12:00:00Z""#, true),
        (r#"status.last_time <= "2026-01-31T13:00:00+01:00""#, false),
        (r#"status.last_time < "2026-01-31T12:00:01Z""#, true),
        ("status.age > 20s", true),
        ("status.age = 20.5s", true),
        ("status.age < 20.5s", false),
        ("status.busy = false", true),
        ("status.busy = true", false),
        ("flag = false", true),
        // A field without presence has the value 0 if it is not set.
        ("ratio = 0", true),
        ("ratio < 1", true),
    ] {
        expect(filter, expected);
    }
}

#[test]
fn no_comparison_with_an_unset_field_holds() {
    for (filter, expected) in [
        (r#"labels.other = "*""#, false),
        (r#"labels.other != "x""#, false),
        (r#"NOT labels.other = "x""#, true),
        ("location.y < 1", false),
        ("location.y >= 1", false),
        ("timeout = 0s", false),
        ("output.quality != 3", false),
        ("output.mode = STATE_UNSPECIFIED", false),
        (r#"create_time < "2030-01-01T00:00:00Z""#, false),
        ("camera_id:*", true),
        ("display_name:*", false),
        ("flag:*", true),
        ("ratio:*", false),
        ("timeout:*", false),
        ("status:*", true),
        ("status.last_time:*", true),
        ("output.adaptive:*", false),
        ("labels:*", true),
        ("labels.site:*", true),
        ("labels.nothing:*", false),
        ("labels:site", true),
        ("labels:\"a.b\"", true),
        ("labels:a", false),
        ("labels : site", true),
        ("points:*", false),
        ("numbers:*", false),
        ("matches.k.id:*", false),
    ] {
        expect(filter, expected);
    }
}

#[test]
fn terms_of_one_level_are_joined_by_one_operator() {
    for (filter, expected) in [
        ("labels:site AND status.busy = false", true),
        ("labels:site AND status.busy = true", false),
        ("labels:other OR status.busy = false OR labels:none", true),
        ("labels:other OR status.busy = true", false),
        ("(labels:other OR labels:site) AND (status.frames > 0)", true),
        ("labels:other OR (labels:site AND NOT labels:none)", true),
        ("-labels:other", true),
        ("NOT (labels:site OR labels:other)", false),
        ("-(labels:site AND labels:other) AND labels:star", true),
        ("((((((((((((((((labels:site))))))))))))))))", true),
        ("NOT(labels:other)AND(labels:site)", true),
    ] {
        expect(filter, expected);
    }
}

#[test]
fn an_error_has_the_position_of_the_first_fault() {
    let long = format!("labels:{}", "x".repeat(1100));
    let wide = "ü".repeat(600);
    let deep = format!("{}labels:a{}", "(".repeat(17), ")".repeat(17));
    for (filter, position, says) in [
        ("road", 5, "expected =, !="),
        ("road*", 5, "expected =, !="),
        (r#""road""#, 1, "text follows a field"),
        ("startsWith(camera_id, \"a\")", 11, "functions are not supported"),
        ("nothing = 1", 1, "nothing cannot be used in this filter; allowed: camera_id, display_name"),
        ("picture:*", 1, "picture cannot be used"),
        ("status.members:*", 8, "members of status cannot be used in this filter"),
        ("status.nothing = 1", 8, "nothing of status cannot be used in this filter; allowed: state, frames"),
        ("status.last_time.seconds > 1", 18, "has no fields"),
        ("camera_id.x = 1", 11, "has no fields"),
        ("points.x = 1", 8, "is a list"),
        ("\"camera_id\" = 1", 1, "text follows a field"),
        ("status.\"state\" = STATE_LIVE", 8, "cannot be used"),
        ("camera_id = road", 13, "text in double quotes"),
        ("camera_id = 'road'", 13, "expected a value"),
        ("camera_id < \"road\"", 11, "text can only be compared with = and !="),
        ("camera_id =", 12, "expected a value"),
        ("camera_id = *", 13, "expected a value"),
        ("camera_id ~ 1", 11, "expected =, !="),
        ("camera_id = \"road", 18, "closing double quote"),
        ("camera_id = \"ro\\ad\"", 16, "a backslash must precede"),
        ("status.busy = TRUE", 15, "true or false"),
        ("status.busy > false", 13, "with = and !="),
        (
            "status.state = LIVE",
            16,
            "full name of a value of State: STATE_GONE, STATE_UNSPECIFIED, STATE_LIVE",
        ),
        ("status.state = \"STATE_LIVE\"", 16, "full name"),
        ("status.state >= STATE_LIVE", 14, "with = and !="),
        ("status.frames = 1.5", 17, "whole number"),
        ("status.frames = \"1\"", 17, "whole number"),
        ("status.frames = +1", 17, "whole number"),
        ("ratio = inf", 9, "a number"),
        ("ratio = 1e999", 9, "a number"),
        ("status.last_time > 5", 20, "a time"),
        ("status.last_time > \"2026-01-31\"", 20, "a time"),
        ("status.last_time > \"2026-01-31T12:00:00\"", 20, "a time"),
        ("status.last_time > \"2026-*\"", 20, "a time"),
        ("status.age > 5", 14, "a duration"),
        ("status.age > \"5s\"", 14, "a duration"),
        ("status.age > 5m", 14, "a duration"),
        ("status = 1", 8, "`:*`"),
        ("labels = \"x\"", 8, "a map without a key cannot be compared"),
        ("numbers = 1", 9, "a list cannot be compared"),
        ("numbers:1", 9, "only a map has keys"),
        ("labels:", 8, "expected `*` or a key"),
        ("labels. = \"x\"", 8, "expected a field, or a key"),
        ("labels.ü = \"x\"", 8, "expected a field, or a key"),
        ("labels:a AND ", 14, "expected a field"),
        ("labels:a labels:b", 10, "expected AND, OR or the end"),
        ("labels:a and labels:b", 10, "expected AND, OR or the end"),
        ("labels:a AND OR labels:b", 14, "found OR"),
        ("NOT NOT labels:a", 5, "found NOT"),
        ("labels:a AND labels:b OR labels:c", 23, "write parentheses"),
        ("labels:a OR labels:b AND labels:c", 22, "write parentheses"),
        ("(labels:a", 10, "closing parenthesis"),
        ("labels:a)", 9, "unexpected closing parenthesis"),
        ("()", 2, "expected a field"),
        ("labels:\"ü\"x", 11, "expected AND, OR or the end"),
        (deep.as_str(), 17, "more than 16 deep"),
        (long.as_str(), 1025, "at most 1024 bytes"),
        (wide.as_str(), 513, "at most 1024 bytes"),
    ] {
        let fault = compile(filter).expect_err(filter);
        documented::check(&fault);
        assert_eq!(fault.reason, ErrorReason::FilterInvalid, "{filter}");
        assert_eq!(fault.field, "filter");
        assert_eq!(fault.facts, [("position", position.to_string())], "{filter}: {}", fault.message);
        assert!(fault.message.starts_with(&format!("at character {position}: ")), "{}", fault.message);
        assert!(fault.message.contains(says), "{filter}: {}", fault.message);
    }
}

#[test]
fn only_allowed_fields_can_be_named() {
    let fields =
        Fields { only: &["camera_id", "labels", "status.state", "output"], except: &["output.adaptive"] };
    let compile = |filter| Filter::compile(filter, &message("Camera"), fields);
    for filter in ["camera_id:*", "labels.a = \"\"", "status.state:*", "output:*", "output.quality > 3"] {
        assert!(compile(filter).is_ok(), "{filter}");
    }
    for (filter, says) in [
        ("display_name:*", "allowed: camera_id, labels, output, status"),
        ("status.frames > 1", "frames of status cannot be used in this filter; allowed: state"),
        ("status:*", "status cannot be used in this filter; use its fields"),
        ("output.adaptive:*", "adaptive of output cannot be used"),
        ("output.adaptive.min_quality = 3", "adaptive of output cannot be used"),
    ] {
        let fault = compile(filter).unwrap_err();
        assert!(fault.message.contains(says), "{filter}: {}", fault.message);
    }
}

#[test]
fn the_text_that_a_field_must_equal_is_found() {
    let equal = |filter: &str| compile(filter).unwrap().equal_text("camera_id").map(str::to_owned);
    for (filter, known) in [
        (r#"camera_id = "a""#, Some("a")),
        (r#"labels:x AND (camera_id = "a\*" AND labels:y)"#, Some("a*")),
        (r#"camera_id = "a*""#, None),
        (r#"camera_id != "a""#, None),
        (r#"NOT camera_id = "a""#, None),
        (r#"camera_id = "a" OR labels:x"#, None),
        (r#"display_name = "a""#, None),
        ("", None),
    ] {
        assert_eq!(equal(filter).as_deref(), known, "{filter}");
    }
    assert!(compile(" ").unwrap().is_empty() && !compile("labels:x").unwrap().is_empty());
}

#[test]
fn messages_of_the_contract_are_filtered_by_their_fields() {
    use crate::pb::v1 as pb;
    let filter = r#"labels.site = "north" AND status.state = STREAM_STATE_STALLED"#;
    let filter = Filter::of::<pb::Stream>(filter, Fields { only: &[], except: &[] }).unwrap();
    let mut stream = pb::Stream {
        labels: [("site".into(), "north".into())].into(),
        status: Some(pb::StreamStatus { state: pb::StreamState::Stalled.into(), ..Default::default() }),
        ..Default::default()
    };
    assert!(filter.passes(&stream).unwrap());
    stream.status = None;
    assert!(!filter.passes(&stream).unwrap());
}
