//! `frameway plan`: its numbers, its settings and what it refuses.

use serde_json::Value;

use super::server::Server;
use super::{assert_fails, draw, frameway, json, stderr, stdout};

const FORTY: [&str; 9] = ["plan", "--cameras", "40", "--fps", "5", "--bytes", "200kB", "--keep", "1h"];

#[test]
fn a_plan_has_the_settings_to_use_and_what_does_not_fit() {
    let plan = json(&[&FORTY[..], &["--json"]].concat());
    assert_eq!((&plan["kept_frames"], &plan["fps"]), (&720_000.into(), &200.0.into()), "{plan}");
    let number = |value: &Value| value.as_u64().expect("a number");
    let budget = number(&plan["settings"]["memory_budget"]);
    assert_eq!(number(&plan["redis"]["maxmemory"]), budget / 3 * 4);
    assert_eq!(plan["settings"]["memory_split"], "5/85/10", "{plan}");
    assert!(budget / 100 * 85 >= number(&plan["kept_bytes"]), "{plan}");
    let output = frameway(&FORTY);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "frames     200.0 a second; 720000 kept for 1h",
        "ms a frame of 1920x1080 on the machine of docs/performance.md",
        "320 Mbit/s) from the cameras",
        "frameway serve --memory-budget ",
        " --memory-split 5/85/10 --partitions 32",
        "--retain-age 1h --retain-frames 22500 --retain-bytes ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // 700 GB or more of memory are not here.
    let large =
        ["plan", "--cameras", "400", "--fps", "5", "--bytes", "2MB", "--keep", "10h", "--keep-originals"];
    let text = stdout(&frameway(&large));
    assert!(text.contains("Does not fit if one machine runs everything (this machine has "), "{text}");
    assert!(text.contains("\n  memory     needs ") && text.contains("Would fit:\n  a machine"), "{text}");
    let small = ["plan", "--cameras", "1", "--fps", "1", "--bytes", "20kB", "--keep", "1m"];
    let text = stdout(&frameway(&small));
    assert!(text.contains("All of it fits here: this machine has "), "{text}");
}

#[test]
fn the_settings_of_a_plan_are_accepted() {
    let plan = stdout(&frameway(&[&FORTY[..], &["--keep-originals"]].concat()));
    let line = |start: &str| {
        let line = plan.lines().find(|line| line.starts_with(start)).expect("the line of the settings");
        line.split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let serve = line("frameway serve ");
    let flags: Vec<&str> = serve.iter().skip(1).map(String::as_str).collect();
    let server = Server::start_with(&flags);
    let register = line("frameway streams register ");
    let register: Vec<&str> = register.iter().map(|word| if word == "ID" { "cam" } else { word }).collect();
    let registered = server.json(&register);
    assert_eq!(registered["retention"]["max_frames"], 22_500, "{registered}");
}

#[test]
fn a_plan_is_measured_on_this_machine() {
    // Small pictures: the build under test may be slow.
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let source = folder.path().to_string_lossy();
    let flags = ["plan", "--cameras", "4", "--fps", "5", "--keep", "1m", "--json"];
    let measure = [&flags[..], &["--measure", "--seconds", "3", "--source", &source]].concat();
    let plan = json(&measure);
    let measured = &plan["processor"]["measured"];
    assert!(measured["fps"].as_f64().is_some_and(|fps| fps > 0.0), "{plan}");
    assert!(plan["processor"]["ms_per_frame"].as_f64().is_some_and(|ms| ms > 0.0), "{plan}");
    assert!(plan["submitted_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000), "{plan}");
    assert!(plan["processed_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000), "{plan}");
}

#[test]
fn a_plan_without_a_figure_is_refused() {
    let base = ["plan", "--cameras", "4", "--fps", "5", "--keep", "1m"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    assert_fails(&with(&[]), 2, "--bytes");
    assert_fails(&with(&["--bytes", "200kB", "--reencode", "never"]), 2, "use --measure");
    assert_fails(&with(&["--bytes", "200kB", "--partitions", "3"]), 2, "power of two");
    assert_fails(&with(&["--bytes", "0"]), 2, "--bytes");
    assert_fails(&with(&["--bytes", "200kB", "--source", "x"]), 2, "--measure");
    assert_fails(&["plan", "--cameras", "0", "--fps", "5", "--bytes", "1", "--keep", "1m"], 2, "--cameras");
    let absurd = ["--cameras", "10000", "--fps", "1000", "--bytes", "16MiB", "--keep", "30days"];
    assert_fails(
        &[&["plan"], &absurd[..]].concat(),
        2,
        "frames with their pictures are more than any store holds",
    );
    assert_fails(&["plan", "--cameras", "4", "--fps", "0", "--bytes", "1", "--keep", "1m"], 2, "--fps");
    assert_fails(&["plan", "--cameras", "4", "--fps", "5", "--bytes", "1", "--keep", "31days"], 2, "--keep");
}
