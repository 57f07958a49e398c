//! The crate's feature `client`, as a program outside this repository uses it: it compiles, and it
//! depends neither on codecs nor on Redis nor on the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Packages that only the server needs.
const SERVER_PACKAGES: [&str; 12] = [
    "axum",
    "clap",
    "fast_image_resize",
    "image",
    "moxcms",
    "redis",
    "sysinfo",
    "tonic-health",
    "tonic-reflection",
    "turbojpeg",
    "webp",
    "yuv",
];

/// The program: it publishes, subscribes, consumes, and calls a method with retries.
const PROGRAM: &str = r#"
use frameway::client::consume::Consumer;
use frameway::client::publish::{BatchSender, Decision, PublishOptions};
use frameway::client::retry::Policy;
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::client::{Client, Error};
use frameway::pb::v1 as pb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::connect("127.0.0.1:7400").await?;
    println!("{}", client.server_info().await?.version);

    let frame = pb::Frame { stream_id: "cam".into(), publisher_sequence: Some(1), ..Default::default() };
    let sent = BatchSender::new(&client).send(vec![frame.clone()]).await?;
    assert!(matches!(sent.decisions[0], Decision::Refused(_)));

    let (frames, intake) = tokio::sync::mpsc::channel(1);
    frames.send(frame).await.ok();
    drop(frames);
    let stop = Default::default();
    client.publish(PublishOptions::default(), intake, stop, |_frame, decision| println!("{decision:?}")).await?;

    let request = pb::SubscribeFramesRequest { selectors: vec![selector("cam-*")], ..Default::default() };
    let mut subscription = Subscription::new(&client, request);
    while !matches!(subscription.next().await?, Event::End) {}

    let mut consumer = Consumer::new(&client, pb::ConsumeFramesRequest::default());
    consumer.ack(vec!["id".into()]).await?;

    let policy = Policy::of("frameway.v1.StreamRegistryService/ListStreams");
    let call = async |request| client.registry.clone().list_streams(request).await;
    policy.call(pb::ListStreamsRequest::default(), call).await?;
    Ok(())
}
"#;

/// Writes the program as a package outside the workspace, and returns its folder.
fn package() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client-feature");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // With the same profile, the dependencies that `make lint` has checked are used.
    let ours = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest can be read");
    let profile =
        ours.find("[profile.dev]").expect("a profile")..ours.find("[profile.release]").expect("another");
    let manifest = format!(
        r#"
[package]
name = "outside-program"
version = "0.0.0"
edition = "2024"

[dependencies]
frameway = {{ path = {root:?}, default-features = false, features = ["client"] }}
tokio = {{ version = "1", features = ["macros", "rt", "sync"] }}

[workspace]

{}"#,
        &ours[profile]
    );
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).expect("a folder can be made");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file can be written");
    fs::write(folder.join("src/main.rs"), PROGRAM).expect("a file can be written");
    // The same versions: nothing has to be downloaded.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file can be copied");
    folder
}

/// Runs Cargo in the package, without the network.
fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut command = Command::new(env!("CARGO"));
    command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
    command.current_dir(folder).args(arguments).output().expect("cargo runs")
}

#[test]
fn a_program_with_the_client_feature_compiles_and_has_nothing_of_the_server() {
    let folder = package();
    let checked = cargo(&folder, &["check", "--quiet"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let tree = cargo(&folder, &["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let text = String::from_utf8_lossy(&tree.stdout).into_owned();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let packages: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains(&"frameway") && packages.contains(&"tonic"), "{text}");
    let unwanted: Vec<&str> = SERVER_PACKAGES.into_iter().filter(|name| packages.contains(name)).collect();
    assert!(unwanted.is_empty(), "{unwanted:?} in\n{text}");
}
