//! A Redis Cluster that a benchmark starts: masters without replicas and without persistence.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::redis::{Probe, failure};
use super::{failed, program};
use crate::console::Failure;

const INSTALL: &str = "apt-get install redis-server";
const START_DEADLINE: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const SLOTS: usize = 16_384;

/// A running cluster. Its servers and files are removed when it is dropped.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: PathBuf,
    ports: Vec<u16>,
    _servers: Vec<Child>,
}

impl Cluster {
    /// Starts a cluster and waits until it serves. The inner error says what to install.
    pub(super) async fn start(masters: u32) -> Result<Result<Self, String>, Failure> {
        let io = |error: std::io::Error| Failure::Failed(error.into());
        let folder = std::env::temp_dir().join(format!("frameway-bench-{:016x}", rand::random::<u64>()));
        let mut cluster = Self { folder, ports: Vec::new(), _servers: Vec::new() };
        // All ports are taken at once, so that they differ; they are free when the listeners are
        // dropped.
        let free = (0..2 * masters).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let free: Vec<TcpListener> = free.collect::<Result<_, _>>().map_err(io)?;
        let ports = free.iter().map(|one| one.local_addr().map(|address| address.port()));
        let ports: Vec<u16> = ports.collect::<Result<_, _>>().map_err(io)?;
        drop(free);
        let (ports, buses) = ports.split_at(masters as usize);
        for (port, bus) in ports.iter().zip(buses) {
            let files = cluster.folder.join(port.to_string());
            std::fs::create_dir_all(&files).context("a folder for redis-server").map_err(Failure::Failed)?;
            let mut command = Command::new("redis-server");
            command
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string(), "--dir"])
                .arg(&files)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            match program::start(&mut command, INSTALL)? {
                Ok(server) => cluster._servers.push(server),
                Err(why) => return Ok(Err(why)),
            }
        }
        cluster.ports = ports.to_vec();
        cluster.join(buses).await?;
        Ok(Ok(cluster))
    }

    /// Returns the URL with all nodes.
    pub(super) fn url(&self) -> String {
        let nodes: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Makes the servers a cluster with equal shares of the slots.
    async fn join(&self, buses: &[u16]) -> Result<(), Failure> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut nodes = Vec::new();
        for port in &self.ports {
            nodes.push(reach(*port, deadline).await?);
        }
        let count = nodes.len();
        for (number, node) in nodes.iter().enumerate() {
            let (from, to) = (SLOTS * number / count, SLOTS * (number + 1) / count - 1);
            let slots = ["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()];
            node.run(&slots).await.map_err(failure)?;
            let epoch = ["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()];
            node.run(&epoch).await.map_err(failure)?;
        }
        for (port, bus) in self.ports.iter().zip(buses).skip(1) {
            let other = ["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus.to_string()];
            nodes[0].run(&other).await.map_err(failure)?;
        }
        for node in &nodes {
            while !(node.is_in_a_good_cluster().await.map_err(failure)?
                && node.masters().await.map_err(failure)? == count)
            {
                late(deadline)?;
                sleep(POLL_INTERVAL).await;
            }
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.folder);
    }
}

/// Connects to a server that is starting.
async fn reach(port: u16, deadline: Instant) -> Result<Probe, Failure> {
    loop {
        if let Ok(probe) = Probe::connect(&format!("redis://127.0.0.1:{port}")).await {
            return Ok(probe);
        }
        late(deadline)?;
        sleep(POLL_INTERVAL).await;
    }
}

fn late(deadline: Instant) -> Result<(), Failure> {
    match Instant::now() > deadline {
        true => Err(failed(format!("the cluster did not serve within {START_DEADLINE:?}"))),
        false => Ok(()),
    }
}
