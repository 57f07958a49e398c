//! The worker as a child process: a decoder's crash costs no connection. It is started again when it dies, its leases
//! end at once, and it ends when its standard input does, so that it never outlives its parent.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::queue::Queue;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A child that lived so long was no failed start: the next pause is short again.
const LONG_LIFE: Duration = Duration::from_secs(30);

/// Keeps one worker process running.
#[derive(Debug)]
pub(super) struct Supervisor {
    queue: Arc<dyn Queue>,
    program: PathBuf,
    arguments: Vec<(String, String)>,
    redis_url: String,
    /// Ending a child that has been asked to end.
    patience: Duration,
}

impl Supervisor {
    /// For workers that share this process's configuration.
    pub(super) fn new(config: &Config, queue: Arc<dyn Queue>) -> anyhow::Result<Self> {
        let program = match &config.worker.worker_program {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("finding this program, to start its worker")?,
        };
        let redis_url = config.queue.redis_url.clone().context("a worker process needs Redis")?;
        let arguments = config.worker_arguments();
        Ok(Self { queue, program, arguments, redis_url, patience: config.server.drain_timeout })
    }

    /// Starts workers, one after the other, until `stop`; the last one is given time to give its partitions back.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let worker_id = format!("w-{:016x}", rand::random::<u64>());
            let began = Instant::now();
            match self.spawn(&worker_id) {
                Ok(child) => self.watch(child, &worker_id, &stop).await,
                Err(error) => {
                    tracing::error!(%error, program = %self.program.display(), "worker does not start")
                }
            }
            pause = if began.elapsed() >= LONG_LIFE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    fn spawn(&self, worker_id: &str) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--role=worker", "--parent-pipe"]);
        command.arg(format!("--worker-id={worker_id}"));
        command.args(self.arguments.iter().map(|(flag, value)| format!("{flag}={value}")));
        // Not on the command line: a URL may hold a password, and command lines are public.
        command.env("FRAMEWAY_REDIS_URL", &self.redis_url);
        command.stdin(Stdio::piped()).kill_on_drop(true);
        // A signal to the terminal's whole group reaches the parent, which then ends the child in good order.
        command.process_group(0);
        command.spawn()
    }

    async fn watch(&self, mut child: Child, worker_id: &str, stop: &CancellationToken) {
        tracing::info!(worker_id, pid = child.id(), "worker started");
        let stdin = child.stdin.take();
        tokio::select! {
            ended = child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::error!(worker_id, how, "worker died; starting another");
            }
            () = stop.cancelled() => {
                drop(stdin);
                if tokio::time::timeout(self.patience, child.wait()).await.is_err() {
                    tracing::warn!(worker_id, "worker did not end in time");
                    let _gone = child.kill().await;
                }
            }
        }
        // Dead for sure: others may take its partitions at once.
        if let Err(error) = self.queue.forget_worker(worker_id).await {
            tracing::warn!(worker_id, %error, "the dead worker's leases last until their term");
        }
    }
}

/// Ends with standard input: whoever held it open is gone. Reads on a thread of its own, since a blocked read would
/// hold up the runtime's end.
pub(super) fn parent_gone() -> CancellationToken {
    let gone = CancellationToken::new();
    let told = gone.clone();
    let watch = move || {
        let _bytes = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        told.cancel();
    };
    if let Err(error) = std::thread::Builder::new().name("parent-pipe".to_owned()).spawn(watch) {
        tracing::error!(%error, "cannot watch the parent");
        gone.cancel();
    }
    gone
}
