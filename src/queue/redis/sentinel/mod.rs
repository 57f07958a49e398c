//! The Sentinels of a Redis: they name the primary, and tell when another server becomes it.
//!
//! `docs/adr/0022` has the reasoning.

mod ask;
mod survey;
mod watch;

use std::io;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use redis::{ConnectionAddr, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::ask::View;
pub(super) use self::ask::ask;
pub(crate) use self::survey::{KnownReplica, Opinion, Survey};
pub(super) use self::watch::Watch;
use super::peer::{Login, Peer, RedisSecurity, read_password};
use super::reply::{self, Info};
use super::resp::{Request, RespConnection};
use super::tls;
use super::url::Address;

/// The time after a switch in which an older answer is not believed: some Sentinels learn of it late,
/// and the old primary takes writes for ten seconds. After that it is believed, because an operator
/// may have set up the Sentinels anew.
const SETTLES: Duration = Duration::from_secs(20);

/// The Sentinels of one primary.
pub(super) struct Sentinels {
    all: Vec<Address>,
    /// The name of the primary at the Sentinels.
    name: String,
    is_tls: bool,
    security: RedisSecurity,
    known: Mutex<Known>,
}

/// The newest primary that a Sentinel has named.
#[derive(Default)]
struct Known {
    primary: Option<Address>,
    /// The epoch of its promotion, which rises with each failover; 0 = not known.
    epoch: u64,
    /// The time at which it was first named.
    since: Option<Instant>,
    /// Ends all connections to the primary when another one is named.
    ended: CancellationToken,
}

impl Known {
    /// Reports whether a view is older than what is known.
    fn outdates(&self, view: &View) -> bool {
        let is_older = view.epoch < self.epoch
            || view.epoch == self.epoch && self.primary.as_ref().is_some_and(|known| *known != view.primary);
        is_older && self.since.is_some_and(|since| since.elapsed() < SETTLES)
    }

    /// Notes a primary, and ends the connections to an earlier one.
    fn becomes(&mut self, primary: Address) {
        if self.primary.as_ref() == Some(&primary) {
            return;
        }
        if let Some((host, port)) = self.primary.replace(primary.clone()) {
            let (new_host, new_port) = primary;
            tracing::warn!(old = %format_args!("{host}:{port}"), new = %format_args!("{new_host}:{new_port}"),
                "another Redis is the primary; connecting to it");
        }
        self.since = Some(Instant::now());
        std::mem::take(&mut self.ended).cancel();
    }
}

/// A primary, as the Sentinels named it when they were asked.
pub(super) struct Named<'a> {
    sentinels: &'a Sentinels,
    primary: Address,
    ended: CancellationToken,
}

impl Sentinels {
    pub(super) fn new(all: Vec<Address>, name: String, is_tls: bool, security: &RedisSecurity) -> Self {
        Self { all, name, is_tls, security: security.clone(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    /// Returns the user that logs in at the Sentinels, if any.
    pub(super) fn login(&self) -> io::Result<Option<Login>> {
        let Some(file) = &self.security.sentinel_password_file else { return Ok(None) };
        Ok(Some(Login { user: self.security.sentinel_user.clone(), password: read_password(file)? }))
    }

    fn peer(&self, (host, port): &Address) -> io::Result<Peer> {
        let address = ConnectionAddr::Tcp(host.clone(), *port);
        let tls = tls::settings_if(self.is_tls, &self.security)?;
        Ok(Peer { address, tls, login: self.login()?, database: 0 })
    }

    /// Asks for the primary, until `deadline`.
    ///
    /// # Errors
    /// No Sentinel knows it.
    pub(super) async fn primary(&self, deadline: Instant) -> RedisResult<Named<'_>> {
        loop {
            let ended = self.known().ended.clone();
            let view = self.newest(deadline).await?;
            let mut known = self.known();
            // Otherwise the answers may be older than what was told meanwhile: ask again.
            if ended.is_cancelled() {
                continue;
            }
            let outdated = known.outdates(&view);
            let View { primary, epoch, .. } = view;
            if outdated {
                let (host, port) = primary;
                let why = format!("the Sentinels that answer still name the earlier primary, {host}:{port}");
                return Err(io::Error::other(why).into());
            }
            known.epoch = epoch;
            known.becomes(primary.clone());
            return Ok(Named { sentinels: self, primary, ended: known.ended.clone() });
        }
    }

    /// Returns the address of the primary and its name, if it is known.
    pub(super) fn describe(&self) -> Option<String> {
        let known = self.known();
        let (host, port) = known.primary.as_ref()?;
        Some(format!("{host}:{port}, the primary of {:?}", self.name))
    }

    /// Notes that a Sentinel has told of a new primary.
    fn told(&self, primary: Address) {
        self.known().becomes(primary);
    }

    /// Asks for the primary, and ends the connections to an earlier one.
    async fn look(&self, deadline: Instant) {
        if let Err(error) = self.primary(deadline).await {
            tracing::debug!(%error, "no Sentinel names a primary");
        }
    }
}

impl Named<'_> {
    pub(super) fn address(&self) -> ConnectionAddr {
        let (host, port) = &self.primary;
        ConnectionAddr::Tcp(host.clone(), *port)
    }

    /// Returns what is cancelled when another primary is named.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Checks that the server itself says that it is a primary. INFO says the same as ROLE, and
    /// Frameway's user may run it anyway.
    ///
    /// # Errors
    /// It is a replica, or does not answer.
    pub(super) async fn check_role(&self, connection: &RespConnection, deadline: Instant) -> RedisResult<()> {
        let mut question = redis::cmd("INFO");
        question.arg("replication");
        let mut request = Request::default();
        request.add(&question);
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let answer = timeout_at(deadline, connection.ask(request)).await.map_err(late)??.pop();
        let text = reply::text(answer.unwrap_or(Ok(Value::Nil))?).ok().flatten().unwrap_or_default();
        let role = Info::parse(&text).get("role");
        if role == "master" {
            return Ok(());
        }
        let (host, port) = &self.primary;
        let name = &self.sentinels.name;
        let why = format!(
            "{host}:{port}, which the Sentinels name as {name}, is not a primary yet (its role is {role:?})"
        );
        Err(RedisError::from(io::Error::other(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        ("a".to_owned(), port)
    }

    fn sentinels() -> Sentinels {
        Sentinels::new(vec![address(1)], "fw".to_owned(), false, &RedisSecurity::default())
    }

    #[tokio::test]
    async fn connections_end_once_when_another_primary_is_named() {
        let sentinels = sentinels();
        sentinels.told(address(1));
        let first = sentinels.known().ended.clone();
        sentinels.told(address(1));
        assert!(!first.is_cancelled(), "every Sentinel tells of a switch");
        sentinels.told(address(2));
        let second = sentinels.known().ended.clone();
        assert!(first.is_cancelled() && !second.is_cancelled());
        sentinels.told(address(2));
        assert!(!second.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_view_is_believed_only_long_after_a_switch() {
        let view = |port, epoch| View { primary: address(port), epoch, quorum: 2, others: 2 };
        let mut known = Known::default();
        assert!(!known.outdates(&view(1, 4)), "nothing is known");
        known.epoch = 4;
        known.becomes(address(1));
        known.becomes(address(2));
        assert!(known.outdates(&view(1, 4)), "a Sentinel has not learnt of the switch");
        assert!(known.outdates(&view(2, 3)));
        assert!(!known.outdates(&view(2, 4)) && !known.outdates(&view(3, 5)));
        tokio::time::advance(SETTLES).await;
        assert!(!known.outdates(&view(1, 0)), "the Sentinels were set up anew");
    }
}
