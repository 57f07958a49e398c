//! Subscriptions whose cursors survive the program.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Error;
use super::cursors::{self, CursorStore};
use super::subscribe::{Event, Subscription};

/// The time between two writes of the cursors. After a crash, the frames since the last write are
/// delivered again.
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// A subscription that stores its cursors, so that the program continues after them when it starts
/// again.
///
/// An event counts as handled when the program asks for the next one. Its cursor is stored within a
/// second of that, or by [`commit`](Self::commit).
///
/// # Examples
/// ```no_run
/// use frameway::client::cursors::CursorFile;
/// use frameway::client::stored::StoredSubscription;
/// use frameway::client::subscribe::{Event, Subscription, selector};
/// use frameway::client::{Client, Error};
/// use frameway::pb::v1 as pb;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let request =
///     pb::SubscribeFramesRequest { selectors: vec![selector("north-gate")], ..Default::default() };
/// let subscription = Subscription::new(&client, request);
/// let mut subscription = StoredSubscription::open(subscription, CursorFile::new("cursors.json"))?;
/// loop {
///     match subscription.next().await? {
///         Event::Frame(delivered) => println!("{:?}", delivered.frame),
///         Event::End => break,
///         other => println!("{other:?}"),
///     }
/// }
/// subscription.commit()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StoredSubscription<S> {
    subscription: Subscription,
    store: S,
    interval: Duration,
    stored: Instant,
    /// Events came since the last write.
    changed: bool,
}

impl<S: CursorStore> StoredSubscription<S> {
    /// Makes a subscription resume after the stored cursors. A stream without one starts at the
    /// position in its selector.
    ///
    /// # Errors
    /// Returns [`Error::Cursors`] if the store cannot be read, or has the cursors of other streams
    /// than the selected ones.
    pub fn open(subscription: Subscription, mut store: S) -> Result<Self, Error> {
        let cursors = store.load()?;
        cursors::check(&store, &cursors, subscription.selectors())?;
        Ok(Self {
            subscription: subscription.resume_after(cursors),
            store,
            interval: STORE_INTERVAL,
            stored: Instant::now(),
            changed: false,
        })
    }

    /// Sets the time between two writes of the cursors; the default is 1 s.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Waits for the next event. All earlier ones count as handled.
    ///
    /// Writing the cursors blocks the thread, with a file for some milliseconds.
    ///
    /// This is cancel safe: dropping the future loses no event.
    ///
    /// # Errors
    /// Returns [`Error::Cursors`] if the cursors cannot be stored; no event is lost then, and the next
    /// call stores them first. Returns [`Error::Refused`] if the server refuses the subscription for
    /// good.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let due = self.stored + self.interval;
            if self.changed && due <= Instant::now() {
                self.commit()?;
            }
            tokio::select! {
                event = self.subscription.next() => {
                    let event = event?;
                    self.changed |= !matches!(event, Event::Lag(_));
                    return Ok(event);
                }
                () = sleep_until(due), if self.changed => {}
            }
        }
    }

    /// Stores the cursors of all events so far, which count as handled.
    ///
    /// # Errors
    /// Returns [`Error::Cursors`] if the cursors cannot be stored.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.changed {
            self.store.store(self.subscription.cursors())?;
            self.changed = false;
        }
        self.stored = Instant::now();
        Ok(())
    }
}
