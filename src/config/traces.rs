use clap::Args;
use serde::{Deserialize, Serialize};

use crate::domain::ValidationError;

/// The traces of frames.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Send traces of frames to this OpenTelemetry collector: OTLP over gRPC, for example
    /// http://127.0.0.1:4317, or https:// with the certificates of the system. Unset: no traces.
    #[arg(long, env = "FRAMEWAY_TRACE_COLLECTOR", value_name = "COLLECTOR")]
    pub trace_collector: Option<String>,

    /// Share of the frames to trace, 0 to 1, of those that were submitted without a traceparent. A
    /// frame with one is traced if its sampled flag is set.
    #[arg(long, env = "FRAMEWAY_TRACE_SAMPLE", value_name = "SHARE", default_value_t = 0.01)]
    pub trace_sample: f64,
}

impl TraceArgs {
    pub(super) fn check(self) -> Result<Self, ValidationError> {
        if !(0.0..=1.0).contains(&self.trace_sample) {
            return Err(ValidationError::new("--trace-sample", "must be between 0 and 1"));
        }
        let schemes = ["http://", "https://"];
        let has_host = |url: &String| {
            schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
        };
        if self.trace_collector.as_ref().is_some_and(|url| !has_host(url)) {
            let rule = "must be a URL such as http://127.0.0.1:4317";
            return Err(ValidationError::new("--trace-collector", rule));
        }
        Ok(self)
    }
}
