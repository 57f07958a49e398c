//! Attacks with connections.

use std::process::Command;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::hostile::Target;
use crate::raw::{PREFACE, SETTINGS};
use crate::trial::Trial;

/// The maximum number of connections from one address in these tests.
const PER_ADDRESS: usize = 200;

/// Opens up to `most` connections and keeps them, and many more that it closes at once.
async fn flood(target: Target, most: usize) -> Vec<TcpStream> {
    let first: [&[u8]; 4] = [b"", &PREFACE[..12], PREFACE, &[0x16, 3, 1, 2]];
    let mut held = Vec::new();
    while !target.is_over() {
        for bytes in first {
            let Ok(mut socket) = target.connect().await else { continue };
            let _closed_already = socket.write_all(bytes).await;
            if held.len() < most {
                held.push(socket);
            }
        }
        sleep(Duration::from_millis(2)).await;
    }
    held
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a second loopback address")]
async fn a_flood_of_connections_takes_the_places_of_one_address_only() {
    let flags = ["--max-connections-per-address", "200", "--max-connections", "250"];
    let trial = Trial::of("connection flood").flags(&flags).descriptors(PER_ADDRESS as u64 + 20);
    trial.run(|target| flood(target, 600)).await;
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a second loopback address")]
async fn idle_connections_from_one_address_leave_room_for_others() {
    let flags = ["--max-connections-per-address", "200", "--max-connections", "250"];
    let trial = Trial::of("idle connections").flags(&flags).descriptors(PER_ADDRESS as u64 + 20);
    let attack = |target: Target| async move {
        let mut held = Vec::new();
        while held.len() < 400 {
            held.extend(target.greet().await);
        }
        target.over.cancelled().await;
        held
    };
    trial.run(attack).await;
}

#[tokio::test]
async fn a_server_without_free_descriptors_serves_the_connections_that_it_has() {
    let attack = |target: Target| async move {
        let pid = target.pid.to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, "--nofile=96:96"]).status();
        let limited = limited.is_ok_and(|status| status.success());
        if !limited {
            println!("skipped: no prlimit on this machine");
        }
        let mut held = Vec::new();
        while held.len() < if limited { 90 } else { 0 } {
            held.extend(target.connect().await);
        }
        // A new client connects as soon as the server closes the first of these.
        sleep(Duration::from_millis(400)).await;
        target.over.cancelled().await;
        held
    };
    let flags = ["--handshake-timeout", "2s"];
    Trial::of("no free descriptors").flags(&flags).run(attack).await;
}

#[tokio::test]
async fn peers_that_never_read_are_cut_off() {
    let attack = |target: Target| async move {
        let mut held = Vec::new();
        for _ in 0..20 {
            let Ok(mut socket) = target.greet().await else { continue };
            let _closed_already = socket.write_all(&crate::arrival::subscriptions(5)).await;
            held.push(socket);
        }
        target.over.cancelled().await;
        held
    };
    Trial::of("streams never read").run(attack).await;
}

/// The rest of the handshake arrives byte by byte.
#[tokio::test]
async fn a_handshake_that_trickles_ends_at_its_deadline() {
    let attack = |target: Target| async move {
        let mut held = Vec::new();
        for _ in 0..100 {
            let Ok(mut socket) = target.connect().await else { continue };
            held.push(crate::common::spawn(async move {
                for byte in [PREFACE, SETTINGS].concat() {
                    if socket.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            }));
        }
        target.over.cancelled().await;
        held
    };
    Trial::of("slow handshakes").run(attack).await;
}
