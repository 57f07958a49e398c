//! `frameway serve`.

use crate::app;
use crate::config::{Args, Config, Role};
use crate::console::Failure;
use crate::shutdown;

/// Run the server: the gRPC API, the queue and a worker.
///
/// Without flags, the server listens on 127.0.0.1:7400 and keeps frames in memory: nothing has to
/// be installed, but frames are lost when it stops. With --redis-url, frames are kept in Redis,
/// shared by any number of servers and workers.
///
/// Ctrl-C (or SIGTERM) drains: streams end with their cursors, and workers finish their frames or
/// give them back. A second Ctrl-C stops the server at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frameway serve
  frameway serve --auto-register --memory-budget 4GiB
  frameway serve --redis-url redis://localhost:6379/0
  frameway serve --listen :7400 --tls-cert server.pem --tls-key server.key --access-file access.toml
  frameway serve --role api --redis-url redis://redis:6379
  frameway serve --role worker --redis-url redis://redis:6379")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: Args,

    /// Check the configuration, and whether the TLS files, the access file and Redis can be used,
    /// print the settings in force, and exit.
    #[arg(long)]
    check: bool,
}

/// Contacts the configured backend without changing anything there.
async fn check_backend(config: &Config) -> Result<(), Failure> {
    match app::check_backend(&config.queue).await {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            println!("found = {found}");
            Ok(())
        }
        Err(error) => {
            let retryable = error.is_retryable();
            let error =
                anyhow::Error::from(error).context(format!("using Redis at {}", config.queue.backend));
            // A retryable error may pass by itself. Any other error needs other settings, so it is
            // a usage failure.
            Err(if retryable { Failure::Failed(error) } else { Failure::Usage(error) })
        }
    }
}

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let ServeArgs { config, check } = args;
    let config = Config::try_from(config).map_err(|error| Failure::Usage(error.into()))?;
    if check {
        print!("{config}");
        for check in [app::check_tls, app::check_access] {
            if let Some(found) = check(&config).map_err(Failure::Usage)? {
                println!("found = {found}");
            }
        }
        return check_backend(&config).await;
    }
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
