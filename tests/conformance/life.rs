//! Which store it is, and numbers that it may have forgotten.

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

pub(crate) async fn a_number_that_the_store_has_given_out_is_no_news(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2)]).await;
    store.has_given(&id("cam"), Sequence::new(2).unwrap()).await.unwrap();
    store.has_given(&id("nobody"), Sequence::new(2).unwrap()).await.unwrap();
    assert_eq!(accept_one(&*store, numbered("cam", 3)).await, accepted(3));
}

pub(crate) async fn a_server_joins_gives_signs_of_life_and_leaves(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    store.join().await.unwrap();
    store.attend().await.unwrap();
    assert_eq!(accept_one(&*store, numbered("cam", 1)).await, accepted(1));
    store.leave().await.unwrap();
}

/// What only Redis can do: lose what it acknowledged, while its servers live.
mod redis {
    use std::sync::Arc;

    use frameway::domain::Partitions;
    use frameway::queue::redis::{RedisConfig, RedisQueue};
    use frameway::queue::{Life as _, Queue};

    use super::*;
    use crate::common::redis::{Persistence, RedisServer};

    async fn open(redis: &RedisServer) -> Arc<RedisQueue> {
        let config = RedisConfig {
            url: redis.url(),
            partitions: Partitions::new(1).unwrap(),
            timeout: crate::common::DEADLINE,
            ..RedisConfig::default()
        };
        RedisQueue::open(config).await.unwrap()
    }

    /// Accepts a frame of `cam`, as soon as Redis is back; answers its number.
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
    async fn an_emptied_store_is_another_one() {
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
    async fn a_store_of_an_older_version_gets_an_identity_when_it_is_opened() {
        let redis = RedisServer::start();
        redis.cli(&["SET", "frameway:layout", "frameway 1, xxh3_64, 1 partitions"]);
        let queue = open(&redis).await;
        assert_ne!(queue.identity().id(), 0);
        assert_eq!(open(&redis).await.identity(), queue.identity());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_number_beyond_all_that_the_store_knows_makes_its_numbers_leap_once() {
        let redis = RedisServer::start();
        let queue = open(&redis).await;
        register(&*queue, "cam").await;
        assert_eq!(number_of(&queue, 1).await, 1);
        for _ in 0..3 {
            queue.has_given(&id("cam"), Sequence::new(7).unwrap()).await.unwrap();
        }
        let first = number_of(&queue, 2).await;
        assert!(first > 7 && first < 1_000_000_000, "{first}");
        assert_eq!(number_of(&queue, 3).await, first + 1);
        let counters = record(&*queue, "cam").await.counters;
        assert_eq!((counters.accepted_frames, counters.accepted_sequence), (3, first + 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_is_put_back_in_one_life_of_redis_gives_no_number_twice() {
        // With `appendfsync always`, in the same process: nothing but what the server knows tells.
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
    async fn a_stream_that_was_lost_with_its_registration_gets_no_number_twice() {
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
                "a cursor" => queue.has_given(&id("other"), Sequence::new(7).unwrap()).await.unwrap(),
                _ => {}
            }
            register(&*queue, "cam").await;
            let first = number_of(&queue, 6).await;
            assert!(first > 5 && first < 1_000_000_000, "{first}, noticed by {notice}");
            // It may have given out many more: as many as the pace allows since the stored state.
            let base: u64 = redis.cli(&["HGET", "frameway:{p00}:counts", "base"]).trim().parse().unwrap();
            assert!(base > 10_000 && first > base, "{first} after {base}, noticed by {notice}");
            assert_eq!(number_of(&queue, 7).await, first + 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_joins_others_accepts_nothing_before_they_can_know() {
        let redis = RedisServer::start();
        let (first, second) = (open(&redis).await, open(&redis).await);
        register(&*first, "cam").await;
        first.take_part();
        first.join().await.unwrap();
        assert_eq!(number_of(&first, 1).await, 1);
        second.take_part();
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
