//! What `frameway streams show` tells of a stream beside its settings and status: the outcomes of
//! its frames, the last failure, and how long frames are kept at the present rate.

use std::time::Duration;

use serde_json::{Value, json};

use super::failure::{LastFailure, last_failure};
use super::show::bound_by;
use crate::client::Client;
use crate::console::output::{duration, ms_json, since, span, time_json};
use crate::pb::v1 as pb;
use crate::pb::v1::frame_lookup::Outcome;

/// The minimum number of kept frames, and of the time that they cover, for an estimate.
const MIN_FRAMES: u64 = 10;
const MIN_TIME: Duration = Duration::from_secs(2);

/// Facts that several calls find out. Each is `None` if the caller may not read it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    account: Option<pb::FrameAccount>,
    failure: Option<LastFailure>,
    keeps: Option<Keeps>,
}

/// The time for which frames are kept.
#[derive(Debug, PartialEq)]
struct Keeps {
    time: Duration,
    bound: &'static str,
}

/// Reads the facts about a stream.
pub(super) async fn read(client: &Client, stream: &pb::Stream) -> Facts {
    let (account, failure, keeps) = tokio::join!(
        account(client, &stream.stream_id),
        last_failure(client, &stream.stream_id),
        keeps(client, stream),
    );
    Facts { account, failure, keeps }
}

async fn account(client: &Client, stream_id: &str) -> Option<pb::FrameAccount> {
    let filter = format!("stream_id = \"{stream_id}\"");
    let request = pb::ListStreamStatsRequest { page_size: 1, filter, ..Default::default() };
    let page = client.queues.clone().list_stream_stats(request).await.ok()?.into_inner();
    page.streams.into_iter().next()?.account
}

async fn keeps(client: &Client, stream: &pb::Stream) -> Option<Keeps> {
    let status = stream.status.as_ref().filter(|status| status.oldest_sequence > 0)?;
    let newest = status.last_receive_time.as_ref()?;
    let request = pb::GetFramesRequest {
        stream_id: stream.stream_id.clone(),
        sequences: vec![status.oldest_sequence],
        pictures: Some(pb::PictureSelection { metadata_only: true, ..Default::default() }),
    };
    let found = client.streaming.clone().get_frames(request).await.ok()?.into_inner().results;
    let oldest = match found.into_iter().next()?.outcome? {
        Outcome::Frame(frame) => frame.receive_time?,
        Outcome::Tombstone(tombstone) => tombstone.receive_time?,
        Outcome::Missing(_) => return None,
    };
    estimate(status, &stream.effective?.retention?, since(&oldest).saturating_sub(since(newest)))
}

/// Estimates how long frames are kept if the stream goes on as in `covered`, the time from the
/// oldest kept frame to the newest one. `None` if too few frames are kept, or if something else than
/// the policy bounds them.
fn estimate(status: &pb::StreamStatus, policy: &pb::RetentionPolicy, covered: Duration) -> Option<Keeps> {
    let (frames, bytes) = (status.retained_frames, status.retained_bytes);
    if frames < MIN_FRAMES || covered < MIN_TIME {
        return None;
    }
    let is_bounded = status.trimmed_until_receive_time.is_some();
    if is_bounded && bound_by(status, covered, policy).contains("memory budget") {
        return None;
    }
    let times = |share: f64| Duration::try_from_secs_f64(covered.as_secs_f64() * share).ok();
    let by_frames = times(policy.max_frames? as f64 / frames as f64);
    let by_bytes = times(policy.max_bytes? as f64 / bytes.max(1) as f64);
    let by_age = policy.max_age.as_ref().map(duration);
    let bounds = [(by_frames, "retain frames"), (by_bytes, "retain bytes"), (by_age, "retain age")];
    let known = bounds.into_iter().filter_map(|(time, bound)| Some(Keeps { time: time?, bound }));
    known.min_by_key(|keeps| keeps.time)
}

impl Facts {
    /// Returns the rows for the table of a stream.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some(account) = &self.account {
            let counts = [
                ("failed", account.failed_frames),
                ("dropped", account.dropped_frames),
                ("purged", account.purged_frames),
            ];
            rows.extend(counts.map(|(name, count)| (name, format!("{count} frames"))));
            let rejected = format!("{} frames, since this server started", account.rejected_frames);
            rows.push(("rejected", rejected));
        }
        if let Some(failure) = &self.failure {
            let ago =
                failure.time.as_ref().map(|time| format!("{} ago, ", span(since(time)))).unwrap_or_default();
            let text = format!(
                "{} ({}), {ago}sequence {}, dead letter {}",
                failure.reason, failure.message, failure.sequence, failure.dead_letter_id
            );
            rows.push(("last failure", text));
        }
        if let Some(keeps) = &self.keeps {
            let time = span(Duration::from_secs(keeps.time.as_secs()));
            rows.push(("keeps", format!("{time} at the present rate, bounded by {}", keeps.bound)));
        }
        rows
    }

    /// Adds the facts to the JSON of a stream.
    pub(super) fn add_to(&self, stream: &mut Value) {
        stream["account"] = self.account.as_ref().map_or(Value::Null, |account| {
            json!({
                "accepted_frames": account.accepted_frames,
                "processed_frames": account.processed_frames,
                "failed_frames": account.failed_frames,
                "dropped_frames": account.dropped_frames,
                "purged_frames": account.purged_frames,
                "duplicate_frames": account.duplicate_frames,
                "rejected_frames": account.rejected_frames,
                "over_budget_frames": account.over_budget_frames,
            })
        });
        stream["last_failure"] = self.failure.as_ref().map_or(Value::Null, |failure| {
            json!({
                "reason": failure.reason,
                "message": failure.message,
                "sequence": failure.sequence,
                "time": time_json(failure.time.as_ref()),
                "dead_letter_id": failure.dead_letter_id,
            })
        });
        stream["keeps"] = self.keeps.as_ref().map_or(
            Value::Null,
            |keeps| json!({ "time_ms": ms_json(Some(keeps.time)), "bounded_by": keeps.bound }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_that_is_reached_first_says_how_long_frames_are_kept() {
        let policy = pb::RetentionPolicy {
            max_frames: Some(10_000),
            max_age: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
            max_bytes: Some(256 << 20),
        };
        let kept = |retained_frames, retained_bytes| {
            let status = pb::StreamStatus { retained_frames, retained_bytes, ..Default::default() };
            let keeps = estimate(&status, &policy, Duration::from_secs(10))?;
            Some((keeps.time.as_secs(), keeps.bound))
        };
        // 5 frames a second, of 20 kB and of 200 kB; one frame a second.
        assert_eq!(kept(50, 1_000_000), Some((2_000, "retain frames")));
        assert_eq!(kept(50, 10_000_000), Some((268, "retain bytes")));
        assert_eq!(kept(10, 10_000), Some((3_600, "retain age")));
        assert_eq!(kept(9, 10_000), None);
        let full = pb::StreamStatus {
            retained_frames: 50,
            retained_bytes: 10_000_000,
            trimmed_until_receive_time: Some(prost_types::Timestamp::default()),
            ..Default::default()
        };
        assert_eq!(estimate(&full, &policy, Duration::from_secs(10)), None, "the memory budget trims it");
    }
}
