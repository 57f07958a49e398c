//! Each command of `frameway` prints text for people and, with `--json`, the same as JSON.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::clients::{PATIENCE, Running};
use super::redis::RedisServer;
use super::server::Server;
use super::{closed_address, draw, frameway, stderr, stdout};

/// Returns the lines with single spaces between their words.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

pub(super) fn assert_has_line(text: &str, expected: &str) {
    assert!(lines(text).iter().any(|line| line == expected), "no line {expected:?} in\n{text}");
}

/// Calls `probe` until it returns a value.
pub(super) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a picture that ends in the middle.
fn draw_truncated(folder: &Path) -> String {
    draw(folder, 1);
    let file = folder.join("1.jpg");
    let bytes = fs::read(&file).expect("it was drawn");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("a temporary file can be written");
    file.to_string_lossy().into_owned()
}

#[test]
fn every_setting_of_a_stream_is_shown_as_text_and_as_json() {
    let server = Server::start();
    let settings: [(&[&str], &str, &str, Value); 28] = [
        (&["--name", "North gate"], "name North gate", "/display_name", json!("North gate")),
        (&["--label", "site=north"], "labels site=north", "/labels/site", json!("north")),
        (&["--retain-frames", "50"], "retain frames 50", "/retention/max_frames", json!(50)),
        (&["--retain-age", "10m"], "retain age 10m", "/retention/max_age_ms", json!(600_000.0)),
        (&["--retain-bytes", "4MB"], "retain bytes 4.0 MB", "/retention/max_bytes", json!(4_000_000)),
        (&["--queue-frames", "7"], "queue frames 7", "/queue/max_frames", json!(7)),
        (&["--queue-bytes", "64MB"], "queue bytes 64.0 MB", "/queue/max_bytes", json!(64_000_000)),
        (
            &["--queue-overflow", "drop-oldest"],
            "queue overflow drop_oldest",
            "/queue/overflow",
            json!("DROP_OLDEST"),
        ),
        (&["--stall-timeout", "20s"], "stall timeout 20.0 s", "/stall_timeout_ms", json!(20_000.0)),
        (&["--format", "jpeg"], "format jpeg", "/output/format", json!("JPEG")),
        (&["--max-width", "640"], "max width 640", "/output/max_width", json!(640)),
        (&["--max-height", "480"], "max height 480", "/output/max_height", json!(480)),
        (&["--quality", "70"], "quality 70", "/output/quality", json!(70)),
        (&["--reencode", "auto"], "re-encode auto", "/output/reencode_mode", json!("AUTO")),
        (&["--thumbnail-size", "160"], "thumbnail 160 pixels", "/output/thumbnail_size", json!(160)),
        (
            &["--max-bytes-per-frame", "60kB", "--max-bytes-per-second", "250kB"],
            "budget 60.0 kB a picture, 250.0 kB a second",
            "/output/adaptive/max_bytes_per_second",
            json!(250_000),
        ),
        (&["--min-quality", "40"], "min quality 40", "/output/adaptive/min_quality", json!(40)),
        (&["--min-scale", "50"], "min scale 50 %", "/output/adaptive/min_scale_percent", json!(50)),
        (&["--huffman", "stream"], "huffman stream", "/output/huffman", json!("STREAM")),
        (&["--chroma-subsampling", "422"], "chroma 422", "/output/chroma_subsampling", json!("422")),
        (&["--keep-metadata"], "keep metadata yes", "/output/keep_metadata", json!(true)),
        (
            &["--keep-original", "--keep-unmasked-original"],
            "keep unmasked original yes",
            "/output/keep_original",
            json!(true),
        ),
        (&["--mask", "door=0,0;1,0;1,1"], "masks door", "/privacy_masks/0/mask_id", json!("door")),
        (&["--roi", "left:lane:0,0;1,0;1,1"], "region left (lane, 3 points)", "/rois/0/kind", json!("LANE")),
        (&["--min-quality-score", "0.5"], "min quality 0.5", "/validation/min_quality_score", json!(0.5)),
        (&["--min-width", "64", "--min-height", "48"], "min height 48", "/validation/min_width", json!(64)),
        (&["--max-age", "5s"], "max age 5.0 s", "/validation/max_age_ms", json!(5_000.0)),
        (&["--clock", "reject"], "clock reject", "/validation/clock_policy", json!("REJECT")),
    ];
    let flags = settings.iter().flat_map(|(flags, ..)| flags.iter().copied());
    let register: Vec<&str> = ["streams", "register", "north"].into_iter().chain(flags).collect();
    assert_eq!(server.text(&register), "registered north\n");
    let (text, value) =
        (server.text(&["streams", "show", "north"]), server.json(&["streams", "show", "north"]));
    for (flags, row, path, expected) in &settings {
        assert_has_line(&text, row);
        assert_eq!(value.pointer(path), Some(expected), "{flags:?}: {path} of {value}");
    }

    // Each of them can be changed alone, and a reset field has the server's default again.
    let told = server.text(&["streams", "update", "north", "--quality", "75", "--label", "site=south"]);
    assert_eq!(told, "changed labels, output.quality of north\n");
    let default = server.json(&["streams", "register", "plain"]);
    let reset = ["streams", "update", "north", "--reset", "retention", "--reset", "labels"];
    assert_eq!(server.text(&reset), "changed retention, labels of north\n");
    let value = server.json(&["streams", "show", "north"]);
    assert_eq!((&value["retention"], &value["labels"]), (&default["retention"], &json!({})), "{value}");
    assert_eq!(value["output"]["quality"], 75, "{value}");
    server.fails(&["streams", "update", "north", "--reset", "nothing"], 2, "UPDATE_MASK_INVALID");
}

#[test]
fn streams_are_listed_and_removed_with_their_counts() {
    let server = Server::start();
    assert!(server.text(&["streams"]).starts_with("no streams; add one: frameway streams register"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let source = folder.path().to_string_lossy();
    server.text(&["submit", &source, "--stream", "cam", "--register"]);
    server.text(&["streams", "register", "idle", "--label", "site=n"]);
    eventually("all frames are published", || {
        let status = server.json(&["streams", "show", "cam"])["status"].clone();
        (status["published_frames"] == 3).then_some(())
    });
    let table = server.text(&["streams", "list"]);
    let rows = lines(&table);
    assert!(rows[0].starts_with("STREAM STATE FRAMES WAITING KEPT BYTES"), "{table}");
    assert!(rows[1].starts_with("cam live 3 0 3 ") && rows[1].ends_with(" ago"), "{table}");
    assert_eq!(rows[2], "idle idle 0 0 0 0 B never site=n", "{table}");
    let text = server.text(&["streams", "show", "cam"]);
    for row in ["state live", "accepted 3 frames", "published 3 frames", "waiting 0 frames, 0 B"] {
        assert_has_line(&text, row);
    }
    assert!(
        lines(&text).iter().any(|line| line.starts_with("kept 3 frames, ") && line.ends_with("sequence 1"))
    );
    assert_eq!(
        server.text(&["streams", "remove", "cam"]),
        "removed cam with 0 waiting and 3 kept frames and 0 dead letters; its last sequence was 3\n"
    );
    let removed = server.json(&["streams", "remove", "idle"]);
    assert_eq!((&removed["last_sequence"], &removed["removed_output_frames"]), (&json!(0), &json!(0)));
}

#[test]
fn the_server_describes_itself() {
    let server = Server::start_with(&["--auto-register"]);
    let (text, value) = (server.text(&["info"]), server.json(&["info"]));
    assert!(lines(&text)[0].starts_with("SERVER http://127.0.0.1:"), "{text}");
    for row in ["role all", "health SERVING", "durability memory", "partitions 32", "auto-register on"] {
        assert_has_line(&text, row);
    }
    assert_has_line(&text, &format!("version {} (api frameway.v1)", env!("CARGO_PKG_VERSION")));
    assert_has_line(&text, &format!("max batch {} frames", value["limits"]["max_batch_frames"]));
    assert_eq!((&value["health"], &value["durability"]), (&json!("SERVING"), &json!("memory")), "{value}");
    assert_eq!(
        (&value["auto_registration"], &value["partition_count"]),
        (&json!(true), &json!(32)),
        "{value}"
    );
}

#[test]
fn health_has_an_exit_code_for_scripts() {
    let mut redis = RedisServer::start();
    let server = Server::start_with(&["--redis-url", &redis.url()]);
    assert_eq!(server.text(&["health"]), "SERVING\n");
    assert_eq!(server.json(&["health"])["status"], "SERVING");

    redis.kill_hard();
    let output = eventually("the server notices that its backend is gone", || {
        let output = server.run(&["health", "--json"]);
        (!output.status.success()).then_some(output)
    });
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\"NOT_SERVING\""), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("is NOT_SERVING: its queue backend does not answer"),
        "{}",
        stderr(&output)
    );

    server.signal(Signal::SIGSTOP);
    server.fails(&["health", "--timeout", "200ms"], 1, "did not answer within 200ms");
    server.signal(Signal::SIGCONT);
    let output = frameway(&["health", "--json", "--address", &closed_address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\"UNREACHABLE\""), "{}", stdout(&output));
}

#[test]
fn one_queue_is_shown_paused_purged_and_drained_by_its_name() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let source = folder.path().to_string_lossy().into_owned();
    server.text(&["streams", "register", "cam"]);
    let queue = server.json(&["queues"])["streams"][0]["queue_id"].as_str().expect("a queue").to_owned();
    let paused = server.json(&["queues", "pause", &queue, "--reason", "a look"]);
    let paused = &paused["queues"][0];
    assert_eq!((&paused["state"], &paused["state_reason"]), (&json!("PAUSED"), &json!("a look")), "{paused}");
    server.text(&["submit", &source, "--stream", "cam"]);

    let text = server.text(&["queues", &queue]);
    assert!(text.starts_with("waiting    3 frames, ") && text.contains(", oldest "), "{text}");
    assert!(lines(&text).iter().any(|line| line.starts_with(&format!("{queue} paused 1 3 "))), "{text}");
    assert!(lines(&text).iter().any(|line| line.starts_with(&format!("cam {queue} "))), "{text}");
    assert!(!server.text(&["queues", &queue, "--no-streams"]).contains("\ncam "));
    let value = server.json(&["queues", &queue]);
    assert_eq!(value["partitions"].as_array().map(Vec::len), Some(1), "{value}");
    assert_eq!(
        (&value["partitions"][0]["queued_frames"], &value["streams"][0]["stream_id"]),
        (&json!(3), &json!("cam"))
    );

    let told = server.text(&["queues", "purge", &queue, "--dry-run"]);
    assert!(told.starts_with(&format!("would purge {queue}: 3 frames, ")), "{told}");
    assert_eq!(server.json(&["queues", "purge", "--all", "--older-than", "1h"])["marked_frames"], 0);
    assert_eq!(server.json(&["queues", "purge", &queue])["marked_frames"], 3);
    // Longer than a 64-bit clock can go back.
    let endless = ["queues", "purge", &queue, "--older-than", "500000000000years"];
    server.fails(&endless, 2, "before 1970");

    assert_eq!(server.json(&["queues", "drain", &queue])["queues"][0]["state"], "DRAINING");
    let output = server.run(&["submit", &source, "--stream", "cam", "--retry-for", "0s", "--unary"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("not confirmed: 1.jpg in cam: QUEUE_DRAINING"), "{}", stderr(&output));
    assert_eq!(server.json(&["queues", "resume", &queue])["queues"][0]["state"], "RUNNING");
    server.text(&["submit", &source, "--stream", "cam"]);
}

#[test]
fn a_stream_over_its_byte_budget_is_reported_wherever_it_shows() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 2);
    let source = folder.path().to_string_lossy().into_owned();
    let register = ["streams", "register", "cam", "--max-bytes-per-frame", "1KiB", "--min-width", "4000"];
    let more = ["--min-quality", "90", "--min-scale", "100", "--roi", "left:lane:0,0;1,0;1,1"];
    server.text(&[&register[..], &more].concat());
    server.text(&["submit", &source, "--stream", "cam"]);
    let subscribe = ["subscribe", "cam", "--from", "earliest", "--count", "2"];
    let text = server.text(&[&subscribe[..], &["--lines"]].concat());
    let frames: Vec<&str> = text.lines().filter(|line| line.starts_with("cam ")).collect();
    assert!(frames.len() == 2 && frames.iter().all(|line| line.contains("  over budget")), "{text}");
    assert!(frames.iter().all(|line| line.contains("  flagged ") && line.contains("  quality ")), "{text}");
    let frame =
        server.events(&subscribe).into_iter().find(|event| event["type"] == "frame").expect("a frame");
    assert_eq!(
        (&frame["over_budget"], &frame["reencode_outcome"]),
        (&json!(true), &json!("REENCODED")),
        "{frame}"
    );
    assert_eq!(frame["validation_failures"].as_array().map(Vec::len), Some(1), "{frame}");
    assert_eq!(frame["rois"][0]["roi_id"], "left", "{frame}");
    assert_has_line(&server.text(&["streams", "show", "cam"]), "over budget the last 2 processed frames");
    assert!(server.text(&["queues"]).contains("purged 0, erased 0, over their byte budget 2\n"));
}

#[test]
fn dead_letters_are_selected_by_each_flag_and_replayed_once() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = draw_truncated(folder.path());
    let told = ["submit", &broken, "--stream", "cam", "--register", "--repeat", "2", "--attribute", "site=n"];
    server.text(&told);
    let listed = eventually("both frames are given up", || {
        let listed = server.json(&["dead-letters"]);
        (listed["kept_count"] == 2).then_some(listed)
    });
    let letter = &listed["dead_letters"][0];
    let (id, queue) =
        (letter["dead_letter_id"].as_str().expect("an id"), letter["queue_id"].as_str().expect("a queue"));
    for (flags, count) in [
        (&["--stream", "cam"][..], 2),
        (&["--stream", "other"], 0),
        (&["--queue", queue], 2),
        (&["--source", "worker"], 2),
        (&["--source", "group"], 0),
        (&["--group", "site"], 0),
        (&["--reason", "decode-truncated", "--reason", "DECODE_TIMEOUT"], 2),
        (&["--reason", "DECODE_TIMEOUT"], 0),
        (&["--younger-than", "1h"], 2),
        (&["--older-than", "1h"], 0),
        (&["--not-replayed"], 2),
        (&["--stream", "cam", "--filter", "sequence = 1"], 1),
    ] {
        let listed = server.json(&[&["dead-letters", "list"], flags].concat());
        assert_eq!(listed["dead_letters"].as_array().map(Vec::len), Some(count), "{flags:?}: {listed}");
    }
    let first = server.text(&["dead-letters", "list", "--limit", "1"]);
    assert!(first.contains("1 shown of 2, "), "{first}");
    assert_eq!(server.json(&["dead-letters", "list", "--limit", "1"])["more"], true);
    let shown = server.text(&["dead-letters", "show", id]);
    for row in ["attribute site=n", "replayed -"] {
        assert_has_line(&shown, row);
    }
    assert!(
        shown.contains("given up   by worker, after ") && shown.contains("publisher  submit-"),
        "{shown}"
    );

    let dry = server.text(&["dead-letters", "replay", id, "--dry-run"]);
    assert_eq!(dry, format!("{id}  would replay\nwould replay 1, refused 0\n"));
    let told = server.text(&["dead-letters", "replay", id, "--because", "a test"]);
    assert_eq!(told, format!("{id}  replayed as 3\nreplayed 1, refused 0\n"));
    assert_has_line(&server.text(&["dead-letters", "show", id]), "replayed as 3");
    let again = server.json(&["dead-letters", "replay", id]);
    assert_eq!(again["results"][0]["replayed_sequence"], 3, "each is replayed once: {again}");
    let output = server.run(&["dead-letters", "replay", "p00-1-1", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let refused: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let refused = &refused["results"][0];
    assert_eq!((&refused["done"], &refused["reason"]), (&json!(false), &json!("DEAD_LETTER_NOT_FOUND")));

    eventually("the replayed frame is given up, too", || {
        (server.json(&["dead-letters"])["kept_count"] == 3).then_some(())
    });
    let told = server.text(&["dead-letters", "discard", "--all", "--max", "1"]);
    assert!(told.contains("discarded 1, refused 0; 2 more are selected\n"), "{told}");
    let told = server.text(&["dead-letters", "discard", "--stream", "cam", "--dry-run"]);
    assert!(told.ends_with("would discard 2, refused 0\n"), "{told}");
    assert!(
        server.text(&["dead-letters", "discard", "--stream", "cam"]).ends_with("discarded 2, refused 0\n")
    );
    assert_eq!(server.text(&["dead-letters"]), "0 shown of 0, 0 B\n");
}

#[test]
fn a_member_that_cannot_save_a_frame_does_not_acknowledge_it() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    let source = folder.path().to_string_lossy().into_owned();
    server.text(&["submit", &source, "--stream", "cam", "--register"]);
    let create = ["groups", "create", "site", "cam", "--from", "earliest", "--ack-deadline", "1s"];
    server.text(&[&create[..], &["--max-attempts", "1"]].concat());
    // A folder is where the file of the picture must go.
    let saved = folder.path().join("saved");
    fs::create_dir_all(saved.join("cam-000000001.jpg")).expect("a temporary folder");
    let saved = saved.to_string_lossy().into_owned();
    let member = ["subscribe", "--group", "site", "--member", "m", "--count", "1", "--json"];
    server.fails_at_last(&[&member[..], &["--save", &saved]].concat(), 1, "cannot write");

    // Another member finds that the deadline has passed, and that there was only one attempt.
    fs::remove_dir(Path::new(&saved).join("cam-000000001.jpg")).expect("it is empty");
    let address = server.address();
    let other = ["subscribe", "--group", "site", "--member", "other", "--lines", "--save", &saved];
    let other = [&other[..], &["--address", &address]].concat();
    let mut other = Running::start("other", folder.path(), &other);
    let listed = eventually("the group gives the frame up after its deadline", || {
        let listed = server.json(&["dead-letters", "list", "--source", "group", "--group", "site"]);
        (listed["kept_count"] == 1).then_some(listed)
    });
    let id = listed["dead_letters"][0]["dead_letter_id"].as_str().expect("an id").to_owned();
    let shown = server.text(&["dead-letters", "show", &id]);
    assert!(shown.contains("given up   by group site, after 1 attempts"), "{shown}");
    let group = server.text(&["groups", "list"]);
    // Lag, outstanding, oldest, done, again, dead, lost.
    assert!(lines(&group)[1].ends_with(" 0 0 - 0 0 1 0"), "{group}");
    let shown = server.text(&["groups", "show", "site"]);
    assert!(lines(&shown).iter().any(|line| line.starts_with("other 0 ")), "{shown}");

    // After a replay, the group gets it again.
    server.text(&["dead-letters", "replay", &id]);
    assert_has_line(&server.text(&["dead-letters", "show", &id]), "replayed to its group");
    other.wait_for("cam 1 ");
    assert!(Path::new(&saved).join("cam-000000001.jpg").is_file());
}
