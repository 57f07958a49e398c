//! Tests with requests of the sample contract and with all requests of the real one.

use proptest::prelude::*;
use prost::Message as _;

use super::refusal::{MAX_UINT64, RefusalReason};
use super::walk::MAX_DEPTH;
use super::*;
use crate::grpc::reflect::sample;
use crate::pb::v1::ErrorReason;

fn requests() -> &'static Requests {
    static REQUESTS: LazyLock<Requests> = LazyLock::new(|| Requests::of(sample::pool()));
    &REQUESTS
}

fn run(name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    requests().find("sample.v1", name).unwrap().run(bytes)
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number, &mut bytes);
    bytes
}

/// Encodes a field with a varint.
fn v(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3), varint(value)].concat()
}

/// Encodes a field with bytes.
fn b(number: u32, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(u64::from(number) << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// Encodes a field with eight bytes.
fn f(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn put(camera: &[u8]) -> Vec<u8> {
    b(1, camera)
}

#[test]
fn known_requests_pass() {
    let over = MAX_UINT64;
    let camera = [
        b(1, "cam"),
        b(3, [b(1, "site"), b(2, "north")].concat()),
        b(3, b(1, "value and all else may be left out")),
        b(4, f(1, 0)),
        b(5, []),
        b(5, []),
        b(6, [v(1, 2), b(3, v(2, over))].concat()),
        b(7, [v(1, 20), v(2, 5)].concat()),
        b(9, [v(1, u64::MAX), v(2, 5)].concat()),
        b(10, v(1, u64::MAX)), // -1, as an enum has it
        b(11, [0xFF; 300]),
        v(12, 1),
        b(12, [varint(2), varint(over)].concat()),
        v(13, 1),
        v(15, 1),
        b(15, [1, 2]),
        f(17, over),
        b(18, b(2, b(3 - 2, "x"))),
        v(19, 3),
    ];
    assert_eq!(run("PutRequest", &put(&camera.concat())), Ok(()));
    assert_eq!(run("PutRequest", &[]), Ok(()));
    assert!(requests().find("sample.v1", "PutResponse").is_none(), "responses are not checked");
    assert!(requests().find("other", "PutRequest").is_none());
}

#[test]
fn unknown_parts_are_named_by_their_path() {
    let unset = || RefusalReason::UnsetOneof;
    let over = || RefusalReason::NumberTooLarge(MAX_UINT64 + 1);
    for (bytes, path, reason) in [
        (v(3, 1), "3", RefusalReason::UnknownField),
        (b(15_000, "x"), "15000", RefusalReason::UnknownField),
        (put(&v(99, 1)), "camera.99", RefusalReason::UnknownField),
        (
            put(&[b(5, []), b(5, []), b(5, f(17, 1))].concat()),
            "camera.points[2].17",
            RefusalReason::UnknownField,
        ),
        (put(&b(7, v(3, 1))), "camera.timeout.3", RefusalReason::UnknownField),
        (put(&b(3, [b(1, "site"), v(3, 1)].concat())), "camera.labels.site.3", RefusalReason::UnknownField),
        (put(&b(3, [v(3, 1), b(1, "a.b")].concat())), "camera.labels.\"a.b\".3", RefusalReason::UnknownField),
        (put(&b(18, b(2, b(2, v(9, 1))))), "camera.selectors[0].inner.inner.9", RefusalReason::UnknownField),
        (put(&b(10, v(1, 7))), "camera.status.state", RefusalReason::UnknownEnumValue(7)),
        (put(&[v(15, 1), b(15, [1, 2, 5])].concat()), "camera.states[3]", RefusalReason::UnknownEnumValue(5)),
        (put(&v(15, 3)), "camera.states[0]", RefusalReason::UnknownEnumValue(3)),
        (put(&b(10, v(2, MAX_UINT64 + 1))), "camera.status.frames", over()),
        (put(&f(17, MAX_UINT64 + 1)), "camera.token", over()),
        (put(&[v(12, 1), v(12, MAX_UINT64 + 1)].concat()), "camera.numbers[1]", over()),
        (
            put(&[v(12, 1), b(12, [varint(1), varint(2), varint(MAX_UINT64 + 1)].concat())].concat()),
            "camera.numbers[3]",
            over(),
        ),
        (put(&b(16, [b(1, "k"), b(2, v(3, MAX_UINT64 + 1))].concat())), "camera.matches.k.number", over()),
        (put(&b(18, [])), "camera.selectors[0].selector", unset()),
        (put(&[b(18, b(1, "x")), b(18, b(2, []))].concat()), "camera.selectors[1].inner.selector", unset()),
        (put(&b(16, [b(1, "k"), b(2, [])].concat())), "camera.matches.k.selector", unset()),
    ] {
        assert_eq!(run("PutRequest", &bytes), Err(Refusal { path: path.to_owned(), reason }), "{path}");
    }
}

#[test]
fn bytes_that_are_no_message_are_malformed() {
    let long_group = [varint(5 << 3 | 3), varint(5 << 3 | 4)].concat();
    let deep = (0..=MAX_DEPTH).fold(b(1, "x"), |inner, _| b(2, inner));
    let high_tag = varint(1 << 40);
    for (name, bytes) in [
        ("cut off in a tag", vec![0x80]),
        ("cut off in a varint", vec![8, 0x80]),
        ("cut off in a message", vec![10, 5, 0]),
        ("cut off in eight bytes", put(&[0x89, 1, 0, 0])),
        ("cut off in four bytes", vec![0x15, 0]),
        ("a length beyond all memory", [vec![10], varint(u64::MAX)].concat()),
        ("a varint of eleven bytes", [&[8][..], &[0xFF; 10], &[1]].concat()),
        ("field number 0", vec![0, 1]),
        ("a field number over 2^29", high_tag),
        ("a group", put(&long_group)),
        ("wire type 6", vec![14]),
        ("a message as a varint", v(1, 1)),
        ("text as a varint", put(&v(1, 1))),
        ("a number as text", put(&b(10, b(2, "12")))),
        ("a double as a varint", put(&v(14, 1))),
        ("a list of text as a varint", put(&b(10, v(4, 1)))),
        ("packed numbers that are cut off", put(&b(12, [1, 0x80]))),
        ("too deep", put(&b(18, deep))),
    ] {
        let refusal = run("PutRequest", &bytes).unwrap_err();
        assert!(matches!(refusal.reason, RefusalReason::Malformed(_)), "{name}: {refusal:?}");
        assert_eq!(Fault::from(refusal).reason, ErrorReason::ProtocolViolation);
    }
    let allowed = (0..MAX_DEPTH - 4).fold(b(1, "x"), |inner, _| b(2, inner));
    assert_eq!(run("PutRequest", &put(&b(18, allowed))), Ok(()));
}

#[test]
fn calls_that_carry_frames_accept_unknown_fields() {
    let feed = |feed: &[u8]| b(1, feed);
    for bytes in [
        vec![],
        [feed(&v(1, MAX_UINT64)), v(77, 1)].concat(),
        feed(&[v(1, 3), b(99, "new")].concat()),
        // Frames are answered one by one.
        feed(&[v(1, 3), b(2, [v(99, 1), v(12, u64::MAX), b(18, [])].concat())].concat()),
    ] {
        assert_eq!(run("FeedRequest", &bytes), Ok(()), "{bytes:?}");
    }
    for (bytes, path, reason) in [
        (v(3, 1), "", RefusalReason::UnknownRequest),
        (b(15_001, "new"), "", RefusalReason::UnknownRequest),
        (feed(&v(1, MAX_UINT64 + 1)), "feed.batch_id", RefusalReason::NumberTooLarge(MAX_UINT64 + 1)),
        (feed(&v(3, 9)), "feed.state", RefusalReason::UnknownEnumValue(9)),
        (b(2, []), "setup.selector", RefusalReason::UnsetOneof),
    ] {
        assert_eq!(run("FeedRequest", &bytes), Err(Refusal { path: path.to_owned(), reason }), "{bytes:?}");
    }
}

#[test]
fn refusals_say_which_field_and_which_bound() {
    let fault = |path: &str, reason| Fault::from(Refusal { path: path.to_owned(), reason });
    let unknown = fault("selectors[0].start.17", RefusalReason::UnknownField);
    assert_eq!(unknown.field, "selectors[0].start.17");
    assert!(unknown.message.starts_with("selectors[0].start.17 is a field that this server"));
    let over = fault("batch.batch_id", RefusalReason::NumberTooLarge(1 << 53));
    assert_eq!((over.reason, over.field.as_str()), (ErrorReason::InvalidField, "batch.batch_id"));
    assert_eq!(over.facts, [("limit", "9007199254740991".to_owned())]);
    assert_eq!(over.message, "batch.batch_id is 9007199254740992, above the maximum of 9007199254740991");
    let value = fault("state", RefusalReason::UnknownEnumValue(-4));
    assert_eq!((value.reason, value.field.as_str()), (ErrorReason::InvalidField, "state"));
    assert_eq!(fault("target", RefusalReason::UnsetOneof).field, "target");
    assert_eq!(fault("", RefusalReason::UnknownRequest).reason, ErrorReason::NotImplemented);
}

#[test]
fn every_request_of_the_contract_is_checked() {
    let requests = Requests::of(reflect::pool());
    let mut checked = 0;
    for method in reflect::pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let input = method.input();
        let check = requests.find(input.package_name(), input.name());
        let check = check.unwrap_or_else(|| panic!("{}", input.full_name()));
        let lenient = LENIENT_METHODS.contains(&method.name());
        assert_eq!(check.run(&v(15_000, 1)).is_ok(), lenient && input.oneofs().len() == 0);
        let output = method.output();
        assert!(requests.find(output.package_name(), output.name()).is_none(), "{}", output.full_name());
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

proptest! {
    /// Checks that a request that passes decodes without anything unknown, and that nothing panics.
    #[test]
    fn requests_that_pass_have_no_unknown_parts(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if run("PutRequest", &put(&bytes)).is_ok() {
            let mut decoded = sample::new("PutRequest");
            if decoded.merge(&put(&bytes)[..]).is_ok() {
                prop_assert_eq!(decoded.unknown_fields().count(), 0);
            }
        }
    }

    /// Checks that the walk refuses everything that decoding refuses, except for text that is not
    /// UTF-8.
    #[test]
    fn requests_that_cannot_be_decoded_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let request = put(&b(16, [b(1, "k"), b(2, &bytes)].concat()));
        if let Err(error) = sample::new("PutRequest").merge(&request[..]) {
            prop_assert!(run("PutRequest", &request).is_err() || error.to_string().contains("UTF-8"), "{error}");
        }
    }
}
