use std::collections::BTreeMap;
use std::fmt;

use super::limits::{MAX_TRACEPARENT_BYTES, MAX_TRACESTATE_BYTES};
use super::{PictureFormat, PublisherId, RawColors, Sequence, Timestamp};

/// BLAKE3 of some bytes: of a picture's as the camera sent them, or of a request that is compared with another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digests `bytes`.
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

/// Who submitted a frame, and under which number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherMark {
    /// The publisher.
    pub id: PublisherId,
    /// Its number for this frame: rises by any step, per stream; 1 to 2^53 - 1.
    pub sequence: u64,
}

/// The submitted picture, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Encoding.
    pub format: PictureFormat,
    /// Pixels across. 0 where the sender did not say and the header was not read.
    pub width: u32,
    /// Pixels down. 0 likewise.
    pub height: u32,
    /// Bytes from one row of a raw picture to the next; 0 = rows lie tight.
    pub row_stride_bytes: u32,
    /// What the numbers of raw luma and chroma mean.
    pub colors: RawColors,
    /// Size of the bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the bytes.
    pub digest: Digest,
}

/// Everything said of a frame but its stream, its numbers and its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// Who sent it. Without it there is no deduplication.
    pub publisher: Option<PublisherMark>,
    /// When the camera says it saw this. Not trusted.
    pub capture_time: Option<Timestamp>,
    /// The capture time was further from the server's clock than the stream tolerates.
    pub clock_skewed: bool,
    /// The submitted picture.
    pub source: SourceInfo,
    /// The sender's own key-value pairs.
    pub attributes: BTreeMap<String, String>,
    /// W3C trace context as submitted; empty if none.
    pub traceparent: String,
    /// What tracing systems add to the trace context; empty if there is none, and without a `traceparent`.
    pub tracestate: String,
    /// Number of the dead letter's frame that this one is a replay of.
    pub replayed_from: Option<Sequence>,
}

/// Returns a W3C trace context, `traceparent` and `tracestate`, as far as it can be passed on: a malformed part is empty,
/// since it is no reason to lose a frame. Without a `traceparent` a `tracestate` means nothing, says the standard.
#[must_use]
pub fn well_formed_trace(traceparent: String, tracestate: String) -> (String, String) {
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = traceparent.split('-');
    let whole = [2, 32, 16, 2].into_iter().all(|length| parts.next().is_some_and(|part| hex(part, length)));
    if !whole || traceparent.len() > MAX_TRACEPARENT_BYTES || parts.next().is_some() {
        return (String::new(), String::new());
    }
    // It becomes a header of HTTP again: printable characters and tabs.
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
        let too_long = format!("{PARENT}-{}", "0".repeat(MAX_TRACEPARENT_BYTES));
        for parent in ["", "hello", "00-xyz-1-01", &too_long] {
            assert_eq!(passed_on(parent, "a=1"), (String::new(), String::new()), "{parent:?}");
        }
    }
}
