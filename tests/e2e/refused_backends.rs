//! A Redis that cannot be used: what it said is shown, with the next step.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};

use crate::common::redis::{RedisServer, Setup};

fn check(url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
    command.args(["serve", "--check", "--redis-url", url]).stdin(Stdio::null());
    // What the developer has set must not count.
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("FRAMEWAY_")) {
        command.env_remove(variable);
    }
    command.output().expect("the program runs")
}

/// The check fails with this code, and says all of this in one line.
fn assert_says(url: &str, code: i32, says: &[&str]) {
    let output = check(url);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("frameway: using Redis at redis://"), "{said}");
    for word in says {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert!(!said.contains("secret") && !said.contains("layout does not fit"), "{said}");
}

/// This machine's own address in a network, if it is in one: Redis trusts those of the loopback.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: this asks the system which address it would send from.
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
    assert!(output.status.success() && said.contains("holds no store yet"), "{said}");
    assert_eq!(redis.cli(&["DBSIZE"]).trim(), "0", "a check writes nothing");
    redis.cli(&["SET", "frameway:layout", "frameway 1, xxh3_64, 64 partitions"]);
    let output = check(&redis.url());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("64 partitions") && said.contains("32 partitions"), "{said}");
}

#[test]
fn a_redis_in_protected_mode_is_quoted_with_the_next_step() {
    let Some(address) = own_address() else {
        return println!("skipped: this machine has no address but the loopback");
    };
    let flags = ["--bind", "0.0.0.0", "--protected-mode", "yes"].map(str::to_owned).to_vec();
    let redis = RedisServer::start_as(Setup { flags, ..Setup::default() });
    let url = format!("redis://{address}:{}", redis.port());
    assert_says(&url, 1, &["DENIED", "protected mode", "requirepass"]);
}

#[test]
fn a_missing_and_a_wrong_password_are_told_apart() {
    let redis = RedisServer::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "right"]);
    assert_says(&redis.url(), 1, &["NOAUTH", "put it into the URL"]);
    let wrong = format!("redis://:secret@127.0.0.1:{}", redis.port());
    assert_says(&wrong, 1, &["WRONGPASS", "the user or the password in the URL is not right"]);
    let right = format!("redis://:right@127.0.0.1:{}", redis.port());
    assert!(check(&right).status.success());
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
fn a_replica_and_an_evicting_redis_are_no_question_of_layout() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    replica.replicate(&primary);
    assert_says(&replica.url(), 2, &["replica", "put the primary's address into the URL"]);
    primary.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_says(&primary.url(), 2, &["noeviction"]);
}

#[test]
fn an_address_that_is_none_and_one_where_nobody_is_are_told() {
    assert_says("redis://127.0.0.1:not-a-port", 2, &["the Redis URL is not valid"]);
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("its address");
    assert_says(&format!("redis://{free}"), 1, &["refused"]);
}

#[test]
fn a_port_where_something_else_listens_is_told() {
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
