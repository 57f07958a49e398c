//! Asks the servers of a cluster: for the map, and whether partitions moved without loss.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use redis::{Cmd, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, timeout_at};

use super::{Cluster, Move, SlotMap, shown};
use crate::queue::redis::instance::Instance;
use crate::queue::redis::reply::{self, Info};
use crate::queue::redis::resp::explained;
use crate::queue::redis::sentinel::ask;
use crate::queue::redis::url::Address;
use crate::queue::{Error, Result};

/// The maximum time for connecting to a server and for its answer.
const LIMIT: Duration = Duration::from_secs(1);
/// The time that the others have to answer after the first server has.
const GRACE: Duration = Duration::from_millis(30);
/// The maximum number of servers that are asked at once.
const MAX_ASKED: usize = 16;

/// The view of one server.
struct View {
    /// Rises with each failover.
    epoch: u64,
    map: SlotMap,
}

impl Cluster {
    /// Asks the known servers at once, and returns the newest of the maps that arrive with the first
    /// one. The map of a server that is cut off from the majority does not count.
    pub(super) async fn ask_for_map(&self) -> Result<SlotMap> {
        let seeds = self.target.seeds().unwrap_or_default().iter();
        let known = self.known_map();
        let masters = known.iter().flat_map(|map| map.masters()).map(AsRef::as_ref);
        let mut asked: Vec<&Address> = Vec::new();
        for address in masters.chain(seeds) {
            if !asked.contains(&address) && asked.len() < MAX_ASKED {
                asked.push(address);
            }
        }
        let mut until = Instant::now() + LIMIT * 2;
        let mut open: FuturesUnordered<_> = asked.into_iter().map(|address| self.view(address)).collect();
        let (mut views, mut failures) = (Vec::new(), Vec::new());
        while let Ok(Some(answer)) = timeout_at(until, open.next()).await {
            match answer {
                Ok(view) => {
                    views.push(view);
                    until = until.min(Instant::now() + GRACE);
                }
                Err(why) => failures.push(why),
            }
        }
        if !open.is_empty() {
            failures.push("others do not answer in time".to_owned());
        }
        let newest = views.into_iter().max_by_key(|view| view.epoch).map(|view| view.map);
        newest.ok_or_else(|| {
            Error::Unreachable(format!("no server of the cluster tells its slots: {}", failures.join("; ")))
        })
    }

    async fn view(&self, address: &Address) -> std::result::Result<View, String> {
        let ask = async {
            let connection = self.target.connect(Some(address), LIMIT, LIMIT).await?;
            let questions = [words(&["CLUSTER", "INFO"]), words(&["CLUSTER", "SLOTS"])];
            let mut answers = ask(&connection, &questions).await?.into_iter();
            let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
            RedisResult::Ok((next()?, next()?))
        };
        let why = |why: &str| format!("{}: {}", shown(address), explained(why));
        let (info, slots) = ask.await.map_err(|error| why(&error.to_string()))?;
        let info = reply::text(info).ok().flatten().unwrap_or_default();
        let info = Info::parse(&info);
        let map = SlotMap::read(slots, address).map_err(|error| why(&error.to_string()))?;
        if info.get("cluster_state") == "fail" && map.is_complete() {
            return Err(why(
                "the cluster is down (cluster_state is fail): this server is cut off from the others, or one master \
                 is away and cluster-require-full-coverage is yes",
            ));
        }
        Ok(View { epoch: info.get("cluster_current_epoch").parse().unwrap_or(0), map })
    }

    /// Finds out whether a server gave the slot of a key to another one, with all its data: it lives,
    /// was a primary all the time, and says itself that the other one owns the slot now; and the other
    /// one was a primary all the time, too. If it had been replaced in a failover, it would be a replica
    /// now.
    pub(super) async fn was_given(&self, from: &Arc<Address>, to: &Arc<Address>, key: &str) -> Option<Move> {
        let before = self.node(from).instance()?;
        let info = words(&["INFO", "everything"]);
        let connection = self.target.connect(Some(from), LIMIT, LIMIT).await.ok()?;
        let mut answers =
            ask(&connection, &[info.clone(), words(&["EXISTS", key]), info.clone()]).await.ok()?.into_iter();
        let (first, moved, last) = (answers.next()?, answers.next()?, answers.next()?);
        let is_elsewhere = moved.is_err_and(|error| error.kind() == ServerErrorKind::Moved.into());
        if !is_elsewhere
            || ![first, last]
                .into_iter()
                .all(|info| read(info).is_some_and(|now| now.has_stayed_primary(&before)))
        {
            return None;
        }
        let connection = self.target.connect(Some(to), LIMIT, LIMIT).await.ok()?;
        let now = read(ask(&connection, &[info]).await.ok()?.into_iter().next()?)?;
        let is_complete = match self.node(to).instance() {
            Some(before) => now.has_stayed_primary(&before),
            None => now.was_always_primary(),
        };
        is_complete.then(|| Move { from: before.run_id().to_owned(), to: now.run_id().to_owned() })
    }
}

fn read(info: RedisResult<Value>) -> Option<Instance> {
    let text = reply::text(info.ok()?).ok()??;
    Some(Instance::read(&Info::parse(&text), ""))
}

fn words(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    command
}
