//! The programs in `samples/`, as a user runs them.

use std::fs;

use crate::support::frames::{create_group, jpeg};
use crate::support::processes::{Server, output};

#[tokio::test]
async fn the_samples_run() {
    let server = Server::start(&["--auto-register"]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("picture.jpg"), jpeg(320, 240)).unwrap();
    fs::write(path("empty.jpg"), "").unwrap();
    let submit = env!("CARGO_BIN_EXE_submit");
    let (picture, empty) = (path("picture.jpg"), path("empty.jpg"));
    let said = output(submit, &[&server.address, "cam", &picture, &empty, &picture]).await;
    assert!(said.contains("frame 1: accepted as 1") && said.contains("frame 3: accepted as 2"), "{said}");
    assert!(said.contains("frame 2: rejected: "), "{said}");

    let (subscribe, cursors) = (env!("CARGO_BIN_EXE_subscribe"), path("cursors.json"));
    let said = output(subscribe, &[&server.address, "cam", &cursors, "2"]).await;
    assert_eq!(said, "cam 1: 320 x 240\ncam 2: 320 x 240\n");
    let said = output(submit, &[&server.address, "cam", &picture]).await;
    assert!(said.contains("frame 4: accepted as 3"), "{said}");
    let said = output(subscribe, &[&server.address, "cam", &cursors, "1"]).await;
    assert_eq!(said, "cam 3: 320 x 240\n");

    let client = server.client().await;
    let group_id = create_group(&client, "cam", |_| {}).await;
    let said = output(env!("CARGO_BIN_EXE_consume"), &[&server.address, &group_id, "one", "3"]).await;
    assert!(said.contains("cam 2: 320 x 240") && said.contains("3 acknowledged, 0 rejected"), "{said}");
}
