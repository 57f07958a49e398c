//! Consumer groups. Their states are read at a scrape, and are the same at every server of the store.

use super::families::{Counter, Families, Reading, Readings, Totals};
use super::label::{Per, label};

/// The answer of a group's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAnswer {
    /// The frame is done.
    Acknowledge,
    /// Deliver it again.
    Retry,
    /// Give it up.
    GiveUp,
    /// Give the member more time.
    Extend,
}

label!(GroupAnswer:
    Acknowledge = "acknowledge",
    Retry = "retry",
    GiveUp = "give_up",
    Extend = "extend",
);

/// The state of a consumer group at a scrape.
#[derive(Debug, Clone, Default)]
pub struct GroupReading {
    /// Its name.
    pub name: String,
    /// Published frames that are not acknowledged.
    pub lag_frames: u64,
    /// The age of the oldest of them, in seconds; 0 without any.
    pub lag_seconds: f64,
    /// Frames that members have and have not answered.
    pub outstanding_frames: u64,
    /// Live members.
    pub members: u64,
    /// Frames acknowledged.
    pub acknowledged: u64,
    /// Deliveries after the first.
    pub redelivered: u64,
    /// Frames that became dead letters.
    pub dead: u64,
    /// Frames that retention removed unacknowledged.
    pub lost: u64,
}

/// The metrics of consumer groups.
#[derive(Debug, Clone)]
pub struct GroupMetrics {
    count: Reading,
    lag_frames: Readings,
    lag_seconds: Readings,
    outstanding: Readings,
    members: Readings,
    acknowledged: Totals,
    redelivered: Totals,
    dead: Totals,
    lost: Totals,
    /// The answers of members that this server received.
    pub answers: Per<GroupAnswer, Counter>,
}

impl Default for GroupMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl GroupMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        const GROUP: (&str, &str) = ("group", "the id of the group; of the first 100 groups by id");
        Self {
            count: families.reading((
                "groups",
                "Consumer groups",
                "Those beyond the first 100 by id have no samples of their own.",
            )),
            lag_frames: families.readings(
                GROUP,
                (
                    "group_lag_frames",
                    "Published frames that the group has not acknowledged",
                    "A steady rise: add members, or let the group sample.",
                ),
            ),
            lag_seconds: families.readings(
                GROUP,
                (
                    "group_lag_seconds",
                    "Age of the oldest published frame that the group has not acknowledged; 0 without any",
                    "The delay of the group. Compare with the retention of the streams: beyond it, frames are lost.",
                ),
            ),
            outstanding: families.readings(
                GROUP,
                (
                    "group_outstanding_frames",
                    "Frames that members have and have not answered",
                    "Always at the members' limits: they are busy. 0 with a lag: no member is connected.",
                ),
            ),
            members: families.readings(
                GROUP,
                ("group_members", "Live members", "0: nobody consumes for the group."),
            ),
            acknowledged: families.totals(
                GROUP,
                (
                    "group_acknowledged",
                    "Frames that the group acknowledged, since it was created",
                    "The rate is the group's throughput.",
                ),
            ),
            redelivered: families.totals(
                GROUP,
                (
                    "group_redelivered",
                    "Deliveries after the first, since the group was created",
                    "Members crash, reject, or need more time than the ack deadline.",
                ),
            ),
            dead: families.totals(
                GROUP,
                (
                    "group_dead_letters",
                    "Frames that the group gave up, since it was created",
                    "Look at them with `frameway dead-letters`.",
                ),
            ),
            lost: families.totals(
                GROUP,
                (
                    "group_lost",
                    "Frames that retention removed before the group acknowledged them, since it was created",
                    "Keep frames longer, or add members.",
                ),
            ),
            answers: families.counter_per(
                "answer",
                (
                    "group_answers",
                    "Answers of members that this server received",
                    "Many `extend`: the ack deadline is short for the work. Many `retry` or `give_up`: look at the members' \
                     reasons in the dead letters.",
                ),
            ),
        }
    }

    /// Replaces the states of all groups; `None` = they could not be read.
    pub fn set(&self, groups: Option<(usize, &[GroupReading])>) {
        for readings in [&self.lag_frames, &self.lag_seconds, &self.outstanding, &self.members] {
            readings.clear();
        }
        for totals in [&self.acknowledged, &self.redelivered, &self.dead, &self.lost] {
            totals.clear();
        }
        self.count.set(groups.map(|(count, _)| count as f64));
        for group in groups.into_iter().flat_map(|(_, groups)| groups) {
            let GroupReading {
                name,
                lag_frames,
                lag_seconds,
                outstanding_frames,
                members,
                acknowledged,
                redelivered,
                dead,
                lost,
            } = group.clone();
            self.lag_frames.set(name.clone(), lag_frames as f64);
            self.lag_seconds.set(name.clone(), lag_seconds);
            self.outstanding.set(name.clone(), outstanding_frames as f64);
            self.members.set(name.clone(), members as f64);
            self.acknowledged.set(name.clone(), acknowledged);
            self.redelivered.set(name.clone(), redelivered);
            self.dead.set(name.clone(), dead);
            self.lost.set(name, lost);
        }
    }
}
