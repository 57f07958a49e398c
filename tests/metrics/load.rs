//! A short load that causes a sample of every family.

use std::fs;

use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;

use crate::server::Server;

/// The frames that [`run`] submits and that are accepted.
pub(crate) const FRAMES: f64 = 8.0;

/// Submits frames of one stream, of which one is broken; one more is refused. A subscriber and a
/// member of a group receive the others, the subscriber as renditions.
pub(crate) fn run(server: &Server) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("cam");
    fs::create_dir(&source).expect("a temporary folder");
    let scene = Scene::new(7, 320, 180);
    let mut codec = Codec::new(Limits::default());
    for number in 1..=FRAMES as u64 {
        let (mut picture, _) = scene.jpeg(&mut codec, number, 92).expect("a scene can be drawn");
        if number == 3 {
            picture.truncate(picture.len() / 2);
        }
        fs::write(source.join(format!("{number}.jpg")), picture).expect("a temporary file can be written");
    }
    let source = source.to_string_lossy();
    server.run(&["streams", "register", "cam"]);
    server.run(&["groups", "create", "site", "cam"]);
    server.run(&["submit", &source, "--stream", "cam"]);
    let empty = folder.path().join("empty.raw");
    fs::write(&empty, "").expect("a temporary file can be written");
    let raw = ["--raw-format", "gray8", "--width", "8", "--height", "8"];
    let refused =
        server.output(&[&["submit", &empty.to_string_lossy(), "--stream", "cam"][..], &raw].concat());
    assert!(!refused.status.success(), "the frame has no picture");
    let subscribe = ["subscribe", "cam", "--from", "earliest", "--count", "7", "--json"];
    server.run(&subscribe);
    server.run(&[&subscribe[..], &["--max-width", "100"]].concat());
    server.run(&["subscribe", "--group", "site", "--member", "m1", "--count", "4", "--json"]);
}
