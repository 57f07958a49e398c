//! Checks, on the first connection to a Redis, that its store is one that this program can use.

use futures::future::BoxFuture;
use parking_lot::Mutex;
use redis::{Cmd, RedisResult, Value};
use tokio::sync::OnceCell;

use super::cluster::shown;
use super::keys::Names;
use super::memory_usage::MemoryUsage;
use super::node::Node;
use super::reply::{self, Info};
use super::resp::{Request, RespConnection, explained};
use crate::domain::{Partitions, StoreIdentity};
use crate::queue::{Error, Result};

/// Lays out a store where that takes more than one connection.
pub(super) trait LaysOut: Send + Sync + std::fmt::Debug {
    /// Lays out what is not laid out, and tells the gate the identity of the store.
    fn lay_out<'a>(&'a self, gate: &'a Gate) -> BoxFuture<'a, Result<()>>;
}

/// The check of the store's layout and identity and the server's memory policy before any command.
///
/// It is made once. A store that is emptied later is laid out by
/// [`mend_layout`](super::RedisQueue::mend_layout), which first writes where sequences start.
#[derive(Debug)]
pub(super) struct Gate {
    names: Names,
    layout: String,
    identity: Mutex<StoreIdentity>,
    /// Lays out a store in a cluster, whose servers are not all at the end of one connection.
    builder: Option<Box<dyn LaysOut>>,
    checks: bool,
    opened: OnceCell<()>,
}

impl Gate {
    pub(super) fn new(names: Names, partitions: Partitions) -> Self {
        Self {
            names,
            layout: layout_of(partitions),
            identity: Mutex::default(),
            builder: None,
            checks: true,
            opened: OnceCell::new(),
        }
    }

    /// Creates a gate that checks nothing, and so writes nothing.
    pub(super) fn unchecked(names: Names, partitions: Partitions) -> Self {
        Self { checks: false, opened: OnceCell::new_with(Some(())), ..Self::new(names, partitions) }
    }

    /// Lets `builder` lay out the store.
    pub(super) fn built_by(self, builder: Box<dyn LaysOut>) -> Self {
        Self { builder: Some(builder), ..self }
    }

    /// Reports whether commands may pass.
    pub(super) fn is_open(&self) -> bool {
        self.opened.initialized()
    }

    /// Returns the store's identity, as it was last read; the default one before the first
    /// connection.
    pub(super) fn identity(&self) -> StoreIdentity {
        *self.identity.lock()
    }

    /// Checks a server, and the store, over a connection that is about to carry the first commands.
    ///
    /// # Errors
    /// [`Error::Layout`] or [`Error::Unsuitable`] if the store cannot be used;
    /// [`Error::Unreachable`] if the server did not answer.
    pub(super) async fn pass(&self, connection: &RespConnection, node: &Node) -> Result<()> {
        if !self.checks {
            return Ok(());
        }
        node.checked.get_or_try_init(|| check_server(connection, node)).await?;
        self.opened.get_or_try_init(|| self.check(connection)).await.map(drop)
    }

    async fn check(&self, connection: &RespConnection) -> Result<()> {
        if let Some(builder) = &self.builder {
            return builder.lay_out(self).await;
        }
        let laid_out = ask(connection, &[self.lay_out()]).await?.pop();
        self.laid_out(laid_out.unwrap_or(Value::Nil))?;
        let identity = ask(connection, &self.give_identity()).await?.pop();
        self.identified(identity.unwrap_or(Value::Nil)).map(drop)
    }

    /// Returns the command that writes the layout of an empty store; [`Gate::laid_out`] reads its
    /// answer.
    pub(super) fn lay_out(&self) -> Cmd {
        let mut set = redis::cmd("SET");
        set.arg(self.names.layout()).arg(&self.layout).arg("NX").arg("GET");
        set
    }

    /// Checks the answer to [`Gate::lay_out`]: the layout that the store had, if it had one.
    pub(super) fn laid_out(&self, answer: Value) -> Result<()> {
        self.check_layout(reply::text(answer)?.as_deref())
    }

    /// Checks the layout of a store; an empty one has none.
    pub(super) fn check_layout(&self, stored: Option<&str>) -> Result<()> {
        match stored {
            Some(stored) if stored != self.layout => Err(Error::Layout(format!(
                "this Redis contains \"{stored}\", but this server needs \"{}\"",
                self.layout
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the commands that give the store an identity, if it has none, and read it.
    pub(super) fn give_identity(&self) -> [Cmd; 2] {
        let fresh = StoreIdentity::random().to_bytes();
        let (mut set, mut get) = (redis::cmd("SET"), redis::cmd("GET"));
        set.arg(self.names.store()).arg(&fresh[..]).arg("NX");
        get.arg(self.names.store());
        [set, get]
    }

    /// Notes the identity of the store.
    pub(super) fn identified(&self, stored: Value) -> Result<StoreIdentity> {
        let bytes = reply::bytes(stored)?.unwrap_or_default();
        let identity = StoreIdentity::from_bytes(&bytes).ok_or_else(|| {
            Error::Corrupt(format!("{} does not hold the identity of a store", self.names.store()))
        })?;
        *self.identity.lock() = identity;
        Ok(identity)
    }
}

/// Checks and notes the memory of a server.
async fn check_server(connection: &RespConnection, node: &Node) -> Result<()> {
    let info = ask(connection, &[MemoryUsage::question()]).await?.pop();
    let info = reply::text(info.unwrap_or(Value::Nil))?.unwrap_or_default();
    check_eviction(&Info::parse(&info), node)
}

/// Notes a server's memory; refuses a server that may evict frames when its memory is short.
pub(super) fn check_eviction(info: &Info<'_>, node: &Node) -> Result<()> {
    node.memory.note(info);
    let at = node.address().map_or_else(String::new, |address| format!("{}: ", shown(address)));
    eviction(info).map_or(Ok(()), |why| Err(Error::Unsuitable(format!("{at}{why}"))))
}

/// Returns the layout of a store with so many partitions, as the store names it.
pub(super) fn layout_of(partitions: Partitions) -> String {
    format!("frameway 2, xxh3_64, {} partitions", partitions.count())
}

async fn ask(connection: &RespConnection, commands: &[Cmd]) -> Result<Vec<Value>> {
    let mut request = Request::default();
    commands.iter().for_each(|command| request.add(command));
    let answers: RedisResult<Vec<Value>> = match connection.ask(request).await {
        Ok(answers) => answers.into_iter().collect(),
        Err(error) => Err(error.into()),
    };
    answers.map_err(|error| Error::Unreachable(explained(&error.to_string())))
}

/// Describes a memory policy that may evict frames; `volatile-*` evict only keys that expire.
pub(super) fn eviction(info: &Info<'_>) -> Option<String> {
    let policy = info.get("maxmemory_policy");
    let harmless = matches!(policy, "" | "noeviction") || policy.starts_with("volatile-");
    (!harmless).then(|| {
        format!(
            "maxmemory-policy is {policy}: this Redis may evict frames; run `CONFIG SET maxmemory-policy noeviction`"
        )
    })
}
