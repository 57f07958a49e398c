//! A subscription: a reader with its own position in each of its streams.

pub(super) mod choice;
mod load;
mod open;
mod overflow;
pub(super) mod request;
mod step;
mod stops;
mod stream;
mod time_gap;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::clock;
use super::event::{Event, GapReason, SubscribeError, TimeGap};
use super::feed::inbox::Inbox;
use super::feed::registration::Registration;
use super::feed::state::TailState;
use super::pictures::want::PictureWant;
use super::{Hub, queue};
use crate::domain::{Cursor, StreamId, Timestamp};
use choice::Choice;
use load::{Load, LoadResult, Outage};
use request::SubscriptionRequest;
use stops::{LeftStream, Stops};
use stream::StreamProgress;
use timers::{Due, Timers};

/// The maximum wait before the time to stop is checked again: the clock may have been changed.
const MAX_WAIT: Duration = Duration::from_secs(1);
const MIN_WAIT: Duration = Duration::from_millis(1);

/// A reader of streams. It returns events when asked, and holds no frames in between.
///
/// The first event is a checkpoint. A subscription that reaches its stop ends with another
/// checkpoint, then `None`. It also ends when it is dropped. During an outage of the backend it
/// waits, and heartbeats repeat what was known before. When the outage has lasted for
/// [`HubConfig::outage_limit`](crate::hub::HubConfig::outage_limit), the subscription ends with
/// [`SubscribeError::Backend`], so that the client can try another server; the last cursors remain
/// valid.
#[derive(Debug)]
pub struct Subscription {
    registration: Registration,
    /// The followed streams, by their index in the inbox.
    streams: BTreeMap<u32, StreamProgress>,
    selectors: Vec<SelectorState>,
    /// It ends when everything that was published before its first event has been reported.
    stop_at_head: bool,
    /// The number of frames until the end.
    remaining: Option<u64>,
    /// The events to return next. Nothing is added until it is empty.
    out: VecDeque<Event>,
    phase: Phase,
    load: Option<Load>,
    loaded: Option<(u32, queue::Result<LoadResult>)>,
    outage: Option<Outage>,
    timers: Timers,
    tail: watch::Receiver<TailState>,
    /// The times at which the streams must be checked for their stop.
    stop_times: BTreeSet<Timestamp>,
    /// The periods selected by starts and stops by time in which retention has removed frames;
    /// reported after the first checkpoint.
    time_gaps: Vec<TimeGap>,
    /// Streams that left, with their positions: they may come back.
    left_streams: BTreeMap<StreamId, LeftStream>,
}

#[derive(Debug)]
struct SelectorState {
    want: PictureWant,
    choice: Arc<Choice>,
    stops: Stops,
    /// It names its streams, so no others can join.
    is_fixed: bool,
    /// The number of its streams that are not done.
    open: usize,
    /// It has had streams.
    had_any: bool,
}

impl SelectorState {
    fn new(selector: &super::Selector) -> Self {
        Self {
            want: selector.want.clone(),
            choice: Arc::new(selector.choice.clone()),
            stops: Stops {
                sequence: selector.stop_sequence,
                time: selector.stop_time,
                frames: selector.stop_after_frames,
            },
            is_fixed: !selector.streams.is_dynamic(),
            open: 0,
            had_any: false,
        }
    }

    /// Counts a stream of the selector that is not done.
    fn stream_opened(&mut self) {
        self.open += 1;
        self.had_any = true;
    }

    /// Counts a stream of the selector as done.
    fn stream_closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Returns the reason why all frames but the newest are left out, if only the newest is wanted.
    fn only_newest(&self) -> Option<GapReason> {
        self.choice.sampling.latest_only.then_some(GapReason::Sampled)
    }

    /// Reports whether every selected stream has stopped. If streams can still join, the selector
    /// must also have stops, and must have had a stream or have reached its time to stop.
    fn is_done(&self, now: Timestamp) -> bool {
        let settled = self.had_any || self.stops.time_has_passed(now);
        self.open == 0 && (self.is_fixed || self.stops.are_set() && settled)
    }
}

/// Ends one subscription from outside.
#[derive(Debug)]
pub struct Drainer(Arc<Inbox>);

impl Drainer {
    /// Makes the subscription report its cursors and end, as when the server drains.
    pub fn drain(&self) {
        self.0.drain();
    }
}

#[derive(Debug)]
enum Phase {
    Fresh,
    Running,
    Over(Option<SubscribeError>),
}

enum Step {
    /// Something was done: take the next step.
    Done,
    /// There is nothing to do now.
    Wait,
}

impl Subscription {
    fn new(
        registration: Registration,
        request: &SubscriptionRequest,
        mut streams: Vec<(u32, StreamProgress)>,
        time_gaps: Vec<TimeGap>,
    ) -> Self {
        let mut selectors: Vec<SelectorState> = request.selectors.iter().map(SelectorState::new).collect();
        for (_, stream) in &mut streams {
            if let Some(state) = selectors.get_mut(stream.selector) {
                state.stream_opened();
                stream.only_newest = state.only_newest();
            }
        }
        let stop_times = selectors.iter().filter_map(|state| state.stops.time).collect();
        let tail = registration.hub.tail_state();
        let mut subscription = Self {
            registration,
            streams: streams.into_iter().collect(),
            selectors,
            stop_at_head: request.stop_at_head,
            remaining: request.stop_after_frames,
            out: VecDeque::new(),
            phase: Phase::Fresh,
            load: None,
            loaded: None,
            outage: None,
            timers: Timers::new(request.heartbeat_interval, request.checkpoint_interval),
            tail,
            stop_times,
            time_gaps,
            left_streams: BTreeMap::new(),
        };
        let indices: Vec<u32> = subscription.streams.keys().copied().collect();
        indices.into_iter().for_each(|index| subscription.update(index));
        subscription
    }

    /// Returns the next event, waiting until there is one; `None` after the last, or after an
    /// error. It is cancel-safe: the call can be dropped and repeated without loss.
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        loop {
            // A frame does not wait in the queue: see `deliver`.
            if let Some(event) = self.out.pop_front() {
                return Some(Ok(event));
            }
            // While a backlog is sent from memory, this lets other tasks run.
            tokio::task::consume_budget().await;
            if let Phase::Over(error) = &mut self.phase {
                return error.take().map(Err);
            }
            if let Step::Wait = self.step() {
                self.wait().await;
            }
        }
    }

    /// Returns the positions of all streams, in the order of their ids. Everything before them has
    /// been reported, except pending gaps.
    fn cursors(&self) -> Vec<Cursor> {
        let mut cursors: Vec<Cursor> = self.streams.values().map(StreamProgress::cursor).collect();
        cursors.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
        cursors
    }

    /// Returns a handle that ends only this subscription, with its cursors.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.registration.inbox))
    }

    fn inbox(&self) -> &Inbox {
        &self.registration.inbox
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.registration.hub
    }

    /// Does one thing, without waiting.
    fn step(&mut self) -> Step {
        let updates = self.inbox().take_updates();
        updates.changes.into_iter().for_each(|change| self.apply(change));
        if let Phase::Fresh = self.phase {
            self.phase = Phase::Running;
            self.stop_at_heads();
            let first = self.checkpoint();
            self.out.push_back(first);
            self.out.extend(self.time_gaps.drain(..).map(Event::TimeGap));
        } else if updates.draining {
            self.emit(Due::Gaps);
            self.finish(Event::Draining(self.cursors()), None);
        } else if self.remaining == Some(0) || self.all_done() {
            self.end(None);
        } else if self.take_stop_time() {
            // The streams were marked.
        } else if let Some(due) = self.timers.take_due() {
            self.emit(due);
        } else if let Some((index, result)) = self.loaded.take() {
            self.take_loaded(index, result);
        } else if let Some(error) = self.long_outage() {
            self.end(Some(SubscribeError::Backend(error)));
        } else if self.load.is_some()
            || self.outage.as_ref().is_some_and(|outage| outage.retry_at > Instant::now())
        {
            return Step::Wait;
        } else if let Some((index, after)) = self.inbox().dequeue() {
            self.poll_stream(index, after);
        } else {
            return Step::Wait;
        }
        Step::Done
    }

    /// Waits until [`Self::step`] may have something to do.
    async fn wait(&mut self) {
        let outage_end = match &*self.tail.borrow_and_update() {
            TailState::Down { since, .. } => Some(*since + self.registration.hub.config.outage_limit),
            TailState::Starting | TailState::Connected => None,
        };
        // A time that has passed needs no wait: the failed read is running again, or is no longer
        // needed.
        let retry_at =
            self.outage.as_ref().map(|outage| outage.retry_at).filter(|retry_at| *retry_at > Instant::now());
        let stop_time = self
            .stop_times
            .first()
            .map(|stop| Instant::now() + stop.since(clock::now()).clamp(MIN_WAIT, MAX_WAIT));
        let alarm = [self.timers.next(), outage_end, retry_at, stop_time].into_iter().flatten().min();
        tokio::select! {
            biased;
            loaded = async { match &mut self.load {
                Some(load) => (load.index, load.future.as_mut().await),
                None => std::future::pending().await,
            } } => {
                self.load = None;
                self.loaded = Some(loaded);
            }
            () = self.registration.inbox.news() => {}
            _ = self.tail.changed() => {}
            () = async { match alarm {
                Some(alarm) => sleep_until(alarm).await,
                None => std::future::pending().await,
            } } => {}
        }
    }

    fn all_done(&self) -> bool {
        let now = clock::now();
        self.selectors.iter().all(|state| state.is_done(now) || self.stop_at_head && state.open == 0)
    }

    /// Makes each stream end at its head, if that is requested.
    fn stop_at_heads(&mut self) {
        if !self.stop_at_head {
            return;
        }
        self.streams.values_mut().for_each(StreamProgress::end_at_head);
        let indices: Vec<u32> = self.streams.keys().copied().collect();
        indices.into_iter().for_each(|index| self.update(index));
    }

    /// Reports whether a stream that joins now comes too late for any of its frames to be reported.
    fn is_too_late_to_join(&self) -> bool {
        self.stop_at_head && !matches!(self.phase, Phase::Fresh)
    }

    /// Marks all streams if a time to stop has come; returns whether it has.
    fn take_stop_time(&mut self) -> bool {
        let now = clock::now();
        let due = self.stop_times.first().is_some_and(|stop| *stop <= now);
        if due {
            self.stop_times.retain(|stop| *stop > now);
            self.streams.keys().for_each(|&index| {
                self.inbox().enqueue(index);
            });
        }
        due
    }

    fn long_outage(&mut self) -> Option<queue::Error> {
        match &*self.tail.borrow() {
            TailState::Down { since, error } if since.elapsed() >= self.hub().config.outage_limit => {
                Some(error.clone())
            }
            TailState::Down { .. } | TailState::Starting | TailState::Connected => None,
        }
    }

    /// Queues the events that are due without a frame, after the pending gaps.
    fn emit(&mut self, due: Due) {
        self.out.extend(self.streams.values_mut().filter_map(StreamProgress::take_gap).map(Event::Gap));
        match due {
            Due::Heartbeat => {
                let mut heads: Vec<_> = self.streams.values().map(StreamProgress::head).collect();
                heads.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
                let unfollowed_streams = self.inbox().unfollowed();
                self.out.push_back(Event::Heartbeat { heads, unfollowed_streams });
            }
            Due::Checkpoint => {
                let checkpoint = self.checkpoint();
                self.out.push_back(checkpoint);
            }
            Due::Gaps => {}
        }
    }

    fn checkpoint(&self) -> Event {
        Event::Checkpoint { cursors: self.cursors(), unfollowed_streams: self.inbox().unfollowed() }
    }

    /// Ends the subscription, after the pending gaps and a last checkpoint.
    fn end(&mut self, error: Option<SubscribeError>) {
        self.emit(Due::Gaps);
        self.finish(self.checkpoint(), error);
    }

    fn finish(&mut self, last: Event, error: Option<SubscribeError>) {
        self.out.push_back(last);
        self.phase = Phase::Over(error);
        self.load = None;
    }
}
