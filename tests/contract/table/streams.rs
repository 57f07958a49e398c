//! Frames, and the settings of streams.

use serde_json::{Value as Json, json};

use super::{
    Bad, Rule, bad, inner, invalid, map_of, maps, no_id, no_times, not, outline, over, required, span, spans,
    text, with,
};

const MIB: u64 = 1 << 20;
const ANY_FLAG: Rule = Rule::Free("both values are good");
const OUTPUT_ONLY: Rule = Rule::Free("output only: ignored in requests");

/// Returns a raw picture of 2 x 2 pixels.
fn raw(format: &str, siblings: Json) -> Json {
    with(json!({"format": format, "width": 2, "height": 2, "data": "\u{0}".repeat(12)}), siblings)
}

fn outlines() -> Rule {
    let crossing =
        json!([{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 0.0}, {"x": 0.0, "y": 1.0}]);
    Rule::Bad(vec![
        required("INVALID_FIELD"),
        invalid(outline(2)),
        bad(outline(65), "TOO_MANY_ITEMS"),
        invalid(crossing),
    ])
}

/// Creates the first numbers outside a range of floats, and values that are not numbers.
fn outside(below: f64, above: f64) -> Rule {
    // JSON has no NaN.
    let values = [json!(below), json!(above), json!("NaN")];
    not(values)
}

fn twice(id: &str, other: Json) -> Json {
    let mut item = json!({"polygon": outline(3)});
    item[id] = json!("same");
    let second = with(item.clone(), other);
    json!([item, second])
}

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules = frame();
    rules.extend(stream());
    rules.extend(policies());
    rules
}

fn frame() -> Vec<(&'static str, Rule)> {
    let years = 11 * 366 * 86_400;
    let mut times = no_times("CAPTURE_TIME_OUT_OF_RANGE");
    times.push(bad(span(1_790_000_000 + years, 0), "CAPTURE_TIME_OUT_OF_RANGE"));
    times.push(bad(span(1_790_000_000 - years, 0), "CAPTURE_TIME_OUT_OF_RANGE"));
    let side = |field: &'static str| {
        let mut zero = json!({});
        zero[field] = json!(0);
        Rule::Bad(vec![
            bad(json!(8_193), "PICTURE_TOO_LARGE"),
            invalid(json!(0)).with(raw("PICTURE_FORMAT_RGB8", zero)),
        ])
    };
    let mut publisher = no_id("INVALID_FIELD", false);
    publisher.push(invalid(json!("")).with(json!({"publisher_sequence": 1})).only("SubmitFrameBatch"));
    publisher.push(bad(json!("other"), "PUBLISHER_MISMATCH").only("SubmitFrames.batch"));
    // On a SubmitFrames call, the mismatch with the publisher of the setup is reported first.
    let publisher =
        publisher.into_iter().map(|bad| if bad.only.is_empty() { bad.only("SubmitFrameBatch") } else { bad });
    vec![
        ("Frame.stream_id", Rule::Bad(no_id("INVALID_STREAM_ID", true))),
        ("Frame.publisher_id", Rule::Bad(publisher.collect())),
        ("Frame.publisher_sequence", not([json!(0)])),
        ("Frame.capture_time", Rule::Bad(times)),
        (
            "Frame.format",
            Rule::Bad(vec![
                invalid(json!(99)),
                bad(json!("PICTURE_FORMAT_PNG"), "PICTURE_FORMAT_MISMATCH"),
                bad(json!("PICTURE_FORMAT_UNSPECIFIED"), "PICTURE_FORMAT_UNKNOWN")
                    .with(json!({"data": "none", "width": 2, "height": 2})),
            ]),
        ),
        ("Frame.width", side("width")),
        ("Frame.height", side("height")),
        (
            "Frame.row_stride_bytes",
            Rule::Bad(vec![
                invalid(json!(1)),
                invalid(json!(5)).with(raw("PICTURE_FORMAT_RGB8", json!({}))),
                invalid(json!(65_537)).with(raw("PICTURE_FORMAT_RGB8", json!({}))),
            ]),
        ),
        (
            "Frame.data",
            Rule::Bad(vec![
                bad(json!(""), "PICTURE_MISSING"),
                bad(json!("\u{0}".repeat(11)), "PICTURE_SIZE_MISMATCH")
                    .with(raw("PICTURE_FORMAT_RGB8", json!({}))),
                bad(json!("\u{0}".repeat(13)), "PICTURE_SIZE_MISMATCH")
                    .with(raw("PICTURE_FORMAT_RGB8", json!({}))),
                bad(json!("\u{ff}".repeat((16 << 20) + 1)), "PICTURE_TOO_LARGE"),
            ]),
        ),
        ("Frame.attributes", Rule::Bad(maps(32))),
        ("Frame.traceparent", Rule::Free("ignored if it is malformed or longer")),
        ("Frame.tracestate", Rule::Free("ignored if it is malformed or longer")),
        (
            "Frame.color_range",
            Rule::Bad(vec![
                invalid(json!(99)),
                invalid(json!("COLOR_RANGE_LIMITED")),
                invalid(json!("COLOR_RANGE_FULL")).with(raw("PICTURE_FORMAT_RGB8", json!({}))),
            ]),
        ),
        (
            "Frame.color_matrix",
            Rule::Bad(vec![
                invalid(json!(99)),
                invalid(json!("COLOR_MATRIX_BT709")),
                invalid(json!("COLOR_MATRIX_BT601"))
                    .with(raw("PICTURE_FORMAT_GRAY8", json!({"data": "\u{0}".repeat(4)}))),
            ]),
        ),
    ]
}

fn stream() -> Vec<(&'static str, Rule)> {
    let etags = ["x", "7", "7-", "-7", "07-1"].map(|etag| invalid(json!(etag)).only("UpdateStream"));
    let etags = etags.into_iter().chain([invalid(text(513)).only("UpdateStream")]);
    let relayed = json!({"output": {"reencode_mode": "REENCODE_MODE_RELAY"}});
    let masks = json!([{"mask_id": "window", "polygon": outline(3)}]);
    let masked =
        |output: Json, at: &'static str| invalid(output).with(json!({"privacy_masks": masks})).at(at);
    vec![
        ("Stream.stream_id", Rule::Bad(no_id("INVALID_STREAM_ID", true))),
        ("Stream.display_name", not([text(257), json!("\u{e9}".repeat(129))])),
        ("Stream.labels", Rule::Bad(maps(32))),
        ("Stream.location", inner()),
        (
            "Stream.rois",
            Rule::Bad(vec![
                over(32, json!({"roi_id": "r", "polygon": outline(3)})),
                invalid(twice("roi_id", json!({}))).at("rois[1].roi_id"),
            ]),
        ),
        (
            "Stream.privacy_masks",
            Rule::Bad(vec![
                over(32, json!({"mask_id": "m", "polygon": outline(3)})),
                invalid(twice("mask_id", json!({}))).at("privacy_masks[1].mask_id"),
            ]),
        ),
        ("Stream.retention", inner()),
        (
            "Stream.output",
            Rule::Bad(vec![
                masked(json!({"keep_original": true}), "output.keep_original"),
                masked(json!({"keep_metadata": true}), "output.keep_metadata"),
                masked(json!({"reencode_mode": "REENCODE_MODE_NEVER"}), "output.reencode_mode"),
                masked(json!({"reencode_mode": "REENCODE_MODE_RELAY"}), "output.reencode_mode"),
            ]),
        ),
        (
            "Stream.validation",
            Rule::Bad(vec![
                invalid(json!({"min_quality_score": 0.5})).with(relayed).at("validation.min_quality_score"),
            ]),
        ),
        ("Stream.queue", inner()),
        ("Stream.stall_timeout", spans(1_000, 86_400)),
        ("Stream.etag", Rule::Bad(etags.collect())),
        ("Stream.create_time", OUTPUT_ONLY),
        ("Stream.update_time", OUTPUT_ONLY),
        ("Stream.mask_version", OUTPUT_ONLY),
        ("Stream.auto_registered", OUTPUT_ONLY),
        ("Stream.status", OUTPUT_ONLY),
        ("Stream.effective", OUTPUT_ONLY),
        ("GeoLocation.latitude_degrees", with_unset(outside(-90.000_001, 90.000_001))),
        ("GeoLocation.longitude_degrees", with_unset(outside(-180.000_001, 180.000_001))),
        ("GeoLocation.altitude_meters", outside(-1_000.000_1, 100_000.000_1)),
        ("GeoLocation.heading_degrees", outside(-0.000_001, 360.0)),
        ("Roi.roi_id", Rule::Bad(no_id("INVALID_FIELD", true))),
        ("Roi.kind", not([json!(99)])),
        ("Roi.polygon", outlines()),
        ("PrivacyMask.mask_id", Rule::Bad(no_id("INVALID_FIELD", true))),
        ("PrivacyMask.polygon", outlines()),
        ("NormalizedPoint.x", outside(-0.000_001, 1.000_001)),
        ("NormalizedPoint.y", outside(-0.000_001, 1.000_001)),
    ]
}

fn with_unset(rule: Rule) -> Rule {
    let Rule::Bad(mut bad) = rule else { panic!("values") };
    bad.push(required("INVALID_FIELD"));
    Rule::Bad(bad)
}

fn policies() -> Vec<(&'static str, Rule)> {
    let side = || not([json!(0), json!(8_193)]);
    let coded = |bad: Bad| bad.with(json!({"adaptive": {"max_bytes_per_frame": 100_000}})).at("adaptive");
    let budget = |other: Json| Rule::Bad(vec![invalid(other)]);
    vec![
        ("RetentionPolicy.max_frames", not([json!(0), json!(1_000_001)])),
        ("RetentionPolicy.max_age", spans(1_000, 30 * 86_400)),
        ("RetentionPolicy.max_bytes", not([json!(0), json!(MIB - 1), json!((1_u64 << 40) + 1)])),
        (
            "OutputPolicy.format",
            Rule::Bad(vec![
                invalid(json!(99)),
                invalid(json!("PICTURE_FORMAT_RGB8")),
                invalid(json!("PICTURE_FORMAT_I420")),
                coded(invalid(json!("PICTURE_FORMAT_PNG"))),
            ]),
        ),
        ("OutputPolicy.quality", not([json!(0), json!(101)])),
        (
            "OutputPolicy.lossless",
            Rule::Bad(vec![
                invalid(json!(true))
                    .with(json!({"format": "PICTURE_FORMAT_WEBP", "adaptive": {"max_bytes_per_frame": 100_000}}))
                    .at("adaptive"),
            ]),
        ),
        ("OutputPolicy.max_width", side()),
        ("OutputPolicy.max_height", side()),
        ("OutputPolicy.thumbnail_size", not([json!(1), json!(15), json!(1_025)])),
        ("OutputPolicy.keep_original", ANY_FLAG),
        (
            "OutputPolicy.reencode_mode",
            Rule::Bad(vec![
                invalid(json!(99)),
                coded(invalid(json!("REENCODE_MODE_NEVER"))),
                coded(invalid(json!("REENCODE_MODE_RELAY"))),
            ]),
        ),
        ("OutputPolicy.adaptive", Rule::Bad(vec![invalid(json!({})).at("adaptive.max_bytes_per_frame")])),
        ("OutputPolicy.keep_metadata", ANY_FLAG),
        ("OutputPolicy.keep_unmasked_original", ANY_FLAG),
        ("OutputPolicy.chroma_subsampling", not([json!(99)])),
        ("OutputPolicy.huffman", not([json!(99)])),
        ("AdaptiveQuality.max_bytes_per_frame", not([json!(0), json!(1_023), json!(16 * MIB + 1)])),
        ("AdaptiveQuality.max_bytes_per_second", budget(json!(1_023))),
        ("AdaptiveQuality.min_quality", not([json!(0), json!(101)])),
        ("AdaptiveQuality.min_scale_percent", not([json!(4), json!(101)])),
        ("ValidationPolicy.min_quality_score", outside(-0.000_001, 1.000_001)),
        ("ValidationPolicy.min_width", side()),
        ("ValidationPolicy.min_height", side()),
        ("ValidationPolicy.max_age", spans(10, 30 * 86_400)),
        ("ValidationPolicy.clock_policy", not([json!(99)])),
        ("ValidationPolicy.clock_tolerance", spans(10, 86_400)),
        ("QueuePolicy.max_frames", not([json!(0), json!(100_001)])),
        ("QueuePolicy.max_bytes", not([json!(0), json!(MIB - 1), json!((64_u64 << 30) + 1)])),
        ("QueuePolicy.overflow", not([json!(99)])),
        ("LabelSelector.equal", Rule::Bad(label_terms())),
        ("LabelSelector.present", label_keys("present[0]")),
        ("LabelSelector.absent", label_keys("absent[0]")),
    ]
}

fn label_terms() -> Vec<Bad> {
    let mut terms = maps(16);
    terms.push(bad(map_of(17), "TOO_MANY_ITEMS").with(json!({"present": null})));
    terms
}

fn label_keys(at: &'static str) -> Rule {
    let key = |key: Json| invalid(json!([key])).at(at);
    Rule::Bad(vec![key(json!("")), key(json!("a b")), key(text(65)), over(16, json!("site"))])
}
