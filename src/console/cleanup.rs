//! Removing the streams that the demo or a benchmark has registered in a Redis of the user.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::{Client, describe};
use crate::pb::v1 as pb;

/// The maximum wait until the server has removed the streams' frames.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The removal of a program's own streams, with the number of frames that were kept before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamCleanup {
    kept_before: u64,
}

impl StreamCleanup {
    /// Records the number of frames that are kept now. Call it before the streams are registered.
    pub(crate) async fn before(client: &mut Client) -> Self {
        Self { kept_before: kept(client).await.unwrap_or(u64::MAX) }
    }

    /// Removes the streams, and waits up to 3 s until the server has removed their frames.
    pub(crate) async fn remove(self, client: &mut Client, streams: &[String]) {
        for stream in streams {
            let request = pb::UnregisterStreamRequest { stream_id: stream.clone(), ..Default::default() };
            if let Err(status) = client.registry.unregister_stream(request).await {
                eprintln!("cannot remove stream {stream}: {}", describe(&status));
            }
        }
        let deadline = Instant::now() + REMOVAL_DEADLINE;
        while Instant::now() < deadline && kept(client).await.is_some_and(|kept| kept > self.kept_before) {
            sleep(POLL_INTERVAL).await;
        }
    }
}

/// Returns the number of frames that the server keeps; `None` if it does not answer.
async fn kept(client: &mut Client) -> Option<u64> {
    let answer = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
    Some(answer.ok()?.into_inner().total?.retained_frames)
}
