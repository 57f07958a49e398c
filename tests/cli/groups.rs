//! `frameway groups` and `frameway subscribe --group`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::Server;
use super::{assert_fails, draw, frameway, json, stderr, stdout};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server with `frames` frames in the stream `cam`.
struct Site {
    address: String,
    _server: Server,
}

impl Site {
    fn with_frames(frames: u64) -> Self {
        let server = Server::start();
        let site = Self { address: server.address(), _server: server };
        let folder = tempfile::tempdir().expect("a temporary folder");
        draw(folder.path(), frames);
        let source = folder.path().to_string_lossy();
        site.text(&["submit", &source, "--stream", "cam", "--register"]);
        site
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = frameway(&[arguments, &["--address", &self.address]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        json(&[arguments, &["--json", "--address", &self.address]].concat())
    }

    fn fails(&self, arguments: &[&str], code: i32, says: &str) {
        assert_fails(&[arguments, &["--address", &self.address]].concat(), code, says);
    }

    /// Waits until the group meets a condition.
    fn eventually(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let group = self.json(&["groups", "show", "site"]);
            if holds(&group) {
                return group;
            }
            assert!(Instant::now() < deadline, "{what}: {group}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn groups_are_created_listed_changed_moved_and_deleted() {
    let site = Site::with_frames(3);
    assert_eq!(site.json(&["groups", "list"]), serde_json::json!([]));
    let made = site.json(&[
        "groups",
        "create",
        "site",
        "cam",
        "other-*",
        "--from",
        "earliest",
        "--ack-deadline",
        "10s",
        "--max-attempts",
        "3",
        "--max-outstanding",
        "50",
        "--affinity",
        "stream",
        "--display-name",
        "the site",
    ]);
    assert_eq!((&made["group_id"], &made["display_name"]), (&"site".into(), &"the site".into()), "{made}");
    assert_eq!((&made["affinity"], &made["ack_deadline_ms"]), (&"stream".into(), &10_000.0.into()), "{made}");
    assert_eq!((&made["max_delivery_attempts"], &made["max_outstanding_frames"]), (&3.into(), &50.into()));
    site.fails(&["groups", "create", "site", "cam", "--max-attempts", "4"], 1, "ALREADY_EXISTS");
    assert!(site.text(&["groups", "create", "second", "cam"]).starts_with("created second"));

    let table = site.text(&["groups", "list"]);
    let names: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["GROUP", "second", "site"], "{table}");
    let shown = site.eventually("all frames are published", |group| group["lag_frames"] == 3);
    assert_eq!(shown["streams"][0]["stream_id"], "cam", "{shown}");
    assert_eq!(shown["streams"][0]["head_sequence"], 3, "{shown}");
    let table = site.text(&["groups", "show", "site"]);
    assert!(table.contains("ACKNOWLEDGED") && table.contains("\ncam "), "{table}");

    let changed = site.json(&["groups", "update", "site", "--max-attempts", "7", "--streams", "cam"]);
    assert_eq!(
        (&changed["max_delivery_attempts"], &changed["stream_count"]),
        (&7.into(), &1.into()),
        "{changed}"
    );
    assert!(site.text(&["groups", "update", "site", "--display-name", "x"]).starts_with("updated site"));
    site.fails(&["groups", "update", "site"], 2, "nothing to change");
    site.fails(&["groups", "update", "none", "--max-attempts", "7"], 1, "GROUP_NOT_FOUND");

    let reported = site.text(&["groups", "seek", "site", "--to", "3", "--reason", "a test"]);
    assert!(reported.starts_with("moved in 1 streams: site"), "{reported}");
    site.eventually("only the last frame is left", |group| group["lag_frames"] == 1);
    site.json(&["groups", "seek", "site", "--to", "earliest", "--stream", "cam"]);
    site.eventually("all frames are left", |group| group["lag_frames"] == 3);
    site.fails(&["groups", "seek", "site", "--to", "sometime"], 2, "--to");
    site.fails(&["groups", "seek", "site"], 2, "--to");

    let gone = site.json(&["groups", "delete", "site"]);
    assert_eq!((&gone["group_id"], &gone["lag_frames"]), (&"site".into(), &3.into()), "{gone}");
    assert!(site.text(&["groups", "delete", "second"]).starts_with("deleted second: 0 frames outstanding"));
    site.fails(&["groups", "show", "site"], 1, "GROUP_NOT_FOUND");
    site.fails(&["groups", "delete", "site"], 1, "GROUP_NOT_FOUND");
}

#[test]
fn a_member_shows_saves_and_acknowledges_each_frame_once() {
    let site = Site::with_frames(5);
    site.text(&["groups", "create", "site", "cam", "--from", "earliest"]);
    let saved = tempfile::tempdir().expect("a temporary folder");
    let folder = saved.path().to_string_lossy();
    let member = ["subscribe", "--group", "site", "--member", "m"];
    let lines = site.text(&[&member[..], &["--count", "2", "--lines", "--save", &folder]].concat());
    let shown: Vec<&str> = lines.lines().filter(|line| line.starts_with("cam ")).collect();
    assert!(shown.len() == 2 && shown[0].starts_with("cam 1 ") && shown[1].starts_with("cam 2 "), "{lines}");
    assert_eq!(std::fs::read_dir(saved.path()).expect("the folder is there").count(), 2);
    site.eventually("two frames are acknowledged", |group| group["acknowledged_frames"] == 2);

    let summary = site.json(&[&member[..], &["--count", "3", "--pictures", "none"]].concat());
    assert_eq!((&summary["type"], &summary["frames"]), (&"summary".into(), &3.into()), "{summary}");
    let group = site.eventually("all frames are acknowledged", |group| group["acknowledged_frames"] == 5);
    assert_eq!((&group["lag_frames"], &group["redelivered_frames"]), (&0.into(), &0.into()), "{group}");
    let none = [&["subscribe", "--group", "none", "--member", "m"][..], &["--count", "1"]].concat();
    site.fails(&none, 1, "GROUP_NOT_FOUND");
    site.fails(&["subscribe", "--group", "site"], 2, "--member");
    site.fails(&[&member[..], &["--from", "earliest"]].concat(), 2, "--from");
}
