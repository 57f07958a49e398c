//! Checks on the sources which rooms import which others.
//!
//! The crate is one compilation unit, so the compiler lets all modules use each other. This test
//! reads `src/`, collects all paths in the code, and compares them with the table in `rules.rs`.
//! ARCHITECTURE.md explains the rooms. If this test prevents a sensible change, change the table in
//! the same commit and give the reason.

mod circles;
mod links;
mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Offence;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all files below `folder` that `wanted` accepts, in a fixed order; none if the folder
/// does not exist.
fn files(folder: &str, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    fn walk(folder: &Path, wanted: fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let entry = entry.expect("a folder of the repository can be read");
            let path = entry.path();
            if entry.file_type().expect("an entry has a type").is_dir() {
                let name = entry.file_name();
                if !matches!(name.to_str(), Some("node_modules" | "target" | ".venv" | "__pycache__")) {
                    walk(&path, wanted, found);
                }
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), wanted, &mut found);
    found.sort();
    found
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn report(what: &str, offences: &[Offence]) {
    let lines: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{what}: {} offences\n{}\n", offences.len(), lines.join("\n"));
}

#[test]
fn rooms_import_only_what_they_may() {
    let sources = files("src", is_rust);
    assert!(sources.len() > 1, "no sources found: is this test looking in the right place?");
    let mut offences = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).expect("a source is UTF-8");
        let name = relative(&path);
        offences.extend(rules::check_imports(name.strip_prefix("src/").unwrap_or(&name), &text));
    }
    report("layering (see tests/layering/rules.rs)", &offences);
}

#[test]
fn no_import_circle_is_larger_than_two_files() {
    let mut offences = Vec::new();
    for folder in ["src/hub", "src/queue/redis"] {
        let source = |path: PathBuf| {
            let text = fs::read_to_string(&path).expect("a source is UTF-8");
            (relative(&path).trim_start_matches("src/").to_owned(), text)
        };
        let sources: Vec<(String, String)> = files(folder, is_rust).into_iter().map(source).collect();
        assert!(sources.len() > 1, "no sources found in {folder}: is this test looking in the right place?");
        offences.extend(circles::check_circles(&sources));
    }
    report("import circles (see tests/layering/circles.rs)", &offences);
}

#[test]
fn no_file_is_too_long() {
    let mut offences = Vec::new();
    for path in files("src", is_rust).into_iter().chain(files("tests", is_rust)) {
        let text = fs::read_to_string(&path).expect("a source is UTF-8");
        offences.extend(rules::check_length(&relative(&path), &text));
    }
    report("files over the limit: split them", &offences);
}

#[test]
fn no_file_contains_a_path_of_one_machine() {
    let mut offences = Vec::new();
    for folder in ["src", "tests", "benches", "proto", "scripts", "clients", "docs", ".ci"] {
        for path in files(folder, |_| true) {
            // Pictures and the proto baseline are not text.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            offences.extend(rules::check_machine_paths(&relative(&path), &text));
        }
    }
    report("absolute paths of one machine", &offences);
}

/// Tests of the checker itself, with made-up sources and known results.
mod self_test {
    use super::circles::check_circles;
    use super::rules::{MAX_FILE_LINES, check_imports, check_length, check_machine_paths};

    fn verdict(file: &str, text: &str) -> Vec<String> {
        check_imports(file, text).into_iter().map(|offence| offence.what).collect()
    }

    #[track_caller]
    fn allowed(file: &str, text: &str) {
        assert_eq!(verdict(file, text), Vec::<String>::new(), "{file}: {text}");
    }

    #[track_caller]
    fn refused(file: &str, text: &str, path: &str) {
        let found = verdict(file, text);
        assert!(found.iter().any(|what| what.contains(path)), "{file}: {text}\nfound only {found:?}");
    }

    #[test]
    fn foreign_crates_stay_in_their_rooms() {
        refused("worker/mod.rs", "use redis::Client;", "redis::Client");
        refused("worker/mod.rs", "use redis as r;", "redis");
        refused("queue/mod.rs", "fn f() -> redis::RedisResult<()> { todo!() }", "redis::RedisResult");
        refused("queue/memory/mod.rs", "use ::redis::Client;", "redis::Client");
        allowed("queue/redis/conn.rs", "use redis::{aio::ConnectionManager, Client};");
        refused("hub/fanout.rs", "fn f(s: tonic::Status) {}", "tonic::Status");
        refused("queue/error.rs", "use tonic_types::ErrorDetails;", "tonic_types");
        allowed("grpc/status.rs", "use tonic::{Code, Status};");
        allowed("cli/submit.rs", "use tonic::transport::Channel;");
        refused("analysis/roi.rs", "use {image::RgbImage, std::fmt};", "image::RgbImage");
        refused("cli/demo.rs", "let c = turbojpeg::Compressor::new();", "turbojpeg");
        refused(
            "worker/mod.rs",
            "use yuv::YuvPlanarImage; use fast_image_resize as fir;",
            "fast_image_resize",
        );
        allowed("picture/jpeg.rs", "use turbojpeg::Decompressor;");
        refused("queue/redis/entry.rs", "use anyhow::Context as _;", "anyhow::Context");
        allowed("cli/serve.rs", "use anyhow::Context as _;");
        refused("hub/mod.rs", "use prost::Message;", "prost::Message");
        allowed("queue/redis/entry.rs", "use prost::Message;");
        refused("picture/decode.rs", "async fn f() { tokio::time::sleep(d).await }", "tokio::time");
        refused("domain/ids.rs", "use std::{fmt, fs::File};", "std::fs");
    }

    #[test]
    fn imports_outside_the_table_are_found() {
        refused("domain/frame.rs", "use crate::queue::Queue;", "crate::queue::Queue");
        allowed("domain/frame.rs", "use crate::domain::ids::StreamId; use super::limits;");
        refused("picture/decode.rs", "use crate::{domain::Frame, analysis::Quality};", "crate::analysis");
        allowed("analysis/quality.rs", "use crate::{domain::Measures, picture::Planes};");
        refused("analysis/quality.rs", "use crate::picture::{Planes, decode};", "crate::picture::decode");
        refused(
            "worker/mod.rs",
            "use crate::{\n    queue::{self, Queue},\n    grpc::status,\n};",
            "crate::grpc",
        );
        allowed("worker/mod.rs", "use crate::{analysis, domain, picture, queue, shutdown};");
        refused("hub/mod.rs", "use crate::config::Config;", "crate::config");
        refused("worker/run.rs", "use crate::queue::redis::RedisQueue;", "crate::queue::redis");
        allowed("app.rs", "use crate::{config::Config, queue::{memory::MemoryQueue, redis::RedisQueue}};");
        refused("queue/memory/mod.rs", "use crate::pb::storage::v1::Entry;", "crate::pb::storage");
        allowed("queue/redis/entry.rs", "use crate::pb::storage::v1::Entry;");
        refused("queue/redis/entry.rs", "use crate::pb::v1::Frame;", "crate::pb::v1");
        refused("newroom/mod.rs", "", "newroom");
    }

    fn circles(sources: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<(String, String)> =
            sources.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        check_circles(&sources).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn circles_of_more_than_two_files_are_found() {
        let (a, b) = (("hub/a.rs", "use super::b::B;"), ("hub/b.rs", "use crate::hub::c::{self, C};"));
        let back = ("hub/c/mod.rs", "pub(super) fn f(x: super::a::A) {}");
        let found = circles(&[a, b, back]);
        assert!(found.len() == 1 && found[0].contains("hub/a, hub/b, hub/c"), "{found:?}");
        // The room itself is a file like others.
        let (child, room) = (("hub/c/d.rs", "use crate::hub::Hub;"), ("hub/mod.rs", "use a::A;"));
        let found = circles(&[room, a, b, ("hub/c/mod.rs", "use d::D;"), child]);
        assert!(found.len() == 1 && found[0].starts_with("5 files"), "{found:?}");
        assert_eq!(circles(&[a, b, ("hub/c/mod.rs", "use super::b::B;")]), [""; 0]);
        assert_eq!(circles(&[a, b, ("hub/c/mod.rs", "mod tests { use crate::hub::a::A; }")]), [""; 0]);
        assert_eq!(
            circles(&[a, b, ("hub/c/mod.rs", "pub(in crate::hub::a) struct C(super::Other);")]),
            [""; 0]
        );
        assert_eq!(circles(&[a, b, ("hub/c/tests.rs", "use crate::hub::a::A;")]), [""; 0]);
    }

    #[test]
    fn a_reexport_belongs_to_the_file_that_defines_it() {
        let room = ("hub/mod.rs", "mod a; mod b; pub use a::A; use b::B;");
        let b = ("hub/b.rs", "use super::A;");
        assert_eq!(circles(&[room, b, ("hub/a.rs", "")]), [""; 0]);
        let found = circles(&[room, b, ("hub/a.rs", "use super::Hub;")]);
        assert!(found.len() == 1 && found[0].starts_with("3 files"), "{found:?}");
    }

    #[test]
    fn super_is_followed() {
        refused("worker/job.rs", "use super::super::grpc::status;", "crate::grpc");
        refused("worker/mod.rs", "use super::grpc::status;", "crate::grpc");
        allowed("worker/job.rs", "use super::lease::Lease;");
        allowed("worker/mod.rs", "mod tests { use super::*; use super::grpc; }");
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        allowed("hub/mod.rs", "//! Like [`tonic::Status`].\n/* redis::Client /* nested */ image::open */");
        allowed(
            "hub/mod.rs",
            r##"const A: &str = "redis::Client \" tonic::x"; const B: &str = r#"image::a "q" yuv::b"#;"##,
        );
        refused(
            "hub/mod.rs",
            "fn f<'a>(x: &'a str) -> char { '\"' } use redis::Client; // \"",
            "redis::Client",
        );
        refused("hub/mod.rs", "const QUOTE: char = '\\''; use redis::Client;", "redis::Client");
    }

    #[test]
    fn tests_may_use_a_real_queue_and_a_client() {
        allowed("hub/mod.rs", "#[cfg(test)]\nmod tests { use crate::queue::memory::MemoryQueue; }");
        allowed("hub/tests.rs", "use crate::queue::memory::MemoryQueue;");
        refused("hub/mod.rs", "mod tests { } use crate::queue::memory::MemoryQueue;", "crate::queue::memory");
        allowed("picture/tests.rs", "use crate::scene::Scene;");
    }

    #[test]
    fn untracked_tasks_are_found() {
        refused("worker/mod.rs", "fn f() { tokio::spawn(async {}); }", "tokio::spawn");
        refused("grpc/submit.rs", "use tokio::task; fn f() { task::spawn(async {}); }", "task::spawn");
        refused("grpc/submit.rs", "use tokio::{spawn, time};", "tokio::spawn");
        allowed("shutdown.rs", "fn f() { tokio::spawn(async {}); }");
        allowed("grpc/submit.rs", "fn f() { tokio::task::spawn_blocking(|| 1); }");
    }

    #[test]
    fn long_files_and_machine_paths_are_found() {
        assert!(check_length("src/a.rs", &"x\n".repeat(MAX_FILE_LINES)).is_none());
        assert!(check_length("src/a.rs", &"x\n".repeat(MAX_FILE_LINES + 1)).is_some());
        for folder in ["home", "root", "Users", "work"] {
            let text = format!("fine\nlet a = \"/{folder}/somebody/file\";\n");
            assert_eq!(check_machine_paths("src/a.rs", &text).len(), 1, "{text}");
            let url = format!("https://example.com/{folder}/page and a/{folder}/b and .../{folder}/c");
            assert_eq!(check_machine_paths("src/a.rs", &url).len(), 0, "{url}");
        }
        assert_eq!(check_machine_paths("src/a.rs", &format!("C:{}Users", '\\')).len(), 1);
    }
}
