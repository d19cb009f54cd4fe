//! kubelet's calls, measured.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Metrics;
use crate::request::{Publish, Unpublish};
use crate::volume::{Driver, PublishError, UnpublishError};

/// Passes calls on, and measures them.
#[derive(Debug)]
pub struct Measured<D> {
    driver: D,
    metrics: Arc<Metrics>,
}

impl<D> Measured<D> {
    /// To `driver`.
    pub fn new(driver: D, metrics: Arc<Metrics>) -> Self {
        Self { driver, metrics }
    }
}

#[async_trait]
impl<D: std::ops::Deref<Target: Driver> + Send + Sync + std::fmt::Debug> Driver for Measured<D> {
    async fn publish(&self, request: Publish) -> Result<(), PublishError> {
        let begun = Instant::now();
        let done = self.driver.publish(request).await;
        self.metrics.call("publish", &done, begun.elapsed());
        done
    }

    async fn unpublish(&self, request: Unpublish) -> Result<(), UnpublishError> {
        let begun = Instant::now();
        let done = self.driver.unpublish(request).await;
        self.metrics.call("unpublish", &done, begun.elapsed());
        done
    }
}
