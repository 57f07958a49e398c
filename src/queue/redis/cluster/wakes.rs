//! Waits for entries in a cluster. One command cannot wait in several slots, so each script that adds
//! entries publishes an empty message on the channel that is named like the key that it wrote to.
//!
//! A message only says that reading is worthwhile. Whoever waits reads from its stored position, so a
//! message that was lost while a connection was down costs time, but no entry.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::ServerErrorKind;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Cluster, shown, slot_of};
use crate::queue::redis::resp::{Push, Request, Subscription};
use crate::queue::redis::url::Address;

/// The maximum time for connecting, and for an answer to PING.
const LIMIT: Duration = Duration::from_secs(1);
/// The pause before a lost connection is made again, or a refused channel is asked for again.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// The time without a message after which a server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(2);
/// The time between two reads of a channel that is not subscribed to.
const POLL_EVERY: Duration = Duration::from_millis(50);
/// The time after which a place that was read to its end is read again, whatever the messages say.
const READ_ANYWAY: Duration = Duration::from_secs(5);

/// A channel, and what is known of the entries behind it.
#[derive(Debug, Default)]
struct Channel {
    /// The number of messages, and of moments in which one may have been lost.
    rung: AtomicU64,
    /// The number of connections that listen: two for a moment after a move.
    subscriptions: AtomicUsize,
    /// The last read.
    read: Mutex<LastRead>,
}

/// The last read of a key.
#[derive(Debug, Clone, Copy, Default)]
enum LastRead {
    /// There was none, or there may be more entries.
    #[default]
    Unfinished,
    /// It found the end.
    End(End),
    /// It failed at this time.
    Failed(Instant),
}

/// A read that found the end of the entries.
#[derive(Debug, Clone, Copy)]
struct End {
    position: (u64, u64),
    rung: u64,
    at: Instant,
}

impl Channel {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::AcqRel);
    }

    /// Reports whether somebody listens.
    fn is_heard(&self) -> bool {
        self.subscriptions.load(Ordering::Acquire) > 0
    }

    /// Reports whether there may be entries after a position.
    fn may_have(&self, position: (u64, u64)) -> bool {
        let read = *self.read.lock();
        match read {
            LastRead::Unfinished => true,
            LastRead::Failed(at) => at.elapsed() >= RETRY_EVERY,
            LastRead::End(end) => {
                let lasts = if self.is_heard() { READ_ANYWAY } else { POLL_EVERY };
                end.position != position
                    || end.rung != self.rung.load(Ordering::Acquire)
                    || end.at.elapsed() >= lasts
            }
        }
    }

    /// Reports whether nobody tells when there are entries.
    fn needs_polling(&self) -> bool {
        !self.is_heard() || matches!(*self.read.lock(), LastRead::Failed(_))
    }
}

/// A key to wait for, and the position after which entries are wanted.
#[derive(Debug, Clone)]
pub(in crate::queue::redis) struct Wanted {
    pub(in crate::queue::redis) key: String,
    pub(in crate::queue::redis) position: (u64, u64),
}

/// The position after a read, and whether there are no more entries.
#[derive(Debug, Clone, Copy)]
pub(in crate::queue::redis) struct ReadTo {
    pub(in crate::queue::redis) position: (u64, u64),
    pub(in crate::queue::redis) is_end: bool,
}

/// The channels of all servers of a cluster.
#[derive(Debug)]
pub(in crate::queue::redis) struct Wakes {
    shared: Arc<Shared>,
    /// The task that listens; it begins with the first wait.
    task: Mutex<Option<JoinSet<()>>>,
}

#[derive(Debug)]
struct Shared {
    cluster: Arc<Cluster>,
    channels: Mutex<HashMap<String, Arc<Channel>>>,
    /// Rises with each message, and when a channel is added.
    ticks: watch::Sender<u64>,
    /// Rises when a channel is added.
    added: watch::Sender<u64>,
    /// Set when it was said that the user may not listen.
    warned: AtomicBool,
}

impl Wakes {
    pub(in crate::queue::redis) fn new(cluster: Arc<Cluster>) -> Self {
        let (ticks, added) = (watch::Sender::new(0), watch::Sender::new(0));
        Self {
            shared: Arc::new(Shared {
                cluster,
                channels: Mutex::default(),
                ticks,
                added,
                warned: AtomicBool::new(false),
            }),
            task: Mutex::default(),
        }
    }

    /// Begins to wait for entries after some positions.
    pub(in crate::queue::redis) fn wait_for<'a>(&self, wanted: &'a [Wanted]) -> Wait<'a> {
        let channels = self.channels(wanted);
        Wait { wanted, channels, ticks: self.shared.ticks.subscribe() }
    }

    fn channels(&self, wanted: &[Wanted]) -> Vec<Arc<Channel>> {
        let mut known = self.shared.channels.lock();
        let before = known.len();
        let channels =
            wanted.iter().map(|wanted| Arc::clone(known.entry(wanted.key.clone()).or_default())).collect();
        if known.len() > before {
            self.shared.added.send_modify(|number| *number += 1);
        }
        self.task.lock().get_or_insert_with(|| {
            let mut tasks = JoinSet::new();
            tasks.spawn(listen(Arc::clone(&self.shared)));
            tasks
        });
        channels
    }
}

/// A wait for entries.
#[derive(Debug)]
pub(in crate::queue::redis) struct Wait<'a> {
    wanted: &'a [Wanted],
    channels: Vec<Arc<Channel>>,
    ticks: watch::Receiver<u64>,
}

/// A key that may have entries, by its index, and the number of messages before it is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::queue::redis) struct Due {
    pub(in crate::queue::redis) index: usize,
    rung: u64,
}

impl Wait<'_> {
    /// Returns the keys that may have entries.
    pub(in crate::queue::redis) fn due(&mut self) -> Vec<Due> {
        self.ticks.mark_unchanged();
        let all = self.wanted.iter().zip(&self.channels).enumerate();
        let due = all.filter(|(_, (wanted, channel))| channel.may_have(wanted.position));
        due.map(|(index, (_, channel))| Due { index, rung: channel.rung.load(Ordering::Acquire) }).collect()
    }

    /// Notes how far a key was read. Returns true if it could not be read before: what happened
    /// meanwhile may have been missed.
    pub(in crate::queue::redis) fn note(&self, due: Due, to: ReadTo) -> bool {
        let end = End { position: to.position, rung: due.rung, at: Instant::now() };
        let read = if to.is_end { LastRead::End(end) } else { LastRead::Unfinished };
        let before = std::mem::replace(&mut *self.channels[due.index].read.lock(), read);
        matches!(before, LastRead::Failed(_))
    }

    /// Notes that a key could not be read.
    pub(in crate::queue::redis) fn note_failure(&self, due: Due) {
        *self.channels[due.index].read.lock() = LastRead::Failed(Instant::now());
    }

    /// Reports whether none of the keys can be read.
    pub(in crate::queue::redis) fn is_cut_off(&self) -> bool {
        self.channels.iter().all(|channel| matches!(*channel.read.lock(), LastRead::Failed(_)))
    }

    /// Waits until keys may have entries; returns false if `until` has passed.
    pub(in crate::queue::redis) async fn next(&mut self, until: Instant) -> bool {
        let polls = self.channels.iter().any(|channel| channel.needs_polling());
        let next = if polls { until.min(Instant::now() + POLL_EVERY) } else { until };
        drop(timeout_at(next, self.ticks.changed()).await);
        Instant::now() < until
    }
}

/// Keeps one connection to each server that owns a slot of a channel.
async fn listen(shared: Arc<Shared>) {
    let mut changes = shared.cluster.changes();
    let mut listeners: HashMap<Arc<Address>, JoinSet<()>> = HashMap::new();
    loop {
        let map = changes.borrow_and_update().clone();
        let masters = map.as_ref().map(|map| map.masters()).unwrap_or_default();
        listeners.retain(|address, _| masters.contains(address));
        for master in masters {
            listeners.entry(Arc::clone(master)).or_insert_with(|| {
                let mut tasks = JoinSet::new();
                tasks.spawn(listen_to(Arc::clone(&shared), Arc::clone(master)));
                tasks
            });
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Listens to one server, for ever.
async fn listen_to(shared: Arc<Shared>, address: Arc<Address>) {
    let mut listener = Listener { shared, address, channels: HashMap::new() };
    loop {
        if let Err(error) = listener.follow().await {
            tracing::debug!(server = shown(&listener.address), %error, "the wake-ups of a server ended");
        }
        listener.channels.clear();
        listener.tick();
        sleep(RETRY_EVERY).await;
    }
}

/// The channels that one connection has asked for. When they are dropped, nobody listens to them.
struct Listener {
    shared: Arc<Shared>,
    address: Arc<Address>,
    channels: HashMap<String, Subscribed>,
}

/// A channel that was asked for.
struct Subscribed {
    channel: Arc<Channel>,
    is_confirmed: bool,
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        if self.is_confirmed {
            self.channel.subscriptions.fetch_sub(1, Ordering::AcqRel);
            self.channel.ring();
        }
    }
}

impl Listener {
    /// Connects, asks for the channels, and passes messages on until the connection ends.
    async fn follow(&mut self) -> std::io::Result<()> {
        let peer = self.shared.cluster.target.peer_at(&self.address)?;
        let opened = Subscription::open(&peer, &[], Instant::now() + LIMIT).await;
        let mut connection = opened.map_err(std::io::Error::other)?;
        let (mut added, mut changes) = (self.shared.added.subscribe(), self.shared.cluster.changes());
        let mut silent_since: Option<Instant> = None;
        loop {
            added.mark_unchanged();
            changes.mark_unchanged();
            let missing = self.missing();
            if !missing.is_empty() {
                let mut request = Request::default();
                for name in &missing {
                    // Two slots in one command are refused, even if both are here.
                    let mut subscribe = redis::cmd("SSUBSCRIBE");
                    subscribe.arg(name);
                    request.add(&subscribe);
                }
                timeout(LIMIT, connection.send(request)).await??;
            }
            let limit = if silent_since.is_some() { LIMIT } else { SILENCE };
            let arrived = tokio::select! {
                arrived = timeout(limit, connection.wait()) => arrived,
                _ = added.changed() => continue,
                _ = changes.changed() => continue,
            };
            match arrived {
                Ok(Ok(true)) => silent_since = None,
                Ok(Ok(false)) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(Err(error)) => return Err(error),
                Err(_) if silent_since.is_some() => return Err(std::io::ErrorKind::TimedOut.into()),
                Err(_) => {
                    silent_since = Some(Instant::now());
                    let mut request = Request::default();
                    request.add(&redis::cmd("PING"));
                    timeout(LIMIT, connection.send(request)).await??;
                    continue;
                }
            }
            let push = timeout(LIMIT, connection.next_push()).await??;
            self.take(push).await;
        }
    }

    /// Returns the channels that this server owns and that were not asked for, and notes that they
    /// are.
    fn missing(&mut self) -> Vec<String> {
        let map = self.shared.cluster.known_map();
        let is_here = |name: &str| {
            map.as_ref().is_some_and(|map| map.owner(slot_of(name.as_bytes())) == Some(&self.address))
        };
        self.channels.retain(|name, _| is_here(name));
        let mut missing = Vec::new();
        for (name, channel) in self.shared.channels.lock().iter() {
            if !self.channels.contains_key(name) && is_here(name) {
                missing.push((name.clone(), Arc::clone(channel)));
            }
        }
        let names = missing.iter().map(|(name, _)| name.clone()).collect();
        let asked = |(name, channel)| (name, Subscribed { channel, is_confirmed: false });
        self.channels.extend(missing.into_iter().map(asked));
        names
    }

    async fn take(&mut self, push: Push) {
        match push {
            Push::Said(kind, name) if kind == "smessage" => {
                if let Some(subscribed) = self.channels.get(&name) {
                    subscribed.channel.ring();
                }
            }
            Push::Said(kind, name) if kind == "ssubscribe" => {
                if let Some(subscribed) = self.channels.get_mut(&name).filter(|known| !known.is_confirmed) {
                    subscribed.is_confirmed = true;
                    subscribed.channel.subscriptions.fetch_add(1, Ordering::AcqRel);
                    // Messages from before are lost.
                    subscribed.channel.ring();
                }
            }
            Push::Said(kind, name) if kind == "sunsubscribe" => {
                // The slot moved away.
                self.channels.remove(&name);
                self.shared.cluster.suspect();
            }
            // The slot is not here, or not yet: asked for again after the map.
            Push::Refused(error) => {
                let is_denied = error.kind() == ServerErrorKind::NoPerm.into();
                if is_denied && !self.shared.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        server = shown(&self.address), %error,
                        "the user may not listen to channels, so entries are looked for 20 times a second: give it the \
                         rules for a cluster of docs/redis.md"
                    );
                }
                tracing::debug!(server = shown(&self.address), %error, "a channel was refused");
                self.channels.retain(|_, subscribed| subscribed.is_confirmed);
                sleep(RETRY_EVERY).await;
                self.shared.cluster.suspect();
            }
            Push::Said(..) | Push::Other => return,
        }
        self.tick();
    }

    /// Lets those who wait look at their channels.
    fn tick(&self) {
        self.shared.ticks.send_modify(|number| *number += 1);
    }
}
