//! What becomes of delivered frames: answered, ended, or brought back.

use std::time::Duration;

use super::super::state::Now;
use super::{Group, Pending, after, exhausted};
use crate::domain::{DeadFrame, DeadLetterId, MemberId};
use crate::queue::{
    Answer, AnswerResult, Ended, GapRun, MAX_WINDOW, ReplayResult, SETTLE_TIME, SLOW_FRAME, Settled,
    Settlement, Verdict,
};

/// What became of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Replay {
    /// The frame is the group's again.
    Done,
    /// The group comes to it by itself.
    Ahead,
    /// The group has no position in the stream.
    NoStream,
    /// As much is outstanding as may be.
    Full,
}

impl Replay {
    /// What it says of a replay that was not done; `None` of one that was.
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
    pub(in super::super) fn answer(&mut self, answer: &Answer, now: Now) -> AnswerResult {
        let Answer { stream_id, sequence, attempt, generation, incarnation, verdict } = answer;
        let Some(position) = self.positions.get(stream_id) else { return AnswerResult::Stale };
        if *incarnation != self.record.incarnation || *generation < position.generation {
            return AnswerResult::Stale;
        }
        let key = (stream_id.clone(), *sequence);
        if !self.pending.contains_key(&key) {
            return match self.ended.get(&key) {
                Some(how) => AnswerResult::Ended(*how),
                // One that was replayed may lie ahead of where the group is now.
                None if *sequence >= position.next => AnswerResult::Stale,
                None => AnswerResult::Before,
            };
        }
        let settings = self.record.settings.effective();
        let (most_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let back_off = settings.backoff.after(*attempt);
        let Some(pending) = self.pending.get_mut(&key) else { return AnswerResult::Before };
        if pending.attempt != *attempt {
            return AnswerResult::Stale;
        }
        let mut give_up = false;
        match verdict {
            Verdict::Acknowledge => {
                let (holder, given) = (pending.holder.clone(), pending.given);
                if let Some(holder) = holder {
                    if let Some(session) = self.members.get(&holder).and_then(|member| member.session) {
                        self.gaps.acknowledged(session, stream_id, *sequence);
                    }
                    self.note_pace(&holder, given.map_or(Duration::ZERO, |given| now.instant - given), now);
                }
                self.remove_pending(&key);
                self.counters.acknowledged += 1;
                return AnswerResult::Done(None);
            }
            Verdict::Extend(_) if pending.retrying || pending.rejected => return AnswerResult::Rejected,
            // Where nobody has it any more, it comes again that much later.
            Verdict::Extend(span) => {
                let span = span.unwrap_or(ack_deadline);
                self.due.remove(&(pending.due, key.0.clone(), key.1));
                pending.due = now.instant + span;
                self.due.insert((pending.due, key.0, key.1));
                return AnswerResult::Done(Some(after(now, span)));
            }
            // Rejected before; giving it up holds also then.
            Verdict::Retry { .. } if pending.retrying || pending.rejected => return AnswerResult::Done(None),
            Verdict::GiveUp { .. } if pending.rejected => return AnswerResult::Done(None),
            Verdict::Retry { delay, message } => {
                pending.message.clone_from(message);
                pending.retrying = true;
                let holder = pending.holder.clone();
                if let Some(member) = holder.and_then(|holder| self.members.get_mut(&holder)) {
                    member.answered = Some(now.instant);
                }
                let Some(pending) = self.pending.get(&key) else { return AnswerResult::Before };
                if pending.attempt < most_attempts {
                    self.release(&key, now.instant + delay.unwrap_or(back_off));
                    return AnswerResult::Done(None);
                }
            }
            Verdict::GiveUp { message } => {
                pending.message.clone_from(message);
                give_up = true;
            }
        }
        let Some(pending) = self.pending.get_mut(&key) else { return AnswerResult::Before };
        pending.rejected = give_up;
        let given_up = exhausted(&key, pending);
        self.release(&key, now.instant + SETTLE_TIME);
        AnswerResult::Exhausted(given_up)
    }

    pub(in super::super) fn settle(&mut self, frame: &Settled) {
        let key = (frame.stream_id.clone(), frame.sequence);
        let is_same = |one: &Pending| one.attempt == frame.attempt && one.letter == frame.letter;
        if self.pending.get(&key).is_some_and(is_same) {
            let rejected = self.pending.get(&key).is_some_and(|one| one.rejected);
            self.remove_pending(&key);
            let how = match frame.settlement {
                Settlement::DeadLetter if rejected => Ended::Rejected,
                Settlement::DeadLetter => Ended::GivenUp,
                Settlement::Lost(_) => Ended::Lost,
            };
            match frame.settlement {
                Settlement::DeadLetter => self.counters.dead += 1,
                Settlement::Lost(reason) => {
                    self.counters.lost += 1;
                    self.gaps.leave_untold(&key.0, GapRun { from: key.1, to: key.1, reason });
                }
            }
            self.remember_end(key, how);
        }
    }

    /// A member's window is what it handles in about a second: it grows with each frame that comes back soon while the member
    /// has use for it, and shrinks with each that comes late while others could have handled it.
    fn note_pace(&mut self, member: &MemberId, took: Duration, now: Now) {
        let alone = self.members.values().filter(|member| member.lives(now)).count() <= 1;
        let Some(member) = self.members.get_mut(member) else { return };
        member.answered = Some(now.instant);
        if took * 4 <= SLOW_FRAME && member.frames * 2 >= member.window {
            member.window = (member.window + 1).min(MAX_WINDOW);
        } else if took > SLOW_FRAME && !alone {
            let window = u128::from(member.window) * SLOW_FRAME.as_millis() / took.as_millis();
            member.window = u64::try_from(window).unwrap_or(MAX_WINDOW).max(1);
        }
    }

    /// Puts a frame that was given up back among those that are due. `kept`: its output entry is there.
    /// What [`Group::replay`] would answer if `given` frames were outstanding beside those that are, and whether it would make one
    /// more.
    pub(in super::super) fn would_replay(
        &self,
        frame: &DeadFrame,
        kept: bool,
        given: usize,
    ) -> (Replay, bool) {
        let Some(position) = self.positions.get(&frame.stream_id) else { return (Replay::NoStream, false) };
        if kept && frame.sequence >= position.next {
            return (Replay::Ahead, false);
        }
        if self.pending.contains_key(&(frame.stream_id.clone(), frame.sequence)) {
            return (Replay::Done, false);
        }
        let most = self.record.settings.effective().max_outstanding_frames as usize;
        if self.pending.len() + given >= most { (Replay::Full, false) } else { (Replay::Done, true) }
    }

    pub(in super::super) fn replay(
        &mut self,
        frame: &DeadFrame,
        letter: DeadLetterId,
        kept: bool,
        now: Now,
    ) -> Replay {
        let Some(position) = self.positions.get(&frame.stream_id) else { return Replay::NoStream };
        if kept && frame.sequence >= position.next {
            return Replay::Ahead;
        }
        let key = (frame.stream_id.clone(), frame.sequence);
        let settings = self.record.settings.effective();
        let most_attempts = settings.max_delivery_attempts;
        let full = self.pending.len() >= settings.max_outstanding_frames as usize;
        match self.pending.get_mut(&key) {
            // After a seek it may be on its way already.
            Some(one) if one.holder.is_some() || (!one.rejected && one.attempt < most_attempts) => {
                one.letter = Some(letter);
                return Replay::Done;
            }
            // Entered as a dead letter, and not taken off yet: nobody will settle that life any more.
            Some(_) => {
                self.remove_pending(&key);
                self.counters.dead += 1;
            }
            None if full => return Replay::Full,
            None => {}
        }
        self.due.insert((now.instant, key.0.clone(), key.1));
        let pending = Pending {
            attempt: 0,
            holder: None,
            size_bytes: frame.picture.map_or(0, |picture| picture.payload.size_bytes),
            due: now.instant,
            given: None,
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
