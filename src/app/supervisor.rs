//! Runs the worker as a child process, so that a crash in a decoder closes no connection. When the
//! child exits, its leases are released at once and another one is started. The child exits when
//! its standard input ends, so it never outlives its parent.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::metrics::WorkerSocket;
use crate::backoff::Backoff;
use crate::config::{Config, RedisSettings};
use crate::queue::Queue;
use crate::queue::redis::RedisUrl;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The time after which a child counts as started: the next pause is short again.
const STARTED_AFTER: Duration = Duration::from_secs(30);

/// The supervisor of one worker process.
#[derive(Debug)]
pub(super) struct Supervisor {
    queue: Arc<dyn Queue>,
    program: PathBuf,
    arguments: Vec<(String, String)>,
    redis_url: RedisUrl,
    /// The socket on which a child serves its metrics; `None` if it serves none.
    socket: Option<Arc<WorkerSocket>>,
    /// The time that a child has to end after it was asked to.
    stop_timeout: Duration,
}

impl Supervisor {
    /// Creates a supervisor of workers that share this process's configuration.
    pub(super) fn new(
        config: &Config,
        redis: &RedisSettings,
        queue: Arc<dyn Queue>,
        socket: Option<Arc<WorkerSocket>>,
    ) -> anyhow::Result<Self> {
        let program = match &config.worker.worker_program {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("finding this program, to start its worker")?,
        };
        let arguments = config.worker_arguments();
        let (redis_url, stop_timeout) = (redis.url.clone(), config.server.drain_timeout);
        Ok(Self { queue, program, arguments, redis_url, socket, stop_timeout })
    }

    /// Starts workers, one after the other, until `stop`; the last one has time to release its
    /// leases.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !stop.is_cancelled() {
            let worker_id = format!("w-{:016x}", rand::random::<u64>());
            let began = Instant::now();
            match self.spawn(&worker_id) {
                Ok(child) => self.watch(child, &worker_id, &stop).await,
                Err(error) => {
                    tracing::error!(%error, program = %self.program.display(), "cannot start the worker")
                }
            }
            if began.elapsed() >= STARTED_AFTER {
                backoff.reset();
            }
            stop.run_until_cancelled(tokio::time::sleep(backoff.next())).await;
        }
    }

    fn spawn(&self, worker_id: &str) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--role=worker", "--parent-pipe"]);
        command.arg(format!("--worker-id={worker_id}"));
        // Given even if there is none: the child has the environment of this process.
        let no_metrics = || "--metrics-listen=none".to_owned();
        command.arg(self.socket.as_ref().map_or_else(no_metrics, |socket| socket.flag()));
        command.args(self.arguments.iter().map(|(flag, value)| format!("{flag}={value}")));
        // The URL may contain a password, and command lines are public.
        command.env("FRAMEWAY_REDIS_URL", self.redis_url.secret());
        command.stdin(Stdio::piped()).kill_on_drop(true);
        // The child has a process group of its own, so that a signal from the terminal reaches only
        // the parent, which then lets the child finish.
        command.process_group(0);
        command.spawn()
    }

    async fn watch(&self, mut child: Child, worker_id: &str, stop: &CancellationToken) {
        tracing::info!(worker_id, pid = child.id(), "worker started");
        let stdin = child.stdin.take();
        tokio::select! {
            ended = child.wait() => {
                let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::error!(worker_id, status, "worker exited; starting another");
            }
            () = stop.cancelled() => {
                drop(stdin);
                if tokio::time::timeout(self.stop_timeout, child.wait()).await.is_err() {
                    tracing::warn!(worker_id, "worker did not stop in time; killing it");
                    let _gone = child.kill().await;
                }
            }
        }
        // It has exited: others may take its partitions at once.
        if let Err(error) = self.queue.forget_worker(worker_id).await {
            tracing::warn!(worker_id, %error, "cannot release the leases of the exited worker; they expire by themselves");
        }
    }
}

/// Returns a token that is cancelled when standard input ends, because the parent process, which
/// holds it open, has exited. A separate thread reads standard input, since a blocked read would
/// delay the end of the runtime.
pub(super) fn parent_gone() -> CancellationToken {
    let gone = CancellationToken::new();
    let parent_gone = gone.clone();
    let watch = move || {
        let _bytes = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        parent_gone.cancel();
    };
    if let Err(error) = std::thread::Builder::new().name("parent-pipe".to_owned()).spawn(watch) {
        tracing::error!(%error, "cannot watch the parent process");
        gone.cancel();
    }
    gone
}
