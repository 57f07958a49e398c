//! The hub's surface; the hub itself comes with its own branch.
mod event;
mod select;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use event::*;
pub use select::{PictureWant, Selector, StreamSet, SubscriptionRequest};

use crate::domain::OutputEntry;
use crate::queue::{self, Queue};

/// Bounds of the hub.
#[derive(Debug, Clone, Default)]
pub struct HubConfig {
    /// Most subscriptions at a time.
    pub max_subscriptions: usize,
}

/// Fans the outputs out.
#[derive(Debug)]
pub struct Hub;

/// A subscription.
#[derive(Debug)]
pub struct Subscription;

#[allow(missing_docs, clippy::unused_async, clippy::missing_errors_doc)]
impl Hub {
    pub fn new(_queue: Arc<dyn Queue>, _config: HubConfig) -> Arc<Self> {
        Arc::new(Self)
    }
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.cancelled().await;
    }
    pub async fn subscribe(self: &Arc<Self>, _: SubscriptionRequest) -> Result<Subscription, SubscribeError> {
        Err(SubscribeError::Draining)
    }
    pub async fn pictures(&self, _: &OutputEntry, _: &PictureWant) -> queue::Result<PicturesOrLost> {
        Ok(PicturesOrLost::Pictures(Vec::new()))
    }
    pub fn drain(&self) {}
}

#[allow(missing_docs, clippy::unused_async)]
impl Subscription {
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        None
    }
}
