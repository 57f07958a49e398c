//! Row 23: the clock of Redis' machine jumps. The time of Redis determines receive times and the
//! expiry of leases.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response::Event;
use tempfile::TempDir;

use crate::campaign::slow_rounds;
use crate::common::DEADLINE;
use crate::common::redis::{Persistence, RedisServer, Setup};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::stage::Stage;
use crate::table::{Row, record, skip};
use crate::traffic::{Publisher, client, read_output, register, streams};

const NAME: &str = "the clock jumps an hour, forward and back";

/// A clock for a process (`clock.c`), which can be changed while the process runs.
struct Clock {
    directory: TempDir,
}

impl Clock {
    /// Creates a correct clock; fails with the reason if that is impossible on this machine.
    fn new() -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("only Linux preloads the clock".to_owned());
        }
        let clock =
            Self { directory: TempDir::with_prefix("frameway-clock-").expect("a temporary directory") };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(clock.library())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock.c"))
            .output();
        match compiled {
            Ok(output) if output.status.success() => {}
            Ok(output) => return Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => return Err(format!("cc: {error}")),
        }
        clock.set(0);
        Ok(clock)
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.directory.path().join("offset")
    }

    /// Sets the offset in seconds. The file is written in place, because it is mapped.
    fn set(&self, seconds: i64) {
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(self.offset());
        let written = file.and_then(|mut file| file.write_all(&seconds.to_ne_bytes()));
        written.expect("a file in the own directory");
    }

    fn environment(&self) -> Vec<(String, String)> {
        let variable = |name: &str, path: PathBuf| (name.to_owned(), path.display().to_string());
        vec![variable("LD_PRELOAD", self.library()), variable("CLOCK_OFFSET_FILE", self.offset())]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_an_hour_changes_neither_sequences_nor_order() {
    let clock = match Clock::new() {
        Ok(clock) => clock,
        Err(why) => return skip(23, NAME, &why),
    };
    let environment = clock.environment();
    let redis =
        RedisServer::start_as(Setup { persistence: Persistence::AofAlways, environment, ..Setup::default() });
    let now =
        || redis.cli(&["TIME"]).split_whitespace().next().and_then(|s| s.parse::<i64>().ok()).unwrap_or(0);
    let url = redis.url();
    let server = Process::server(&["--role", "api", "--redis-url", &url]);
    let flags = ["--redis-url", url.as_str(), "--lease-term", "1s"];
    let at = server.url();
    let (mut stage, mut publisher) = Stage::with(vec![server, Process::worker(&flags)], &at, &redis).await;

    let rounds = slow_rounds(1, 10);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        // Under load, and each time with a dead worker, whose leases were timed by the other clock.
        for (offset, jump) in [(3600, 3600), (0, -3600), (-3600, -3600), (0, 3600)] {
            let load = stage.under_load(publisher).await;
            let before = now();
            clock.set(offset);
            let jumped = now() - before;
            assert!((jumped - jump).abs() < 60, "the clock moved by {jumped} s instead of {jump}");
            publisher = load.stop().await;
            longest = longest.max(stage.recovered(&mut publisher).await);
        }
        for offset in [3600, 0] {
            stage.processes[1].kill_hard();
            clock.set(offset);
            stage.processes[1].restart();
            longest = longest.max(stage.recovered(&mut publisher).await);
        }
    }
    let verdict = stage.settled(&redis).await;
    for stream in &stage.streams {
        let frames = read_output(&stage.client, stream, publisher.next_number - 1).await;
        let times = frames.iter().map(|frame| {
            let time = frame.receive_time.expect("a receive_time");
            (time.seconds, time.nanos)
        });
        assert!(times.is_sorted(), "{stream}: receive_time went back");
    }
    record(Row::of(23, NAME, rounds * 6, &verdict).recovered(longest));
}

/// Frames that a group delivered while the clock was ahead are redelivered in time, and its members
/// expire in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_due_times_survive_a_clock_that_jumps_an_hour_and_back() {
    let name = "the clock jumps an hour and back under a group";
    let clock = match Clock::new() {
        Ok(clock) => clock,
        Err(why) => return skip(33, name, &why),
    };
    let environment = clock.environment();
    let redis = RedisServer::start_as(Setup { environment, ..Setup::default() });
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(1));
    register(&client, &streams).await;
    let group = pb::ConsumerGroup {
        group_id: "site".to_owned(),
        streams: vec![pb::StreamMatch {
            selector: Some(pb::stream_match::Selector::Glob("cam-*".to_owned())),
        }],
        ack_deadline: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        max_delivery_attempts: Some(100),
        ..Default::default()
    };
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    client.groups.clone().create_consumer_group(request).await.expect("creates");
    let join = async |member: &str| {
        let request = pb::ConsumeFramesRequest {
            group_id: "site".to_owned(),
            member_id: member.to_owned(),
            max_outstanding_frames: Some(10),
            ..Default::default()
        };
        client.streaming.clone().consume_frames(request).await.expect("joins").into_inner()
    };
    let attempt = async |events: &mut tonic::Streaming<pb::ConsumeFramesResponse>| {
        let next = async {
            loop {
                let message = events.message().await.expect("no error").expect("not the end");
                if let Some(Event::Frame(frame)) = message.event {
                    return frame;
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.expect("the frame comes again in time")
    };
    let mut events = join("a").await;
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    publisher.submit(1).await;
    let mut last = attempt(&mut events).await;
    let rounds = slow_rounds(1, 10);
    for _ in 0..rounds {
        for offset in [3600, 0] {
            clock.set(offset);
            // The frame delivered before the jump may be redelivered once; the next frame was
            // delivered after it.
            for _ in 0..2 {
                let again = attempt(&mut events).await;
                assert!(again.delivery_attempt > last.delivery_attempt, "{again:?}");
                last = again;
            }
        }
    }
    let request =
        pb::AcknowledgeFramesRequest { group_id: "site".to_owned(), ack_ids: vec![last.ack_id.clone()] };
    client.streaming.clone().acknowledge_frames(request).await.expect("answers");
    record(Row {
        number: 33,
        name: name.to_owned(),
        rounds,
        frames_at_stake: 1,
        note: format!("delivered {} times with a deadline of 1 s", last.delivery_attempt),
        ..Row::default()
    });
}
