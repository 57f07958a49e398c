//! Checks faults against the comments of `error_reason.proto`: where a reason appears, and its
//! code, delay and metadata.

use std::collections::HashMap;
use std::sync::LazyLock;

use tonic::{Code, Status};

use super::fault::{Fault, code};
use super::{layers, page, submit, unknown};
use crate::domain::ValidationError;
use crate::pb::v1::ErrorReason;

/// The status codes that comments name.
const CODES: [(&str, Code); 12] = [
    ("INVALID_ARGUMENT", Code::InvalidArgument),
    ("NOT_FOUND", Code::NotFound),
    ("ALREADY_EXISTS", Code::AlreadyExists),
    ("ABORTED", Code::Aborted),
    ("RESOURCE_EXHAUSTED", Code::ResourceExhausted),
    ("UNAVAILABLE", Code::Unavailable),
    ("UNIMPLEMENTED", Code::Unimplemented),
    ("INTERNAL", Code::Internal),
    ("DEADLINE_EXCEEDED", Code::DeadlineExceeded),
    ("OUT_OF_RANGE", Code::OutOfRange),
    ("UNAUTHENTICATED", Code::Unauthenticated),
    ("PERMISSION_DENIED", Code::PermissionDenied),
];
/// The messages that carry reasons.
const MESSAGES: [&str; 3] = ["ItemError", "Tombstone", "DeadLetter"];

/// The documentation of a reason in the contract.
#[derive(Debug)]
struct Documented {
    text: String,
    /// Each item is one key, or several of which one is present.
    keys: Vec<Keys>,
}

#[derive(Debug)]
struct Keys {
    names: Vec<String>,
    is_optional: bool,
}

static REASONS: LazyLock<HashMap<String, Documented>> = LazyLock::new(|| {
    let proto = include_str!("../../proto/frameway/v1/error_reason.proto");
    let (_, values) = proto.split_once("enum ErrorReason {").expect("the enum");
    let (mut reasons, mut comment) = (HashMap::new(), String::new());
    for line in values.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
        } else if let Some((name, _number)) = line.split_once(" = ") {
            let text = std::mem::take(&mut comment).trim().to_owned();
            reasons.insert(name.to_owned(), Documented { keys: keys(&text), text });
        }
    }
    reasons
});

/// Reads the keys of a comment: `Metadata: limit or limit_bytes, [actual].`
fn keys(comment: &str) -> Vec<Keys> {
    let Some((_, list)) = comment.split_once("Metadata: ") else { return Vec::new() };
    let mut plain = String::new();
    let mut depth = 0;
    for c in list.chars() {
        depth += i32::from(c == '(');
        if depth == 0 {
            plain.push(c);
        }
        depth -= i32::from(c == ')');
    }
    let list = plain.split('.').next().unwrap_or_default();
    let item = |item: &str| {
        let inner = item.trim().strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let names = inner.unwrap_or(item).split(" or ").map(|name| name.trim().to_owned());
        Keys { names: names.collect(), is_optional: inner.is_some() }
    };
    list.split(',').map(item).collect()
}

/// Checks that a fault has exactly the metadata and the delay that the contract documents for its
/// reason.
pub(crate) fn check(fault: &Fault) {
    let name = fault.reason.as_str_name();
    let Documented { text, keys } = REASONS.get(name).unwrap_or_else(|| panic!("{name} has no comment"));
    let field = (!fault.field.is_empty()).then_some("field");
    let sent: Vec<&str> = fault.facts.iter().map(|(key, _)| *key).chain(field).collect();
    for key in &sent {
        let known = keys.iter().any(|keys| keys.names.iter().any(|name| name == key));
        assert!(known, "{name}: the comment does not list the key {key}");
    }
    for keys in keys.iter().filter(|keys| !keys.is_optional) {
        let there = keys.names.iter().any(|name| sent.contains(&name.as_str()));
        assert!(there, "{name}: the comment lists {:?}, and only {sent:?} are sent", keys.names);
    }
    let has_delay = text.contains("with RetryInfo") || text.contains("with a retry_delay");
    if has_delay || text.contains("without RetryInfo") {
        assert_eq!(fault.retry_delay.is_some(), has_delay, "{name}: {text}");
    }
}

#[test]
fn every_reason_says_where_it_appears_and_with_which_code() {
    let reasons: Vec<_> = (0..1_000).filter_map(|number| ErrorReason::try_from(number).ok()).collect();
    assert_eq!(reasons.len(), REASONS.len());
    for reason in reasons.into_iter().filter(|reason| *reason != ErrorReason::Unspecified) {
        let text = &REASONS[reason.as_str_name()].text;
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let named: Vec<Code> =
            CODES.iter().filter(|(name, _)| words.contains(name)).map(|(_, code)| *code).collect();
        let is_in_message = MESSAGES.iter().any(|message| words.contains(message));
        assert!(is_in_message || named.len() == 1, "{reason:?}: {text}");
        assert!(named.iter().all(|named| *named == code(reason)), "{reason:?}: {text}");
    }
}

#[test]
fn keys_are_read_from_comments() {
    let read = |text| {
        let keys = keys(text).into_iter().map(|keys| (keys.names.join("|"), keys.is_optional));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(read("It is bad. NOT_FOUND."), []);
    let text = "Bad. Metadata: field (its path, from 1), limit or limit_bytes, [actual]. Not sent yet.";
    let expected = [("field", false), ("limit|limit_bytes", false), ("actual", true)];
    assert_eq!(read(text), expected.map(|(names, is_optional)| (names.to_owned(), is_optional)));
}

#[test]
fn faults_that_several_calls_share_are_as_documented() {
    use unknown::{Refusal, RefusalReason};
    let refused = |reason| Fault::from(Refusal { path: "a.b".to_owned(), reason });
    let without_path = |reason| Fault::from(Refusal { path: String::new(), reason });
    let from_tonic = |status: Status| layers::contract_fault(&status, 5).expect("a fault of the contract");
    for fault in [
        Fault::from(ValidationError::new("stream_id", "is bad")),
        Fault::from(ValidationError::new("cursor", "is bad")),
        Fault::invalid("quality", "is bad"),
        Fault::draining(),
        Fault::too_many("rois", 3),
        submit::batch_too_large(6, 5),
        page::bad_token(),
        refused(RefusalReason::UnknownField),
        refused(RefusalReason::UnknownEnumValue(7)),
        refused(RefusalReason::NumberTooLarge(1 << 60)),
        refused(RefusalReason::UnsetOneof),
        without_path(RefusalReason::UnknownRequest),
        without_path(RefusalReason::Malformed("it is cut off")),
        from_tonic(Status::out_of_range("Error, decoded message length too large: found 6 bytes")),
        from_tonic(Status::unimplemented("Content is compressed with `gzip`")),
        from_tonic(Status::internal("failed to decode")),
    ] {
        check(&fault);
    }
}
