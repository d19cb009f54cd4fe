//! What the server answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use esi_api::convert::to_wire;
use esi_api::v1;
use esi_api::v1::federation_server::Federation;
use esi_core::RequestId;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, async_trait};

use super::{Call, Fault, Method, State};

/// As often as the client takes: a test should not wait for what it does not look at.
const REPORT_IN: Duration = Duration::from_millis(100);

const DEFAULT_TTL: Duration = Duration::from_secs(3600);

pub(super) struct Service(pub(super) Arc<State>);

impl Service {
    /// Remembers the call, then lets it go on or not.
    async fn arrive(&self, metadata: MetadataMap, call: Call) -> Result<(), Status> {
        let authorization = metadata.get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let call = Call {
            authorization: authorization.unwrap_or_default(),
            ..call
        };
        let method = call.method;
        let fault = self
            .0
            .inner
            .lock()
            .unwrap()
            .faults
            .get_mut(&method)
            .and_then(VecDeque::pop_front);
        self.0.calls.send_modify(|calls| calls.push(call));
        match fault {
            None => Ok(()),
            Some(Fault::Refuse(status)) => Err(status),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }
}

fn call(method: Method, binding: &str, instance: &str) -> Call {
    Call {
        method,
        binding: binding.to_owned(),
        generation: 0,
        request_id: String::new(),
        rotate: false,
        instance: instance.to_owned(),
        authorization: String::new(),
        at: Instant::now(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

fn of_pod(pod: &str, binding: &str, generation: &str) -> String {
    if pod.is_empty() {
        binding.to_owned()
    } else {
        format!("{pod}/{binding}@{generation}")
    }
}

#[async_trait]
impl Federation for Service {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let arrived = Call {
            request_id: message.request_id.clone(),
            rotate: message.reason() == v1::Reason::Rotate,
            ..call(Method::Issue, &message.binding, &message.client_instance)
        };
        self.arrive(metadata, arrived).await?;
        let ttl = message
            .ttl
            .map_or(DEFAULT_TTL, |ttl| Duration::try_from(ttl).unwrap());
        let (generation, data) = self
            .0
            .inner
            .lock()
            .unwrap()
            .mint(message.request_id, &message.binding, ttl);
        Ok(Response::new(v1::IssueResponse {
            data,
            lease: Some(v1::Lease {
                id: RequestId::random().as_str().to_owned(),
                generation,
                expires_in: Some(to_wire(ttl)),
                renewable: true,
                max_expires_in: None,
                ends: v1::Ends::AtOnce.into(),
                node: String::new(),
            }),
        }))
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let arrived = Call {
            generation: message.generation,
            ..call(Method::Acknowledge, &message.binding, &message.client_instance)
        };
        self.arrive(metadata, arrived).await?;
        Ok(Response::new(v1::AcknowledgeResponse {}))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let what = match message.target {
            Some(v1::revoke_request::Target::Binding(binding)) => binding,
            Some(v1::revoke_request::Target::Volumes(volumes)) => {
                joined(volumes.volumes.iter().map(|gone| {
                    let generation = gone.generation.map(|number| number.to_string());
                    of_pod(&gone.pod_uid, &gone.binding, &generation.unwrap_or_default())
                }))
            }
            None => return Err(Status::invalid_argument("target")),
        };
        let arrived = call(Method::Revoke, &what, &message.client_instance);
        self.arrive(metadata, arrived).await?;
        Ok(Response::new(v1::RevokeResponse { ended: 1 }))
    }

    async fn report(
        &self,
        request: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let what = joined(
            message
                .bindings
                .iter()
                .map(|report| of_pod(&report.pod_uid, &report.binding, &report.generation.to_string())),
        );
        let arrived = call(Method::Report, &what, &message.client_instance);
        self.arrive(metadata, arrived).await?;
        let verdicts = {
            let inner = self.0.inner.lock().unwrap();
            message
                .bindings
                .iter()
                .map(|report| inner.verdict(&report.binding))
                .collect()
        };
        Ok(Response::new(v1::ReportResponse {
            verdicts,
            report_in: Some(to_wire(REPORT_IN)),
        }))
    }
}
