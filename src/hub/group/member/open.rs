//! Opens a member's call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Member;
use super::following::register;
use super::ready::Ready;
use crate::hub::group::cache::GroupCache;
use crate::hub::group::call::Handover;
use crate::hub::group::consumers::Consumers;
use crate::hub::group::event::{GroupError, GroupEvent, MemberRequest};
use crate::hub::group::loading::Loader;
use crate::queue::Membership;

impl Member {
    /// Opens the call: follows the group's streams and queues the first event.
    pub(in crate::hub::group) async fn open(
        consumers: &Arc<Consumers>,
        cache: Arc<GroupCache>,
        membership: Membership,
        request: MemberRequest,
        sender: mpsc::Sender<Result<GroupEvent, GroupError>>,
        handover: Arc<Handover>,
    ) -> Result<Self, GroupError> {
        let now = Instant::now();
        let news = cache.news();
        let (record, registration) = {
            let mut view = cache.view.lock().await;
            view.stale = true;
            view.refresh(&*consumers.queue).await?;
            (view.record.clone(), register(consumers, &view)?)
        };
        let loader = Loader {
            consumers: Arc::clone(consumers),
            cache: Arc::clone(&cache),
            handover: Arc::clone(&handover),
            group: membership.group.clone(),
            incarnation: record.incarnation,
            want: request.want.clone(),
        };
        let ack_deadline = record.settings.effective().ack_deadline;
        let mut member = Self {
            consumers: Arc::clone(consumers),
            cache: Arc::clone(&cache),
            news,
            membership,
            sender,
            handover,
            loader: Arc::new(loader),
            registration,
            revision: record.revision,
            generation: 0,
            incarnation: record.incarnation,
            streams: BTreeMap::new(),
            heads_unread: Vec::new(),
            ready: VecDeque::new(),
            outstanding: 0,
            sent: 0,
            next_due: None,
            poll_at: now,
            full: None,
            heartbeat_at: now + request.heartbeat_interval,
            outage: None,
            request,
        };
        {
            let mut view = cache.view.lock().await;
            member.follow(&view).await?;
            member.check_removed(&mut view).await?;
        }
        member.ready.push_back(Ready::Event(GroupEvent::Opened(ack_deadline)));
        Ok(member)
    }
}
