//! A server that holds the store, or a part of it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::instance::Instance;
use super::memory_usage::MemoryUsage;
use super::url::Address;

/// A server, whichever process answers there.
#[derive(Debug)]
pub(super) struct Node {
    /// `None` = there is only one: the target knows where it is.
    address: Option<Arc<Address>>,
    pub(super) memory: Arc<MemoryUsage>,
    /// The process that answered last.
    instance: Mutex<Option<Arc<Instance>>>,
    /// Set when it was found suitable.
    pub(super) checked: OnceCell<()>,
}

impl Node {
    pub(super) fn new(address: Option<Arc<Address>>, memory: Arc<MemoryUsage>) -> Self {
        Self { address, memory, instance: Mutex::default(), checked: OnceCell::new() }
    }

    /// Returns the address of a server of a cluster.
    pub(super) fn address(&self) -> Option<&Address> {
        self.address.as_deref()
    }

    pub(super) fn note_instance(&self, instance: &Arc<Instance>) {
        *self.instance.lock() = Some(Arc::clone(instance));
    }

    /// Returns the process that answered last.
    pub(super) fn instance(&self) -> Option<Arc<Instance>> {
        self.instance.lock().clone()
    }
}
