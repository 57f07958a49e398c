//! The program `frameway-bench` as a user runs it.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::clients::{PATIENCE, Running};
use super::redis::{RedisServer, Setup};
use super::server::Server;
use super::tls::Files;
use super::{assert_failed, draw, frameway, json, last_json, run, stderr, stdout};

const BENCHMARKS: [&str; 7] = ["pipeline", "latency", "relay", "fanout", "scale", "fairness", "peers"];

fn bench(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_frameway-bench"), arguments)
}

fn assert_fails(arguments: &[&str], code: i32, says: &str) {
    assert_failed("frameway-bench", &bench(arguments), code, says);
}

/// The same, after warnings.
fn assert_fails_at_last(arguments: &[&str], code: i32, says: &str) {
    let output = bench(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("frameway-bench: ") && last.contains(says), "{said}");
}

#[test]
fn every_help_of_a_benchmark_has_examples() {
    for name in BENCHMARKS {
        let output = bench(&[name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway-bench "), "{name}");
    }
    assert!(stdout(&bench(&["--help"])).contains("\n  frameway-bench pipeline\n"));
    assert_fails(&["nonsense"], 2, "nonsense");
}

#[test]
fn without_json_a_benchmark_prints_a_line_for_each_figure() {
    let small = ["--seconds", "1", "--width", "160", "--height", "90"];
    for (name, figures) in [
        ("pipeline", &["fps", "efficiency", "cpu_ratio_to_codec", "cpu_ms_per_frame", "lost"][..]),
        ("latency", &["p50_ms", "p99_ms", "codec_ms"]),
        ("fanout", &["deliveries_per_s", "bare_tonic_mb_per_s", "subscribers"]),
        ("scale", &["by_cameras", "lost"]),
    ] {
        let more: &[&str] = match name {
            "fanout" => &["--subscribers", "2"],
            "scale" => &["--cameras", "1", "--total-fps", "10"],
            _ => &["--rounds", "1"],
        };
        assert_has_lines(name, &bench(&[&[name], &small[..], more].concat()), figures);
    }
}

/// Expects success, a line for each figure, and a last line about the machine.
fn assert_has_lines(name: &str, output: &Output, figures: &[&str]) {
    let table = stdout(output);
    assert!(output.status.success(), "{name}: {}", stderr(output));
    for figure in figures {
        // The name, the value and the words.
        let line = table.lines().find(|line| line.split(' ').next() == Some(figure));
        let columns = line.map(|line| line.split_whitespace().count());
        assert!(columns.is_some_and(|count| count >= 2), "{name}: {figure} in\n{table}");
    }
    let machine = table.lines().last().unwrap_or_default();
    assert!(machine.starts_with("on ") && machine.ends_with(" build"), "{name}: {machine}");
}

#[test]
fn the_figures_of_a_benchmark_are_consistent() {
    let small = ["--json", "--seconds", "1", "--width", "160", "--height", "90"];
    let measured =
        |name: &'static str, more: &[&'static str]| last_json(&bench(&[&[name], &small[..], more].concat()));
    let number = |reported: &Value, name: &str| {
        reported[name].as_f64().unwrap_or_else(|| panic!("{name} in {reported}"))
    };

    let reported = measured("pipeline", &["--cameras", "2", "--rounds", "1"]);
    assert_eq!((&reported["bench"], &reported["lost"]), (&"pipeline".into(), &0.into()), "{reported}");
    let (fps, ceiling) = (number(&reported, "fps"), number(&reported, "ceiling_fps"));
    assert!(
        fps > 0.0 && (number(&reported, "efficiency") - fps / ceiling).abs() < 0.01 * (fps / ceiling),
        "{reported}"
    );
    let cores = number(&reported["machine"], "cores");
    assert!((ceiling - cores * 1e3 / number(&reported, "codec_ms")).abs() < 0.01 * ceiling, "{reported}");
    let parts = ["cpu_ms_server", "cpu_ms_redis", "cpu_ms_clients"].map(|part| number(&reported, part));
    assert!((parts.iter().sum::<f64>() - number(&reported, "cpu_ms_per_frame")).abs() < 0.05, "{reported}");
    assert!(number(&reported, "peak_rss_mb") > 1.0, "{reported}");

    let reported = measured("latency", &["--rounds", "1"]);
    assert!(
        number(&reported, "p50_ms") > 0.0 && number(&reported, "p50_ms") <= number(&reported, "p99_ms"),
        "{reported}"
    );

    assert_fails(&["relay"], 2, "--redis-url");
    assert_fails(&["scale", "--workers", "2"], 2, "--redis-url");
    assert_fails(&["scale", "--cluster-url", "redis://127.0.0.1:1"], 2, "redis-cluster://");
    assert_fails(&["fanout", "--cameras", "3", "--subscribers", "2"], 2, "--subscribers");

    let reported = measured("fanout", &["--subscribers", "3", "--cameras", "2"]);
    assert!(
        number(&reported, "deliveries_per_s") > 0.0 && number(&reported, "bare_tonic_mb_per_s") > 0.0,
        "{reported}"
    );

    let reported = measured("scale", &["--cameras", "1,3", "--total-fps", "20"]);
    assert_eq!(reported["by_cameras"].as_array().map(Vec::len), Some(2), "{reported}");
    assert_eq!(reported["lost"], 0, "{reported}");
}

#[test]
fn several_rounds_give_medians_with_their_spread() {
    let small = ["pipeline", "--json", "--rounds", "2", "--seconds", "1", "--width", "160", "--height", "90"];
    let reported = last_json(&bench(&small));
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{reported}"));
    for figure in ["fps", "codec_ms", "cpu_ms_per_frame"] {
        let rounds: Vec<f64> = (0..2).map(|round| number(&reported["rounds"][round][figure])).collect();
        let spread = [0, 1].map(|at| number(&reported["spread"][figure][at]));
        assert_eq!(spread, [rounds[0].min(rounds[1]), rounds[0].max(rounds[1])], "{figure}: {reported}");
        let mean = f64::midpoint(rounds[0], rounds[1]);
        assert!((number(&reported[figure]) - mean).abs() < 0.001 * mean, "{figure}: {reported}");
    }
}

#[test]
fn peers_that_are_not_installed_are_named_as_skipped() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let small = ["--rounds", "1", "--seconds", "1", "--width", "160", "--height", "90"];
    let mut program = Command::new(env!("CARGO_BIN_EXE_frameway-bench"));
    program.args(["peers", "--json"]).args(small).env("PATH", nowhere.path()).env("TMPDIR", nowhere.path());
    let reported = last_json(&program.output().expect("it runs"));
    let missing = ["libvips_cpu_ms", "ffmpeg_cpu_ms", "opencv_cpu_ms", "opencv_redis_fps", "nats_fps"];
    for peer in missing {
        assert_eq!(reported[peer], "skipped", "{reported}");
    }
    let is_measured = |figure: &str| reported[figure].as_f64() > Some(0.0);
    assert!(
        ["fps", "cpu_ms_per_frame", "picture_ms", "relay_fps"].into_iter().all(is_measured),
        "{reported}"
    );
    assert_eq!(fs::read_dir(nowhere.path()).expect("a folder").count(), 0, "its files are removed");
}

#[test]
fn clusters_are_started_measured_and_removed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = ["--json", "--seconds", "1", "--width", "160", "--height", "90", "--total-fps", "20"];
    let measured = |path: Option<&str>| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_frameway-bench"));
        program
            .args(["scale", "--masters", "1,2", "--workers", "1"])
            .args(small)
            .env("TMPDIR", folder.path());
        path.into_iter().for_each(|path| {
            program.env("PATH", path);
        });
        last_json(&program.output().expect("it runs"))
    };
    let reported = measured(None);
    let rows = reported["by_masters"].as_array().expect("rows");
    let masters: Vec<_> = rows.iter().map(|row| row["masters"].as_u64()).collect();
    assert_eq!((masters, &reported["lost"]), (vec![Some(1), Some(2)], &0.into()), "{reported}");
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"));
        let parts = ["server_ms", "workers_ms", "redis_ms", "clients_ms"].map(number);
        assert!(parts.iter().all(|part| *part > 0.0), "{row}");
        let all = number("cost_per_frame");
        assert!((parts.iter().sum::<f64>() - all).abs() < 0.01 * all, "{row}");
    }
    assert!(reported["cost_spread_percent"].as_f64() >= Some(0.0), "{reported}");
    assert_eq!(measured(folder.path().to_str())["by_masters"], "skipped");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "its files are removed");
}

#[test]
fn a_secure_server_is_measured_beside_one_in_plaintext() {
    let files = Files::new();
    let (access, key) = (files.text("access.toml"), files.text("bench.key"));
    let create = ["--access-file", &access, "--principal", "bench", "--grant", "admin"];
    let created = frameway(&[&["keys", "create"], &create[..]].concat());
    assert!(created.status.success(), "{}", stderr(&created));
    std::fs::write(&key, created.stdout).expect("writes");
    let (certificate, private, ca) =
        (files.text("server.pem"), files.text("server.key"), files.text("ca.pem"));
    let secure = ["--tls-cert", &certificate, "--tls-key", &private, "--access-file", &access];
    let clients = ["--ca", &ca, "--api-key-file", &key];
    let small = ["--json", "--rounds", "1", "--seconds", "1", "--width", "160", "--height", "90"];
    let reported = last_json(&bench(&[&["pipeline"], &small[..], &secure, &clients].concat()));
    let number = |name: &str| reported[name].as_f64().unwrap_or_else(|| panic!("{name} in {reported}"));
    let expected = number("cpu_ms_per_frame") / number("plaintext_cpu_ms_per_frame");
    assert!((number("cpu_ratio_to_plaintext") - expected).abs() < 0.02 * expected, "{reported}");
    let refused = bench(&[&["pipeline"], &small[..], &secure, &clients[..2]].concat());
    assert!(stderr(&refused).contains("CREDENTIALS_MISSING"), "{}", stderr(&refused));
}

#[test]
fn benchmarks_on_redis_leave_nothing_behind() {
    let redis = RedisServer::start();
    let url = redis.admin_url();
    let small = ["--json", "--seconds", "1", "--width", "160", "--height", "90", "--redis-url", &url];
    let measured = |name: &str, more: &[&str]| last_json(&bench(&[&[name], &small[..], more].concat()));
    let number = |reported: &Value, name: &str| {
        reported[name].as_f64().unwrap_or_else(|| panic!("{name} in {reported}"))
    };
    let reported = measured("relay", &["--cameras", "2", "--rounds", "1"]);
    assert!(
        number(&reported, "raw_redis_fps") > 0.0 && number(&reported, "cpu_ms_per_frame") > 0.0,
        "{reported}"
    );
    assert_eq!(reported["passed_through"], reported["frames"], "{reported}");
    let relay = bench(&[&["relay", "--rounds", "1"], &small[1..]].concat());
    assert_has_lines("relay", &relay, &["fps", "raw_redis_fps", "ratio_to_raw_redis", "lost"]);
    let reported = measured("scale", &["--cameras", "2", "--workers", "1,2", "--total-fps", "20"]);
    assert_eq!(reported["by_workers"].as_array().map(Vec::len), Some(2), "{reported}");
    let reported = measured("fanout", &["--subscribers", "2"]);
    assert!(number(&reported, "redis_reads") > 0.0, "{reported}");
    let server = Server::start_with(&["--redis-url", &url]);
    let listed = json(&["streams", "list", "--json", "--address", &server.address()]);
    assert_eq!(listed["streams"].as_array().map(Vec::len), Some(0), "{listed}");
}

#[test]
fn an_interrupted_benchmark_ends_its_server_and_removes_its_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = tempfile::tempdir().expect("a temporary folder");
    let mut program = Command::new(env!("CARGO_BIN_EXE_frameway-bench"));
    program.args(["latency", "--seconds", "600", "--width", "160", "--height", "90"]);
    program.env("TMPDIR", files.path());
    let mut running = Running::start_program("latency", folder.path(), &mut program);
    let entries = || fs::read_dir(files.path()).expect("the folder is there").filter_map(Result::ok);
    let deadline = Instant::now() + PATIENCE;
    let address = loop {
        let served = entries().find_map(|entry| fs::read_to_string(entry.path().join("address")).ok());
        if let Some(address) = served.filter(|address| !address.is_empty()) {
            break address;
        }
        assert!(Instant::now() < deadline, "no server: {}", running.output());
        thread::sleep(Duration::from_millis(20));
    };
    running.signal(Signal::SIGINT);
    assert_eq!(running.exit_code(), Some(1), "{}", running.output());
    assert!(running.output().contains("frameway-bench: interrupted\n"), "{}", running.output());
    assert_eq!(entries().count(), 0, "its files are removed");
    while TcpStream::connect(address.trim()).is_ok() {
        assert!(Instant::now() < deadline, "the server still listens at {address}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_benchmark_that_cannot_begin_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 2);
    let source = folder.path().to_string_lossy().into_owned();
    let small = ["latency", "--rounds", "1", "--seconds", "1", "--json", "--width", "160", "--height", "90"];
    let told = last_json(&bench(&[&small[..], &["--source", &source, "--reencode", "never"]].concat()));
    assert!(told["frames"].as_u64() > Some(0) && told["lost"] == 0, "{told}");

    fs::write(folder.path().join("3.jpg"), "no picture").expect("a temporary file can be written");
    let broken = [&small[..], &["--source", &source]].concat();
    assert_fails_at_last(&broken, 2, "3.jpg is not a JPEG, PNG or WebP picture");
    assert_fails_at_last(&[&small[..], &["--redis-url", "nonsense"]].concat(), 2, "Redis URL did not parse");
    // The server refuses a Redis that would evict frames.
    let flags = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"].map(str::to_owned).to_vec();
    let redis = RedisServer::start_as(Setup { flags, ..Setup::default() });
    let url = redis.url();
    let evicting = [&small[..], &["--redis-url", &url]].concat();
    assert_fails_at_last(&evicting, 1, "the server ended at once");
}
