//! Rows 31 and 32: consumer groups with servers that are killed while gaps are reported, and with
//! servers that are drained.

use std::sync::Arc;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response::Event;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::campaign::{rounds, seed};
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{DEADLINE, eventually, spawn};
use crate::group_ledger::{GroupLedger, GroupVerdict};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Client, Publisher, client, register, streams};

const GROUP: &str = "site";
/// The time that a member takes for a frame.
const WORK_TIME: Duration = Duration::from_millis(3);

pub(crate) async fn create_group(operator: &Client, attempts: u32) {
    let group = pb::ConsumerGroup {
        group_id: GROUP.to_owned(),
        streams: vec![pb::StreamMatch {
            selector: Some(pb::stream_match::Selector::Glob("cam-*".to_owned())),
        }],
        start: Some(pb::StartPosition {
            position: Some(pb::start_position::Position::Earliest(pb::StartEarliest {})),
        }),
        max_delivery_attempts: Some(attempts),
        ..Default::default()
    };
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    operator.groups.clone().create_consumer_group(request).await.expect("creates");
}

pub(crate) async fn status(operator: &Client) -> Option<pb::ConsumerGroupStatus> {
    let request = pb::GetConsumerGroupRequest { group_id: GROUP.to_owned() };
    operator.groups.clone().get_consumer_group(request).await.ok()?.into_inner().group?.status
}

/// A member that joins again at another server, with the same id, when its call ends.
struct Member {
    id: String,
    urls: Vec<String>,
    records: Arc<GroupLedger>,
    /// The member ends its call after one in this many frames; 0 = never.
    hangs_up: u32,
    rng: StdRng,
    attempt: usize,
}

impl Member {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            tokio::select! {
                () = self.call() => {}
                _stopped = stop.changed() => return,
            }
            self.attempt += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn url(&self) -> String {
        self.urls[self.attempt % self.urls.len()].clone()
    }

    async fn call(&mut self) {
        let no_pictures = pb::PictureSelection { metadata_only: true, ..Default::default() };
        let request = pb::ConsumeFramesRequest {
            group_id: GROUP.to_owned(),
            member_id: self.id.clone(),
            pictures: Some(no_pictures),
            heartbeat_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            ..Default::default()
        };
        let Ok(answer) = client(&self.url()).streaming.consume_frames(request).await else { return };
        let mut events = answer.into_inner();
        while let Ok(Some(message)) = events.message().await {
            match message.event {
                Some(Event::Frame(delivered)) => {
                    let frame = delivered.frame.unwrap_or_default();
                    let key = (frame.stream_id, frame.sequence);
                    self.records.delivered(key.clone(), delivered.delivery_attempt);
                    self.records.received(&self.id, self.attempt, key.clone());
                    if self.hangs_up > 0 && self.rng.random_ratio(1, self.hangs_up) {
                        return;
                    }
                    tokio::time::sleep(WORK_TIME).await;
                    self.acknowledge(key, delivered.delivery_attempt, delivered.ack_id).await;
                }
                Some(Event::Gap(gap)) => self.records.gap_received(&gap),
                Some(Event::Heartbeat(_) | Event::Ready(_) | Event::Draining(_)) | None => {}
            }
        }
    }

    /// Acknowledges a frame through any server that answers.
    async fn acknowledge(&self, key: (String, u64), attempt: u32, ack_id: String) {
        for server in 0.. {
            let url = &self.urls[(self.attempt + server) % self.urls.len()];
            let request =
                pb::AcknowledgeFramesRequest { group_id: GROUP.to_owned(), ack_ids: vec![ack_id.clone()] };
            if let Ok(answer) = client(url).streaming.acknowledge_frames(request).await {
                let outcome = answer.into_inner().results.remove(0).outcome.expect("an outcome");
                return self.records.answered(key, attempt, &outcome);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) fn members(
    count: u64,
    urls: &[String],
    records: &Arc<GroupLedger>,
    hangs_up: u32,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    (0..count)
        .map(|n| {
            let member = Member {
                id: format!("m{n}"),
                urls: urls.to_vec(),
                records: Arc::clone(records),
                hangs_up,
                rng: StdRng::seed_from_u64(seed().wrapping_add(n)),
                attempt: n as usize,
            };
            spawn(member.run(stop.clone()))
        })
        .collect()
}

/// Waits until the group's members know the end of each promised frame, and returns the verdict.
///
/// # Panics
/// Panics if nothing changes for the deadline. The total time depends on the worker, whose code is
/// not optimised in tests.
pub(crate) async fn settled(operator: &Client, records: &GroupLedger, ledger: &Ledger) -> GroupVerdict {
    let (mut last_change, mut left) = (std::time::Instant::now(), usize::MAX);
    loop {
        let verdict = records.verdict(ledger);
        if verdict.lost.len() < left {
            (last_change, left) = (std::time::Instant::now(), verdict.lost.len());
        }
        let status = status(operator).await;
        let done = status.as_ref().is_some_and(|one| one.lag_frames == 0 && one.outstanding_frames == 0);
        if verdict.lost.is_empty() && done {
            return verdict;
        }
        assert!(last_change.elapsed() < DEADLINE, "{left} lost: {verdict:#?}\n{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_gaps_are_reported_although_servers_are_killed_and_calls_end() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    let api = ["--role", "api", "--redis-url", &url];
    let mut servers = [Process::server(&api), Process::server(&api)];
    let _worker = Process::worker(&["--redis-url", &url]);
    let urls: Vec<String> = servers.iter().map(Process::url).collect();
    let operators: Vec<Client> = urls.iter().map(|url| client(url)).collect();
    let (ledger, streams, records) =
        (Arc::new(Ledger::default()), streams(3), Arc::new(GroupLedger::default()));
    register(&client(&urls[0]), &streams).await;
    create_group(&operators[0], 100).await;
    let (stop, stopping) = watch::channel(false);
    let members = members(3, &urls, &records, 25, &stopping);
    println!("SEED={}", seed());
    let mut rng = StdRng::seed_from_u64(seed());
    let rounds = rounds(3);
    for round in 0..rounds {
        // Through the server that stays alive.
        let (dies, lives) = (round as usize % 2, (round as usize + 1) % 2);
        let mut publisher = Publisher::new(client(&urls[lives]), Arc::clone(&ledger), &streams);
        publisher.next_number = 1 + 1_000 * u64::from(round);
        publisher.submit(4).await;
        let all = pb::pause_queue_request::Target::AllQueues(true);
        let pause = pb::PauseQueueRequest { target: Some(all), reason: "a test".into() };
        operators[lives].queues.clone().pause_queue(pause).await.expect("pauses");
        publisher.submit(6).await;
        let all = Some(pb::purge_queue_request::Target::AllQueues(true));
        let purge = pb::PurgeQueueRequest { target: all, reason: "a test".into(), ..Default::default() };
        operators[lives].queues.clone().purge_queue(purge).await.expect("purges");
        publisher.submit(2).await;
        let all = Some(pb::resume_queue_request::Target::AllQueues(true));
        let resume = pb::ResumeQueueRequest { target: all, ..Default::default() };
        operators[lives].queues.clone().resume_queue(resume).await.expect("resumes");
        // While the gaps are reported.
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
        tokio::task::block_in_place(|| servers[dies].kill_hard());
        publisher.submit(2).await;
        tokio::task::block_in_place(|| servers[dies].restart());
    }
    let verdict = settled(&operators[0], &records, &ledger).await;
    assert!(verdict.reported >= rounds as usize, "{} reported as purged", verdict.reported);
    assert!(verdict.both.is_empty(), "acknowledged, and reported in a gap: {:?}", verdict.both);
    stop.send_replace(true);
    for member in members {
        member.await.expect("the member ends well");
    }
    let at_stake = ledger.promised_count() as u64;
    record(Row {
        number: 31,
        name: "group gaps under kills and purges".to_owned(),
        rounds,
        frames_at_stake: at_stake,
        note: format!(
            "{} acknowledged, {} reported in gaps, {} of them again",
            verdict.acknowledged, verdict.reported, verdict.told_again
        ),
        ..Row::default()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_costs_a_groups_members_no_attempt_and_no_ack() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    let api = ["--role", "api", "--redis-url", &url];
    let mut servers = [Process::server(&api), Process::server(&api), Process::server(&api)];
    let _worker = Process::worker(&["--redis-url", &url]);
    let urls: Vec<String> = servers.iter().map(Process::url).collect();
    let (ledger, streams, records) =
        (Arc::new(Ledger::default()), streams(3), Arc::new(GroupLedger::default()));
    register(&client(&urls[0]), &streams).await;
    let operators: Vec<Client> = urls.iter().map(|url| client(url)).collect();
    create_group(&operators[0], 2).await;
    let (stop, stopping) = watch::channel(false);
    let members = members(4, &urls, &records, 0, &stopping);
    let rounds = rounds(1);
    for round in 0..rounds {
        for restarted in 0..servers.len() {
            let beside = (restarted + 1) % servers.len();
            let mut publisher = Publisher::new(client(&urls[beside]), Arc::clone(&ledger), &streams);
            publisher.next_number =
                1 + 100_000 * (u64::from(round) * servers.len() as u64 + restarted as u64);
            let load = publisher.keep_submitting(2);
            let before = records.acknowledged_count();
            eventually("the members are at work", || async {
                (records.acknowledged_count() >= before + 10).then_some(())
            })
            .await;
            let ended = tokio::task::block_in_place(|| servers[restarted].terminate());
            assert!(ended.success(), "ended with {ended}:\n{}", servers[restarted].log());
            tokio::task::block_in_place(|| servers[restarted].restart());
            load.stop().await;
        }
    }
    let verdict = settled(&operators[0], &records, &ledger).await;
    assert!(verdict.refused.is_empty(), "acks were refused: {:#?}", verdict.refused);
    assert_eq!((verdict.max_attempts, verdict.dead), (1, 0), "a restart does not count as an attempt");
    let status = status(&operators[0]).await.expect("a status");
    assert_eq!((status.redelivered_frames, status.dead_letter_frames), (0, 0));
    stop.send_replace(true);
    for member in members {
        member.await.expect("the member ends well");
    }
    let at_stake = ledger.promised_count() as u64;
    let note = format!("{} deliveries, no ack refused, attempts stay 1", verdict.deliveries);
    record(Row {
        number: 32,
        name: "drains with groups".to_owned(),
        rounds,
        frames_at_stake: at_stake,
        note,
        ..Row::default()
    });
}
