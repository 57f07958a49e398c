//! Passing the port's calls on, for what stands in front of another queue.

/// Implements [`Groups`](crate::queue::Groups) for a type: every call goes on, as it is, to what its function `$inner`
/// answers.
macro_rules! delegate_groups {
    ($type:ty, $inner:path) => {
        $crate::queue::delegate::delegate_groups! {
            @ $type, $inner;
            fn create_group(
                &self,
                id: &GroupId,
                settings: &GroupSettings,
                start: Digest,
                positions: &[(StreamId, Sequence)]
            ) -> Created<GroupRecord>;
            fn get_groups(&self, ids: &[GroupId]) -> Vec<Option<GroupRecord>>;
            fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Vec<GroupRecord>;
            fn update_group(
                &self,
                id: &GroupId,
                settings: &GroupSettings,
                expected: Etag,
                streams: &[(StreamId, Option<Sequence>)]
            ) -> GroupRecord;
            fn seek_group(
                &self,
                id: &GroupId,
                positions: &[(StreamId, Sequence)],
                expected: Option<Etag>
            ) -> GroupRecord;
            fn delete_group(&self, id: &GroupId, expected: Option<Etag>) -> ();
            fn group_state(&self, id: &GroupId) -> GroupState;
            fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> ();
            fn join_group(&self, seat: &Seat, ttl: Duration) -> Joined;
            fn keep_seat(&self, seat: &Seat, ttl: Duration) -> ();
            fn leave_group(&self, seat: &Seat, unsent: &[(StreamId, Sequence)]) -> ();
            fn claim_frames(&self, seat: &Seat, claim: &Claim) -> Claimed;
            fn answer_frames(&self, id: &GroupId, answers: &[Answer]) -> Vec<AnswerResult>;
            fn settle_frames(&self, id: &GroupId, frames: &[Settled]) -> ();
            fn bury_frame(&self, frame: &DeadFrame, copy: Option<&Offer>, token: &str) -> bool;
            fn ack_key(&self) -> [u8; 32];
            fn count_outputs(&self, streams: &[(StreamId, Sequence)]) -> Vec<OutputSpan>;
        }
    };
    (@ $type:ty, $inner:path;
     $(fn $name:ident(&self $(, $argument:ident: $kind:ty)* $(,)?) -> $answer:ty;)*) => {
        const _: () = {
            use std::time::Duration;

            use $crate::domain::{DeadFrame, Digest, Etag, GroupId, GroupRecord, GroupSettings, Sequence, StreamId};
            use $crate::queue::{
                Answer, AnswerResult, Claim, Claimed, Created, GroupState, Groups, Joined, Offer, OutputSpan, RemovedStream,
                Result, Seat, Settled,
            };

            #[async_trait::async_trait]
            impl Groups for $type {
                $(async fn $name(&self $(, $argument: $kind)*) -> Result<$answer> {
                    $inner(self)?.$name($($argument),*).await
                })*
            }
        };
    };
}

pub(crate) use delegate_groups;
