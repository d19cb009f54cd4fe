//! What every call begins and ends with: who asks, and the count, time and log line of the answer.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use super::refusal::Refusal;
use super::wire;
use crate::authenticate::{Authenticator, Principal};
use crate::metrics::{Call, Metrics};
use crate::refusals::Refusals;

/// The frame of every call.
#[derive(Debug, Clone)]
pub struct Calls {
    /// Who asks.
    pub authenticator: Arc<Authenticator>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Logs what is refused.
    pub refusals: Arc<Refusals>,
}

impl Calls {
    pub(super) async fn principal(&self, metadata: &MetadataMap) -> Result<Principal, Refusal> {
        let token = wire::bearer(metadata)?;
        Ok(self.authenticator.authenticate(&token).await?)
    }

    pub(super) async fn counted<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<Response<T>, Status> {
        let started = Instant::now();
        let result = work.await;
        let refused = result.as_ref().err();
        self.metrics
            .called(call, refused.map(|refusal| &refusal.status), started.elapsed());
        if let Some(refusal) = refused {
            refusal.log(&self.refusals);
        }
        result.map(Response::new).map_err(|refusal| refusal.status)
    }
}
