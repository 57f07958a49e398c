//! The maximum sizes of messages.

use super::convert::picture::MAX_DELIVERED_PICTURE_BYTES;

/// The difference between the limit of decoding and the limit that handlers check. Because of it, a
/// message that is a little too large is refused by the handlers and not by tonic.
pub(crate) const DECODE_SLACK_BYTES: usize = 64 << 10;
/// The maximum size of a request of methods whose requests carry no pictures.
pub(crate) const MAX_CONTROL_MESSAGE_BYTES: usize = 4 << 20;
/// The maximum size of a response: the maximum of `max_picture_bytes`, and 4 MiB for everything
/// else.
pub(crate) const MAX_RESPONSE_BYTES: usize = MAX_DELIVERED_PICTURE_BYTES as usize + (4 << 20);
