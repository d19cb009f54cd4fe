//! The ledger's worker meets the generators: renewals and revocations of recorded leases.

use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Classify as _, Retry};
use esi_generators::{GeneratorError, Progress as BackendProgress};
use esi_ledger::port::Lease;
use esi_ledger::worker::{Backend, BackendFailure, Progress, Renewal};

use crate::backends::Backends;

#[async_trait]
impl Backend for Backends {
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewal, BackendFailure> {
        let generator = self.find(&self.catalog(), &lease.generator).map_err(failure)?;
        // An active lease always has its handle; without one nothing could be prolonged.
        let handle = lease
            .handle
            .as_ref()
            .ok_or_else(|| failure(GeneratorError::NotRenewable))?;
        let renewed = generator
            .renew(&lease.intent, handle, ttl)
            .await
            .map_err(failure)?;
        Ok(Renewal {
            expires_in: renewed.expires_in,
            max_expires_in: renewed.max_expires_in,
        })
    }

    async fn revoke(&self, lease: &Lease, progress: &dyn Progress) -> Result<(), BackendFailure> {
        let generator = self.find(&self.catalog(), &lease.generator).map_err(failure)?;
        generator
            .revoke(&lease.intent, lease.handle.as_ref(), &Forward(progress))
            .await
            .map_err(failure)
    }
}

/// A revocation's progress, from the generators' port to the ledger's.
#[derive(Debug)]
struct Forward<'a>(&'a dyn Progress);

#[async_trait]
impl BackendProgress for Forward<'_> {
    async fn access_ended(&self) {
        self.0.access_ended().await;
    }
}

fn failure(error: GeneratorError) -> BackendFailure {
    BackendFailure {
        kind: error.kind(),
        permanent: error.retry() == Retry::Never,
        source: Box::new(error),
    }
}
