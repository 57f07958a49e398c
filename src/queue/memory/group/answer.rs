//! Applies answers to deliveries, ends frames, and returns replayed ones.

use std::time::Duration;

use super::super::state::Now;
use super::{Group, Pending, after, exhausted};
use crate::domain::{DeadFrame, DeadLetterId, MemberId};
use crate::queue::{
    Ack, AckAction, AckResult, EndReason, EndedFrame, FrameEnd, GapRun, MAX_WINDOW, ReplayResult,
    SETTLE_TIME, SLOW_FRAME,
};

/// The outcome of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Replay {
    /// The frame is due in the group again.
    Done,
    /// The group will reach the frame by itself.
    Ahead,
    /// The group has no position in the stream.
    NoStream,
    /// The maximum number of frames is outstanding.
    Full,
}

impl Replay {
    /// Returns the result of a replay that was not done; `None` for one that was.
    pub(in super::super) fn answer(self) -> Option<ReplayResult> {
        match self {
            Self::Done => None,
            Self::Ahead => Some(ReplayResult::Ahead),
            Self::NoStream => Some(ReplayResult::TargetGone),
            Self::Full => Some(ReplayResult::GroupFull),
        }
    }
}

impl Group {
    pub(in super::super) fn answer(&mut self, answer: &Ack, now: Now) -> AckResult {
        let Ack { stream_id, sequence, attempt, generation, incarnation, action } = answer;
        let Some(position) = self.positions.get(stream_id) else { return AckResult::Stale };
        if *incarnation != self.record.incarnation || *generation < position.generation {
            return AckResult::Stale;
        }
        let key = (stream_id.clone(), *sequence);
        if !self.pending.contains_key(&key) {
            return match self.ended.get(&key) {
                Some(reason) => AckResult::Ended(*reason),
                // A replayed frame may be after the group's current position.
                None if *sequence >= position.next => AckResult::Stale,
                None => AckResult::AlreadyAcknowledged,
            };
        }
        let settings = self.record.settings.effective();
        let (max_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let back_off = settings.backoff.after(*attempt);
        let Some(pending) = self.pending.get_mut(&key) else { return AckResult::AlreadyAcknowledged };
        if pending.attempt != *attempt {
            return AckResult::Stale;
        }
        let mut give_up = false;
        match action {
            AckAction::Acknowledge => {
                let (holder, delivered_at) = (pending.holder.clone(), pending.delivered_at);
                if let Some(holder) = holder {
                    if let Some(session) = self.members.get(&holder).and_then(|member| member.session) {
                        self.gaps.acknowledged(session, stream_id, *sequence);
                    }
                    self.note_pace(&holder, delivered_at.map_or(Duration::ZERO, |at| now.instant - at), now);
                }
                self.remove_pending(&key);
                self.counters.acknowledged += 1;
                return AckResult::Done(None);
            }
            AckAction::Extend(_) if pending.retrying || pending.rejected => return AckResult::Rejected,
            // If no member has the frame any more, this delays its next delivery.
            AckAction::Extend(span) => {
                let span = span.unwrap_or(ack_deadline);
                self.due.remove(&(pending.due, key.0.clone(), key.1));
                pending.due = now.instant + span;
                self.due.insert((pending.due, key.0, key.1));
                return AckResult::Done(Some(after(now, span)));
            }
            // The frame was rejected before. It can still be given up.
            AckAction::Retry { .. } if pending.retrying || pending.rejected => return AckResult::Done(None),
            AckAction::GiveUp { .. } if pending.rejected => return AckResult::Done(None),
            AckAction::Retry { delay, message } => {
                pending.message.clone_from(message);
                pending.retrying = true;
                let holder = pending.holder.clone();
                if let Some(member) = holder.and_then(|holder| self.members.get_mut(&holder)) {
                    member.answered = Some(now.instant);
                }
                let Some(pending) = self.pending.get(&key) else { return AckResult::AlreadyAcknowledged };
                if pending.attempt < max_attempts {
                    self.release(&key, now.instant + delay.unwrap_or(back_off));
                    return AckResult::Done(None);
                }
            }
            AckAction::GiveUp { message } => {
                pending.message.clone_from(message);
                give_up = true;
            }
        }
        let Some(pending) = self.pending.get_mut(&key) else { return AckResult::AlreadyAcknowledged };
        pending.rejected = give_up;
        let given_up = exhausted(&key, pending);
        self.release(&key, now.instant + SETTLE_TIME);
        AckResult::Exhausted(given_up)
    }

    pub(in super::super) fn end_frame(&mut self, frame: &EndedFrame) {
        let key = (frame.stream_id.clone(), frame.sequence);
        let is_same = |one: &Pending| one.attempt == frame.attempt && one.letter == frame.letter;
        if self.pending.get(&key).is_some_and(is_same) {
            let rejected = self.pending.get(&key).is_some_and(|one| one.rejected);
            self.remove_pending(&key);
            let end = match frame.end {
                FrameEnd::DeadLetter if rejected => EndReason::Rejected,
                FrameEnd::DeadLetter => EndReason::GivenUp,
                FrameEnd::Lost(_) => EndReason::Lost,
            };
            match frame.end {
                FrameEnd::DeadLetter => self.counters.dead += 1,
                FrameEnd::Lost(reason) => {
                    self.counters.lost += 1;
                    self.gaps.add_unsent(&key.0, GapRun { from: key.1, to: key.1, reason });
                }
            }
            self.remember_end(key, end);
        }
    }

    /// Adjusts a member's window, the number of frames that it handles in about a second: it grows
    /// with each frame that is acknowledged soon while the member uses its window, and shrinks with
    /// each slow frame while the group has other members.
    fn note_pace(&mut self, member: &MemberId, took: Duration, now: Now) {
        let alone = self.members.values().filter(|member| member.is_live(now)).count() <= 1;
        let Some(member) = self.members.get_mut(member) else { return };
        member.answered = Some(now.instant);
        if took * 4 <= SLOW_FRAME && member.frames * 2 >= member.window {
            member.window = (member.window + 1).min(MAX_WINDOW);
        } else if took > SLOW_FRAME && !alone {
            let window = u128::from(member.window) * SLOW_FRAME.as_millis() / took.as_millis();
            member.window = u64::try_from(window).unwrap_or(MAX_WINDOW).max(1);
        }
    }

    /// Returns what [`Group::replay`] would return if `added` more frames were outstanding, and
    /// whether it would make one more outstanding.
    pub(in super::super) fn would_replay(
        &self,
        frame: &DeadFrame,
        kept: bool,
        added: usize,
    ) -> (Replay, bool) {
        let Some(position) = self.positions.get(&frame.stream_id) else { return (Replay::NoStream, false) };
        if kept && frame.sequence >= position.next {
            return (Replay::Ahead, false);
        }
        if self.pending.contains_key(&(frame.stream_id.clone(), frame.sequence)) {
            return (Replay::Done, false);
        }
        let limit = self.record.settings.effective().max_outstanding_frames as usize;
        if self.pending.len() + added >= limit { (Replay::Full, false) } else { (Replay::Done, true) }
    }

    /// Makes a frame that was given up due again. `kept` says that its output entry is kept.
    pub(in super::super) fn replay(
        &mut self,
        frame: &DeadFrame,
        letter: DeadLetterId,
        kept: bool,
        now: Now,
    ) -> Replay {
        match self.would_replay(frame, kept, 0).0 {
            Replay::Done => {}
            refused @ (Replay::Ahead | Replay::NoStream | Replay::Full) => return refused,
        }
        let key = (frame.stream_id.clone(), frame.sequence);
        let max_attempts = self.record.settings.effective().max_delivery_attempts;
        match self.pending.get_mut(&key) {
            // After a seek, the group may have delivered it again already.
            Some(one) if one.holder.is_some() || (!one.rejected && one.attempt < max_attempts) => {
                one.letter = Some(letter);
                return Replay::Done;
            }
            // It is stored as a dead letter, but `end_frames` has not removed it yet. That call
            // names the old dead letter and will not apply any more, so the frame is removed here.
            Some(_) => {
                self.remove_pending(&key);
                self.counters.dead += 1;
            }
            None => {}
        }
        self.due.insert((now.instant, key.0.clone(), key.1));
        let pending = Pending {
            attempt: 0,
            holder: None,
            size_bytes: frame.picture.map_or(0, |picture| picture.payload.size_bytes),
            due: now.instant,
            delivered_at: None,
            retrying: false,
            rejected: false,
            message: String::new(),
            letter: Some(letter),
        };
        self.ended.remove(&key);
        self.pending.insert(key, pending);
        Replay::Done
    }
}
