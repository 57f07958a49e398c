//! The cost of a frame in clusters of Redis with more and more masters, and with more workers.

use serde_json::{Value, json};

use crate::bench::CommonArgs;
use crate::bench::cluster::Cluster;
use crate::bench::load::{Load, Measured};
use crate::bench::redis::{Probe, failure};
use crate::bench::report::{Report, rounded};
use crate::console::Failure;
use crate::console::output::print;

/// The measurements of all clusters.
#[derive(Debug, Default)]
pub(super) struct ByMasters {
    pub(super) runs: Vec<Run>,
    /// The reason why no cluster could be started.
    skipped: Option<String>,
}

/// A cluster of some masters with some workers.
#[derive(Debug)]
pub(super) struct Run {
    masters: usize,
    workers: u32,
    pub(super) measured: Measured,
}

/// Measures a load on each cluster with each number of workers: on clusters of so many masters, which
/// it starts, and on those of the URLs.
pub(super) async fn measure(
    common: &CommonArgs,
    load: &Load,
    masters: &[u32],
    urls: &[String],
    workers: &[u32],
) -> Result<ByMasters, Failure> {
    let mut all = ByMasters::default();
    for &count in masters {
        match Cluster::start(count).await? {
            Ok(cluster) => all.add(common, load, &cluster.url(), workers).await?,
            Err(why) => {
                all.skipped = Some(why);
                break;
            }
        }
    }
    for url in urls {
        all.add(common, load, url, workers).await?;
    }
    Ok(all)
}

impl ByMasters {
    async fn add(
        &mut self,
        common: &CommonArgs,
        load: &Load,
        url: &str,
        workers: &[u32],
    ) -> Result<(), Failure> {
        let masters = Probe::of_masters(url).await.map_err(failure)?.len();
        let common = CommonArgs { redis_url: Some(url.to_owned()), ..common.clone() };
        for &workers in workers {
            let measured = load.run(&common, Some(workers)).await?;
            eprintln!(
                "{masters} masters, {workers} workers: {:.2} ms per frame, {:.1} frames/s",
                measured.cpu_ms_per_frame(),
                measured.fps()
            );
            self.runs.push(Run { masters, workers, measured });
        }
        Ok(())
    }

    /// Adds the figures to a report, and prints the table unless the report is JSON.
    pub(super) fn add_to(&self, report: &mut Report, as_json: bool) {
        if let Some(why) = &self.skipped {
            report.figure("by_masters", "skipped", why.clone());
            return;
        }
        let costs = self.runs.iter().map(|run| run.measured.cpu_ms_per_frame());
        let Some(lowest) = costs.clone().min_by(f64::total_cmp) else { return };
        let highest = costs.max_by(f64::total_cmp).unwrap_or(lowest);
        if as_json {
            let rows: Vec<Value> = self.runs.iter().map(Run::figures).collect();
            report.figure("by_masters", rows, "");
        } else {
            print("processor ms per frame, by masters and workers\n");
            print(&format!("{}\n", HEADS.map(|head| format!("{head:>9}")).join(" ")));
            self.runs.iter().for_each(|run| print(&run.row()));
        }
        report.number(
            "cost_spread_percent",
            (highest / lowest - 1.0) * 100.0,
            "the highest cost of a frame above the lowest, over all clusters and numbers of workers",
        );
    }
}

const HEADS: [&str; 9] =
    ["masters", "workers", "all", "server", "worker", "redis", "clients", "frames/s", "p99 ms"];

impl Run {
    /// Returns the processor times of one frame: all, server, workers, Redis, and clients.
    fn costs(&self) -> [f64; 5] {
        let (cpu, frames) = (self.measured.cpu, self.measured.frames.max(1) as f64);
        [cpu.all(), cpu.server, cpu.workers, cpu.redis, cpu.clients].map(|ms| ms / frames)
    }

    fn figures(&self) -> Value {
        let [all, server, workers, redis, clients] = self.costs().map(rounded);
        json!({
            "masters": self.masters,
            "workers": self.workers,
            "cost_per_frame": all,
            "server_ms": server,
            "workers_ms": workers,
            "redis_ms": redis,
            "clients_ms": clients,
            "fps": rounded(self.measured.fps()),
            "p99_ms": rounded(self.measured.latency.ms(0.99)),
        })
    }

    fn row(&self) -> String {
        let costs = self.costs().map(|ms| format!("{ms:>9.2}")).join(" ");
        let (fps, p99) = (self.measured.fps(), self.measured.latency.ms(0.99));
        format!("{:>9} {:>9} {costs} {fps:>9.1} {p99:>9.1}\n", self.masters, self.workers)
    }
}
