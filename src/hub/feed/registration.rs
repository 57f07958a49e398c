//! A subscription's entry in the index.

use std::sync::Arc;

use super::inbox::Inbox;
use crate::hub::Hub;

/// A subscription's entry in the index, removed when it is dropped.
#[derive(Debug)]
pub(in crate::hub) struct Registration {
    pub(in crate::hub) hub: Arc<Hub>,
    pub(in crate::hub) inbox: Arc<Inbox>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.index.unregister(&self.inbox);
    }
}
