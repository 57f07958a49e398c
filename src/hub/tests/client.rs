use std::collections::BTreeMap;
use std::time::Duration;

use super::world::stream;
use crate::domain::StartPosition;
use crate::hub::{
    Choice, Event, PictureContent, PictureWant, Selector, StreamSet, Subscription, SubscriptionRequest,
};

/// The time within which every event must come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns a selector of streams by id, live, with the processed picture.
pub(super) fn ids(ids: &[&str]) -> Selector {
    select(StreamSet::Ids(ids.iter().map(|id| stream(id)).collect()))
}

pub(super) fn glob(glob: &str) -> Selector {
    select(StreamSet::Glob(glob.to_owned()))
}

pub(super) fn select(streams: StreamSet) -> Selector {
    Selector {
        streams,
        start: StartPosition::Live,
        cursors: Vec::new(),
        stop_sequence: None,
        stop_time: None,
        stop_after_frames: None,
        choice: Choice::default(),
        want: PictureWant { processed: true, ..PictureWant::default() },
        fail_if_trimmed: false,
    }
}

impl Selector {
    pub(super) fn from(self, start: StartPosition) -> Self {
        Self { start, ..self }
    }

    pub(super) fn earliest(self) -> Self {
        self.from(StartPosition::Earliest)
    }
}

pub(super) fn request(selectors: Vec<Selector>) -> SubscriptionRequest {
    SubscriptionRequest {
        selectors,
        heartbeat_interval: Duration::ZERO,
        checkpoint_interval: Duration::ZERO,
        stop_after_frames: None,
        stop_at_head: false,
        allow_unregistered: false,
    }
}

/// Returns the next event, which must come in time.
pub(super) async fn event(subscription: &mut Subscription) -> Event {
    let next = tokio::time::timeout(DEADLINE, subscription.next()).await.expect("an event in time");
    next.expect("not the end").expect("no error")
}

/// Returns the next `count` events in short notation.
pub(super) async fn received(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut received = Vec::new();
    for _ in 0..count {
        let next = tokio::time::timeout(DEADLINE, subscription.next()).await;
        received.push(match next.unwrap_or_else(|_| panic!("nothing comes after {received:?}")) {
            None => "end".to_owned(),
            Some(Err(error)) => format!("error: {error}"),
            Some(Ok(event)) => short_form(&event),
        });
    }
    received
}

/// Reports whether no event comes for a while.
pub(super) async fn is_quiet(subscription: &mut Subscription) -> bool {
    tokio::time::timeout(Duration::from_secs(3), subscription.next()).await.is_err()
}

/// Asserts the next events, in the notation of [`short_form`].
pub(super) async fn expect(subscription: &mut Subscription, expected: &[&str]) {
    let received = received(subscription, expected.len()).await;
    assert_eq!(received, expected);
}

/// Counts the frames that the gaps among these events leave out, by reason.
pub(super) fn omitted(received: &[String]) -> BTreeMap<&str, u64> {
    let mut omitted = BTreeMap::new();
    for gap in received.iter().filter(|received| received.contains(" gap ")) {
        for (reason, count) in gap.split(' ').filter_map(|word| word.split_once(':')) {
            *omitted.entry(reason).or_default() += count.parse::<u64>().unwrap();
        }
    }
    omitted
}

fn short_form(event: &Event) -> String {
    let cursors = |cursors: &[crate::domain::Cursor]| {
        cursors.iter().map(|cursor| format!(" {}@{}", cursor.stream_id, cursor.next)).collect::<String>()
    };
    let unfollowed = |count| if count > 0 { format!(" and {count} unfollowed") } else { String::new() };
    match event {
        Event::Frame(frame) => {
            assert_eq!(frame.cursor.next, frame.entry.sequence.next());
            for picture in &frame.pictures {
                if let PictureContent::Data(bytes) = &picture.content {
                    assert_eq!(bytes.len() as u64, picture.picture.payload.size_bytes);
                }
            }
            format!("{}#{}", frame.entry.stream_id, frame.entry.sequence)
        }
        Event::Gap(gap) => {
            assert_eq!(gap.cursor.next.get(), gap.to + 1);
            let causes: String =
                gap.causes.iter().map(|(reason, count)| format!(" {reason:?}:{count}")).collect();
            format!("{} gap {}-{}{causes}", gap.stream_id, gap.from, gap.to)
        }
        Event::TimeGap(gap) => {
            let time =
                |time: Option<crate::domain::Timestamp>| time.map_or("?".to_owned(), |time| time.to_string());
            let (start, oldest) = (time(gap.start), time(gap.oldest));
            let (id, reason, end, next) = (&gap.stream_id, gap.reason, gap.end, gap.cursor.next);
            format!("{id} gap {start}..{end} {reason:?} oldest {oldest} next {next}")
        }
        Event::Heartbeat { heads, unfollowed_streams } => {
            let head = |head: &crate::hub::StreamHead| {
                format!(" {}:{} lag {}", head.stream_id, head.head_sequence, head.lag_frames)
            };
            let heads = heads.iter().map(head).collect::<String>();
            format!("heartbeat{heads}{}", unfollowed(*unfollowed_streams))
        }
        Event::Checkpoint { cursors: all, unfollowed_streams } => {
            format!("checkpoint{}{}", cursors(all), unfollowed(*unfollowed_streams))
        }
        Event::Draining(all) => format!("draining{}", cursors(all)),
    }
}
