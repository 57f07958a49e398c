//! Settings as they were given, and the defaults of those that were not.

use std::time::Duration;

use frameway::domain::{
    BackoffSettings, GroupPolicies, GroupSettings, OutputSettings, QueueSettings, RetentionSettings,
    RetryBackoff, StreamPolicies, StreamSettings,
};
use frameway::queue::Refusal;

use crate::backend::Backend;
use crate::groups::{create, group_id, settings};
use crate::support::*;

pub(crate) async fn unset_settings_stay_unset_and_follow_the_default(backend: Backend) {
    let store = backend.open().await;
    let plain = register(&*store, "cam").await;
    assert_eq!((&plain.settings, plain.effective), (&StreamSettings::default(), StreamPolicies::default()));
    let said = StreamSettings {
        retention: RetentionSettings {
            max_age: Some(Duration::from_nanos(5_000_000_001)),
            ..Default::default()
        },
        queue: QueueSettings { max_frames: Some(2), ..QueueSettings::default() },
        output: OutputSettings { lossless: true, max_width: Some(64), ..OutputSettings::default() },
        ..StreamSettings::default()
    };
    store.update_stream(&id("cam"), &said, plain.etag()).await.unwrap();
    let updated = record(&*store, "cam").await;
    assert_eq!((&updated.settings, updated.effective), (&said, said.effective(&StreamPolicies::default())));
    assert_eq!(updated.effective.queue.max_bytes, StreamPolicies::default().queue.max_bytes);
    accept(&*store, vec![frame("cam", "1"), frame("cam", "2")]).await;
    assert_eq!(accept_one(&*store, frame("cam", "3")).await, refused(Refusal::StreamQueueFull));
    // Unset again: the limit is the default, which is much higher.
    let unset = store.update_stream(&id("cam"), &StreamSettings::default(), updated.etag()).await.unwrap();
    assert_eq!((&unset.settings, unset.effective), (&StreamSettings::default(), StreamPolicies::default()));
    assert_eq!(accept_one(&*store, frame("cam", "3")).await, accepted(3));
}

pub(crate) async fn a_group_keeps_its_settings_as_given(backend: Backend) {
    let store = backend.open().await;
    let plain = create(&*store, &settings(), &[]).await;
    assert_eq!((&plain.settings, plain.settings.effective()), (&settings(), GroupPolicies::default()));
    let longest = Duration::from_nanos(90_000_000_001);
    let backoff = BackoffSettings { min_delay: Some(longest), max_delay: None };
    let said = GroupSettings { max_delivery_attempts: Some(5), backoff, ..settings() };
    store.update_group(&group_id(), &said, plain.etag(), &[]).await.unwrap();
    let stored = store.get_groups(&[group_id()]).await.unwrap().remove(0).unwrap();
    assert_eq!(stored.settings, said, "even if it equals the default");
    let backoff = RetryBackoff { min_delay: longest, max_delay: longest };
    assert_eq!(stored.settings.effective(), GroupPolicies { backoff, ..GroupPolicies::default() });
}

mod redis {
    use std::sync::Arc;

    use frameway::domain::{Partitions, QueuePolicy};
    use frameway::queue::redis::{RedisConfig, RedisQueue};
    use frameway::queue::{AcceptResult, ListStreams, Queue};

    use super::*;
    use crate::common::redis::RedisServer;

    /// Opens the store as a server with a default of `max_frames` waiting frames for each stream.
    async fn open(redis: &RedisServer, max_frames: u64) -> Arc<RedisQueue> {
        let queue = QueuePolicy { max_frames, ..QueuePolicy::default() };
        let config = RedisConfig {
            url: redis.url().into(),
            partitions: Partitions::new(1).unwrap(),
            timeout: crate::common::DEADLINE,
            defaults: StreamPolicies { queue, ..StreamPolicies::default() },
            ..RedisConfig::default()
        };
        RedisQueue::open(config).await.unwrap()
    }

    /// Accepts a frame, as soon as the server may; returns false if the stream is full.
    async fn is_accepted(queue: &RedisQueue, stream: &str) -> bool {
        crate::common::eventually("a decision", || async {
            match accept_one(queue, frame(stream, "picture")).await {
                AcceptResult::Accepted(..) => Some(true),
                AcceptResult::Refused(Refusal::StreamQueueFull) => Some(false),
                _ => None,
            }
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stream_removed_while_a_page_is_read_does_not_end_the_list() {
        let redis = RedisServer::start();
        let queue = open(&redis, 1).await;
        for stream in ["a", "b", "c", "d"] {
            register(&*queue, stream).await;
        }
        // Names without a stream: as if it had been unregistered between the two reads.
        for gone in ["a-gone", "b-gone", "z-gone"] {
            let key = format!("frameway:{{{}}}:streams", queue.partitions().of(&id(gone)));
            redis.cli(&["ZADD", &key, "0", gone]);
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = queue.list_streams(&ListStreams { after, limit: 2 }).await.unwrap();
            seen.extend(page.iter().map(|record| record.id.to_string()));
            if page.len() < 2 {
                break;
            }
            after = page.last().map(|record| record.id.clone());
        }
        assert_eq!(seen, ["a", "b", "c", "d"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_server_applies_its_own_defaults_to_unset_settings() {
        let redis = RedisServer::start();
        let (narrow, wide) = (open(&redis, 1).await, open(&redis, 50).await);
        register(&*wide, "unsaid").await;
        register_bounded(&*wide, "said", 2, 1 << 20).await;
        for (queue, bound) in [(&narrow, 1), (&wide, 50)] {
            assert_eq!(record(&**queue, "unsaid").await.effective.queue.max_frames, bound);
            assert_eq!(record(&**queue, "said").await.effective.queue.max_frames, 2);
        }
        // A new default applies to streams that were registered before, but not to settings that
        // were given.
        assert!(is_accepted(&narrow, "unsaid").await);
        assert!(!is_accepted(&narrow, "unsaid").await);
        assert!(is_accepted(&wide, "unsaid").await);
        assert!(is_accepted(&narrow, "said").await);
        assert!(is_accepted(&narrow, "said").await);
        assert!(!is_accepted(&wide, "said").await);
        // The settings say that frames are dropped, but give no limits.
        let drop_oldest = QueueSettings { drop_oldest: Some(true), ..QueueSettings::default() };
        let dropping = StreamSettings { queue: drop_oldest, ..StreamSettings::default() };
        let stored = narrow.register_stream(&id("dropping"), &dropping).await.unwrap().record;
        let bound = stored.effective.queue.refusal_frames();
        for _ in 0..bound {
            assert!(is_accepted(&narrow, "dropping").await);
        }
        assert!(!is_accepted(&narrow, "dropping").await);
    }
}
