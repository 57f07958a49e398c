//! Helpers that all tests use: results, processes, streams and pictures.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

pub mod frames;
pub mod processes;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The maximum wait for anything that must happen, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a scenario, and writes its result to the file that `$FRAMEWAY_SCENARIOS` names.
pub async fn scenario(id: &'static str, body: impl Future<Output = ()>) {
    let mut result = Outcome { id, text: "failed\t".to_owned() };
    tokio::time::timeout(DEADLINE * 2, body).await.expect("the scenario ends in time");
    "ok\t".clone_into(&mut result.text);
}

/// The result of a scenario; it is written when it is dropped, also by a panic.
struct Outcome {
    id: &'static str,
    text: String,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("FRAMEWAY_SCENARIOS") else { return };
        let line = format!("{}\t{}\n", self.id, self.text);
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            eprintln!("{}: {error}", path.display());
        }
    }
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < DEADLINE, "not within {} s: {what}", DEADLINE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a future, but not forever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let late = |_| panic!("not within {} s: {what}", DEADLINE.as_secs());
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(late)
}
