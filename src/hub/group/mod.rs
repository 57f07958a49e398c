//! Consumer groups on this server. The call of each member is a task that claims frames, reads
//! their pictures and passes them to the connection one at a time.
//!
//! ```text
//! topics ──marks──▶ Member ──candidates──▶ Groups::claim_frames ──deliveries──▶ channel of one ──▶ GroupCall::next
//!                     ▲                         │
//!           timer, notification          GroupCache: positions, shared by the group's members here
//! ```
//!
//! Unlike a subscription, a member is not driven by its connection: it must renew its membership
//! while the client is slow, and give frames back when the client has disconnected. The members of
//! one group on one server claim one after the other and share their knowledge of the positions, so
//! that a new frame costs one claim instead of one per member.

mod cache;
mod call;
mod consumers;
mod dead_letters;
mod event;
mod loading;
mod member;
mod open;
mod positions;
mod prepared;
mod selection;
mod status;

pub use call::GroupCall;
pub use consumers::Consumers;
pub use event::{GroupDelivery, GroupError, GroupEvent, MemberRequest};
pub use positions::{Beginnings, GroupStart};
pub use status::{GroupTotals, lag_of};
