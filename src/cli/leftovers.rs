//! Streams that a program made for itself in a Redis that outlives it: removed again, with what they kept.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::Client;
use super::fault;
use crate::pb::v1 as pb;

/// How long the removal of their frames is waited for.
const CLEARED_DEADLINE: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What was kept before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leftovers {
    kept_at_first: u64,
}

impl Leftovers {
    /// Notes what is kept now.
    pub(super) async fn before(client: &mut Client) -> Self {
        Self { kept_at_first: kept(client).await.unwrap_or(u64::MAX) }
    }

    /// Removes the streams, and waits a moment until retention has taken their frames.
    pub(super) async fn remove(self, client: &mut Client, streams: &[String]) {
        for stream in streams {
            let request = pb::UnregisterStreamRequest { stream_id: stream.clone(), ..Default::default() };
            if let Err(status) = client.registry.unregister_stream(request).await {
                eprintln!("cannot remove {stream} again: {}", fault::words(&status));
            }
        }
        let deadline = Instant::now() + CLEARED_DEADLINE;
        while Instant::now() < deadline && kept(client).await.is_some_and(|kept| kept > self.kept_at_first) {
            sleep(ASK_EVERY).await;
        }
    }
}

async fn kept(client: &mut Client) -> Option<u64> {
    let answer = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
    Some(answer.ok()?.into_inner().total?.retained_frames)
}
