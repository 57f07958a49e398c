//! The server under test. It runs in separate processes, so that its resources can be measured.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use parking_lot::Mutex;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, Signal, System};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::CommonArgs;
use super::redis::Probe;
use crate::client::retry::is_retryable;
use crate::client::{Client, ConnectOptions};
use crate::console::{Failure, SecurityArgs, refused};
use crate::pb::v1 as pb;

const START_DEADLINE: Duration = Duration::from_secs(20);
const STOP_DEADLINE: Duration = Duration::from_secs(25);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// A started program and its child processes.
#[derive(Debug)]
pub(super) struct Server {
    children: Vec<Child>,
    /// The address at which it listens.
    pub(super) address: String,
    /// The security of connections to it, unless it is the bare server.
    security: Option<SecurityArgs>,
    /// One for each master.
    redis: Vec<Probe>,
    peak: Arc<Mutex<u64>>,
    /// The task that samples the memory. Dropping it stops the task.
    _sampling: JoinSet<()>,
    files: PathBuf,
}

/// The processor time since the start of the processes, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CpuMs {
    /// `frameway serve` and its own worker.
    pub(super) server: f64,
    /// The workers in separate processes.
    pub(super) workers: f64,
    /// All servers of Redis; 0 without one.
    pub(super) redis: f64,
    /// This process: cameras and subscribers.
    pub(super) clients: f64,
}

/// A program that is started.
#[derive(Debug, Clone, Copy)]
pub(super) enum Program {
    /// The program `frameway` in the folder of this program.
    Frameway,
    /// This program.
    Bench,
}

impl Program {
    fn path(self) -> Result<PathBuf, Failure> {
        let own = std::env::current_exe().context("finding this program").map_err(Failure::Failed)?;
        let path = match self {
            Self::Frameway => own.with_file_name(format!("frameway{}", std::env::consts::EXE_SUFFIX)),
            Self::Bench => own,
        };
        if path.is_file() {
            return Ok(path);
        }
        let shown = path.display();
        Err(Failure::Usage(anyhow!("there is no {shown}: build both programs with `cargo build --release`")))
    }
}

impl CpuMs {
    pub(super) fn all(self) -> f64 {
        self.server + self.workers + self.redis + self.clients
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            workers: self.workers - before.workers,
            redis: self.redis - before.redis,
            clients: self.clients - before.clients,
        }
    }
}

impl Server {
    /// Starts `frameway serve`, with this number of workers in separate processes if one is given.
    pub(super) async fn start(common: &CommonArgs, workers: Option<u32>) -> Result<Self, Failure> {
        let redis_url = common.redis_url.as_deref();
        let redis = match redis_url {
            Some(url) => Probe::of_masters(url).await.map_err(|error| Failure::Usage(error.into()))?,
            None => Vec::new(),
        };
        let role = if workers.is_some() { "api" } else { "all" };
        let mut arguments = vec!["serve", "--role", role];
        arguments.extend(common.server_config());
        arguments.extend(common.server_security());
        let mut server = Self::spawn(Program::Frameway, &arguments, redis_url, redis).await?;
        server.security = Some(common.security.clone());
        for _ in 0..workers.unwrap_or(0) {
            let arguments = [&["serve", "--role", "worker"][..], &common.server_config()].concat();
            server.children.push(spawn(Program::Frameway, &arguments, redis_url)?);
        }
        server.wait_for_workers(workers.map(|count| count as usize)).await?;
        Ok(server)
    }

    /// Starts a program with `arguments`. The command must accept `--listen` and `--address-file`.
    pub(super) async fn spawn(
        program: Program,
        arguments: &[&str],
        redis_url: Option<&str>,
        redis: Vec<Probe>,
    ) -> Result<Self, Failure> {
        let files = std::env::temp_dir().join(format!("frameway-bench-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&files).context("a folder for the server's address").map_err(Failure::Failed)?;
        let file = files.join("address");
        let path = file.to_string_lossy();
        let listening = ["--listen", "127.0.0.1:0", "--address-file", &path];
        let child = spawn(program, &[arguments, &listening].concat(), redis_url)?;
        let peak = Arc::new(Mutex::new(0));
        let mut sampling = JoinSet::new();
        if let Some(id) = child.id() {
            sampling.spawn(sample(Pid::from_u32(id), Arc::clone(&peak)));
        }
        let mut server = Self {
            children: vec![child],
            address: String::new(),
            security: None,
            redis,
            peak,
            _sampling: sampling,
            files,
        };
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                server.address = if address.contains("://") { address } else { format!("http://{address}") };
                return Ok(server);
            }
            if let Ok(Some(ended)) = server.children[0].try_wait() {
                return Err(Failure::Failed(anyhow!(
                    "the server ended at once ({ended}); its own message says why"
                )));
            }
            if Instant::now() > deadline {
                return Err(Failure::Failed(anyhow!("the server did not start within {START_DEADLINE:?}")));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Opens a connection to the server.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let options = match &self.security {
            Some(security) => security.options(&self.address)?,
            None => ConnectOptions::new(&self.address)?,
        };
        Ok(options.connect().await?)
    }

    /// Waits until every partition has a worker and every worker has a partition.
    async fn wait_for_workers(&self, workers: Option<usize>) -> Result<(), Failure> {
        let mut client = self.connect().await?;
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            let stats = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
            match stats {
                Err(status) if !is_retryable(&status) => {
                    return Err(refused("asking which workers there are", &status));
                }
                Err(_unavailable) => {}
                Ok(stats) => {
                    let stats = stats.into_inner();
                    let holder =
                        |one: &pb::PartitionStats| one.queue.as_ref().map(|queue| queue.worker_id.clone());
                    let holders: Vec<_> = stats.partitions.iter().filter_map(holder).collect();
                    let distinct: std::collections::BTreeSet<_> = holders.iter().collect();
                    if !holders.iter().any(String::is_empty) && distinct.len() >= workers.unwrap_or(1) {
                        return Ok(());
                    }
                }
            }
            sleep(POLL_INTERVAL).await;
        }
        Err(Failure::Failed(anyhow!("the workers did not take all partitions within {START_DEADLINE:?}")))
    }

    /// Returns the processor time of all processes until now.
    pub(super) async fn cpu(&self) -> Result<CpuMs, Failure> {
        let system = processes();
        let cpu_ms = |children: &[Child]| -> f64 {
            let all = children.iter().filter_map(Child::id);
            let all = all.flat_map(|id| family(&system, Pid::from_u32(id)));
            all.map(Process::accumulated_cpu_time).sum::<u64>() as f64
        };
        let (server, workers) = self.children.split_at(1);
        let own = sysinfo::get_current_pid().ok().and_then(|id| system.process(id));
        let mut redis = Duration::ZERO;
        for one in &self.redis {
            redis += one.cpu().await.map_err(|error| Failure::Failed(error.into()))?;
        }
        Ok(CpuMs {
            server: cpu_ms(server),
            workers: cpu_ms(workers),
            redis: redis.as_secs_f64() * 1e3,
            clients: own.map_or(0, Process::accumulated_cpu_time) as f64,
        })
    }

    /// Returns how many times a Redis command was called, including by scripts; 0 without Redis.
    pub(super) async fn redis_calls(&self, command: &str) -> Result<u64, Failure> {
        let mut calls = 0;
        for one in &self.redis {
            calls += one.calls(command).await.map_err(|error| Failure::Failed(error.into()))?;
        }
        Ok(calls)
    }

    /// Returns the maximum resident memory of the server and its worker in MiB. It is sampled ten
    /// times a second.
    pub(super) fn peak_rss_mb(&self) -> f64 {
        *self.peak.lock() as f64 / f64::from(1 << 20)
    }

    /// Stops the processes and waits for their end.
    pub(super) async fn stop(mut self) {
        let system = processes();
        for child in &self.children {
            if let Some(process) = child.id().and_then(|id| system.process(Pid::from_u32(id))) {
                process.kill_with(Signal::Term);
            }
        }
        for child in &mut self.children {
            if timeout(STOP_DEADLINE, child.wait()).await.is_err() {
                eprintln!("the server did not stop in time; killing it");
                let _gone = child.kill().await;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.files);
    }
}

fn spawn(program: Program, arguments: &[&str], redis_url: Option<&str>) -> Result<Child, Failure> {
    let mut command = Command::new(program.path()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // Settings of the user's own server must not change the server under test.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FRAMEWAY_") && name != "FRAMEWAY_LOG" {
            command.env_remove(name);
        }
    }
    if std::env::var_os("FRAMEWAY_LOG").is_none() {
        command.env("FRAMEWAY_LOG", "warn");
    }
    // The URL may contain a password, so it is not on the command line, which others can read.
    if let Some(url) = redis_url {
        command.env("FRAMEWAY_REDIS_URL", url);
    }
    command.spawn().context("starting the server").map_err(Failure::Failed)
}

fn processes() -> System {
    let mut system = System::new();
    let kinds = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kinds);
    system
}

/// Returns a process and its children.
fn family(system: &System, first: Pid) -> impl Iterator<Item = &Process> {
    let all = system.processes().values();
    all.filter(move |process| process.pid() == first || process.parent() == Some(first))
}

async fn sample(first: Pid, peak: Arc<Mutex<u64>>) {
    loop {
        let system = processes();
        let now: u64 = family(&system, first).map(Process::memory).sum();
        {
            let mut peak = peak.lock();
            *peak = now.max(*peak);
        }
        sleep(SAMPLE_INTERVAL).await;
    }
}
