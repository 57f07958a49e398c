//! `--json`: JSON and nothing else on standard output, refusals on standard error.

use std::path::Path;

use serde_json::Value;

use super::commands::eventually;
use super::server::Server;
use super::{draw, frameway, stderr, stdout};

/// Starts a server with four frames of `cam`, a dead letter and a group; pictures and a document are
/// in the folder.
fn server(folder: &Path) -> Server {
    let server = Server::start();
    let pictures = folder.join("cam");
    std::fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 4);
    let broken = pictures.join("4.jpg");
    let mut bytes = std::fs::read(&broken).expect("it was drawn");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&broken, bytes).expect("a temporary file can be written");
    server.text(&["submit", &pictures.to_string_lossy(), "--register"]);
    server.text(&["groups", "create", "all", "*"]);
    eventually("a dead letter", || (server.json(&["dead-letters"])["kept_count"] == 1).then_some(()));
    server.text(&["streams", "export", "-o", &folder.join("all.yaml").to_string_lossy()]);
    server
}

#[test]
fn json_is_all_that_is_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = server(folder.path());
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (sheet, file, document, letters) = (at("look.jpg"), at("3.jpg"), at("all.yaml"), at("letters"));
    let json = at("all.json");
    let commands: &[(&[&str], &str)] = &[
        (&["look", "--output", &sheet], "/with_picture"),
        (
            &["plan", "--cameras", "4", "--fps", "5", "--bytes", "200kB", "--keep", "1m"],
            "/settings/memory_split",
        ),
        (&["frames", "list", "cam"], "/frames/3/outcome"),
        (&["frames", "get", "cam", "3", "--save", &file], "/sequence"),
        (&["dead-letters", "summary"], "/groups/0/count"),
        (&["dead-letters", "save", &letters, "--all"], "/saved"),
        (&["dead-letters", "replay", "--all", "--dry-run"], "/results"),
        (&["streams", "export"], "/groups/0/group_id"),
        (&["streams", "export", "--output", &json], "/groups"),
        (&["streams", "apply", "-f", &document, "--dry-run"], "/groups/unchanged/0"),
        (&["streams", "apply", "-f", &json], "/unchanged/0"),
        (&["streams", "update", "*", "--quality", "70", "--dry-run"], "/changed/0/stream_id"),
        (&["streams", "update", "cam", "--mask", "a=0,0;1,0;1,1"], "/unmasked/kept_frames"),
        (&["streams", "erase", "cam", "--from", "1", "--to", "2", "--dry-run"], "/erased_processed_frames"),
        (&["streams", "erase", "cam", "--from", "1", "--to", "2"], "/erased_processed_frames"),
    ];
    for (command, pointer) in commands {
        let connect = ["--address", &server.address()];
        let connect = if command[0] == "plan" { &[][..] } else { &connect[..] };
        let output = frameway(&[command, &["--json"][..], connect].concat());
        let (printed, said) = (stdout(&output), stderr(&output));
        assert!(output.status.success() && said.is_empty(), "{command:?}: {said}");
        let value: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{command:?}: {error}: {printed}"));
        assert!(
            value.pointer(pointer).is_some_and(|found| !found.is_null()),
            "{command:?} has no {pointer}: {value}"
        );
    }
}

#[test]
fn a_refusal_is_one_line_on_standard_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = server(folder.path());
    // A file in the place of a folder, and a file system that takes nothing.
    let (in_file, nowhere) = (folder.path().join("all.yaml/x.jpg"), Path::new("/proc/self/x.jpg"));
    let (in_file, nowhere) = (in_file.to_string_lossy(), nowhere.to_string_lossy());
    let commands: &[(&[&str], i32, &str)] = &[
        (&["look", "gone"], 1, "gone: not among"),
        (&["look", "--output", &in_file], 2, "cannot write "),
        (&["look", "--output", &nowhere], 2, "cannot write /proc/self/x.jpg"),
        (&["frames", "list", "gone"], 1, "STREAM_NOT_FOUND"),
        (&["frames", "list", "cam", "--first", "3", "--last", "2"], 2, "--last 2 is before --first 3"),
        (&["frames", "get", "cam", "3", "--save", &nowhere], 2, "cannot write /proc/self/x.jpg"),
        (&["frames", "get", "cam", "3", "--save", &in_file], 2, "cannot write "),
        (&["dead-letters", "save", &in_file, "--all"], 2, "cannot create "),
        (&["dead-letters", "save", &nowhere, "--all"], 2, "cannot create /proc/self/x.jpg"),
        (&["streams", "export", "--output", &nowhere], 2, "cannot write /proc/self/x.jpg"),
        (&["streams", "export", "gone"], 1, "gone: not among"),
        (&["streams", "apply", "-f", "/proc/self/gone"], 2, "cannot read /proc/self/gone"),
        (&["streams", "erase", "gone", "--from", "1", "--to", "2"], 1, "STREAM_NOT_FOUND"),
        (&["streams", "update", "two\nlines*", "--quality", "70"], 1, "two\\nlines*: not among"),
        (
            &["subscribe", "cam", "--save", &in_file, "--from", "earliest", "--count", "1"],
            2,
            "cannot create ",
        ),
        (
            &["subscribe", "cam", "--save-latest", &nowhere, "--from", "earliest", "--count", "1"],
            2,
            "cannot create ",
        ),
    ];
    for (command, code, says) in commands {
        let output = server.run(&[command, &["--json"][..]].concat());
        assert!(stdout(&output).is_empty(), "{command:?}: {}", stdout(&output));
        let said = stderr(&output);
        assert!(said.contains(says) && said.lines().count() == 1, "{command:?}: {said}");
        assert_eq!(output.status.code(), Some(*code), "{command:?}: {said}");
    }
}
