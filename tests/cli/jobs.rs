//! The scripts in `examples/jobs`, each against a server of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::server::Server;
use super::{draw, stderr, stdout};

/// Runs a script in a temporary folder that contains pictures of three cameras, `cams/cam-01/1.jpg`
/// and so on, with `frameway` on the search path and the server as its default address. Returns
/// what it printed.
fn job(script: &str, server: &Server) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for camera in ["cam-01", "cam-02", "cam-03"] {
        let pictures = folder.path().join("cams").join(camera);
        fs::create_dir_all(&pictures).expect("a temporary folder can be made");
        draw(&pictures, 6);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_frameway"));
    let programs = program.parent().expect("the program is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
        command.env_remove(name);
    }
    let output = command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jobs").join(script))
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("FRAMEWAY_ADDRESS", server.address())
        .output()
        .expect("bash runs");
    let (printed, said) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{script}: {}\n{printed}\n{said}", output.status);
    printed
}

#[test]
fn every_script_has_a_test() {
    let tests = include_str!("jobs.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jobs");
    for entry in fs::read_dir(folder).expect("the folder of the scripts") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sh") {
            assert!(tests.contains(&format!("\"{name}\"")), "{name} has no test");
        }
    }
}

#[test]
fn three_detectors_share_the_frames() {
    let server = Server::start();
    let printed = job("02-detectors.sh", &server);
    assert!(printed.contains("each of the 18 frames was handled"), "{printed}");
}
