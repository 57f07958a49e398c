//! `frameway admin repartition`.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use crate::config::{Namespace, RedisArgs, RedisSettings, RedisUrl};
use crate::console::Failure;
use crate::console::output::{print, print_json};
use crate::domain::Partitions;
use crate::queue::redis::repartition::{Account, MoveError, Step, repartition};
use crate::queue::redis::{RedisConfig, RedisSecurity};

/// The maximum time for one answer of Redis: a request may carry many pictures.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two lines about the progress.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Move a store to another number of partitions, another namespace or another Redis.
///
/// Stop all servers and workers first: a store that is in use is refused, and while it is moved no
/// server opens it. The target must be empty. A move that was interrupted continues when the same
/// command is started again. At the end both stores are compared, stream by stream and group by
/// group, and the account is printed. Then start the servers with the --redis-url, --namespace and
/// --partitions of the target: streams, sequences, cursors, groups and dead letters continue there.
///
/// The source keeps its data, but no server opens it any more. docs/redis.md says how to delete it, and
/// how to return to it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway admin repartition --redis-url redis://localhost:6379 --to-namespace frameway-2 --to-partitions 256
  frameway admin repartition --redis-url redis://old:6379 --to-redis-url redis://new:6379 --to-partitions 32")]
pub(super) struct RepartitionArgs {
    #[command(flatten)]
    from: RedisArgs,

    /// Redis of the target. Default: that of the source, with the same user. The files of TLS and the
    /// settings of Sentinels apply to both.
    #[arg(long, value_name = "URL")]
    to_redis_url: Option<RedisUrl>,

    /// Redis user (ACL) at --to-redis-url, unless the URL names one.
    #[arg(long, value_name = "NAME", requires = "to_redis_url")]
    to_redis_user: Option<String>,

    /// File with the password at --to-redis-url.
    #[arg(long, value_name = "FILE", requires = "to_redis_url")]
    to_redis_password_file: Option<PathBuf>,

    /// Namespace of the target. Default: that of the source.
    #[arg(long, value_name = "NAME")]
    to_namespace: Option<Namespace>,

    /// Number of partitions of the target: a power of two up to 1024.
    #[arg(long, value_name = "N", value_parser = partitions)]
    to_partitions: Partitions,

    /// Print one JSON object with the account.
    #[arg(long)]
    json: bool,
}

fn partitions(text: &str) -> Result<Partitions, String> {
    let bad = || "must be a power of two from 1 to 1024".to_owned();
    text.parse().ok().and_then(|count| Partitions::new(count).ok()).ok_or_else(bad)
}

pub(super) async fn run(args: RepartitionArgs) -> Result<(), Failure> {
    let RepartitionArgs {
        from,
        to_redis_url,
        to_redis_user,
        to_redis_password_file,
        to_namespace,
        to_partitions,
        json,
    } = args;
    let from = from.settings().map_err(|error| Failure::Usage(error.into()))?;
    let from =
        from.ok_or_else(|| Failure::Usage(anyhow!("--redis-url: is missing: the Redis of the source")))?;
    let mut to =
        RedisSettings { namespace: to_namespace.unwrap_or_else(|| from.namespace.clone()), ..from.clone() };
    if let Some(url) = to_redis_url {
        let security = from.security.clone();
        to.security =
            RedisSecurity { user: to_redis_user, password_file: to_redis_password_file, ..security };
        to.url = url;
    }
    let shown = Mutex::new(Instant::now());
    let report = |step: Step| {
        let mut shown = shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_end = match step {
            Step::Streams(done, all) | Step::Partitions(done, all) | Step::Groups(done, all) => done == all,
            Step::Comparing => true,
        };
        if is_end || shown.elapsed() >= REPORT_EVERY {
            *shown = Instant::now();
            eprintln!("{}", describe(step));
        }
    };
    let source = config(&from, Partitions::default());
    let moved = Box::pin(repartition(source, config(&to, to_partitions), &report));
    let account = moved.await.map_err(failure)?;
    if json {
        print_json(&as_json(&account));
    } else {
        print(&as_text(&account, &from, &to, to_partitions));
    }
    Ok(())
}

fn config(settings: &RedisSettings, partitions: Partitions) -> RedisConfig {
    let RedisSettings { url, security, namespace, wait_replicas: _ } = settings.clone();
    RedisConfig { url, security, namespace, partitions, timeout: TIMEOUT, ..RedisConfig::default() }
}

fn failure(error: MoveError) -> Failure {
    match error {
        MoveError::Queue(_) | MoveError::Differs(_) => Failure::Failed(error.into()),
        MoveError::NoStore
        | MoveError::OtherLayout(_)
        | MoveError::InUse { .. }
        | MoveError::NotEmpty
        | MoveError::OtherMove(_)
        | MoveError::Changed
        | MoveError::States { .. }
        | MoveError::Letters { .. }
        | MoveError::UnknownField { .. } => Failure::Usage(error.into()),
    }
}

fn describe(step: Step) -> String {
    match step {
        Step::Streams(done, all) => format!("streams: {done} of {all} partitions of the source"),
        Step::Partitions(done, all) => {
            format!("waiting frames and dead letters: {done} of {all} partitions of the target")
        }
        Step::Groups(done, all) => format!("consumer groups: {done} of {all}"),
        Step::Comparing => "comparing both stores".to_owned(),
    }
}

fn as_json(account: &Account) -> serde_json::Value {
    let Account { streams, accepted, waiting, finished, kept, pictures, bytes, dead_letters, groups } =
        *account;
    json!({
        "streams": streams,
        "accepted_frames": accepted,
        "waiting_frames": waiting,
        "finished_frames": finished,
        "kept_frames": kept,
        "pictures": pictures,
        "bytes": bytes,
        "dead_letters": dead_letters,
        "groups": groups,
    })
}

fn as_text(account: &Account, from: &RedisSettings, to: &RedisSettings, partitions: Partitions) -> String {
    let Account { streams, accepted, waiting, finished, kept, pictures, bytes, dead_letters, groups } =
        account;
    format!(
        "both stores have {streams} streams, {groups} groups, {dead_letters} dead letters, {pictures} pictures; {bytes} bytes\n\
         frames: {accepted} accepted, {waiting} waiting, {finished} finished, {kept} kept\n\
         start the servers and workers with --redis-url {}, --namespace {} and --partitions {}\n\
         the source at {} keeps its data; to delete it:\n  \
         redis-cli --scan --pattern '{}' | tr '\\n' '\\0' | xargs -0 -n 100 redis-cli unlink\n",
        to.url,
        to.namespace,
        partitions.count(),
        from.url,
        from.namespace.pattern(),
    )
}
