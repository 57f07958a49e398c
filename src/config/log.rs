use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::log_filter;
use crate::domain::ValidationError;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum LogFormat {
    /// One line of text per event.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log, which is written to standard error.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Format of log lines.
    #[arg(long, env = "FRAMEWAY_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Minimum level to log, or a list such as `info,frameway::hub=debug`.
    #[arg(long, env = "FRAMEWAY_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// File with a filter that replaces --log while the file exists. It is read every second, so
    /// that levels can be changed without a restart. Worker processes of this server follow it, too.
    #[arg(long, env = "FRAMEWAY_LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,
}

impl LogArgs {
    pub(super) fn check(self) -> Result<Self, ValidationError> {
        self.filter().map(|_filter| self)
    }

    fn filter(&self) -> Result<EnvFilter, ValidationError> {
        EnvFilter::try_new(&self.log).map_err(|error| ValidationError::new("--log", error.to_string()))
    }

    /// Starts logging for this process. Does nothing if it is started already.
    ///
    /// # Errors
    /// The filter does not parse.
    pub fn init(&self) -> Result<(), ValidationError> {
        let filter = self.filter()?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        // A formatter type cannot be named here, so each format installs itself.
        macro_rules! start {
            ($builder:expr) => {{
                let builder = $builder.with_filter_reloading();
                let filter = builder.reload_handle();
                let is_first = builder.try_init().is_ok();
                if let (Some(file), true) = (&self.log_filter_file, is_first) {
                    log_filter::follow(file.clone(), self.log.clone(), move |new| filter.reload(new).is_ok());
                }
            }};
        }
        match self.log_format {
            LogFormat::Text => start!(builder),
            LogFormat::Json => start!(builder.json().flatten_event(true)),
        }
        Ok(())
    }
}
