//! The units of systemd in `deploy/systemd`. `make units` lets systemd itself check them.

use std::process::Command;

use crate::redis::RedisServer;
use crate::stderr;

const SERVER: &str = include_str!("../../deploy/systemd/frameway.service");
const WORKER: &str = include_str!("../../deploy/systemd/frameway-worker@.service");

/// Returns the values of a setting of a unit.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

#[test]
fn the_program_accepts_the_command_of_each_unit() {
    let redis = RedisServer::start();
    for unit in [SERVER, WORKER] {
        let commands = values(unit, "ExecStart");
        let [command] = commands[..] else { panic!("one command: {commands:?}") };
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[..2], ["/usr/bin/frameway", "serve"]);
        let output = Command::new(env!("CARGO_BIN_EXE_frameway"))
            .args(["config", "check"])
            .args(&words[2..])
            .env("FRAMEWAY_REDIS_URL", redis.url())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
}

#[test]
fn a_unit_waits_for_the_drain_before_it_kills() {
    for unit in [SERVER, WORKER] {
        let seconds: Vec<u32> = values(unit, "TimeoutStopSec").iter().flat_map(|text| text.parse()).collect();
        // The drain takes 20 s by default, and connections without calls one more.
        assert!(matches!(seconds[..], [30..=120]), "{seconds:?}");
    }
}

#[test]
fn both_units_have_the_same_sandbox() {
    let sandbox = |unit: &'static str| -> Vec<&str> {
        let lines = unit.lines().skip_while(|line| !line.starts_with("UMask="));
        lines.take_while(|line| *line != "[Install]").collect()
    };
    assert!(sandbox(SERVER).len() > 20);
    assert_eq!(sandbox(SERVER), sandbox(WORKER));
}
