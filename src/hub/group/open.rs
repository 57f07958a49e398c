//! Opens members' calls.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::call::{GroupCall, Handover};
use super::consumers::Consumers;
use super::event::{GroupError, MEMBER_TTL, MemberRequest};
use super::member::Member;
use crate::queue::Membership;

impl Consumers {
    /// Opens a member's call.
    ///
    /// # Errors
    /// See [`GroupError`].
    pub async fn subscribe(self: &Arc<Self>, request: MemberRequest) -> Result<GroupCall, GroupError> {
        let membership = Membership {
            group: request.group.clone(),
            member: request.member.clone(),
            // Redis scripts carry it as text, and some readers parse it as a floating-point number,
            // which is exact only below 2^53.
            session: rand::random::<u64>() >> 11,
        };
        let joined = self.queue.join_group(&membership, MEMBER_TTL).await?;
        let cache = self.cache(&joined.record);
        // An earlier call of the member on this server notices at once that it was replaced.
        cache.notify_members();
        let (sender, events) = mpsc::channel(1);
        let handover = Arc::new(Handover::default());
        let member = match Member::open(self, cache, membership.clone(), request, sender, handover).await {
            Ok(mut member) => {
                member.send_again(joined.held);
                member
            }
            Err(error) => {
                let _ignored = self.queue.leave_group(&membership, &[]).await;
                return Err(error);
            }
        };
        let call = GroupCall::new(events, member.loader());
        self.tasks.spawn("group-member", member.run());
        Ok(call)
    }
}
