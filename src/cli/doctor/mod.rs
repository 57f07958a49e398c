//! `frameway doctor`.

mod access;
mod backend;
mod certificates;
mod finding;
mod machine;
mod port;

use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use tokio::time::timeout;

use self::finding::{Finding, Level, Report, Section};
use self::machine::Machine;
use crate::config::{Backend, Config, Given, Role};
use crate::console::Failure;
use crate::console::output::{print, print_json};

/// The maximum time for all questions to Redis.
const REDIS_LIMIT: Duration = Duration::from_secs(10);
/// The maximum time for reading files, which may be on another machine.
const FILES_LIMIT: Duration = Duration::from_secs(5);

/// Examine the machine, Redis and the files that a server with these settings would use, and say
/// what to change.
///
/// Takes the settings of `frameway serve`: flags, environment, --config and --preset. Changes nothing, needs no running
/// server, and may run beside one.
///
/// Exit codes: 0 if there is no error (with --strict: and no warning), 1 if there is one, 2 if the
/// settings themselves are not valid.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frameway doctor
  frameway doctor --redis-url redis://localhost:6379 --memory-budget 4GiB
  frameway doctor --strict --redis-url redis://redis:6379 --wait-replicas 1
  frameway doctor --json | jq '.sections[].findings[] | select(.level == \"error\")'")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    given: Given,

    /// Exit with 1 if there is a warning, too.
    #[arg(long)]
    strict: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Examines everything and prints the report.
pub(super) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let DoctorArgs { given, strict, json } = args;
    let config = given.load().map_err(|problems| Failure::Usage(problems.into()))?.config;
    let report = examine(&config).await;
    if json {
        print_json(&report.as_json());
    } else {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        print(&report.as_text(std::io::stdout().is_terminal() && !no_color));
    }
    let least = if strict { Level::Warning } else { Level::Error };
    let bad: usize = [Level::Warning, Level::Error]
        .into_iter()
        .filter(|&one| one >= least)
        .map(|one| report.count(one))
        .sum();
    if bad == 0 { Ok(()) } else { Err(Failure::Failed(anyhow!("{}", report.counts()))) }
}

async fn examine(config: &Config) -> Report {
    let serves = match config.server.role {
        Role::All | Role::Api => true,
        Role::Worker => false,
    };
    let (queue, addresses, files) =
        tokio::join!(queue(config), addresses(config, serves), files(config, serves));
    let (queue, disables_huge_pages) = queue;
    let machine = Machine::read().judge(machine::Wanted::new(config), disables_huge_pages);
    let machine = Section { name: "machine", about: String::new(), findings: machine };
    Report([Some(queue), Some(machine), addresses, files].into_iter().flatten().collect())
}

/// Examines the queue's backend. Also returns whether Redis turns off huge pages for itself.
async fn queue(config: &Config) -> (Section, bool) {
    let Backend::Redis(redis) = &config.queue.backend else {
        let found = "embedded: frames are lost when the server stops";
        let found = Finding::note("queue", found).change("--redis-url keeps them").page("docs/redis.md");
        return (Section { name: "queue", about: "memory".to_owned(), findings: vec![found] }, false);
    };
    let examined = timeout(REDIS_LIMIT, backend::examine(config, redis)).await;
    let (findings, disables_huge_pages) = examined.unwrap_or((vec![late("connection", REDIS_LIMIT)], false));
    (Section { name: "redis", about: redis.url.to_string(), findings }, disables_huge_pages)
}

/// Examines the addresses on which the process would listen.
async fn addresses(config: &Config, serves: bool) -> Option<Section> {
    let own = if serves { Some(port::examine(config).await) } else { None };
    let runs_already = own.as_ref().is_some_and(|finding| finding.level == Level::Note);
    let about = own.as_ref().map(|_| config.server.listen.to_string()).unwrap_or_default();
    let metrics = port::examine_metrics(config, runs_already).await;
    let findings: Vec<_> = own.into_iter().chain(metrics).collect();
    (!findings.is_empty()).then_some(Section { name: "server", about, findings })
}

/// Examines the files of TLS and of access.
async fn files(config: &Config, serves: bool) -> Option<Section> {
    let of_config = config.clone();
    let read = tokio::task::spawn_blocking(move || {
        let (config, now) = (of_config, SystemTime::now());
        let mut findings = Vec::new();
        if serves {
            findings.extend(access::tls(&config, now));
            findings.extend(access::callers(&config, now));
        }
        if let Backend::Redis(redis) = &config.queue.backend {
            findings.extend(access::redis(redis, now));
        }
        findings
    });
    let findings = match timeout(FILES_LIMIT, read).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(_)) | Err(_) => vec![late("files", FILES_LIMIT)],
    };
    (!findings.is_empty()).then(|| Section { name: "access", about: String::new(), findings })
}

/// Returns the finding about an answer that did not come in time.
fn late(subject: &'static str, limit: Duration) -> Finding {
    let found = format!("not examined: no answer within {} s", limit.as_secs());
    Finding::error(subject, found, "run frameway doctor again when the network and the disks are quiet")
}
