//! The reference describes the families that servers export, and no others.

use std::collections::BTreeMap;
use std::fs;

use frameway::access::AccessFile;

use crate::certificates::Authority;
use crate::load;
use crate::redis::RedisServer;
use crate::sample::Scrape;
use crate::server::{Server, command};

/// Scrapes servers that together export every family, after a short load.
pub(crate) fn everything() -> Scrape {
    let redis = RedisServer::start();
    let server = Server::start(&["--redis-url", &redis.url(), "--metrics-per-stream", "5"]);
    load::run(&server);
    let mut scrape = server.scrape_until("the worker process and the load are in the metrics", |scrape| {
        let processed = scrape.sum("frameway_worker_frames_total", &[("outcome", "processed")]);
        let lag = scrape.sum("frameway_group_members", &[("group", "site")]);
        processed == Some(load::FRAMES - 1.0) && lag.is_some()
    });
    scrape.add(closed_server());
    scrape
}

/// Scrapes a server that authenticates its callers and speaks TLS.
fn closed_server() -> Scrape {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let identity = Authority::new("test").issue(&["localhost"]);
    fs::write(path("server.pem"), &identity.certificate).expect("a file is written");
    fs::write(path("server.key"), &identity.key).expect("a file is written");
    let access = path("access.toml");
    let mut file = AccessFile::open(access.as_ref()).expect("the file opens");
    let expires = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    file.create_key("agent", &[], &["publish:*".to_owned()], Some(expires)).expect("a key");
    file.save(access.as_ref()).expect("the file is saved");
    let tls = ["--tls-cert", &path("server.pem"), "--tls-key", &path("server.key")];
    let server = Server::start(&[&tls[..], &["--access-file", &access]].concat());
    let scrape = server.scrape();
    let value = |name: &str| scrape.sum(name, &[]).unwrap_or_else(|| panic!("{name} is absent"));
    assert_eq!(value("frameway_access_principals"), 1.0);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let left = value("frameway_access_next_key_expiry_timestamp_seconds") - now;
    assert!((3000.0..=3600.0).contains(&left), "{left}");
    assert!(value("frameway_tls_certificate_expiry_timestamp_seconds") > now);
    scrape
}

/// Returns the families of the reference and their types, by name.
fn documented() -> BTreeMap<String, String> {
    let page = reference();
    let sections = page.split("\n### `").skip(1);
    let family = |section: &str| {
        let (name, rest) = section.split_once('`').expect("the name of a family");
        let kind = rest.trim_start().split([',', '\n']).next().expect("its type");
        (name.to_owned(), kind.to_owned())
    };
    sections.map(family).collect()
}

fn reference() -> String {
    let output = command().arg("metrics-reference").output().expect("the program runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_reference_has_all_exported_families_and_no_other() {
    let (exported, documented) = (everything().families, documented());
    let missing: Vec<_> = documented.keys().filter(|name| !exported.contains_key(*name)).collect();
    assert!(missing.is_empty(), "documented and not exported: {missing:?}");
    let unknown: Vec<_> = exported.keys().filter(|name| !documented.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "exported and not documented: {unknown:?}");
    assert_eq!(exported, documented);
}

#[test]
fn the_page_is_up_to_date() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let written = fs::read_to_string(page).unwrap_or_default();
    assert!(written == reference(), "run: cargo run -- metrics-reference > docs/metrics.md");
}
