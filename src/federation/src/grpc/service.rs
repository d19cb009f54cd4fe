//! The four calls. Each is: authenticate, read the fields, do, answer; each is counted and timed.

use std::future::Future;
use std::sync::Arc;

use esi_api::MAX_REPORTED_BINDINGS;
use esi_api::convert::FieldError;
use esi_api::status::from_error;
use esi_api::v1;
use esi_api::v1::federation_server::Federation;
use esi_core::names::GeneratorRef;
use esi_core::{Classify, Workload, chain};
use esi_ledger::port::{EndReason, Selector, Store};
use esi_ledger::worker::Waker;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::wire;
use crate::authenticate::{Authenticator, Principal};
use crate::issue::{IssueError, IssueRequest, Issuer};
use crate::metrics::{Call, Metrics};
use crate::report::Reports;

/// Answers the calls of workloads.
#[derive(Debug, Clone)]
pub struct FederationService {
    /// Who asks.
    pub authenticator: Arc<Authenticator>,
    /// Issues.
    pub issuer: Arc<Issuer>,
    /// Reports.
    pub reports: Arc<Reports>,
    /// The ledger, for what needs nothing else.
    pub store: Arc<dyn Store>,
    /// Wakes the worker that ends leases.
    pub waker: Waker,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl FederationService {
    async fn principal(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        let token = wire::bearer(metadata).map_err(refuse)?;
        self.authenticator.authenticate(&token).await.map_err(refuse)
    }

    async fn caller(
        &self,
        metadata: &MetadataMap,
        client_instance: &str,
    ) -> Result<(Principal, Workload), Status> {
        let principal = self.principal(metadata).await?;
        let client = wire::client_instance(client_instance).map_err(refuse)?;
        let workload = principal.workload(client).map_err(refuse)?;
        Ok((principal, workload))
    }

    async fn counted<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let started = Instant::now();
        let result = work.await;
        self.metrics
            .called(call, result.as_ref().err(), started.elapsed());
        result.map(Response::new)
    }
}

/// The status that a caller sees; the log gets the whole chain.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it ends the error, as the argument of map_err"
)]
fn refuse(error: impl Classify) -> Status {
    tracing::info!(event = "refused", kind = error.kind(), error = chain(&error));
    from_error(&error)
}

/// The same for an issue, whose log also says of what and for whom.
fn refuse_issue(error: &IssueError, generator: &GeneratorRef, workload: &Workload) -> Status {
    tracing::info!(
        event = "refused",
        kind = error.kind(),
        error = chain(error),
        %generator,
        %workload
    );
    from_error(error)
}

#[tonic::async_trait]
impl Federation for FederationService {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        self.counted(Call::Issue, async {
            let (metadata, _, message) = request.into_parts();
            let principal = self.principal(&metadata).await?;
            let fields = wire::issue_fields(message).map_err(refuse)?;
            let generator = wire::generator(fields.source).map_err(refuse)?;
            let workload = principal.workload(fields.client).map_err(refuse)?;
            let request = IssueRequest {
                principal,
                workload: workload.clone(),
                generator: generator.clone(),
                binding: fields.binding,
                request_id: fields.request_id,
                ttl: fields.ttl,
            };
            let refuse = |error: IssueError| refuse_issue(&error, &generator, &workload);
            let issued = self.issuer.issue(request).await.map_err(refuse)?;
            Ok(wire::issue_response(issued, self.store.now()))
        })
        .await
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        self.counted(Call::Acknowledge, async {
            let (metadata, _, message) = request.into_parts();
            let (_, workload) = self.caller(&metadata, &message.client_instance).await?;
            let binding = wire::binding(&message.binding).map_err(refuse)?;
            let generation = wire::generation(message.generation).map_err(refuse)?;
            self.store
                .acknowledge(&workload.key(&binding), generation)
                .await
                .map_err(refuse)?;
            self.waker.wake();
            Ok(v1::AcknowledgeResponse {})
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        self.counted(Call::Revoke, async {
            let (metadata, _, message) = request.into_parts();
            let (_, workload) = self.caller(&metadata, &message.client_instance).await?;
            let Some(v1::revoke_request::Target::Binding(binding)) = message.target else {
                return Err(refuse(FieldError::new("target", "name a binding")));
            };
            let key = workload.key(&wire::binding(&binding).map_err(refuse)?);
            self.issuer.revoke_waiting(&key);
            let ended = self
                .store
                .end(Selector::Binding(key), EndReason::Requested)
                .await
                .map_err(refuse)?;
            self.waker.wake();
            Ok(v1::RevokeResponse {
                ended: u32::try_from(ended).unwrap_or(u32::MAX),
            })
        })
        .await
    }

    async fn report(
        &self,
        request: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        self.counted(Call::Report, async {
            let (metadata, _, message) = request.into_parts();
            let (principal, workload) = self.caller(&metadata, &message.client_instance).await?;
            if message.bindings.len() > MAX_REPORTED_BINDINGS {
                return Err(refuse(FieldError::new(
                    "bindings",
                    format!("report at most {MAX_REPORTED_BINDINGS}"),
                )));
            }
            let mut names = Vec::with_capacity(message.bindings.len());
            let mut bindings = Vec::with_capacity(message.bindings.len());
            for v1::BindingReport { binding, generation } in message.bindings {
                let generation = wire::generation(generation).map_err(refuse)?;
                bindings.push((wire::binding(&binding).map_err(refuse)?, generation));
                names.push(binding);
            }
            let verdicts = self
                .reports
                .report(&principal, &workload, bindings)
                .await
                .map_err(refuse)?;
            self.waker.wake();
            Ok(wire::report_response(names, verdicts))
        })
        .await
    }
}
