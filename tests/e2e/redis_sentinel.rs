//! A Redis behind Sentinels: TLS and passwords, the errors while no primary is known, and what
//! `frameway config check` and `frameway doctor` say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use frameway::config::{Backend, RedisSettings};
use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_result::Outcome;
use tonic_types::StatusExt as _;

use crate::certificates::Authority;
use crate::common::eventually;
use crate::common::redis::{PASSWORD, TlsFiles};
use crate::common::sentinel::Topology;
use crate::server::{TestServer, frame};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("a file in a temporary folder");
    file
}

fn run(command: &[&str], url: &str, flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_frameway"));
    program.args(command).args(["--redis-url", url]).args(flags).stdin(Stdio::null());
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("FRAMEWAY_")) {
        program.env_remove(variable);
    }
    let output = program.output().expect("the program runs");
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&text).contains(PASSWORD), "the output has no password");
    output
}

/// Starts a server on the servers of Redis, with the login at the Sentinels.
async fn serve(topology: &Topology, mut redis: RedisSettings) -> TestServer {
    let (user, file) = topology.sentinel_login();
    redis.security.sentinel_user = Some(user);
    redis.security.sentinel_password_file = Some(file);
    TestServer::start(|config| {
        config.worker.worker_program = Some(env!("CARGO_BIN_EXE_frameway").into());
        config.queue.backend = Backend::Redis(redis);
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_and_servers_are_reached_with_tls_certificates_and_passwords() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (authority, names) = (Authority::new("redis"), ["127.0.0.1"]);
    let (own, ours) = (authority.issue(&names), authority.issue(&["frameway"]));
    let ca = write(folder.path(), "ca.pem", &authority.pem);
    let tls = TlsFiles {
        certificate: write(folder.path(), "redis.pem", &own.certificate),
        key: write(folder.path(), "redis.key", &own.key),
        client_ca: Some(ca.clone()),
    };
    let topology = Topology::start_with_tls(&tls);
    let mut redis = RedisSettings { wait_replicas: 1, ..RedisSettings::new(topology.url()) };
    redis.security.ca = Some(ca);
    redis.security.certificate = Some(write(folder.path(), "frameway.pem", &ours.certificate));
    redis.security.key = Some(write(folder.path(), "frameway.key", &ours.key));
    let server = serve(&topology, redis).await;
    server.register(&["cam"]).await;
    let outcomes = server.submit(vec![frame("cam", 7)]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Accepted(_)]), "{outcomes:?}");
    let info = server.streaming().get_server_info(pb::GetServerInfoRequest {}).await;
    let info = info.expect("an answer").into_inner();
    assert_eq!(info.backend_kind(), pb::BackendKind::RedisSentinel);
    assert_eq!((info.durability(), info.durability_replicas), (pb::Durability::Replicated, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_primary_calls_answer_unavailable_with_a_delay() {
    let mut topology = Topology::start(0);
    let redis = RedisSettings::new(topology.url());
    let server = serve(&topology, redis).await;
    server.register(&["cam"]).await;
    let primary = topology.primary();
    topology.nodes[primary].kill_hard();
    for with_sentinels in [true, false] {
        if !with_sentinels {
            topology.sentinels.iter_mut().for_each(|sentinel| sentinel.kill_hard());
        }
        let request = pb::GetStreamRequest { stream_id: "cam".to_owned() };
        // The first call learns that the connection is lost.
        let status = eventually("a refusal without a primary", || async {
            let status =
                server.registry().get_stream(request.clone()).await.expect_err("nothing can be read");
            (status.code() == tonic::Code::Unavailable).then_some(status)
        })
        .await;
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert!(delay.is_some(), "{status:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_and_the_doctor_ask_the_sentinels() {
    let mut topology = Topology::start(1);
    let login = topology.flags();
    let flags = login.each_ref().map(String::as_str);
    let url = topology.url();

    let checked = run(&["config", "check"], &url, &flags);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    let port = topology.nodes[0].port();
    assert!(
        checked.status.success() && said.contains(&format!("127.0.0.1:{port}, the primary of \"fw\"")),
        "{said}"
    );

    let doctor = |flags: &[&str]| {
        let listen = ["--listen", "127.0.0.1:0"];
        let output = run(&["doctor"], &url, &[flags, &listen].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = doctor(&flags);
    for says in ["3 of 3 answer", "2 of 3 Sentinels must agree", "could become the primary: 127.0.0.1:"] {
        assert!(said.contains(says), "{says:?} is missing in: {said}");
    }
    assert!(said.contains("--wait-replicas 1 confirms frames only"), "{said}");
    assert!(!said.contains("error "), "{said}");
    topology.sentinels[2].kill_hard();
    let gone = format!("Sentinel 127.0.0.1:{}: ", topology.sentinels[2].port());
    let said = doctor(&flags);
    assert!(said.contains("2 of 3 answer") && said.contains(&gone), "{said}");

    for (url, flags, says) in [
        (url.clone(), &[][..], "--redis-sentinel-password-file"),
        (url.replace("/fw", "/other"), &flags[..], "does not know the name \"other\""),
        ("redis-sentinel://127.0.0.1:1/fw".to_owned(), &flags[..], "no Sentinel names a primary"),
        ("redis-sentinel://127.0.0.1:1".to_owned(), &[][..], "redis-sentinel://HOST"),
    ] {
        let output = run(&["config", "check"], &url, flags);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{says:?} is missing in: {said}");
    }
}
