//! The port: formats, refusals, bounds, and ports that are taken.

use std::net::{TcpListener, TcpStream};

use crate::server::{Server, command, eventually};

#[test]
fn prometheus_gets_openmetrics_and_others_get_plain_text() {
    let server = Server::start(&[]);
    let (head, body) = server.request("GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.contains("# TYPE frameway_frames_accepted_total counter\n"), "{body}");
    assert!(!body.contains("# EOF"), "{body}");
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let (head, body) = server.request(&format!("GET /metrics HTTP/1.1\r\nhost: test\r\n{accept}\r\n\r\n"));
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.contains("# TYPE frameway_frames_accepted counter\n"), "{body}");
    assert!(
        body.contains("# UNIT frameway_frames_accepted_bytes bytes\n") && body.ends_with("# EOF\n"),
        "{body}"
    );
}

#[test]
fn other_paths_methods_and_protocols_are_refused() {
    let server = Server::start(&[]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: test\r\n\r\n", "HTTP/1.1 404 "),
        ("GET /metrics/x HTTP/1.1\r\nhost: test\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 405 "),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let (head, _) = server.request(request);
        assert!(head.starts_with(status), "{request}: {head}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert!(server.request(&long).0.starts_with("HTTP/1.1 431 "));
}

#[test]
fn silent_clients_take_places_only_for_a_time() {
    let server = Server::start(&[]);
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(&server.metrics).expect("the port is open")).collect();
    // All places are taken. The silent clients lose them after 5 s.
    assert!(server.text().contains("frameway_process_open_descriptors"));
    drop(silent);
}

#[test]
fn a_given_port_that_is_taken_is_an_error_and_a_taken_default_is_not() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "error", "--metrics-listen"];
    let output = command().args(serve).arg(&address).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&format!("cannot serve metrics on {address}")) && said.contains("`none`"),
        "{said}"
    );
    let output = command().args(serve).arg("nowhere:x").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));

    // The default port may be taken by another program on this machine. If it is free, this test
    // takes it.
    let _default = TcpListener::bind("127.0.0.1:7401");
    let port =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (log, file) = (folder.path().join("log"), folder.path().join("address"));
    let mut process = command()
        .args(["serve", "--log", "warn", "--listen", &port.to_string(), "--address-file"])
        .arg(&file)
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("the process starts");
    eventually("the server serves without metrics", || {
        std::fs::read_to_string(&file).ok().filter(|address| !address.is_empty())
    });
    process.kill().expect("it runs");
    process.wait().expect("it has ended");
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("cannot serve metrics, so this process has none"), "{said}");
}

#[test]
fn metrics_can_be_off() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let file = folder.path().join("address");
    let mut process = command()
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "none", "--address-file"])
        .arg(&file)
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("the process starts");
    eventually("the server serves", || {
        std::fs::read_to_string(&file).ok().filter(|address| !address.is_empty())
    });
    process.kill().expect("it runs");
    process.wait().expect("it has ended");
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("listening") && !said.contains("metrics"), "{said}");
}
