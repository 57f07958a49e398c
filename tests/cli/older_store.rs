//! The stores that releases wrote, as test fixtures: each later version opens them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::full_store::{PARTITIONS, contents, continues, fill};
use super::redis::RedisServer;
use super::server::Server;

/// Returns the folder of a fixture: `dump.rdb`, and `contents.json` as [`contents`] returned it.
fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("store-{version}"))
}

fn fixtures() -> Vec<PathBuf> {
    let found = fs::read_dir(folder("").parent().expect("a parent")).expect("fixtures");
    let found = found.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = found.filter(|path| path.join("dump.rdb").exists()).collect();
    found.sort();
    found
}

fn serve(redis: &RedisServer, role: &str) -> Server {
    Server::start_with(&["--redis-url", &redis.url(), "--partitions", PARTITIONS, "--role", role])
}

#[test]
fn the_store_of_each_release_is_opened_with_all_that_it_has() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "make store-fixture writes one");
    for fixture in fixtures {
        let mut redis = RedisServer::start();
        redis.kill_hard();
        let copy = redis.directory().join("dump.rdb");
        fs::copy(fixture.join("dump.rdb"), copy).expect("the fixture is copied");
        redis.restart();
        let expected = fs::read_to_string(fixture.join("contents.json")).expect("the contents");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        // Without a worker nothing is removed, however old the fixture is.
        assert_eq!(contents(&serve(&redis, "api")), expected, "{}", fixture.display());
        // Another process of Redis has it now, so its sequences jump.
        continues(&serve(&redis, "all"), None);
    }
}

/// Writes the fixture of this version; `make store-fixture` runs it.
#[test]
#[ignore = "writes a file of the repository"]
fn writes_the_fixture_of_this_version() {
    let redis = RedisServer::start();
    fill(&serve(&redis, "all"));
    let contents = contents(&serve(&redis, "api"));
    // Servers and workers have left; what is left of them would expire.
    assert_eq!(redis.cli(&["SAVE"]), "OK");
    let folder = folder(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).expect("a folder for the fixture");
    fs::copy(redis.directory().join("dump.rdb"), folder.join("dump.rdb")).expect("the fixture is written");
    let text = serde_json::to_string_pretty(&contents).expect("JSON");
    fs::write(folder.join("contents.json"), text + "\n").expect("the contents are written");
}
