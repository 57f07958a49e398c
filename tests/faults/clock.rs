//! Row 23: the clock of Redis' machine jumps. Redis' time is what frames are stamped and leases are reckoned with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::campaign::slow_rounds;
use crate::common::redis::{Persistence, RedisServer, Setup};
use crate::process::Process;
use crate::stage::Stage;
use crate::table::{Row, record, skip};
use crate::traffic::read_output;

const NAME: &str = "the clock jumps an hour, forward and back";

/// Where libfaketime is, if it is there.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let places = folders.map(|folder| folder.join("faketime")).chain([PathBuf::from("/usr/lib/faketime")]);
    places.map(|place| place.join("libfaketime.so.1")).find(|library| library.exists())
}

/// Sets the clock off by so many seconds.
fn set(clock: &Path, offset: &str) {
    let fresh = clock.with_extension("new");
    std::fs::write(&fresh, offset).expect("a file in the own directory");
    std::fs::rename(&fresh, clock).expect("a file in the own directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_an_hour_changes_neither_numbers_nor_order() {
    let Some(library) = library() else {
        return skip(23, NAME, "libfaketime (Debian: faketime) is not there");
    };
    let directory = tempfile::TempDir::with_prefix("frameway-clock-").expect("a temporary directory");
    let clock = directory.path().join("clock");
    set(&clock, "+0");
    let environment = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
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
        // Under load; then, each time, with the worker dead: its leases were reckoned with the other clock.
        for (offset, jump) in [("+3600", 3600), ("+0", -3600), ("-3600", -3600), ("+0", 3600)] {
            let load = stage.under_load(publisher).await;
            let before = now();
            set(&clock, offset);
            let jumped = now() - before;
            assert!((jumped - jump).abs() < 60, "the clock moved by {jumped} s instead of {jump}");
            publisher = load.stop().await;
            longest = longest.max(stage.recovered(&mut publisher).await);
        }
        for offset in ["+3600", "+0"] {
            stage.processes[1].kill_hard();
            set(&clock, offset);
            stage.processes[1].restart();
            longest = longest.max(stage.recovered(&mut publisher).await);
        }
    }
    let verdict = stage.settled(&redis).await;
    for stream in &stage.streams {
        let frames = read_output(&stage.client, stream, publisher.next_number - 1).await;
        let times = frames.iter().map(|frame| {
            let time = frame.received_time.expect("a received_time");
            (time.seconds, time.nanos)
        });
        assert!(times.is_sorted(), "{stream}: received_time went back");
    }
    record(Row::of(23, NAME, rounds * 6, &verdict).recovered(longest));
}
