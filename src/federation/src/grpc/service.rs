//! The four calls of workloads and daemons. Each is: authenticate, read the fields, do, answer.

use std::sync::Arc;

use esi_api::MAX_REPORTED_BINDINGS;
use esi_api::convert::FieldError;
use esi_api::v1;
use esi_api::v1::federation_server::Federation;
use esi_core::Workload;
use esi_ledger::port::{EndReason, Selector, Store};
use esi_ledger::worker::Waker;
use esi_resources::catalog::Catalog;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::calls::Calls;
use super::refusal::Refusal;
use super::wire;
use crate::agent::NodeAgent;
use crate::authenticate::Principal;
use crate::issue::{IssueRequest, Issuer};
use crate::metrics::Call;
use crate::release::Releases;
use crate::report::Reports;

/// Answers the calls of workloads.
#[derive(Debug, Clone)]
pub struct FederationService {
    /// The frame of every call.
    pub calls: Calls,
    /// Who are node daemons.
    pub catalog: Catalog,
    /// Issues.
    pub issuer: Arc<Issuer>,
    /// Takes back what nodes took down.
    pub releases: Releases,
    /// Reports.
    pub reports: Arc<Reports>,
    /// The ledger, for what needs nothing else.
    pub store: Arc<dyn Store>,
    /// Wakes the worker that ends leases.
    pub waker: Waker,
}

impl FederationService {
    async fn caller(
        &self,
        metadata: &MetadataMap,
        client_instance: &str,
    ) -> Result<(Principal, Workload), Refusal> {
        let principal = self.calls.principal(metadata).await?;
        let client = wire::client_instance(client_instance)?;
        let workload = principal.workload(client)?;
        Ok((principal, workload))
    }
}

#[tonic::async_trait]
impl Federation for FederationService {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        self.calls
            .counted(Call::Issue, async {
                let (metadata, _, message) = request.into_parts();
                let principal = self.calls.principal(&metadata).await?;
                let fields = wire::issue_fields(message)?;
                let generator = wire::generator(fields.source)?;
                let workload = principal.workload(fields.client)?;
                let request = IssueRequest {
                    principal,
                    workload: workload.clone(),
                    generator: generator.clone(),
                    binding: fields.binding,
                    request_id: fields.request_id,
                    ttl: fields.ttl,
                    overlap: fields.overlap,
                };
                let issued = self.issuer.issue(request).await;
                let issued = issued.map_err(|error| Refusal::from(error).of_issue(&generator, &workload))?;
                Ok(wire::issue_response(issued, self.store.now()))
            })
            .await
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        self.calls
            .counted(Call::Acknowledge, async {
                let (metadata, _, message) = request.into_parts();
                let (_, workload) = self.caller(&metadata, &message.client_instance).await?;
                let binding = wire::binding(&message.binding)?;
                let generation = wire::generation(message.generation)?;
                self.store
                    .acknowledge(&workload.key(&binding), generation)
                    .await?;
                self.waker.wake();
                Ok(v1::AcknowledgeResponse {})
            })
            .await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        self.calls
            .counted(Call::Revoke, async {
                let (metadata, _, message) = request.into_parts();
                let (principal, workload) = self.caller(&metadata, &message.client_instance).await?;
                let ended = match message.target {
                    Some(v1::revoke_request::Target::Binding(binding)) => {
                        let key = workload.key(&wire::binding(&binding)?);
                        self.issuer.revoke_waiting(&key, None);
                        let binding = Selector::Binding(key);
                        self.store.end(binding, EndReason::Requested).await?
                    }
                    Some(v1::revoke_request::Target::Volumes(volumes)) => {
                        let agent = NodeAgent::of(&self.catalog.current(), &principal)?;
                        let volumes = wire::volumes(volumes, &agent)?;
                        self.releases.release(&agent, volumes).await?
                    }
                    None => return Err(FieldError::new("target", "name a binding or volumes").into()),
                };
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
        self.calls
            .counted(Call::Report, async {
                let (metadata, _, message) = request.into_parts();
                let (principal, workload) = self.caller(&metadata, &message.client_instance).await?;
                if message.bindings.len() > MAX_REPORTED_BINDINGS {
                    let problem = format!("report at most {MAX_REPORTED_BINDINGS}");
                    return Err(FieldError::new("bindings", problem).into());
                }
                // Who speaks for no pod but its own need not be a daemon.
                let agent = if message.bindings.iter().any(|report| !report.pod_uid.is_empty()) {
                    Some(Arc::new(NodeAgent::of(&self.catalog.current(), &principal)?))
                } else {
                    None
                };
                let mut names = Vec::with_capacity(message.bindings.len());
                let mut reported = Vec::with_capacity(message.bindings.len());
                for report in message.bindings {
                    reported.push(wire::reported(&report, &workload, agent.as_ref())?);
                    names.push(report.binding);
                }
                let verdicts = self.reports.report(&principal, reported).await?;
                self.waker.wake();
                Ok(wire::report_response(names, verdicts))
            })
            .await
    }
}
