//! Consumer groups: changes by operators, and groups across servers.

use frameway::config::{Backend, Config, RedisSettings, Role};
use frameway::pb::v1 as pb;
use frameway::pb::v1::ack_result::Outcome;
use frameway::shutdown::Tasks;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::common::redis::RedisServer;
use crate::groups::{
    ack, create, done, ended, group, join, member, next_frame, seconds, sequence, submit, until,
};
use crate::server::{PATIENCE, TestServer};
use crate::{name, reason};

#[tokio::test]
async fn groups_are_created_listed_changed_and_refused() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["a-1", "b-1"]).await;
    for id in ["g1", "g2", "g3"] {
        create(&server, group(id, "a-*")).await;
    }
    let mut client = server.groups();
    let again = pb::CreateConsumerGroupRequest { group: Some(group("g1", "a-*")) };
    client.create_consumer_group(again).await.expect("equal settings are there already");
    let other = pb::CreateConsumerGroupRequest { group: Some(group("g1", "b-*")) };
    let status = client.create_consumer_group(other).await.expect_err("is there with other settings");
    assert_eq!((status.code(), reason(&status)), (Code::AlreadyExists, name(pb::ErrorReason::AlreadyExists)));
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListConsumerGroupsRequest { page_size: 2, page_token, ..Default::default() };
        let page = client.list_consumer_groups(request).await.expect("lists").into_inner();
        seen.extend(page.groups.into_iter().map(|group| group.group_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["g1", "g2", "g3"]);

    submit(&server, "a-1", 2).await;
    submit(&server, "b-1", 2).await;
    // Another group shows when the frames of the other stream are published.
    create(&server, group("b", "b-*")).await;
    until(&server, "g1", |status| status.lag_frames == 2).await;
    until(&server, "b", |status| status.lag_frames == 2).await;
    let read = pb::GetConsumerGroupRequest { group_id: "g1".into() };
    let etag =
        client.get_consumer_group(read).await.expect("reads").into_inner().group.expect("a group").etag;
    let update = |etag: &str| pb::UpdateConsumerGroupRequest {
        group: Some(pb::ConsumerGroup { etag: etag.to_owned(), ..group("g1", "b-*") }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["streams".into()] }),
        ..Default::default()
    };
    let changed = client.update_consumer_group(update(&etag)).await.expect("updates").into_inner();
    assert_ne!(changed.group.expect("a group").etag, etag);
    let status = client.update_consumer_group(update(&etag)).await.expect_err("has changed");
    assert_eq!((status.code(), reason(&status)), (Code::Aborted, name(pb::ErrorReason::EtagMismatch)));
    // A newly selected stream starts at its head; a stream that is no longer selected is dropped.
    let mut events = join(&server, member("g1", "a")).await;
    submit(&server, "a-1", 1).await;
    submit(&server, "b-1", 1).await;
    let delivered = next_frame(&mut events).await.frame.expect("a frame");
    assert_eq!((delivered.stream_id.as_str(), delivered.sequence), ("b-1", 3));

    let status = server.streaming().consume_frames(member("nobody", "a")).await.expect_err("no such group");
    assert_eq!((status.code(), reason(&status)), (Code::NotFound, name(pb::ErrorReason::GroupNotFound)));
    server.stop().await;
}

#[tokio::test]
async fn an_extension_gives_more_time() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, pb::ConsumerGroup { ack_deadline: seconds(1), ..group("site", "cam") }).await;
    submit(&server, "cam", 2).await;
    let mut events = join(&server, member("site", "a")).await;
    let (first, second) = (next_frame(&mut events).await, next_frame(&mut events).await);
    let request = pb::ExtendAckDeadlineRequest {
        group_id: "site".into(),
        ack_ids: vec![first.ack_id.clone()],
        extension: seconds(600),
    };
    let answer = server.streaming().extend_ack_deadline(request).await.expect("extends").into_inner();
    let Some(Outcome::Done(extended)) = answer.results.into_iter().next().and_then(|one| one.outcome) else {
        panic!("not extended")
    };
    assert!(
        extended.ack_expire_time.expect("a time").seconds > first.ack_expire_time.expect("a time").seconds
    );
    // Only the other frame is redelivered.
    let again = next_frame(&mut events).await;
    assert_eq!((sequence(&again), again.delivery_attempt), (sequence(&second), 2));
    assert!(done(&ack(&server, "site", &[&first]).await[0]));
    server.stop().await;
}

/// Two servers on one Redis, and a worker.
pub(crate) struct Pair {
    pub(crate) first: TestServer,
    pub(crate) second: TestServer,
    _redis: RedisServer,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start();
        let on_redis = |config: &mut Config| {
            config.queue.backend = Backend::Redis(RedisSettings::new(redis.url()));
            config.server.role = Role::Api;
        };
        let (first, second) = (TestServer::start(on_redis).await, TestServer::start(on_redis).await);
        let mut config = Config::default();
        config.worker.worker_threads = Some(1);
        config.queue.backend = Backend::Redis(RedisSettings::new(redis.url()));
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        tasks.spawn("worker", frameway::app::run_worker(config, stop.clone()));
        Self { first, second, _redis: redis, stop, tasks }
    }

    pub(crate) async fn stop(self) {
        self.first.stop().await;
        self.second.stop().await;
        self.stop.cancel();
        assert!(self.tasks.drained(PATIENCE).await, "the worker ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_through_another_server_frees_the_member() {
    let pair = Pair::start().await;
    pair.first.register(&["cam"]).await;
    create(&pair.first, group("site", "cam")).await;
    let mut events = join(
        &pair.first,
        pb::ConsumeFramesRequest { max_outstanding_frames: Some(1), ..member("site", "a") },
    )
    .await;
    submit(&pair.second, "cam", 5).await;
    for expected in 1..=5 {
        let delivered = next_frame(&mut events).await;
        assert_eq!((sequence(&delivered), delivered.delivery_attempt), (expected, 1));
        assert!(done(&ack(&pair.second, "site", &[&delivered]).await[0]));
    }
    until(&pair.second, "site", |status| status.lag_frames == 0 && status.acknowledged_frames == 5).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_two_servers_share_the_frames_and_know_of_each_other() {
    let pair = Pair::start().await;
    pair.first.register(&["cam-1", "cam-2"]).await;
    create(&pair.first, group("site", "cam-*")).await;
    let (mut a, mut b) =
        (join(&pair.first, member("site", "a")).await, join(&pair.second, member("site", "b")).await);
    submit(&pair.first, "cam-1", 15).await;
    submit(&pair.second, "cam-2", 15).await;
    let mut seen = Vec::new();
    while seen.len() < 30 {
        let (server, delivered) = tokio::select! {
            delivered = next_frame(&mut a) => (&pair.second, delivered),
            delivered = next_frame(&mut b) => (&pair.first, delivered),
        };
        assert_eq!(delivered.delivery_attempt, 1);
        assert!(done(&ack(server, "site", &[&delivered]).await[0]));
        let frame = delivered.frame.expect("a frame");
        seen.push((frame.stream_id, frame.sequence));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 30, "each frame went to one member");

    // A member with the same id on the other server takes over the membership.
    let mut taken = join(&pair.second, member("site", "a")).await;
    let end = ended(&mut a).await;
    assert_eq!((end.code(), reason(&end)), (Code::Aborted, name(pb::ErrorReason::MemberReplaced)));
    let request = pb::DeleteConsumerGroupRequest { group_id: "site".into(), ..Default::default() };
    pair.first.groups().delete_consumer_group(request).await.expect("deletes");
    for events in [&mut b, &mut taken] {
        assert_eq!(reason(&ended(events).await), name(pb::ErrorReason::GroupDeleted));
    }
    pair.stop().await;
}
