//! Asks Sentinels for the primary.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use redis::{Cmd, RedisResult, Value};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Sentinels;
use crate::queue::redis::reply;
use crate::queue::redis::resp::{Request, RespConnection, explained};
use crate::queue::redis::url::Address;

/// The time that the others have to answer after a majority of the Sentinels has.
const GRACE: Duration = Duration::from_millis(150);
/// The time before the deadline that is left for connecting to the primary.
const REST: Duration = Duration::from_millis(400);

/// A Sentinel's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) primary: Address,
    /// The epoch of the promotion of this primary, as far as the Sentinel knows.
    pub(super) epoch: u64,
    /// The number of Sentinels that must agree that the primary is down.
    pub(super) quorum: u64,
    /// The number of other Sentinels that it knows.
    pub(super) others: u64,
}

impl Sentinels {
    /// Asks all Sentinels at once, and returns the newest view. During a failover, only the Sentinel
    /// that leads it knows the new primary, so the answers of a majority are not enough: the others
    /// have a short time more.
    pub(super) async fn newest(&self, deadline: Instant) -> RedisResult<View> {
        let mut open: FuturesUnordered<_> =
            self.all.iter().map(|sentinel| self.ask_for_primary(sentinel, deadline)).collect();
        let (mut views, mut until) = (Vec::new(), deadline - REST);
        let mut failures = HashSet::new();
        while let Ok(Some(answer)) = timeout_at(until, open.next()).await {
            match answer {
                Ok(view) => views.push(view),
                Err(why) => drop(failures.insert(why)),
            }
            if views.len() * 2 > self.all.len() {
                until = until.min(Instant::now() + GRACE);
            }
        }
        if !open.is_empty() {
            failures.insert("no answer in time".to_owned());
        }
        let newest = views.into_iter().max_by_key(|view| view.epoch);
        newest.ok_or_else(|| {
            let failures = failures.into_iter().collect::<Vec<_>>().join("; ");
            io::Error::other(format!("no Sentinel names a primary: {failures}")).into()
        })
    }

    async fn ask_for_primary(&self, sentinel: &Address, deadline: Instant) -> Result<View, String> {
        let asked = async {
            let connection = self.connect(sentinel, deadline).await?;
            let questions = [self.question("GET-MASTER-ADDR-BY-NAME"), self.question("MASTER")];
            view(ask(&connection, &questions).await?)
        };
        asked.await.map_err(|error| self.explain(sentinel, &error.to_string()))
    }

    /// Connects to a Sentinel.
    pub(super) async fn connect(&self, sentinel: &Address, deadline: Instant) -> RedisResult<RespConnection> {
        let left = deadline.saturating_duration_since(Instant::now());
        RespConnection::connect(&self.peer(sentinel)?, deadline, left, CancellationToken::new()).await
    }

    /// Returns a question about the primary.
    pub(super) fn question(&self, what: &str) -> Cmd {
        let mut question = redis::cmd("SENTINEL");
        question.arg(what).arg(&self.name);
        question
    }

    /// Returns why a Sentinel does not answer, with the next step if one is known.
    pub(super) fn explain(&self, (host, port): &Address, why: &str) -> String {
        let next = if why.contains("No such master") {
            format!("; it does not know the name {:?}: correct it in --redis-url", self.name)
        } else if ["NOAUTH", "WRONGPASS", "NOPERM", "NoPerm", "without any password"]
            .iter()
            .any(|word| why.contains(word))
        {
            "; see --redis-sentinel-user and --redis-sentinel-password-file, and docs/redis.md".to_owned()
        } else {
            return format!("Sentinel {host}:{port}: {}", explained(why));
        };
        format!("Sentinel {host}:{port}: {why}{next}")
    }
}

/// Asks all questions; each has its own answer.
pub(in crate::queue::redis) async fn ask(
    connection: &RespConnection,
    questions: &[Cmd],
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut request = Request::default();
    questions.iter().for_each(|question| request.add(question));
    Ok(connection.ask(request).await?)
}

/// Reads the answers to GET-MASTER-ADDR-BY-NAME, which names a new primary as soon as it is
/// promoted, and to MASTER, which has the epoch.
pub(super) fn view(answers: Vec<RedisResult<Value>>) -> RedisResult<View> {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
    let (address, about) = (next(), next()?);
    let corrupt = |error: crate::queue::Error| io::Error::other(error.to_string());
    let about = reply::Fields::read(about).map_err(corrupt)?;
    if about.is_empty() {
        return Err(io::Error::other("it says nothing about the primary").into());
    }
    let number = |name: &str| about.number(name).map_err(corrupt);
    let mut words = reply::array(address?).map_err(corrupt)?.into_iter().map(reply::text);
    let (Some(Ok(Some(host))), Some(Ok(Some(port)))) = (words.next(), words.next()) else {
        return Err(io::Error::other("it names no primary").into());
    };
    let port = port.parse().map_err(|_| io::Error::other(format!("it names the port {port:?}")))?;
    Ok(View {
        primary: (host, port),
        epoch: number("config-epoch")?,
        quorum: number("quorum")?,
        others: number("num-other-sentinels")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_from_one_answer_and_the_epoch_from_the_other() {
        let text = |text: &str| Value::BulkString(text.into());
        let address = Value::Array(vec![text("10.0.0.2"), text("6379")]);
        let about = ["ip", "10.0.0.1", "config-epoch", "7", "quorum", "2", "num-other-sentinels", "3"];
        let about = Value::Array(about.map(text).to_vec());
        let read = view(vec![Ok(address.clone()), Ok(about.clone())]).unwrap();
        let primary = ("10.0.0.2".to_owned(), 6379);
        assert_eq!(read, View { primary, epoch: 7, quorum: 2, others: 3 });
        assert!(view(vec![Ok(Value::Nil), Ok(about)]).is_err());
        assert!(view(vec![Ok(address)]).is_err());
    }
}
