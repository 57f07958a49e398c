//! A subscription and a consumer group with the same filter, sampling and start get the same frames.

use std::sync::Arc;
use std::time::Duration;

use frameway::domain::{self, GroupSettings, Sequence, StartPosition, StreamMatch};
use frameway::hub::{
    Choice, Consumers, Event, GroupCall, GroupEvent, Hub, HubConfig, MemberRequest, PictureWant, Sampling,
    Selector, StreamSet, SubscriptionRequest,
};
use frameway::queue::Queue;
use frameway::shutdown::Tasks;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::groups::{START, group_id};
use crate::support::*;

/// A time longer than any step takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server's hub and consumers.
struct Server(Arc<Hub>, Arc<Consumers>);

impl Server {
    fn new(queue: &Arc<dyn Queue>, tasks: &Tasks, stop: &CancellationToken) -> Self {
        let hub = Hub::new(Arc::clone(queue), HubConfig::default());
        tasks.spawn("tail", Arc::clone(&hub).run(stop.clone()));
        let consumers = Consumers::new(Arc::clone(&hub), tasks.clone());
        Self(hub, consumers)
    }

    /// Returns the sequences that a subscription receives of the whole output.
    async fn subscribed(&self, sampling: Sampling) -> Vec<u64> {
        let selector = Selector {
            streams: StreamSet::Ids(vec![id("cam")]),
            start: StartPosition::Earliest,
            cursors: Vec::new(),
            stop_sequence: None,
            stop_time: None,
            stop_after_frames: None,
            choice: Choice { sampling, ..Choice::default() },
            want: PictureWant::default(),
            fail_if_trimmed: false,
        };
        let request = SubscriptionRequest {
            selectors: vec![selector],
            heartbeat_interval: Duration::ZERO,
            checkpoint_interval: Duration::ZERO,
            stop_after_frames: None,
            stop_at_head: true,
            allow_unregistered: false,
        };
        let mut subscription = self.0.subscribe(request).await.unwrap();
        let mut numbers = Vec::new();
        while let Some(event) = timeout(DEADLINE, subscription.next()).await.expect("an event in time") {
            if let Event::Frame(frame) = event.unwrap() {
                numbers.push(frame.entry.sequence.get());
            }
        }
        numbers
    }

    async fn join(&self) -> GroupCall {
        let request = MemberRequest {
            group: group_id(),
            member: "a".parse().unwrap(),
            max_frames: 1_000,
            paced: false,
            max_bytes: 1 << 20,
            want: PictureWant::default(),
            heartbeat_interval: Duration::from_secs(1),
            stop_after_frames: None,
        };
        self.1.subscribe(request).await.unwrap()
    }
}

/// Notes a member's frames until it has received frames or gaps for all sequences up to `last`.
async fn until(call: &mut GroupCall, last: u64, numbers: &mut Vec<u64>, store: &dyn Queue) {
    let reading = async {
        loop {
            match call.next().await.expect("not the end").expect("no error") {
                GroupEvent::Frame(frame) => {
                    let number = frame.entry.sequence.get();
                    // Frames that are not acknowledged are sent again when the member joins again.
                    if numbers.last().is_none_or(|last| *last < number) {
                        numbers.push(number);
                    }
                }
                GroupEvent::Heartbeat { .. } => {
                    let state = store.group_state(&group_id()).await.unwrap();
                    let position = &state.positions[&id("cam")];
                    let reported = position.pending.last().is_none_or(|last| numbers.contains(&last.get()));
                    if position.next.get() > last && reported {
                        return;
                    }
                }
                _ => {}
            }
        }
    };
    timeout(DEADLINE, reading).await.expect("everything is delivered or reported in time");
}

pub(crate) async fn a_group_and_a_subscription_choose_the_same_frames(backend: Backend) {
    for (max_fps, every_nth) in [(Some(90.0), 0), (None, 3), (Some(70.0), 2)] {
        let store = backend.open().await;
        let queue = Arc::clone(&store.queue);
        register(&*store, "cam").await;
        let lease = lease_of(&*store, "cam", "w").await;
        let settings = GroupSettings {
            streams: vec![StreamMatch::Id(id("cam"))],
            sampling: domain::Sampling { max_fps, every_nth },
            ack_deadline: Some(LONG),
            ..GroupSettings::default()
        };
        store.create_group(&group_id(), &settings, START, &[(id("cam"), Sequence::FIRST)]).await.unwrap();
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let servers = [Server::new(&queue, &tasks, &stop), Server::new(&queue, &tasks, &stop)];
        let mut grouped = Vec::new();
        // The member uses both servers in turn: the state of sampling is stored with the group.
        for round in 0..4 {
            let mut call = servers[round % 2].join().await;
            // Frames that arrive in pairs are thinned out however long the test takes.
            for pause in 0..6 {
                publish(&*store, &lease, "cam", 2).await;
                sleep(Duration::from_millis(pause * 7 % 13)).await;
            }
            until(&mut call, 12 * (round as u64 + 1), &mut grouped, &*queue).await;
        }
        let sampling = Sampling { max_fps, every_nth, latest_only: false };
        let subscribed = servers[0].subscribed(sampling).await;
        assert!((2..48).contains(&subscribed.len()), "{subscribed:?}");
        assert_eq!(grouped, subscribed, "{sampling:?}");

        // After a seek, a group samples like a new subscription from that position.
        store.seek_group(&group_id(), &[(id("cam"), Sequence::FIRST)], None).await.unwrap();
        let mut sought = Vec::new();
        until(&mut servers[1].join().await, 48, &mut sought, &*queue).await;
        assert_eq!(sought, subscribed, "{sampling:?}, sought");
        stop.cancel();
    }
}
