//! The guides in `docs/guides`: their commands run here, and print what the guides say.
//!
//! A block that is marked `console` is run: a line that begins with `$ ` is a command, lines after it
//! that begin with `> ` or follow a `\` continue it, and the rest is what it prints. All commands of a
//! guide run in one shell, in a folder with pictures of three cameras (`cams`), against a server of
//! their own. What it prints is compared line by line in any order, without times, sizes, numbers with a
//! decimal point, ids and white space; a line `...` stands for further lines, and within a line for any text. If the last line is an error of `frameway`, the
//! command must fail. A command that only reads is repeated until it prints what the guide says.
//!
//! A block that is marked `sh` is not run, because it needs something that is not here. [`NOT_RUN`]
//! counts these blocks.

mod page;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::jobs::{folder_with_cameras, python};
use super::redis::RedisServer;
use super::server::Server;
use page::{Block, blocks_of};
use shell::{Ports, Shell};

/// The guides with commands that cannot run here, and the number of such blocks: for example of a real
/// camera, or of systemd.
const NOT_RUN: [(&str, usize); 4] =
    [("moving", 1), ("pictures-in", 2), ("production", 1), ("python-consumer", 1)];

/// Returns the guides, in the order of their names.
fn guides() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides");
    let files = fs::read_dir(folder).expect("the folder of the guides");
    let mut guides: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    guides.retain(|guide| guide.extension().is_some_and(|extension| extension == "md"));
    guides.sort();
    guides
}

fn name_of(guide: &Path) -> &str {
    guide.file_stem().and_then(|name| name.to_str()).expect("UTF-8")
}

/// Runs the commands of a guide.
fn run(name: &str) {
    run_with(name, &[], &mut Ports::default());
}

fn run_with(name: &str, variables: &[(&str, &str)], ports: &mut Ports) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/guides/{name}.md"));
    let server = Server::start();
    let folder = folder_with_cameras();
    let mut shell = Shell::start(folder.path(), &server, variables);
    let mut commands = 0;
    for block in blocks_of(&guide) {
        if let Block::Run(steps) = block {
            for step in &steps {
                shell.check(name, step, ports);
                commands += 1;
            }
        }
    }
    assert!(commands >= 3, "{name} has {commands} commands only");
}

/// Reports whether a program is installed; if not, the test says that it is skipped.
fn has(program: &str, guide: &str) -> bool {
    let is_here = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_here = is_here.is_ok_and(|output| output.status.success());
    if !is_here {
        println!("skipped: {guide}.md needs {program}");
    }
    is_here
}

#[test]
fn every_guide_has_a_test_and_names_its_script() {
    let tests = include_str!("guides.rs");
    for guide in guides() {
        let name = name_of(&guide);
        assert!(tests.contains(&format!("(\"{name}\"")), "{name}.md has no test");
        let text = fs::read_to_string(&guide).expect("it can be read");
        assert!(name == "many-cameras" || text.contains("examples/jobs/"), "{name}.md names no script");
    }
}

#[test]
fn blocks_that_are_not_run_are_counted() {
    for guide in guides() {
        let not_run: Vec<String> = blocks_of(&guide)
            .into_iter()
            .filter_map(|block| if let Block::NotRun(text) = block { Some(text) } else { None })
            .collect();
        for block in &not_run {
            println!("not run: {}: {}", name_of(&guide), block.lines().next().unwrap_or_default());
        }
        let counted =
            NOT_RUN.iter().find(|(name, _)| *name == name_of(&guide)).map_or(0, |(_, count)| *count);
        assert_eq!(not_run.len(), counted, "{}: {not_run:#?}", name_of(&guide));
    }
}

#[test]
fn pictures_are_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    for picture in fs::read_dir(folder).expect("the folder of the pictures") {
        let picture = picture.expect("an entry");
        let size = picture.metadata().expect("its size").len();
        assert!(size <= 120_000, "{}: {size} bytes", picture.path().display());
    }
}

#[test]
fn bandwidth() {
    run("bandwidth");
}

#[test]
fn dead_letters() {
    run("dead-letters");
}

#[test]
fn detectors() {
    run("detectors");
}

#[test]
fn erasing() {
    run("erasing");
}

#[test]
fn finding() {
    run("finding");
}

#[test]
fn looking() {
    run("looking");
}

#[test]
fn many_cameras() {
    run("many-cameras");
}

#[test]
fn masks() {
    if has("ffmpeg", "masks") {
        run("masks");
    }
}

#[test]
fn moving() {
    let redis = RedisServer::start();
    let new = Server::start_with(&["--redis-url", &redis.url()]);
    let port = new.address().rsplit(':').next().map(str::to_owned).expect("a port");
    run_with("moving", &[], &mut Ports::with("7410", &port));
}

#[test]
fn one_site() {
    run("one-site");
}

#[test]
fn pictures_in() {
    if has("ffmpeg", "pictures-in") {
        run("pictures-in");
    }
}

#[test]
fn production() {
    if ["openssl", "curl"].iter().all(|program| has(program, "production")) {
        run("production");
    }
}

#[test]
fn python_consumer() {
    let Some(python) = python() else {
        println!("skipped: python-consumer.md needs Python with the packages of the client");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (client, script) = (root.join("clients/python/src"), root.join("examples/jobs/consumer.py"));
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let variables = [
        ("PYTHON", python),
        ("PYTHONPATH", path(&client)),
        ("CONSUMER", path(&script)),
        ("LC_ALL", "C.UTF-8".into()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run_with("python-consumer", &variables, &mut Ports::default());
}

#[test]
fn recording() {
    run("recording");
}

#[test]
fn sizing_a_site() {
    run("sizing-a-site");
}
