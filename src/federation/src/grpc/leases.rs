//! What operators see and ask.

use std::sync::Arc;

use esi_api::convert::{FieldError, to_wire};
use esi_api::v1;
use esi_api::v1::leases_server::Leases;
use esi_core::names::GeneratorRef;
use esi_core::{BindingKey, LeaseId, Timestamp};
use esi_ledger::port::{EndReason, Lease, Owner, Selector, Store};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::calls::Calls;
use super::refusal::Refusal;
use super::wire;
use crate::metrics::Call;
use crate::operator::{self, Operator};

/// Leases of one page: at two kilobytes at most, names as long as can be, they fit into one message.
const PAGE: usize = 500;

/// Answers the calls of operators.
#[derive(Debug, Clone)]
pub struct LeasesService {
    /// The frame of every call.
    pub calls: Calls,
    /// Who operators are.
    pub operators: Arc<[Operator]>,
    /// The ledger.
    pub store: Arc<dyn Store>,
}

impl LeasesService {
    async fn operator(&self, metadata: &MetadataMap) -> Result<&Operator, Refusal> {
        let principal = self.calls.principal(metadata).await?;
        Ok(operator::check(&self.operators, &principal)?)
    }
}

#[tonic::async_trait]
impl Leases for LeasesService {
    async fn list(
        &self,
        request: Request<v1::ListLeasesRequest>,
    ) -> Result<Response<v1::ListLeasesResponse>, Status> {
        self.calls
            .counted(Call::ListLeases, async {
                let (metadata, _, message) = request.into_parts();
                self.operator(&metadata).await?;
                let v1::ListLeasesRequest { after } = message;
                let after = Some(after).filter(|after| !after.is_empty());
                let after = after.map(|after| lease_id("after", &after)).transpose()?;
                let leases = self.store.unfinished(after, PAGE).await?;
                let now = self.store.now();
                Ok(v1::ListLeasesResponse {
                    leases: leases.into_iter().map(|lease| record(lease, now)).collect(),
                })
            })
            .await
    }

    async fn rotate(
        &self,
        request: Request<v1::RotateLeasesRequest>,
    ) -> Result<Response<v1::RotateLeasesResponse>, Status> {
        self.calls
            .counted(Call::RotateLeases, async {
                let (metadata, _, message) = request.into_parts();
                let operator = self.operator(&metadata).await?;
                let selector = selector(message)?;
                let of = selector.to_string();
                let asked = self.store.ask_rotation(selector).await?;
                tracing::info!(event = "rotation_asked", %operator, of, asked);
                Ok(v1::RotateLeasesResponse {
                    asked: u32::try_from(asked).unwrap_or(u32::MAX),
                })
            })
            .await
    }
}

fn lease_id(field: &'static str, text: &str) -> Result<LeaseId, FieldError> {
    text.parse().map_err(FieldError::name(field))
}

fn selector(message: v1::RotateLeasesRequest) -> Result<Selector, FieldError> {
    match message.leases {
        Some(v1::rotate_leases_request::Leases::Lease(id)) => Ok(Selector::Lease(lease_id("lease", &id)?)),
        Some(v1::rotate_leases_request::Leases::Pod(pod)) => {
            let v1::PodLeases {
                federation,
                pod_uid,
                binding,
            } = pod;
            let cluster = federation.parse().map_err(FieldError::name("pod.federation"))?;
            let uid = wire::pod_uid(&pod_uid)?;
            if binding.is_empty() {
                return Ok(Selector::Instance {
                    cluster,
                    instance: BindingKey::instance_of_pod(&uid),
                });
            }
            let binding = wire::binding(&binding)?;
            Ok(Selector::Binding(BindingKey::of_pod(&cluster, &uid, &binding)))
        }
        None => Err(FieldError::new("leases", "name a lease or a pod")),
    }
}

/// `now` is the ledger's time, as all times of a lease are.
fn record(lease: Lease, now: Timestamp) -> v1::LeaseRecord {
    let Owner {
        namespace,
        service_account,
        name,
        node,
    } = lease.owner;
    let GeneratorRef {
        kind,
        namespace: generators_namespace,
        name: generators_name,
    } = lease.generator;
    let minted = lease.issued_at.is_some();
    let left = |at: Option<Timestamp>| at.map(|at| to_wire(at.since(now)));
    v1::LeaseRecord {
        id: lease.intent.lease.to_string(),
        federation: lease.key.cluster.to_string(),
        instance: lease.key.instance,
        binding: lease.key.binding.to_string(),
        generation: lease.generation.number(),
        generator: Some(v1::GeneratorRef {
            kind: kind.to_string(),
            namespace: generators_namespace.to_string(),
            name: generators_name.to_string(),
        }),
        namespace: namespace.to_string(),
        service_account: service_account.to_string(),
        name,
        node: node.map(|node| node.to_string()).unwrap_or_default(),
        state: lease.state.as_str().to_owned(),
        acknowledged: lease.acknowledged,
        rotation_asked: lease.rotation_asked,
        expires_in: left(lease.expires_at),
        max_expires_in: left(lease.max_expires_at),
        renewable: lease.renewable,
        ends: if minted {
            v1::Ends::from(lease.ends).into()
        } else {
            v1::Ends::Unspecified.into()
        },
        end_reason: lease
            .end_reason
            .map(EndReason::as_str)
            .unwrap_or_default()
            .to_owned(),
        attempts: lease.attempts,
        last_error: lease.last_error.unwrap_or_default(),
    }
}
