//! A call's deadline (`grpc-timeout`), enforced until the call ends, which may be a long stream.
//!
//! Clients end their calls themselves when the deadline passes, but a proxy may lose the reset. The
//! server then ends the call. Its status must be DEADLINE_EXCEEDED, because a client whose clock is
//! a little late receives that status before it ends the call itself.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

use crate::grpc::fault::Fault;
use crate::pb::v1::ErrorReason;

const HEADER: &str = "grpc-timeout";
/// The maximum number of digits that the protocol allows.
const MAX_DIGITS: usize = 8;

/// Reads the timeout of a call, if its metadata has one.
pub(super) fn parse(headers: &HeaderMap) -> Result<Option<Duration>, Fault> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let timeout = value.to_str().ok().and_then(parse_value);
    timeout.map(Some).ok_or_else(|| {
        Fault::protocol_violation(
            "grpc-timeout must be 1 to 8 digits and a unit (H, M, S, m, u or n), for example 500m",
        )
    })
}

fn parse_value(value: &str) -> Option<Duration> {
    let unit = value.chars().next_back()?;
    let digits = value.strip_suffix(unit)?;
    let is_number =
        (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Returns the fault of a call whose deadline has passed.
pub(super) fn exceeded() -> Fault {
    Fault::new(
        ErrorReason::DeadlineExceeded,
        "the deadline of the call passed at the server; its work may have been done",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_defines_them() {
        for (value, timeout) in [
            ("0S", Some(Duration::ZERO)),
            ("1n", Some(Duration::from_nanos(1))),
            ("20u", Some(Duration::from_micros(20))),
            ("300m", Some(Duration::from_millis(300))),
            ("3M", Some(Duration::from_secs(180))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("", None),
            ("S", None),
            ("5", None),
            ("+5S", None),
            ("-1S", None),
            ("1.5S", None),
            ("5s", None),
            ("123456789S", None),
            ("5\u{b5}", None),
        ] {
            assert_eq!(parse_value(value), timeout, "{value}");
        }
    }
}
