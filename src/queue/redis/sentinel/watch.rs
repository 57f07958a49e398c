//! Listens to all Sentinels for a new primary.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Sentinels;
use crate::queue::redis::resp::Subscription;
use crate::queue::redis::url::Address;

/// Another server is the primary: `<name> <old host> <old port> <new host> <new port>`.
const SWITCHED: &str = "+switch-master";
/// The Sentinel that leads a failover tells this earlier: `slave <name> <host> <port> @ <name of the
/// primary> ...`.
const PROMOTED: &str = "+promoted-slave";
/// The time between two attempts to listen to a Sentinel.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The tasks that listen; they end when this is dropped.
#[derive(Debug, Default)]
pub(in crate::queue::redis) struct Watch(OnceLock<JoinSet<()>>);

impl Watch {
    /// Begins to listen, unless it has begun before.
    pub(in crate::queue::redis) fn begin(&self, sentinels: &Arc<Sentinels>) {
        self.0.get_or_init(|| {
            let mut tasks = JoinSet::new();
            for sentinel in sentinels.all.clone() {
                tasks.spawn(listen(Arc::clone(sentinels), sentinel));
            }
            tasks
        });
    }
}

/// Listens to one Sentinel, for ever.
async fn listen(sentinels: Arc<Sentinels>, sentinel: Address) {
    loop {
        if let Ok(peer) = sentinels.peer(&sentinel) {
            let deadline = Instant::now() + CONNECT_TIMEOUT;
            match Subscription::open(&peer, &[SWITCHED, PROMOTED], deadline).await {
                Ok(subscription) => {
                    // Messages from before the connection are lost.
                    sentinels.look(Instant::now() + CONNECT_TIMEOUT).await;
                    follow(&sentinels, subscription).await;
                }
                Err(error) => {
                    let why = sentinels.explain(&sentinel, &error.to_string());
                    tracing::debug!(why, "cannot listen to a Sentinel");
                }
            }
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Passes on what a Sentinel tells until the connection ends.
async fn follow(sentinels: &Sentinels, mut subscription: Subscription) {
    while let Ok((channel, message)) = subscription.next().await {
        if let Some(primary) = new_primary(&sentinels.name, &channel, &message) {
            sentinels.told(primary);
        }
    }
}

/// Reads the new primary of this name in a message.
fn new_primary(name: &str, channel: &str, message: &str) -> Option<Address> {
    let words: Vec<&str> = message.split(' ').collect();
    let (host, port) = match (channel, words.as_slice()) {
        (SWITCHED, [of, _, _, host, port]) if *of == name => (host, port),
        (PROMOTED, ["slave", _, host, port, "@", of, ..]) if *of == name => (host, port),
        _ => return None,
    };
    Some(((*host).to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_this_primary_are_read() {
        let read = |channel, message| {
            new_primary("fw", channel, message).map(|(host, port)| format!("{host} {port}"))
        };
        assert_eq!(read(SWITCHED, "fw 10.0.0.1 1 10.0.0.2 2").as_deref(), Some("10.0.0.2 2"));
        let promoted = "slave 10.0.0.2:2 10.0.0.2 2 @ fw 10.0.0.1 1";
        assert_eq!(read(PROMOTED, promoted).as_deref(), Some("10.0.0.2 2"));
        for (channel, message) in [
            (SWITCHED, "other 10.0.0.1 1 10.0.0.2 2"),
            (SWITCHED, "fw 10.0.0.1 1 10.0.0.2"),
            (SWITCHED, "fw 10.0.0.1 1 10.0.0.2 x"),
            (PROMOTED, "slave 10.0.0.2:2 10.0.0.2 2 @ other 10.0.0.1 1"),
            ("+sdown", promoted),
        ] {
            assert_eq!(read(channel, message), None, "{channel} {message}");
        }
    }
}
