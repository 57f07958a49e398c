//! The server under test: processes of their own, so that what they use can be told apart.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, Signal, System};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::cli::Failure;
use crate::cli::client::Client;
use crate::pb::v1 as pb;
use crate::queue::redis::Probe;

const START_DEADLINE: Duration = Duration::from_secs(20);
const STOP_DEADLINE: Duration = Duration::from_secs(25);
const ASK_EVERY: Duration = Duration::from_millis(50);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// A program of ours that was started, and those that it started.
#[derive(Debug)]
pub(super) struct Server {
    children: Vec<Child>,
    /// Where it listens.
    pub(super) address: String,
    redis: Option<Probe>,
    peak: Arc<Mutex<u64>>,
    /// Ends with it.
    _sampling: JoinSet<()>,
    files: PathBuf,
}

/// Processor time since the processes began, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CpuMs {
    /// `frameway serve` and its worker.
    pub(super) server: f64,
    /// Redis; 0 without one.
    pub(super) redis: f64,
    /// This process: cameras and subscribers.
    pub(super) clients: f64,
}

impl CpuMs {
    pub(super) fn all(self) -> f64 {
        self.server + self.redis + self.clients
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            redis: self.redis - before.redis,
            clients: self.clients - before.clients,
        }
    }
}

impl Server {
    /// `frameway serve`, with workers in further processes where a number of them is given.
    pub(super) async fn start(redis_url: Option<&str>, workers: Option<u32>) -> Result<Self, Failure> {
        let redis = match redis_url {
            Some(url) => Some(Probe::connect(url).await.map_err(|error| Failure::Usage(error.into()))?),
            None => None,
        };
        let role = if workers.is_some() { "api" } else { "all" };
        let mut server = Self::spawn(&["serve", "--role", role], redis_url, redis).await?;
        for _ in 0..workers.unwrap_or(0) {
            server.children.push(spawn(&["serve", "--role", "worker"], redis_url)?);
        }
        server.held(workers.map(|count| count as usize)).await?;
        Ok(server)
    }

    /// Starts this program with `arguments`, which must include a command that knows `--listen` and `--address-file`.
    pub(super) async fn spawn(
        arguments: &[&str],
        redis_url: Option<&str>,
        redis: Option<Probe>,
    ) -> Result<Self, Failure> {
        let files = std::env::temp_dir().join(format!("frameway-bench-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&files).context("a folder for the server's address").map_err(Failure::Failed)?;
        let file = files.join("address");
        let path = file.to_string_lossy();
        let listening = ["--listen", "127.0.0.1:0", "--address-file", &path];
        let child = spawn(&[arguments, &listening].concat(), redis_url)?;
        let peak = Arc::new(Mutex::new(0));
        let mut sampling = JoinSet::new();
        if let Some(id) = child.id() {
            sampling.spawn(sample(Pid::from_u32(id), Arc::clone(&peak)));
        }
        let mut server =
            Self { children: vec![child], address: String::new(), redis, peak, _sampling: sampling, files };
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                server.address = format!("http://{address}");
                return Ok(server);
            }
            if let Ok(Some(ended)) = server.children[0].try_wait() {
                return Err(Failure::Failed(anyhow!("the server ended at once ({ended}); see above")));
            }
            if Instant::now() > deadline {
                return Err(Failure::Failed(anyhow!("the server did not start within {START_DEADLINE:?}")));
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Waits until workers hold every partition, and all of them some.
    async fn held(&self, workers: Option<usize>) -> Result<(), Failure> {
        let mut client = Client::connect(&self.address).await?;
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            let stats = client.queues.get_queue_stats(pb::GetQueueStatsRequest::default()).await;
            if let Ok(stats) = stats {
                let stats = stats.into_inner();
                let holder =
                    |one: &pb::PartitionStats| one.queue.as_ref().map(|queue| queue.worker_id.clone());
                let holders: Vec<_> = stats.partitions.iter().filter_map(holder).collect();
                let some: std::collections::BTreeSet<_> = holders.iter().collect();
                if !holders.iter().any(String::is_empty) && some.len() >= workers.unwrap_or(1) {
                    return Ok(());
                }
            }
            sleep(ASK_EVERY).await;
        }
        Err(Failure::Failed(anyhow!("no worker took the partitions within {START_DEADLINE:?}")))
    }

    /// What all have used until now.
    pub(super) async fn cpu(&self) -> Result<CpuMs, Failure> {
        let system = processes();
        let server = self.children.iter().filter_map(Child::id);
        let server: u64 =
            server.flat_map(|id| family(&system, Pid::from_u32(id))).map(Process::accumulated_cpu_time).sum();
        let own = sysinfo::get_current_pid().ok().and_then(|id| system.process(id));
        let redis = match &self.redis {
            Some(redis) => redis.cpu().await.map_err(|error| Failure::Failed(error.into()))?,
            None => Duration::ZERO,
        };
        Ok(CpuMs {
            server: server as f64,
            redis: redis.as_secs_f64() * 1e3,
            clients: own.map_or(0, Process::accumulated_cpu_time) as f64,
        })
    }

    /// How often a Redis command was called, scripts' calls included; 0 without Redis.
    pub(super) async fn redis_calls(&self, command: &str) -> Result<u64, Failure> {
        match &self.redis {
            Some(redis) => redis.calls(command).await.map_err(|error| Failure::Failed(error.into())),
            None => Ok(0),
        }
    }

    /// Most resident memory of the server and its worker, in MiB, looked at ten times a second.
    pub(super) fn peak_rss_mb(&self) -> f64 {
        *self.peak.lock().unwrap_or_else(PoisonError::into_inner) as f64 / f64::from(1 << 20)
    }

    /// Ends it well, and waits for that.
    pub(super) async fn stop(mut self) {
        let system = processes();
        for child in &self.children {
            if let Some(process) = child.id().and_then(|id| system.process(Pid::from_u32(id))) {
                process.kill_with(Signal::Term);
            }
        }
        for child in &mut self.children {
            if timeout(STOP_DEADLINE, child.wait()).await.is_err() {
                eprintln!("the server does not stop; it is killed");
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

fn spawn(arguments: &[&str], redis_url: Option<&str>) -> Result<Child, Failure> {
    let program = std::env::current_exe().context("finding this program").map_err(Failure::Failed)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // What somebody set for a server of theirs must not bend what is measured, or be measured upon.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FRAMEWAY_") && name != "FRAMEWAY_LOG" {
            command.env_remove(name);
        }
    }
    if std::env::var_os("FRAMEWAY_LOG").is_none() {
        command.env("FRAMEWAY_LOG", "warn");
    }
    // Not on the command line: a URL may hold a password, and command lines are public.
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

/// A process and those that it started.
fn family(system: &System, first: Pid) -> impl Iterator<Item = &Process> {
    let all = system.processes().values();
    all.filter(move |process| process.pid() == first || process.parent() == Some(first))
}

async fn sample(first: Pid, peak: Arc<Mutex<u64>>) {
    loop {
        let system = processes();
        let now: u64 = family(&system, first).map(Process::memory).sum();
        {
            let mut peak = peak.lock().unwrap_or_else(PoisonError::into_inner);
            *peak = now.max(*peak);
        }
        sleep(SAMPLE_EVERY).await;
    }
}
