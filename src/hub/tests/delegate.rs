//! Passes the calls of the port on to another queue.

/// Implements [`Groups`](crate::queue::Groups) for a type: every call is passed on unchanged to the
/// queue that its function `$inner` returns.
macro_rules! delegate_groups {
    ($type:ty, $inner:path) => {
        $crate::hub::tests::delegate::delegate_groups! {
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
            fn join_group(&self, membership: &Membership, ttl: Duration) -> Joined;
            fn renew_membership(&self, membership: &Membership, ttl: Duration) -> ();
            fn leave_group(&self, membership: &Membership, unsent: &[(StreamId, Sequence)]) -> ();
            fn claim_frames(&self, membership: &Membership, claim: &Claim) -> Claimed;
            fn acknowledge(&self, id: &GroupId, answers: &[Ack]) -> Vec<AckResult>;
            fn end_frames(&self, id: &GroupId, frames: &[EndedFrame]) -> ();
            fn insert_dead_letter(&self, frame: &DeadFrame, copy: Option<&Upload>, token: &str) -> bool;
            fn ack_key(&self) -> [u8; 32];
            fn count_outputs(&self, queries: &[SpanQuery]) -> Vec<OutputSpan>;
        }
    };
    (@ $type:ty, $inner:path;
     $(fn $name:ident(&self $(, $argument:ident: $kind:ty)* $(,)?) -> $answer:ty;)*) => {
        const _: () = {
            use std::time::Duration;

            use $crate::domain::{DeadFrame, Digest, Etag, GroupId, GroupRecord, GroupSettings, Sequence, StreamId};
            use $crate::queue::{
                Ack, AckResult, Claim, Claimed, Created, GroupState, Groups, Joined, Upload, OutputSpan, RemovedStream, SpanQuery,
                Result, Membership, EndedFrame,
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

pub(super) use delegate_groups;
