//! Asks each Sentinel for everything that an operator must know of it.

use futures::future::join_all;
use redis::{RedisResult, Value};
use tokio::time::{Instant, timeout_at};

use super::Sentinels;
use super::ask::{ask, view};
use crate::queue::redis::reply::{self, Fields};
use crate::queue::redis::url::Address;

/// The answers of all Sentinels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The name of the primary.
    pub(crate) name: String,
    /// The address of each Sentinel, and its opinion, or why it has none.
    pub(crate) opinions: Vec<(String, Result<Opinion, String>)>,
}

/// The answers of one Sentinel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opinion {
    /// The address of the primary.
    pub(crate) primary: String,
    /// The epoch of its promotion.
    pub(crate) epoch: u64,
    /// The number of Sentinels that must agree that the primary is down.
    pub(crate) quorum: u64,
    /// The number of other Sentinels that it knows.
    pub(crate) others: u64,
    /// Why the Sentinels could not fail over now, if it says so.
    pub(crate) no_quorum: Option<String>,
    pub(crate) replicas: Vec<KnownReplica>,
}

/// A replica that a Sentinel knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KnownReplica {
    pub(crate) address: String,
    /// The Sentinel cannot reach it, or it does not follow the primary.
    pub(crate) is_down: bool,
    /// Its `replica-priority`; 0 = it is never promoted.
    pub(crate) priority: u64,
}

impl Sentinels {
    /// Asks all Sentinels, until `deadline`.
    pub(in crate::queue::redis) async fn survey(&self, deadline: Instant) -> Survey {
        let asked = self.all.iter().map(async |sentinel| {
            let late = || Err(self.explain(sentinel, "no answer in time"));
            let opinion = match timeout_at(deadline, self.opinion(sentinel, deadline)).await {
                Ok(answer) => answer.map_err(|error| self.explain(sentinel, &error.to_string())),
                Err(_) => late(),
            };
            (shown(sentinel), opinion)
        });
        Survey { name: self.name.clone(), opinions: join_all(asked).await }
    }

    async fn opinion(&self, sentinel: &Address, deadline: Instant) -> RedisResult<Opinion> {
        let connection = self.connect(sentinel, deadline).await?;
        let questions =
            ["GET-MASTER-ADDR-BY-NAME", "MASTER", "CKQUORUM", "REPLICAS"].map(|what| self.question(what));
        let mut answers = ask(&connection, &questions).await?;
        let more = answers.split_off(2);
        let view = view(answers)?;
        let mut more = more.into_iter();
        let no_quorum = more.next().and_then(|answer| answer.err().map(|error| error.to_string()));
        let replicas = more.next().unwrap_or(Ok(Value::Nil))?;
        let replicas = reply::array(replicas).unwrap_or_default();
        Ok(Opinion {
            primary: shown(&view.primary),
            epoch: view.epoch,
            quorum: view.quorum,
            others: view.others,
            no_quorum,
            replicas: replicas.into_iter().filter_map(replica).collect(),
        })
    }
}

fn shown((host, port): &Address) -> String {
    format!("{host}:{port}")
}

fn replica(about: Value) -> Option<KnownReplica> {
    let about = Fields::read(about).ok()?;
    let text = |name: &str| about.text(name).unwrap_or_default();
    let flags: Vec<&str> = text("flags").split(',').collect();
    let is_down = flags.iter().any(|flag| ["s_down", "o_down", "disconnected"].contains(flag))
        || text("master-link-status") != "ok";
    Some(KnownReplica {
        address: format!("{}:{}", text("ip"), text("port")),
        is_down,
        priority: about.number("slave-priority").unwrap_or(100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_read() {
        let read = |flags: &str, link: &str, priority: &str| {
            let words = [
                "ip",
                "10.0.0.2",
                "port",
                "6379",
                "flags",
                flags,
                "master-link-status",
                link,
                "slave-priority",
                priority,
            ];
            let words = words.map(|word| Value::BulkString(word.into()));
            let replica = replica(Value::Array(words.to_vec())).unwrap();
            (replica.address, replica.is_down, replica.priority)
        };
        let address = || "10.0.0.2:6379".to_owned();
        assert_eq!(read("slave", "ok", "100"), (address(), false, 100));
        assert_eq!(read("s_down,slave,disconnected", "ok", "0"), (address(), true, 0));
        assert_eq!(read("slave", "err", "1"), (address(), true, 1));
    }
}
