//! A Redis that cannot be used: the error shows its answer and the next step.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};

use crate::common::redis::{RedisServer, Setup};

fn check(url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
    command.args(["config", "check", "--redis-url", url]).stdin(Stdio::null());
    // The environment of the developer must not apply.
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("FRAMEWAY_")) {
        command.env_remove(variable);
    }
    command.output().expect("the program runs")
}

/// Checks that the check fails with this exit code, and prints all of these parts in one line.
fn assert_says(url: &str, code: i32, says: &[&str]) {
    let output = check(url);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("frameway: using Redis at redis"), "{said}");
    for word in says {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert!(!said.contains("secret") && !said.contains("layout is incompatible"), "{said}");
}

/// Returns the address of this machine in a network, if it is in one: Redis trusts loopback
/// addresses.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // This sends nothing: it asks the system for the source address that it would use.
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

#[test]
fn a_check_finds_a_redis_that_can_be_used_and_leaves_it_as_it_is() {
    let redis = RedisServer::start();
    let output = check(&redis.url());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("contains no store yet"), "{said}");
    assert_eq!(redis.cli(&["DBSIZE"]).trim(), "0", "a check writes nothing");
    // A store with another number of partitions, and one with another layout.
    for (stored, wanted) in
        [("frameway 2, xxh3_64, 64", "32 partitions"), ("frameway 1, xxh3_64, 32", "frameway 2")]
    {
        redis.cli(&["SET", "frameway:layout", &format!("{stored} partitions")]);
        let output = check(&redis.url());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(stored) && said.contains(wanted), "{said}");
    }
}

#[test]
fn a_redis_in_protected_mode_is_quoted_with_the_next_step() {
    let Some(address) = own_address() else {
        return println!("skipped: this machine has no address but the loopback");
    };
    let flags = ["--bind", "0.0.0.0", "--protected-mode", "yes"].map(str::to_owned).to_vec();
    let redis = RedisServer::start_as(Setup { flags, open: true, ..Setup::default() });
    let url = format!("redis://{address}:{}", redis.port());
    assert_says(&url, 1, &["DENIED", "protected mode", "requirepass"]);
}

#[test]
fn a_missing_and_a_wrong_password_are_distinguished() {
    let redis = RedisServer::start();
    assert_says(&redis.bare_url(), 1, &["NOAUTH", "--redis-password-file", "put it into the URL"]);
    for wrong in ["secret", "frameway:secret", "secret:secret"] {
        let url = format!("redis://{wrong}@127.0.0.1:{}", redis.port());
        assert_says(
            &url.replace("//secret@", "//:secret@"),
            1,
            &["WRONGPASS", "the user or the password is wrong"],
        );
    }
    assert!(check(&redis.url()).status.success());
}

#[test]
fn a_user_without_permission_is_reported_with_the_command() {
    let redis = RedisServer::start();
    for (rule, says) in [("-info", "'info' command"), ("-get", "'get' command"), ("resetkeys", "keys")] {
        redis.cli(&["ACL", "SETUSER", "frameway", rule]);
        assert_says(&redis.url(), 1, &["NoPerm", says, "docs/redis.md"]);
        redis.cli(&["ACL", "LOAD"]);
    }
    assert!(check(&redis.url()).status.success());
}

#[test]
fn a_redis_without_room_for_another_connection_is_quoted() {
    let redis = RedisServer::start();
    redis.cli(&["CONFIG", "SET", "maxclients", "1"]);
    let mut only = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).expect("connects");
    std::io::Write::write_all(&mut only, b"PING\r\n").expect("writes");
    let mut pong = [0; 7];
    std::io::Read::read_exact(&mut only, &mut pong).expect("answers");
    assert_says(&redis.url(), 1, &["max number of clients reached", "raise maxclients"]);
}

#[test]
fn a_replica_and_an_evicting_redis_have_errors_of_their_own() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    replica.replicate(&primary);
    assert_says(&replica.url(), 2, &["replica", "put the primary's address into the URL"]);
    primary.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_says(&primary.url(), 2, &["noeviction"]);
}

#[test]
fn an_invalid_and_an_unreachable_address_are_reported() {
    assert_says("redis://127.0.0.1:not-a-port", 2, &["the Redis URL is not valid"]);
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("its address");
    assert_says(&format!("redis://{free}"), 1, &["refused"]);
}

#[test]
fn a_port_of_another_service_is_reported() {
    let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("redis://{}", web.local_addr().expect("its address"));
    let serving = std::thread::spawn(move || {
        let (mut caller, _) = web.accept().expect("the check connects");
        let mut asked = [0; 1];
        std::io::Read::read_exact(&mut caller, &mut asked).expect("it asks");
        std::io::Write::write_all(&mut caller, b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it listens");
    });
    assert_says(&url, 1, &["HTTP", "6379"]);
    serving.join().expect("it was asked");
}
