use std::collections::BTreeMap;
use std::fmt;

use super::limits::MAX_TRACESTATE_BYTES;
use super::{PictureFormat, PublisherId, RawColors, Sequence, Timestamp};

/// The BLAKE3 hash of a submitted picture, or of a request that is compared with an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Computes the hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The publisher of a frame and the sequence that it gave the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherSequence {
    /// The publisher.
    pub id: PublisherId,
    /// The publisher sequence, from 1 to 2^53 - 1; rises within a stream, by any step.
    pub sequence: u64,
}

/// The submitted picture, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// The encoding of the bytes.
    pub format: PictureFormat,
    /// Width in pixels; 0 if the publisher did not state it and the header was not read.
    pub width: u32,
    /// Height in pixels; 0 for the same reason as `width`.
    pub height: u32,
    /// Bytes from one row of a raw picture to the next; 0 = rows without padding.
    pub row_stride_bytes: u32,
    /// The range and the matrix of raw luma and chroma samples.
    pub colors: RawColors,
    /// The number of bytes.
    pub size_bytes: u64,
    /// The hash of the bytes.
    pub digest: Digest,
}

/// Everything known about a submitted frame except its stream, its sequence and its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// The publisher and its publisher sequence; `None` = the frame is not deduplicated.
    pub publisher: Option<PublisherSequence>,
    /// The time when the camera captured the frame, by its own clock, which is not trusted.
    pub capture_time: Option<Timestamp>,
    /// True if the capture time differed from the server's clock by more than the stream tolerates.
    pub clock_skewed: bool,
    /// The submitted picture.
    pub source: SourceInfo,
    /// The publisher's own key-value pairs.
    pub attributes: BTreeMap<String, String>,
    /// The W3C `traceparent` as submitted; empty if there is none.
    pub traceparent: String,
    /// The W3C `tracestate` as submitted; empty if there is none, or no `traceparent`.
    pub tracestate: String,
    /// If this frame is the replay of a dead letter: the sequence of the frame that was given up.
    pub replayed_from: Option<Sequence>,
}

/// Returns the well-formed parts of a W3C trace context, `traceparent` and `tracestate`.
///
/// A malformed part is replaced with an empty string: the frame is not refused because of it.
/// According to the standard, a `tracestate` has no meaning without a `traceparent`.
#[must_use]
pub fn well_formed_trace(traceparent: String, tracestate: String) -> (String, String) {
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = traceparent.split('-');
    let whole = [2, 32, 16, 2].into_iter().all(|length| parts.next().is_some_and(|part| hex(part, length)));
    if !whole || parts.next().is_some() {
        return (String::new(), String::new());
    }
    // Receivers may put the `tracestate` into an HTTP header, which may contain only printable
    // characters and tabs.
    let printable = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
    let fits = tracestate.len() <= MAX_TRACESTATE_BYTES && tracestate.bytes().all(printable);
    (traceparent, if fits { tracestate } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn passed_on(traceparent: &str, tracestate: &str) -> (String, String) {
        well_formed_trace(traceparent.to_owned(), tracestate.to_owned())
    }

    #[test]
    fn a_well_formed_trace_context_is_passed_on_as_it_is() {
        let longest = "x".repeat(MAX_TRACESTATE_BYTES);
        for state in ["", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "a=1\t,b=2", &longest] {
            assert_eq!(passed_on(PARENT, state), (PARENT.to_owned(), state.to_owned()));
        }
    }

    #[test]
    fn a_tracestate_that_cannot_be_passed_on_leaves_the_traceparent() {
        let too_long = "x".repeat(MAX_TRACESTATE_BYTES + 1);
        for state in ["a=1\r\nx: y", "a=\u{e9}", "a=\0", &too_long] {
            assert_eq!(passed_on(PARENT, state), (PARENT.to_owned(), String::new()), "{state:?}");
        }
    }

    #[test]
    fn a_tracestate_means_nothing_without_a_well_formed_traceparent() {
        let fifth_part = format!("{PARENT}-00");
        for parent in ["", "hello", "00-xyz-1-01", &fifth_part] {
            assert_eq!(passed_on(parent, "a=1"), (String::new(), String::new()), "{parent:?}");
        }
    }
}
