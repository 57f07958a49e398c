//! `frameway streams watch`.

use serde_json::Value;

use super::clients::Running;
use super::server::Server;
use super::{frameway, json, stderr, stdout};

#[test]
fn a_watch_shows_what_exists_and_then_each_change() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with = |arguments: &[&str]| {
        let output = frameway(&[arguments, &["--address", &address]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    with(&["streams", "register", "cam-1"]);
    let watch = ["streams", "watch", "cam-*", "--address", &address];
    let mut text = Running::start("text", folder.path(), &watch);
    let mut events = Running::start("json", folder.path(), &[&watch[..], &["--json"]].concat());
    text.wait_for("existing");
    events.wait_for("\"existing\"");
    with(&["streams", "register", "other"]);
    with(&["streams", "register", "cam-2"]);
    with(&["streams", "update", "cam-2", "--retain-frames", "9"]);
    with(&["streams", "remove", "cam-2"]);
    for kind in ["registered", "updated", "removed"] {
        text.wait_for(kind);
        events.wait_for(&kind.to_uppercase());
    }
    assert!(!text.output().contains("other"), "the pattern does not select it: {}", text.output());
    let said = events.output();
    let events: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let changes: Vec<_> = events.iter().filter(|event| event["type"] == "change").collect();
    assert_eq!(changes[0]["stream"]["stream_id"], "cam-2", "{said}");
    assert!(changes.iter().all(|change| change["change_time"].is_string()), "{said}");
}

#[test]
fn a_watch_ends_after_the_requested_number_of_changes() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let watch = ["streams", "watch", "--count", "1", "--json", "--address", &address];
    let mut watch = Running::start("watch", folder.path(), &watch);
    // A stream that is registered before the watch begins is shown as existing. So register streams
    // until one is shown as a change.
    for number in 0.. {
        let name = format!("cam-{number}");
        json(&["streams", "register", &name, "--json", "--address", &address]);
        if watch.ended(std::time::Duration::from_millis(200)) {
            break;
        }
        assert!(number < 300, "the watch does not end: {}", watch.output());
    }
    let said = watch.output();
    let changes = said.lines().filter(|line| line.contains("\"change\"")).count();
    assert_eq!(changes, 1, "{said}");
}
