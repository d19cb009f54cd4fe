//! Messages to requests and back.

use std::sync::Arc;

use esi_api::MAX_RELEASED_VOLUMES;
use esi_api::convert::{FieldError, SourceField, credential_to_wire, from_wire, to_wire};
use esi_api::v1;
use esi_core::names::{BindingName, ClientInstance, GeneratorRef, Uid};
use esi_core::plan::{Source, limits};
use esi_core::{Classify, Code, Generation, RequestId, Retry, SecretBytes, Timestamp, Workload};
use esi_ledger::port::InUse;
use esi_resources::generator::kind::normalise;
use thiserror::Error;
use tonic::metadata::MetadataMap;

use crate::agent::NodeAgent;
use crate::authenticate::AuthenticateError;
use crate::issue::Issued;
use crate::release::Released;
use crate::report::{Action, REPORT_EVERY, Reported, Verdict};

/// A source that this version does not serve.
#[derive(Debug, Error)]
#[error("secret: this server does not serve static secrets of stores; name a generator")]
pub(super) struct StoresNotServed;

impl Classify for StoresNotServed {
    fn code(&self) -> Code {
        Code::Unimplemented
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "stores_not_served"
    }
}

/// The bearer token of a call (RFC 6750 §2.1).
pub(super) fn bearer(metadata: &MetadataMap) -> Result<SecretBytes, AuthenticateError> {
    let value = metadata.get("authorization").ok_or(AuthenticateError::Missing)?;
    let text = value.to_str().map_err(|_source| AuthenticateError::Missing)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthenticateError::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(SecretBytes::from(token.trim()))
    } else {
        Err(AuthenticateError::Missing)
    }
}

pub(super) fn client_instance(text: &str) -> Result<Option<ClientInstance>, FieldError> {
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse()
            .map(Some)
            .map_err(FieldError::name("client_instance"))
    }
}

pub(super) fn binding(text: &str) -> Result<BindingName, FieldError> {
    text.parse().map_err(FieldError::name("binding"))
}

pub(super) fn generation(number: u64) -> Result<Generation, FieldError> {
    if number == 0 {
        Err(FieldError::new("generation", "generations are counted from 1"))
    } else {
        Ok(Generation::new(number))
    }
}

pub(super) fn pod_uid(text: &str) -> Result<Uid, FieldError> {
    text.parse().map_err(FieldError::name("pod_uid"))
}

/// A binding that is reported: of a pod of the daemon's node, or of the caller itself. `agent` is there where any
/// binding names a pod.
pub(super) fn reported(
    report: &v1::BindingReport,
    caller: &Workload,
    agent: Option<&Arc<NodeAgent>>,
) -> Result<Reported, FieldError> {
    let v1::BindingReport {
        binding,
        generation,
        pod_uid,
    } = report;
    let (binding, generation) = (self::binding(binding)?, self::generation(*generation)?);
    let agent = agent.filter(|_| !pod_uid.is_empty());
    let key = match agent {
        Some(agent) => agent.key(&self::pod_uid(pod_uid)?, &binding),
        None => caller.key(&binding),
    };
    Ok(Reported {
        shown: InUse { key, generation },
        agent: agent.map(Arc::clone),
    })
}

/// What a node's daemon gives back.
pub(super) fn volumes(volumes: v1::Volumes, agent: &NodeAgent) -> Result<Vec<Released>, FieldError> {
    let v1::Volumes { volumes } = volumes;
    if volumes.len() > MAX_RELEASED_VOLUMES {
        let problem = format!("give back at most {MAX_RELEASED_VOLUMES}");
        return Err(FieldError::new("volumes", problem));
    }
    let released = volumes.into_iter().map(|volume| {
        let v1::Volume {
            pod_uid,
            binding,
            generation,
        } = volume;
        Ok(Released {
            key: agent.key(&self::pod_uid(&pod_uid)?, &self::binding(&binding)?),
            generation: generation.map(self::generation).transpose()?,
        })
    });
    released.collect()
}

/// The fields of an issue that do not depend on who asks.
pub(super) struct IssueFields {
    pub(super) source: Source,
    pub(super) binding: BindingName,
    pub(super) request_id: RequestId,
    pub(super) ttl: Option<std::time::Duration>,
    pub(super) overlap: Option<std::time::Duration>,
    pub(super) client: Option<ClientInstance>,
}

pub(super) fn issue_fields(message: v1::IssueRequest) -> Result<IssueFields, FieldError> {
    let v1::IssueRequest {
        source,
        binding,
        request_id,
        reason: _,
        ttl,
        client_instance,
        overlap,
    } = message;
    let source = source.ok_or_else(|| FieldError::new("source", "name a generator"))?;
    let SourceField(source) = source.try_into()?;
    let ttl = ttl.map(|ttl| from_wire("ttl", ttl)).transpose()?;
    if ttl.is_some_and(|ttl| !(limits::MIN_TTL..=limits::MAX_TTL).contains(&ttl)) {
        return Err(FieldError::new("ttl", "ask for 1s to 2160h"));
    }
    let overlap = overlap.map(|overlap| from_wire("overlap", overlap)).transpose()?;
    if overlap.is_some_and(|overlap| overlap > limits::MAX_OVERLAP) {
        return Err(FieldError::new("overlap", "ask for 24h at most"));
    }
    Ok(IssueFields {
        source,
        binding: self::binding(&binding)?,
        request_id: request_id.parse().map_err(FieldError::name("request_id"))?,
        ttl,
        overlap,
        client: self::client_instance(&client_instance)?,
    })
}

pub(super) fn generator(source: Source) -> Result<GeneratorRef, StoresNotServed> {
    match source {
        Source::Generator(reference) => Ok(normalise(reference)),
        Source::Secret(_) => Err(StoresNotServed),
    }
}

/// `now` is the ledger's time, as all times of a lease are.
pub(super) fn issue_response(issued: Issued, now: Timestamp) -> v1::IssueResponse {
    let Issued { credential, lease } = issued;
    let lease = v1::Lease {
        id: lease.intent.lease.to_string(),
        generation: lease.generation.number(),
        expires_in: lease.expires_at.map(|at| to_wire(at.since(now))),
        renewable: lease.renewable,
        max_expires_in: lease.max_expires_at.map(|at| to_wire(at.since(now))),
        ends: v1::Ends::from(lease.ends).into(),
        node: lease.owner.node.map(|node| node.to_string()).unwrap_or_default(),
    };
    v1::IssueResponse {
        data: credential_to_wire(credential),
        lease: Some(lease),
    }
}

pub(super) fn report_response(bindings: Vec<String>, verdicts: Vec<Verdict>) -> v1::ReportResponse {
    let verdicts = bindings.into_iter().zip(verdicts).map(|(binding, verdict)| {
        let Verdict { action, life } = verdict;
        let to_do = match action {
            Action::Keep => v1::Action::Keep,
            Action::Rotate | Action::RotateAsked => v1::Action::Rotate,
            Action::Unknown => v1::Action::Unknown,
        };
        v1::BindingVerdict {
            binding,
            action: to_do.into(),
            expires_in: life.map(|life| to_wire(life.expires_in)),
            renewable: life.is_some_and(|life| life.renewable),
            max_expires_in: life.and_then(|life| life.max_expires_in).map(to_wire),
            asked: action == Action::RotateAsked,
        }
    });
    v1::ReportResponse {
        verdicts: verdicts.collect(),
        report_in: Some(to_wire(REPORT_EVERY)),
    }
}
