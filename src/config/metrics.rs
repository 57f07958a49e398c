use std::fmt;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Listen;

/// The port of the metrics if none is given.
const DEFAULT_PORT: u16 = 7401;

/// The metrics.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Address on which /metrics is served, for Prometheus; `none` serves no metrics. Default:
    /// 127.0.0.1:7401, or any free port if --listen has port 0. If the default is taken, the log
    /// says so and the server runs without; an address that is given must be free.
    #[arg(long, env = "FRAMEWAY_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<MetricsListen>,

    /// Maximum number of streams that have samples of their own in the metrics; further ones are
    /// counted together. Each adds three samples.
    #[arg(long, env = "FRAMEWAY_METRICS_PER_STREAM", value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub metrics_per_stream: u32,
}

/// The value of `--metrics-listen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricsListen {
    /// No metrics are served.
    Nowhere,
    /// The address.
    At(Listen),
}

impl MetricsArgs {
    /// Returns the address on which metrics are served; `None` = on none. `listen` is the address
    /// of the API.
    #[must_use]
    pub fn address(&self, listen: &Listen) -> Option<Listen> {
        match &self.metrics_listen {
            Some(MetricsListen::Nowhere) => None,
            Some(MetricsListen::At(address)) => Some(address.clone()),
            None => {
                // With any port for the API, several such servers run on one machine, so a fixed
                // port for the metrics would be taken.
                let any = matches!(listen, Listen::Tcp { port: 0, .. } | Listen::AllInterfaces(0));
                let port = if any { 0 } else { DEFAULT_PORT };
                Some(Listen::Tcp { host: "127.0.0.1".to_owned(), port })
            }
        }
    }

    /// Reports whether the address was given, so that it must be free.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.metrics_listen.is_some()
    }
}

impl FromStr for MetricsListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Nowhere),
            text => text.parse().map(Self::At).map_err(|error| format!("{error}; or `none`")),
        }
    }
}

impl fmt::Display for MetricsListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::At(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(given: Option<&str>, listen: &str) -> Option<String> {
        let metrics_listen = given.map(|given| given.parse().unwrap());
        let metrics = MetricsArgs { metrics_listen, metrics_per_stream: 0 };
        metrics.address(&listen.parse().unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn the_default_port_is_fixed_unless_that_of_the_api_is_free() {
        assert_eq!(address(None, "127.0.0.1:7400").as_deref(), Some("127.0.0.1:7401"));
        assert_eq!(address(None, ":7500").as_deref(), Some("127.0.0.1:7401"));
        assert_eq!(address(None, "127.0.0.1:0").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(address(Some("none"), ":7400"), None);
        assert_eq!(address(Some(":9000"), ":0").as_deref(), Some(":9000"));
        assert!("nonsense:".parse::<MetricsListen>().unwrap_err().contains("`none`"));
    }
}
