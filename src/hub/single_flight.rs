//! Does work that several callers request at the same time only once.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{self, BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// A piece of work that several callers wait for. Each caller drives it when polled. So it continues
/// as long as any caller is polled, even if the caller that began it is dropped.
pub(super) type Flight<V> = Shared<BoxFuture<'static, V>>;

/// The work in progress, by key.
///
/// Results are not kept here: the caller keeps them in a cache of its own.
pub(super) struct SingleFlight<K, V> {
    open: Mutex<Open<K, V>>,
}

struct Open<K, V> {
    /// Each has a number, so that only its own guard removes it.
    flights: HashMap<K, (u64, WeakShared<BoxFuture<'static, V>>)>,
    count: u64,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self { open: Mutex::new(Open { flights: HashMap::new(), count: 0 }) }
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work for `key`, or begins it.
    ///
    /// `peek` looks into the caller's cache. It is called while the lock is held, and finished work
    /// is removed under the same lock. So `peek` finds the result of work that ended after the
    /// caller itself looked into the cache. If `peek` finds nothing, `begin` returns the work, which
    /// must store its result in the cache before it ends.
    pub(super) fn join<F>(
        self: &Arc<Self>,
        key: &K,
        peek: impl FnOnce() -> Option<V>,
        begin: impl FnOnce() -> F,
    ) -> Flight<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut open = self.open.lock();
        if let Some(flight) = open.flights.get(key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        if let Some(value) = peek() {
            return future::ready(value).boxed().shared();
        }
        open.count += 1;
        let number = open.count;
        let guard = Guard { flights: Arc::clone(self), key: key.clone(), number };
        let work = begin();
        let flight = async move {
            let _guard = guard; // dropped when the work ends, or when no caller waits for it any more
            work.await
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            open.flights.insert(key.clone(), (number, weak));
        }
        flight
    }
}

impl<K, V> SingleFlight<K, V> {
    /// Lets no further caller join the work in progress. Those that wait for it get its result.
    pub(super) fn forget(&self) {
        self.open.lock().flights.clear();
    }
}

/// Removes a piece of work when it ends or when no caller waits for it any more.
struct Guard<K: Eq + Hash, V> {
    flights: Arc<SingleFlight<K, V>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for Guard<K, V> {
    fn drop(&mut self) {
        let mut open = self.flights.open.lock();
        if open.flights.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            open.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    type Flights = Arc<SingleFlight<u32, Result<u32, String>>>;

    #[tokio::test]
    async fn work_continues_when_the_caller_that_began_it_is_dropped() {
        let flights = Flights::default();
        let (done, result) = oneshot::channel();
        let begin = || async move { result.await.map_err(|_| "dropped".to_owned()) };
        let mut first = flights.join(&1, || None, begin);
        assert!((&mut first).now_or_never().is_none(), "the work is not done");
        let second = flights.join(&1, || None, || future::ready(Err("begun twice".to_owned())));
        drop(first);
        done.send(7).unwrap();
        assert_eq!(second.await, Ok(7));
        assert!(flights.open.lock().flights.is_empty());
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_dropped_and_begun_again() {
        let flights = Flights::default();
        let (done, result) = oneshot::channel::<u32>();
        let begin = || async move { result.await.map_err(|_| "dropped".to_owned()) };
        drop(flights.join(&1, || None, begin));
        assert!(done.is_closed());
        assert!(flights.open.lock().flights.is_empty());
        assert_eq!(flights.join(&1, || None, || future::ready(Ok(2))).await, Ok(2));
    }

    #[tokio::test]
    async fn a_value_that_was_stored_meanwhile_is_not_made_again() {
        let flights = Flights::default();
        let begun = AtomicUsize::new(0);
        let begin = || {
            begun.fetch_add(1, Ordering::Relaxed);
            future::ready(Ok(1))
        };
        assert_eq!(flights.join(&1, || Some(Ok(5)), begin).await, Ok(5));
        assert_eq!(begun.load(Ordering::Relaxed), 0);
    }
}
