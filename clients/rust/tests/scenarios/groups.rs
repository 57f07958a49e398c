//! Consumer groups.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frameway::client::Client;
use frameway::client::consume::{ConsumeOptions, Notice, Reject};
use frameway::client::time::pb_duration;
use frameway::pb::v1 as pb;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::support::frames::{create_group, frames, group_status, publish};
use crate::support::processes::Server;
use crate::support::{scenario, soon, until};

fn member(group_id: &str, member_id: &str) -> pb::ConsumeFramesRequest {
    pb::ConsumeFramesRequest {
        group_id: group_id.to_owned(),
        member_id: member_id.to_owned(),
        ..Default::default()
    }
}

fn sequence(delivered: &pb::ConsumedFrame) -> u64 {
    delivered.frame.as_ref().unwrap().sequence
}

async fn acknowledged(client: &Client, group_id: &str, count: u64) {
    until("all are acknowledged", async || group_status(client, group_id).await.acknowledged_frames >= count)
        .await;
}

#[tokio::test]
async fn consume() {
    scenario("consume", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=40)).await;
        let group_id = create_group(&client, "cam", |_| {}).await;
        let stop = CancellationToken::new();
        let handled = Arc::new(Mutex::new(BTreeMap::<u64, Vec<&str>>::new()));
        let members = ["one", "two"].map(|name| {
            let (client, request) = (client.clone(), member(&group_id, name));
            let (handled, stop) = (Arc::clone(&handled), stop.clone());
            tokio::spawn(async move {
                let handler = move |delivered: pb::ConsumedFrame| {
                    let handled = Arc::clone(&handled);
                    async move {
                        handled.lock().unwrap().entry(sequence(&delivered)).or_default().push(name);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Ok::<(), Reject>(())
                    }
                };
                client.consume(request, ConsumeOptions::default(), stop, handler, |_| {}).await
            })
        });
        acknowledged(&client, &group_id, 40).await;
        stop.cancel();
        let mut total = 0;
        for one in members {
            total += soon("a member ends", one).await.unwrap().unwrap().acknowledged;
        }
        let handled = handled.lock().unwrap();
        assert_eq!((total, handled.len()), (40, 40));
        assert!(handled.values().all(|members| members.len() == 1), "{handled:?}");
    })
    .await;
}

#[tokio::test]
async fn handler_throws() {
    scenario("handler-throws", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=10)).await;
        let group_id = create_group(&client, "cam", |group| {
            group.max_delivery_attempts = Some(3);
            let short = Some(pb_duration(Duration::from_millis(10)));
            group.backoff = Some(pb::RetryBackoff { min_delay: short, max_delay: short });
        })
        .await;
        let stop = CancellationToken::new();
        let (rejected, panics) = (Arc::new(Mutex::new(Vec::new())), AtomicU64::new(0));
        let handler = |delivered: pb::ConsumedFrame| async move {
            match (sequence(&delivered), delivered.delivery_attempt) {
                (4, _) => Err("no license plate"),
                // The second time, it succeeds.
                (7, 1) => panic!("an index is out of range"),
                _ => Ok(()),
            }
        };
        let notices = Arc::clone(&rejected);
        let notice = |notice| {
            if let Notice::Rejected { sequence, reason, stream_id } = notice {
                assert_eq!(stream_id, "cam");
                panics.fetch_add(u64::from(reason.contains("panicked")), Ordering::Relaxed);
                notices.lock().unwrap().push((sequence, reason));
            }
        };
        let dead = async || {
            let mut letters = client.dead_letters.clone();
            let listed = letters.list_dead_letters(pb::ListDeadLettersRequest::default()).await;
            listed.unwrap().into_inner().dead_letters
        };
        let ends = async {
            until("a dead letter is created", async || !dead().await.is_empty()).await;
            until("all others are acknowledged", async || {
                group_status(&client, &group_id).await.acknowledged_frames >= 9
            })
            .await;
            stop.cancel();
        };
        let consuming = client.consume(
            member(&group_id, "one"),
            ConsumeOptions::default(),
            stop.clone(),
            handler,
            notice,
        );
        let (summary, ()) = tokio::join!(consuming, ends);
        let summary = summary.unwrap();
        assert_eq!((summary.acknowledged, summary.rejected), (9, 4));
        let letters = dead().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!((letters[0].sequence, letters[0].attempts), (4, 3));
        assert!(letters[0].message.contains("no license plate"), "{letters:?}");
        let rejected = rejected.lock().unwrap();
        let plates =
            rejected.iter().filter(|(sequence, reason)| *sequence == 4 && reason == "no license plate");
        assert_eq!((plates.count(), panics.into_inner()), (3, 1));
    })
    .await;
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn long_handler() {
    scenario("long-handler", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=4)).await;
        let group_id = create_group(&client, "cam", |group| {
            group.ack_deadline = Some(pb_duration(Duration::from_secs(2)));
        })
        .await;
        let handler = |delivered: pb::ConsumedFrame| async move {
            assert_eq!(delivered.delivery_attempt, 1);
            tokio::time::sleep(Duration::from_secs(6)).await;
            Ok::<(), Reject>(())
        };
        // Two frames wait until the others are handled: their deadlines are extended, too.
        let options = ConsumeOptions { parallelism: 2, ..Default::default() };
        let request = pb::ConsumeFramesRequest { stop_after_frames: Some(4), ..member(&group_id, "one") };
        let notice = |notice| assert!(!matches!(notice, Notice::NotSettled { .. }), "{notice:?}");
        let consuming = client.consume(request, options, CancellationToken::new(), handler, notice);
        let summary = soon("all are handled", consuming).await.unwrap();
        assert_eq!((summary.acknowledged, summary.rejected), (4, 0));
        let status = group_status(&client, &group_id).await;
        assert_eq!((status.acknowledged_frames, status.redelivered_frames), (4, 0), "{status:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn consumer_drain() {
    scenario("consumer-drain", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=8)).await;
        let group_id = create_group(&client, "cam", |_| {}).await;
        let stop = CancellationToken::new();
        let (begun, may_end) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let (counts, waits) = (Arc::clone(&begun), Arc::clone(&may_end));
        let handler = move |_| {
            let (begun, may_end) = (Arc::clone(&counts), Arc::clone(&waits));
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                may_end.acquire().await.unwrap().forget();
                Ok::<(), Reject>(())
            }
        };
        let options = ConsumeOptions { parallelism: 2, ..Default::default() };
        let request =
            pb::ConsumeFramesRequest { max_outstanding_frames: Some(8), ..member(&group_id, "one") };
        let (draining, first) = (stop.clone(), client.clone());
        let consuming =
            tokio::spawn(async move { first.consume(request, options, draining, handler, |_| {}).await });
        until("all frames are sent", async || group_status(&client, &group_id).await.outstanding_frames == 8)
            .await;
        until("two handlers run", async || begun.load(Ordering::Relaxed) == 2).await;
        stop.cancel();
        // The group's ack deadline is 30 s: another member gets the frames at once.
        let begin = Instant::now();
        let request = pb::ConsumeFramesRequest { stop_after_frames: Some(6), ..member(&group_id, "two") };
        let done = async |_| Ok::<(), Reject>(());
        let options = ConsumeOptions::default();
        let others = client.consume(request, options, CancellationToken::new(), done, |_| {});
        assert_eq!(soon("the others are handled", others).await.unwrap().acknowledged, 6);
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        may_end.add_permits(2);
        let summary = soon("the member ends", consuming).await.unwrap().unwrap();
        assert_eq!((summary.acknowledged, summary.given_back, summary.abandoned), (2, 6, 0), "{summary:?}");
        acknowledged(&client, &group_id, 8).await;
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    })
    .await;
}
