//! Runs the worker as a child process, so that a crash in a decoder closes no connection. When the
//! child exits, its leases are released at once and another one is started. The child exits when
//! its standard input ends, so it never outlives its parent.

use std::io::{BufRead as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::metrics::WorkerSocket;
use crate::backoff::Backoff;
use crate::config::{Config, MetricsListen, Role};
use crate::queue::Queue;

/// The hidden subcommand of the child.
pub(crate) const SUBCOMMAND: &str = "supervised-worker";
/// The maximum size of a configuration. A usual one has 2 KiB.
const MAX_CONFIGURATION_BYTES: u64 = 1 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The time after which a child counts as started: the next pause is short again.
const STARTED_AFTER: Duration = Duration::from_secs(30);

/// The running program on Linux, even if its file was deleted or replaced.
const RUNNING: &str = "/proc/self/exe";

/// The program of the child.
#[derive(Debug)]
enum Program {
    /// This program, at the path from which it was started.
    Own(PathBuf),
    /// A program that the configuration names.
    Other(PathBuf),
}

impl Program {
    /// Returns the path to start. After an upgrade, a path has another version or none, while this
    /// server still needs a worker of its own version.
    fn path(&self) -> &Path {
        match self {
            Self::Own(path) if is_replaced(path) => Path::new(RUNNING),
            Self::Own(path) | Self::Other(path) => path,
        }
    }
}

/// Reports whether the file of the running program is not at `path` any more. Systems without
/// `/proc` do not tell.
fn is_replaced(path: &Path) -> bool {
    let Ok(running) = std::fs::metadata(RUNNING) else { return false };
    !std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (running.dev(), running.ino()))
}

/// The supervisor of one worker process.
#[derive(Debug)]
pub(super) struct Supervisor {
    queue: Arc<dyn Queue>,
    program: Program,
    config: Config,
    /// The socket on which a child serves its metrics, which must outlive the child; `None` if it
    /// serves none.
    _socket: Option<Arc<WorkerSocket>>,
    /// The time that a child has to end after it was asked to.
    stop_timeout: Duration,
}

impl Supervisor {
    /// Creates a supervisor of workers that share this process's configuration.
    pub(super) fn new(
        config: &Config,
        queue: Arc<dyn Queue>,
        socket: Option<Arc<WorkerSocket>>,
    ) -> anyhow::Result<Self> {
        let program = match &config.worker.worker_program {
            Some(program) => Program::Other(program.clone()),
            None => {
                Program::Own(std::env::current_exe().context("finding this program, to start its worker")?)
            }
        };
        let mut config = config.clone();
        config.server.role = Role::Worker;
        config.worker.parent_pipe = true;
        let listen = socket.as_ref().map_or(MetricsListen::Nowhere, |socket| socket.listen());
        config.metrics.metrics_listen = Some(listen);
        let stop_timeout = config.server.drain_timeout;
        Ok(Self { queue, program, config, _socket: socket, stop_timeout })
    }

    /// Starts workers, one after the other, until `stop`; the last one has time to release its
    /// leases.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !stop.is_cancelled() {
            let worker_id = format!("w-{:016x}", rand::random::<u64>());
            let began = Instant::now();
            match self.spawn(&worker_id).await {
                Ok(child) => self.watch(child, &worker_id, &stop).await,
                Err(error) => {
                    let program = self.program.path();
                    tracing::error!(error = format!("{error:#}"), program = %program.display(), "cannot start the worker")
                }
            }
            if began.elapsed() >= STARTED_AFTER {
                backoff.reset();
            }
            stop.run_until_cancelled(tokio::time::sleep(backoff.next())).await;
        }
    }

    /// Starts a child. It gets its configuration as the first line of its standard input, because
    /// other users can read command lines, and the Redis URL may contain a password.
    async fn spawn(&self, worker_id: &str) -> anyhow::Result<Child> {
        let mut config = self.config.clone();
        config.worker.worker_id = Some(worker_id.to_owned());
        let line = config.to_child().context("writing the worker's configuration")?;
        let mut command = Command::new(self.program.path());
        // The child uses neither its name nor the id: they are there for people who list processes.
        command.arg0("frameway").args([SUBCOMMAND, worker_id]);
        command.stdin(Stdio::piped()).kill_on_drop(true);
        // The child has a process group of its own, so that a signal from the terminal reaches only
        // the parent, which then lets the child finish.
        command.process_group(0);
        let mut child = command.spawn()?;
        if let Some(stdin) = &mut child.stdin {
            let sent = stdin.write_all(format!("{line}\n").as_bytes()).await;
            sent.context("sending the worker its configuration")?;
        }
        Ok(child)
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

/// Reads the configuration that [`Supervisor`] sends to its child.
///
/// # Errors
/// Standard input does not begin with a configuration of this version of the program.
pub(crate) fn configuration_from_parent() -> anyhow::Result<Config> {
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(MAX_CONFIGURATION_BYTES);
    input.read_line(&mut line).context("reading the configuration from standard input")?;
    Config::from_parent(&line)
        .context("standard input has no configuration; only `frameway serve` starts this command")
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
