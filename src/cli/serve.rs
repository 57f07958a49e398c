use super::Failure;
use crate::app;
use crate::config::{Args, Config, Role, without_password};
use crate::shutdown;

/// Run the server: the gRPC API, the queue and a worker.
///
/// Without flags it listens on 127.0.0.1:7400 and keeps frames in memory: nothing to install, and gone when it ends. With
/// --redis-url frames are kept in Redis, shared by any number of servers and workers.
///
/// Ctrl-C (or SIGTERM) drains: streams end with their cursors, workers finish or give back. A second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frameway serve
  frameway serve --auto-register --memory-budget 4GiB
  frameway serve --redis-url redis://localhost:6379/0
  frameway serve --role api --redis-url redis://redis:6379 --listen 0.0.0.0:7400
  frameway serve --role worker --redis-url redis://redis:6379")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: Args,

    /// Check the configuration, and that Redis is there and can be used; print what is in force, and exit.
    #[arg(long)]
    check: bool,
}

/// Contacts the backend that is configured, and changes nothing there.
async fn check_backend(config: &Config) -> Result<(), Failure> {
    let shown = config.queue.redis_url.as_deref().map(without_password).unwrap_or_default();
    match app::check_backend(&config.queue).await {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            println!("found = {found}");
            Ok(())
        }
        Err(error) => {
            let retryable = error.is_retryable();
            let error = anyhow::Error::from(error).context(format!("using Redis at {shown}"));
            // What somebody must change is a wrong setting; what may come by itself is not.
            Err(if retryable { Failure::Failed(error) } else { Failure::Usage(error) })
        }
    }
}

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let ServeArgs { config, check } = args;
    let config = Config::try_from(config).map_err(|error| Failure::Usage(error.into()))?;
    if check {
        print!("{config}");
        return check_backend(&config).await;
    }
    config.log.init().map_err(|error| Failure::Usage(error.into()))?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    match config.server.role {
        Role::All | Role::Api => {
            // What keeps it from starting is the caller's to mend; what ends it later is not.
            let app = app::App::start(config).await.map_err(Failure::Usage)?;
            app.run(stop).await.map_err(Failure::Failed)
        }
        Role::Worker => app::run_worker(config, stop).await.map_err(Failure::Failed),
    }
}
