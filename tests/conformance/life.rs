//! The identity of a store, and sequences that it has forgotten.

use frameway::domain::Sequence;
use frameway::queue::AcceptResult;

use crate::backend::Backend;
use crate::support::*;

pub(crate) async fn a_store_has_an_identity_of_its_own(backend: Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    assert_ne!(one.identity().id(), 0);
    assert_ne!(one.identity(), other.identity());
    assert_eq!(one.read_identity().await.unwrap(), one.identity());
    assert_eq!(one.status().await.unwrap().store, one.identity());
}

pub(crate) async fn an_issued_sequence_causes_no_jump(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2)]).await;
    store.note_issued(&id("cam"), Sequence::new(2).unwrap()).await.unwrap();
    store.note_issued(&id("nobody"), Sequence::new(2).unwrap()).await.unwrap();
    assert_eq!(accept_one(&*store, numbered("cam", 3)).await, accepted(3));
}

pub(crate) async fn a_server_joins_renews_its_place_and_leaves(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    store.join().await.unwrap();
    store.heartbeat().await.unwrap();
    assert_eq!(accept_one(&*store, numbered("cam", 1)).await, accepted(1));
    store.leave().await.unwrap();
}

/// Cases that only Redis has: it loses data that it acknowledged, while its servers run.
mod redis {
    use std::sync::Arc;
    use std::time::Duration;

    use frameway::domain::{Partitions, StreamSettings};
    use frameway::queue::redis::{RedisConfig, RedisQueue};
    use frameway::queue::{Error, FeedPosition, Queue, ServerPresence as _};

    use super::*;
    use crate::common::redis::{Persistence, RedisServer};

    fn config(redis: &RedisServer) -> RedisConfig {
        RedisConfig {
            url: redis.url().into(),
            partitions: Partitions::new(1).unwrap(),
            timeout: crate::common::DEADLINE,
            ..RedisConfig::default()
        }
    }

    async fn open(redis: &RedisServer) -> Arc<RedisQueue> {
        RedisQueue::open(config(redis)).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_queue_connects_by_itself_when_its_redis_starts() {
        let mut redis = RedisServer::start();
        redis.kill_hard();
        let queue = RedisQueue::new(config(&redis)).unwrap();
        let partition = queue.partitions().of(&id("cam"));
        let positions = [(partition, FeedPosition::default())];
        let unreachable = |error: &Error| matches!(error, Error::Unreachable(_));
        assert!(unreachable(&queue.status().await.unwrap_err()));
        assert!(unreachable(&queue.read_feed(&positions, Duration::ZERO).await.unwrap_err()));
        assert_eq!((queue.identity().id(), queue.memory().used_bytes), (0, 0));
        let refused = queue.accept(vec![numbered("cam", 1)]).await.remove(0);
        assert!(matches!(&refused, AcceptResult::Refused(refusal) if refusal.is_retryable()), "{refused:?}");
        redis.restart();
        let connected = || async { queue.connect().await.ok() };
        crate::common::eventually("the connection", connected).await;
        assert_ne!(queue.identity().id(), 0);
        register(&queue, "cam").await;
        assert_eq!(accept_one(&queue, numbered("cam", 1)).await, accepted(1));
        assert_eq!(queue.read_feed(&positions, Duration::ZERO).await.unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_command_reaches_a_store_of_another_layout() {
        let redis = RedisServer::start();
        redis.cli(&["SET", "frameway:layout", "frameway 1, xxh3_64, 1 partitions"]);
        let queue = RedisQueue::new(config(&redis)).unwrap();
        let partition = queue.partitions().of(&id("cam"));
        let positions = [(partition, FeedPosition::default())];
        // The first is a command that blocks, on a connection of its own.
        for _ in 0..2 {
            let error = queue.read_feed(&positions, Duration::ZERO).await.unwrap_err();
            assert!(matches!(&error, Error::Layout(why) if why.contains("frameway 1")), "{error}");
            let error = queue.register_stream(&id("cam"), &StreamSettings::default()).await.unwrap_err();
            assert!(matches!(error, Error::Layout(_)), "{error}");
            let refused = queue.accept(vec![numbered("cam", 1)]).await.remove(0);
            assert!(matches!(refused, AcceptResult::Refused(_)), "nothing was sent: {refused:?}");
        }
        assert_eq!(redis.cli(&["DBSIZE"]).trim(), "1", "nothing was written");
        assert_eq!((redis.calls("xread"), redis.calls("evalsha")), (0, 0));
    }

    /// Accepts a frame of `cam`, as soon as Redis is back; returns its sequence.
    async fn number_of(queue: &RedisQueue, number: u64) -> u64 {
        number_in(queue, "cam", number).await
    }

    async fn number_in(queue: &RedisQueue, stream: &str, number: u64) -> u64 {
        crate::common::eventually("a frame to be accepted", || async {
            match queue.accept(vec![numbered(stream, number)]).await.remove(0) {
                AcceptResult::Accepted(sequence, _) => Some(sequence.get()),
                _ => None,
            }
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_emptied_store_gets_a_new_identity() {
        let redis = RedisServer::start();
        let queue = open(&redis).await;
        register(&*queue, "cam").await;
        let before = queue.identity();
        assert_eq!(open(&redis).await.identity(), before, "all servers of a store read the same");
        redis.cli(&["FLUSHALL"]);
        register(&*queue, "cam").await;
        assert_ne!(queue.identity(), before);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_lost_its_identity_gets_one_when_it_is_opened() {
        let redis = RedisServer::start();
        redis.cli(&["SET", "frameway:layout", "frameway 2, xxh3_64, 1 partitions"]);
        let queue = open(&redis).await;
        assert_ne!(queue.identity().id(), 0);
        assert_eq!(open(&redis).await.identity(), queue.identity());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_sequence_that_the_store_does_not_know_causes_one_jump() {
        let redis = RedisServer::start();
        let queue = open(&redis).await;
        register(&*queue, "cam").await;
        assert_eq!(number_of(&queue, 1).await, 1);
        for _ in 0..3 {
            queue.note_issued(&id("cam"), Sequence::new(7).unwrap()).await.unwrap();
        }
        let first = number_of(&queue, 2).await;
        assert!(first > 7 && first < 1_000_000_000, "{first}");
        assert_eq!(number_of(&queue, 3).await, first + 1);
        let counters = record(&*queue, "cam").await.counters;
        assert_eq!((counters.accepted_frames, counters.accepted_sequence), (3, first + 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_restored_within_one_redis_process_issues_no_sequence_twice() {
        // With `appendfsync always`, in the same process: only the server can know of the loss.
        let redis = RedisServer::start_with(Persistence::AofAlways);
        let queue = open(&redis).await;
        register(&*queue, "cam").await;
        assert_eq!(number_of(&queue, 1).await, 1);
        let names = redis.cli(&["KEYS", "frameway:{p00}:*"]);
        let names: Vec<&str> = names.split_whitespace().collect();
        names.iter().for_each(|name| {
            redis.cli(&["COPY", name, &format!("copy:{name}")]);
        });
        for number in 2..=5 {
            assert_eq!(number_of(&queue, number).await, number);
        }
        names.iter().for_each(|name| {
            redis.cli(&["COPY", &format!("copy:{name}"), name, "REPLACE"]);
        });
        let first = number_of(&queue, 6).await;
        assert!(first > 5 && first < 1_000_000_000, "{first}");
        assert_eq!(number_of(&queue, 7).await, first + 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stream_lost_with_its_registration_issues_no_sequence_twice() {
        for notice in ["another stream's frame", "its own frame", "a cursor"] {
            let redis = RedisServer::start_with(Persistence::AofAlways);
            let queue = open(&redis).await;
            register(&*queue, "other").await;
            assert_eq!(number_in(&queue, "other", 1).await, 1);
            let names = redis.cli(&["KEYS", "frameway:{p00}:*"]);
            let names: Vec<&str> = names.split_whitespace().collect();
            for name in &names {
                redis.cli(&["COPY", name, &format!("copy:{name}")]);
            }
            register(&*queue, "cam").await;
            for number in 1..=5 {
                assert_eq!(number_of(&queue, number).await, number);
            }
            let lost = redis.cli(&["KEYS", "frameway:{p00}:*"]);
            for name in lost.split_whitespace() {
                redis.cli(&["DEL", name]);
            }
            for name in &names {
                redis.cli(&["COPY", &format!("copy:{name}"), name]);
            }
            match notice {
                "another stream's frame" => {
                    let leapt = number_in(&queue, "other", 2).await;
                    assert!(leapt > 2 && leapt < 1_000_000_000, "{leapt}");
                }
                "a cursor" => queue.note_issued(&id("other"), Sequence::new(7).unwrap()).await.unwrap(),
                _ => {}
            }
            register(&*queue, "cam").await;
            let first = number_of(&queue, 6).await;
            assert!(first > 5 && first < 1_000_000_000, "{first}, noticed by {notice}");
            // It may have issued many more sequences: as many as the pace allows since the stored
            // state.
            let base: u64 = redis.cli(&["HGET", "frameway:{p00}:counts", "base"]).trim().parse().unwrap();
            assert!(base > 10_000 && first > base, "{first} after {base}, noticed by {notice}");
            assert_eq!(number_of(&queue, 7).await, first + 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_joins_others_waits_until_they_can_know() {
        let redis = RedisServer::start();
        let (first, second) = (open(&redis).await, open(&redis).await);
        register(&*first, "cam").await;
        first.accept_frames();
        first.join().await.unwrap();
        assert_eq!(number_of(&first, 1).await, 1);
        second.accept_frames();
        let refused = second.accept(vec![numbered("cam", 2)]).await.remove(0);
        assert!(matches!(&refused, AcceptResult::Refused(refusal) if refusal.is_retryable()), "{refused:?}");
        second.join().await.unwrap();
        assert_eq!(number_of(&second, 2).await, 2);
        second.leave().await.unwrap();
        let refused = second.accept(vec![numbered("cam", 3)]).await.remove(0);
        assert!(matches!(&refused, AcceptResult::Refused(refusal) if refusal.is_retryable()), "{refused:?}");
        assert_eq!(redis.cli(&["ZCARD", "frameway:servers"]), "1");
    }
}
