//! `frameway serve`.

use crate::app;
use crate::config::{Given, Role};
use crate::console::Failure;
use crate::shutdown;

/// Run the server: the gRPC API, the queue and a worker.
///
/// Without flags, the server listens on 127.0.0.1:7400 and keeps frames in memory: nothing has to
/// be installed, but frames are lost when it stops. With --redis-url, frames are kept in Redis,
/// shared by any number of servers and workers.
///
/// Every flag can also be an environment variable, or a key in the file of --config. A flag
/// overrides the variable, and the variable the file. See `frameway config --help`.
///
/// Ctrl-C (or SIGTERM) drains: streams end with their cursors, and workers finish their frames or
/// give them back. A second Ctrl-C stops the server at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frameway serve
  frameway serve --auto-register --memory-budget 4GiB
  frameway serve --config frameway.toml
  frameway serve --redis-url redis://localhost:6379/0
  frameway serve --listen :7400 --tls-cert server.pem --tls-key server.key --access-file access.toml
  frameway serve --role api --redis-url redis://redis:6379
  frameway serve --role worker --redis-url redis://redis:6379")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    given: Given,
}

/// Runs the worker of a server that supervises it. The configuration is on standard input.
#[derive(Debug, clap::Args)]
pub(super) struct SupervisedWorkerArgs {
    /// Id of the worker, for people who list processes.
    id: String,
}

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = args.given.load().map_err(|problems| Failure::Usage(problems.into()))?.config;
    config.log.init().map_err(|error| Failure::Usage(error.into()))?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    match config.server.role {
        Role::All | Role::Api => {
            // An error that prevents the start is a usage failure; a later error is not.
            let app = app::App::start(config).await.map_err(Failure::Usage)?;
            app.run(stop).await.map_err(Failure::Failed)
        }
        Role::Worker => app::run_worker(config, stop).await.map_err(Failure::Failed),
    }
}

/// Runs the worker of a server that supervises it.
pub(super) async fn run_supervised_worker(args: SupervisedWorkerArgs) -> Result<(), Failure> {
    let SupervisedWorkerArgs { id: _ } = args;
    let config = app::configuration_from_parent().map_err(Failure::Usage)?;
    config.log.init().map_err(|error| Failure::Usage(error.into()))?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    app::run_worker(config, stop).await.map_err(Failure::Failed)
}
