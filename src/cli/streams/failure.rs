//! The last failure of a stream, as its newest dead letter tells it.

use prost_types::Timestamp;

use crate::client::Client;
use crate::console::output::short;
use crate::pb::v1 as pb;

/// A frame of a stream that a worker gave up.
#[derive(Debug)]
pub(in crate::cli) struct LastFailure {
    /// The name of the reason, for example `DECODE_TRUNCATED`.
    pub(in crate::cli) reason: String,
    pub(super) message: String,
    pub(super) dead_letter_id: String,
    pub(super) sequence: u64,
    pub(super) time: Option<Timestamp>,
}

/// Reads the last failure of a stream; `None` if there is none, its dead letter is gone, or the
/// caller may not read dead letters.
pub(in crate::cli) async fn last_failure(client: &Client, stream_id: &str) -> Option<LastFailure> {
    let filter = format!("stream_id = \"{stream_id}\" AND source = DEAD_LETTER_SOURCE_WORKER");
    let request = pb::ListDeadLettersRequest { page_size: 1, filter, ..Default::default() };
    let page = client.dead_letters.clone().list_dead_letters(request).await.ok()?.into_inner();
    let letter = page.dead_letters.into_iter().next()?;
    Some(LastFailure {
        reason: short(letter.reason().as_str_name(), "ERROR_REASON_"),
        message: letter.message,
        dead_letter_id: letter.dead_letter_id,
        sequence: letter.sequence,
        time: letter.dead_letter_time,
    })
}
