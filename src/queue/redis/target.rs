//! A Redis to connect to: its address, its TLS, and the user that logs in.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, RedisError, RedisResult};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::peer::{Login, Peer, RedisSecurity, read_password};
use super::resp::{RespConnection, explained};
use super::sentinel::{Sentinels, Watch};
use super::tls;
use super::url::{Address, Place, RedisUrl};
use crate::queue::{Error, Result};

/// The place of the server to connect to.
enum Server {
    /// It is always this one.
    Fixed(ConnectionAddr),
    /// It is the primary that the Sentinels name.
    Named { sentinels: Arc<Sentinels>, watch: Watch },
    /// It is one of a cluster. These are asked for the others first.
    Clustered(Vec<Address>),
}

/// A Redis to connect to.
pub(super) struct Target {
    server: Server,
    database: i64,
    is_tls: bool,
    user: Option<String>,
    password: Option<String>,
    security: RedisSecurity,
}

/// Writes nothing that is secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads the URL and tries to read the files.
    ///
    /// # Errors
    /// [`Error::Unsuitable`]: the URL is not valid, or a file cannot be used.
    pub(super) fn new(url: &RedisUrl, security: &RedisSecurity) -> Result<Self> {
        let parts = url.parse()?;
        let is_tls = url.is_tls();
        let server = match parts.place {
            Place::Server(address) => Server::Fixed(address),
            Place::Sentinels(all, name) => {
                let sentinels = Arc::new(Sentinels::new(all, name, is_tls, security));
                Server::Named { sentinels, watch: Watch::default() }
            }
            Place::Cluster(all) => Server::Clustered(all),
        };
        let target = Self {
            server,
            database: parts.database,
            is_tls,
            user: parts.user.or_else(|| security.user.clone()),
            password: parts.password,
            security: security.clone(),
        };
        let unusable = |error: io::Error| Error::Unsuitable(error.to_string());
        target.login().map_err(unusable)?;
        tls::settings_if(is_tls, security).map_err(unusable)?;
        if let Some(sentinels) = target.sentinels() {
            sentinels.login().map_err(unusable)?;
        }
        Ok(target)
    }

    /// Connects and logs in, within `limit`: to the server of a cluster at `address`, else to the only
    /// server. If Sentinels name that one, they are asked first, and the connection ends as soon as
    /// one of them names another server.
    ///
    /// # Errors
    /// The server or all Sentinels cannot be reached, or the login is refused, or the server is not
    /// the primary, or a file cannot be read.
    pub(super) async fn connect(
        &self,
        address: Option<&Address>,
        limit: Duration,
        answer_timeout: Duration,
    ) -> RedisResult<RespConnection> {
        let deadline = Instant::now() + limit;
        match &self.server {
            Server::Fixed(address) => {
                let (peer, never) = (self.peer(address.clone())?, CancellationToken::new());
                RespConnection::connect(&peer, deadline, answer_timeout, never).await
            }
            Server::Clustered(all) => {
                let nobody = || io::Error::other("the URL names no server");
                let address = address.or_else(|| all.first()).ok_or_else(nobody)?;
                let (peer, never) = (self.peer_at(address)?, CancellationToken::new());
                RespConnection::connect(&peer, deadline, answer_timeout, never).await
            }
            Server::Named { sentinels, .. } => {
                let named = sentinels.primary(deadline).await?;
                let peer = self.peer(named.address())?;
                let ended = named.ended();
                let connection = RespConnection::connect(&peer, deadline, answer_timeout, ended).await?;
                named.check_role(&connection, deadline).await?;
                Ok(connection)
            }
        }
    }

    /// Watches the Sentinels from now on, if there are any, until this target is dropped.
    pub(super) fn watch(&self) {
        if let Server::Named { sentinels, watch } = &self.server {
            watch.begin(sentinels);
        }
    }

    /// Returns the servers of a cluster that the URL names; `None` if it names no cluster.
    pub(super) fn seeds(&self) -> Option<&[Address]> {
        match &self.server {
            Server::Clustered(all) => Some(all),
            Server::Fixed(_) | Server::Named { .. } => None,
        }
    }

    /// Returns how to connect to the server of a cluster at this address.
    pub(super) fn peer_at(&self, (host, port): &Address) -> io::Result<Peer> {
        self.peer(ConnectionAddr::Tcp(host.clone(), *port))
    }

    /// Returns the Sentinels that name the server.
    pub(super) fn sentinels(&self) -> Option<&Arc<Sentinels>> {
        match &self.server {
            Server::Fixed(_) | Server::Clustered(_) => None,
            Server::Named { sentinels, .. } => Some(sentinels),
        }
    }

    fn peer(&self, address: ConnectionAddr) -> io::Result<Peer> {
        let tls = tls::settings_if(self.is_tls, &self.security)?;
        Ok(Peer { address, tls, login: self.login()?, database: self.database })
    }

    /// Returns the user that logs in, if any; reads its password if it is in a file.
    fn login(&self) -> io::Result<Option<Login>> {
        let password = match (&self.security.password_file, &self.password) {
            (Some(file), _) => read_password(file)?,
            (None, Some(password)) => password.clone(),
            (None, None) => return Ok(None),
        };
        Ok(Some(Login { user: self.user.clone(), password }))
    }

    /// Returns the error of a failed attempt to connect.
    pub(super) fn unreachable(&self, error: &RedisError) -> Error {
        let mut why = explained(&error.to_string());
        // A port with TLS ends the connection without a word.
        if !self.is_tls && why.ends_with("Redis closed it") {
            why.push_str("; if this port of Redis speaks TLS, the URL must begin with rediss://");
        }
        Error::Unreachable(why)
    }
}
