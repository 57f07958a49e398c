//! A store with something of everything, and what a reader finds in it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use frameway::picture::{Canvas, Codec, Limits};
use serde_json::{Value, json};

use super::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);
/// The number of partitions of the store.
pub(crate) const PARTITIONS: &str = "8";
/// The frames of `plain` that can be read: 2 and 3 are erased, 7 cannot be decoded.
const READABLE: &str = "4";

/// Draws small pictures; those of `broken` end in the middle.
fn draw(folder: &Path, count: u8, broken: bool) {
    fs::create_dir_all(folder).expect("a folder");
    let mut codec = Codec::new(Limits::default());
    for number in 1..=count {
        let canvas = Canvas::new(64, 48, [number * 30, 200 - number * 20, 90]);
        let bytes = codec.encode_canvas(&canvas, 85).expect("encodes").to_vec();
        let length = if broken { bytes.len() / 2 } else { bytes.len() };
        fs::write(folder.join(format!("{number}.jpg")), &bytes[..length]).expect("a file can be written");
    }
}

fn until(server: &Server, command: &[&str], holds: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = server.json(command);
        if holds(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{command:?}: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Fills the store of a server with [`PARTITIONS`] partitions: streams with different settings,
/// finished and waiting frames with their pictures, tombstones of each kind, erased ranges, a dead
/// letter, a group with a position, publishers, and unregistered streams with and without frames
/// that wait. All queues are paused at the end.
pub(crate) fn fill(server: &Server) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    draw(&good, 6, false);
    draw(&bad, 1, true);
    let (good, bad) = (good.to_string_lossy(), bad.to_string_lossy());
    server.text(&["streams", "register", "plain", "--retain-age", "30days", "--keep-original"]);
    let relay = ["streams", "register", "relay", "--reencode", "relay", "--retain-age", "30days"];
    server.text(&[&relay[..], &["--queue-frames", "50", "--label", "site=north"]].concat());
    for id in ["gone", "waiting"] {
        server.text(&["streams", "register", id]);
    }
    let number = |first: &'static str| ["--publisher", "agent", "--first-number", first];
    server.text(&[&["submit", &good, "--stream", "plain"][..], &number("1")].concat());
    server.text(&[&["submit", &bad, "--stream", "plain"][..], &number("100")].concat());
    for id in ["relay", "gone"] {
        server.text(&[&["submit", &good, "--stream", id][..], &number("1")].concat());
    }
    until(server, &["dead-letters", "--limit", "0"], |listed| listed["kept_count"] == 1);
    for id in ["relay", "gone"] {
        server.text(&["subscribe", id, "--from", "1", "--count", "6"]);
    }
    server.text(&["groups", "create", "site", "plain", "relay", "--from", "earliest"]);
    server.text(&["subscribe", "--group", "site", "--member", "m", "--count", "3"]);
    server.text(&["streams", "erase", "plain", "--from", "2", "--to", "3"]);
    server.text(&["streams", "remove", "gone"]);
    server.text(&["queues", "pause", "--all"]);
    for id in ["plain", "relay", "waiting"] {
        server.text(&[&["submit", &good, "--stream", id][..], &number("200")].concat());
    }
    server.text(&["queues", "purge", "--stream", "relay"]);
    // Without a worker, nothing of it is removed.
    server.text(&["streams", "remove", "waiting"]);
}

/// Returns what a server without a worker finds in the store, without what depends on the time.
pub(crate) fn contents(server: &Server) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let save = folder.path().join("saved").to_string_lossy().into_owned();
    server.text(&["subscribe", "plain", "--from", "earliest", "--count", READABLE, "--save", &save]);
    let mut pictures = serde_json::Map::new();
    for file in fs::read_dir(&save).expect("pictures were saved") {
        let file = file.expect("a file");
        let bytes = fs::read(file.path()).expect("a picture");
        let name = file.file_name().to_string_lossy().into_owned();
        pictures.insert(name, json!(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()));
    }
    let frames = |id: &str| server.json(&["frames", "list", id, "--limit", "0"])["frames"].clone();
    let group = server.json(&["groups", "show", "site"]);
    let streams = server.json(&["streams", "list"])["streams"].clone();
    let settings = streams.as_array().expect("streams").iter().map(|stream| {
        let mut stream = stream.clone();
        let stream = stream.as_object_mut().expect("an object");
        json!({
            "id": stream["stream_id"],
            "etag": stream["etag"],
            "labels": stream["labels"],
            "output": stream["output"],
            "queue": stream["queue"],
            "retention": stream["retention"],
        })
    });
    let mut found = json!({
        "streams": settings.collect::<Vec<_>>(),
        "plain": frames("plain"),
        "relay": frames("relay"),
        "pictures": pictures,
        "group": { "etag": group["etag"], "acknowledged": group["acknowledged_frames"], "streams": group["streams"] },
        "account": account(server),
        "dead_letters": server.json(&["dead-letters", "list"])["dead_letters"],
        "cluster_id": server.json(&["info"])["cluster_id"],
    });
    forget(&mut found);
    found
}

/// Adds up the accounts of all partitions.
pub(crate) fn account(server: &Server) -> Value {
    let mut sums = serde_json::Map::new();
    let queues = server.json(&["queues"]);
    for partition in queues["partitions"].as_array().expect("partitions") {
        let account = partition["stats"]["account"].as_object().expect("an account");
        for (name, count) in account.iter().filter(|(name, _)| !name.starts_with("duplicate")) {
            let sum = sums.get(name).and_then(Value::as_u64).unwrap_or(0);
            sums.insert(name.clone(), json!(sum + count.as_u64().unwrap_or(0)));
        }
    }
    Value::Object(sums)
}

/// Removes ages, and what names a partition.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields
                .retain(|name, _| !name.ends_with("_to_now_ms") && name != "queue_id" && name != "member_id");
            for (name, field) in fields.iter_mut() {
                if name == "dead_letter_id"
                    && let Some((_, rest)) = field.as_str().and_then(|id| id.split_once('-'))
                {
                    *field = json!(rest);
                }
                forget(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Lets a worker finish what waits in the store, and checks that everything continues: publishers, the
/// dead letter, which becomes the frame `next` if that is given, and the group.
pub(crate) fn continues(server: &Server, next: Option<u64>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 6, false);
    let again = ["submit", &folder.path().to_string_lossy(), "--stream", "plain"];
    let again = server.json(&[&again[..], &["--publisher", "agent", "--first-number", "200"]].concat());
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(6)), "{again}");
    server.text(&["queues", "resume", "--all"]);
    until(server, &["queues"], |queues| {
        let partitions = queues["partitions"].as_array().expect("partitions");
        partitions.iter().all(|one| one["queued_frames"] == 0)
    });
    let sums = account(server);
    let count = |name: &str| sums[name].as_u64().unwrap_or_else(|| panic!("{name} in {sums}"));
    let ends = ["processed", "failed", "dropped", "purged", "erased", "removed"];
    let ended: u64 = ends.iter().map(|name| count(&format!("{name}_frames"))).sum();
    assert_eq!((count("accepted_frames"), count("removed_frames")), (ended, 6), "{sums}");

    let letter = server.json(&["dead-letters", "list"])["dead_letters"][0]["dead_letter_id"].clone();
    let replayed = server.text(&["dead-letters", "replay", letter.as_str().expect("an id")]);
    let expected = next.map_or_else(|| "replayed as ".to_owned(), |next| format!("replayed as {next}\n"));
    assert!(replayed.contains(&expected), "{replayed}");
    let events = server.events(&["subscribe", "--group", "site", "--member", "m", "--count", "3"]);
    let taken: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "frame" && event["stream_id"] == "plain")
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    assert!(taken.iter().all(|sequence| *sequence > 3), "the group had three frames: {taken:?}");
}
