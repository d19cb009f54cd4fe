//! The calls of the federation service, in the terms of `esi-core`.

use std::path::PathBuf;
use std::time::Duration;

use esi_api::v1::federation_client::FederationClient;
use esi_api::{MAX_MESSAGE_BYTES, convert, v1};
use esi_core::names::{BindingName, ClientInstance};
use esi_core::{Credential, Generation, Plan, RequestId};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::call::{Budget, call};
use super::channel::channel;
use super::error::{AnswerError, AttemptError, CallError, ConnectError};
use crate::config::{Server, ServerAt};
use crate::token::{Token, TokenError};

/// One server, as this process's workload.
#[derive(Debug)]
pub(crate) struct Client {
    server: ServerAt,
    grpc: FederationClient<Channel>,
    token_file: PathBuf,
    audience: Option<String>,
    instance: ClientInstance,
}

/// A credential and what is known of its lease.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) credential: Credential,
    pub(crate) generation: Generation,
    /// Time left, where the lease ends by itself.
    pub(crate) expires_in: Option<Duration>,
}

/// What the server says to a report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) verdicts: Vec<Verdict>,
    /// When it wants the next one.
    pub(crate) report_in: Option<Duration>,
}

/// What the server says of one binding.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) binding: String,
    /// Whether a new generation is to be fetched.
    pub(crate) rotate: bool,
    /// Time left, where the lease is live and ends by itself.
    pub(crate) expires_in: Option<Duration>,
}

/// A way to call, and who calls, for one attempt.
struct Caller {
    grpc: FederationClient<Channel>,
    /// Empty for a pod.
    instance: String,
    header: MetadataValue<Ascii>,
    span: Duration,
}

impl Client {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// If its host or its CA is not usable.
    pub(crate) fn new(server: &Server, instance: ClientInstance) -> Result<Self, ConnectError> {
        let grpc = FederationClient::new(channel(server)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            server: server.at.clone(),
            grpc,
            token_file: server.token_file.clone(),
            audience: server.audience.clone(),
            instance,
        })
    }

    /// Which server it calls.
    pub(crate) fn server(&self) -> &ServerAt {
        &self.server
    }

    /// Refuses a token that could not be shown to the server.
    ///
    /// # Errors
    /// If the file cannot be read, holds no token, or one for others.
    pub(crate) fn check_token(&self) -> Result<(), TokenError> {
        self.token().map(drop)
    }

    /// Asks for the credential of a plan. All attempts carry one request id, so that they mint at most one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn issue(
        &self,
        plan: &Plan,
        reason: v1::Reason,
        budget: Budget,
    ) -> Result<Issued, CallError> {
        let request_id = RequestId::random();
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let message = v1::IssueRequest {
                source: Some((&plan.source).into()),
                binding: plan.binding.to_string(),
                request_id: request_id.as_str().to_owned(),
                reason: reason.into(),
                ttl: plan.ttl.map(convert::to_wire),
                overlap: plan.overlap.map(convert::to_wire),
                client_instance: std::mem::take(&mut caller.instance),
            };
            let request = caller.request(message);
            let answer = caller.grpc.issue(request).await?.into_inner();
            issued(answer).map_err(AttemptError::Answer)
        })
        .await
    }

    /// Says that a generation is visible to the workload.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn acknowledge(
        &self,
        binding: &BindingName,
        generation: Generation,
        budget: Budget,
    ) -> Result<(), CallError> {
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let message = v1::AcknowledgeRequest {
                binding: binding.to_string(),
                generation: generation.number(),
                client_instance: std::mem::take(&mut caller.instance),
            };
            let request = caller.request(message);
            caller.grpc.acknowledge(request).await?;
            Ok(())
        })
        .await
    }

    /// Gives a binding's credentials back.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn revoke(&self, binding: &BindingName, budget: Budget) -> Result<(), CallError> {
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let message = v1::RevokeRequest {
                target: Some(v1::revoke_request::Target::Binding(binding.to_string())),
                client_instance: std::mem::take(&mut caller.instance),
            };
            let request = caller.request(message);
            caller.grpc.revoke(request).await?;
            Ok(())
        })
        .await
    }

    /// Says which generations are in use, and learns what to do with each.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn report(
        &self,
        held: &[(&BindingName, Generation)],
        budget: Budget,
    ) -> Result<Report, CallError> {
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let bindings = held
                .iter()
                .map(|(binding, generation)| v1::BindingReport {
                    binding: binding.to_string(),
                    generation: generation.number(),
                    pod_uid: String::new(),
                })
                .collect();
            let message = v1::ReportRequest {
                client_instance: std::mem::take(&mut caller.instance),
                bindings,
            };
            let request = caller.request(message);
            let answer = caller.grpc.report(request).await?.into_inner();
            report(answer).map_err(AttemptError::Answer)
        })
        .await
    }

    /// Reads the token anew.
    fn token(&self) -> Result<Token, TokenError> {
        let token = Token::read(&self.token_file)?;
        if let Some(audience) = &self.audience {
            token.check_audience(audience)?;
        }
        Ok(token)
    }

    fn caller(&self, span: Duration) -> Result<Caller, AttemptError> {
        let token = self.token()?;
        let instance = if token.is_of_a_pod() {
            String::new()
        } else {
            self.instance.to_string()
        };
        Ok(Caller {
            grpc: self.grpc.clone(),
            instance,
            header: token.into_header(),
            span,
        })
    }
}

impl Caller {
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        // The server learns how long the answer is waited for, and does not work for nobody.
        request.set_timeout(self.span);
        request
            .metadata_mut()
            .insert("authorization", self.header.clone());
        request
    }
}

fn issued(answer: v1::IssueResponse) -> Result<Issued, AnswerError> {
    let v1::IssueResponse { data, lease } = answer;
    // The values become secret bytes before anything else can fail.
    let credential = convert::credential_from_wire(data)?;
    let lease = lease.ok_or(AnswerError::NoLease)?;
    Ok(Issued {
        credential,
        generation: Generation::new(lease.generation),
        expires_in: left("lease.expires_in", lease.expires_in)?,
    })
}

fn report(answer: v1::ReportResponse) -> Result<Report, AnswerError> {
    let verdicts = answer
        .verdicts
        .into_iter()
        .map(|verdict| {
            Ok(Verdict {
                rotate: verdict.action() == v1::Action::Rotate,
                expires_in: left("verdict.expires_in", verdict.expires_in)?,
                binding: verdict.binding,
            })
        })
        .collect::<Result<_, AnswerError>>()?;
    Ok(Report {
        verdicts,
        report_in: left("report_in", answer.report_in)?,
    })
}

fn left(field: &'static str, span: Option<prost_types::Duration>) -> Result<Option<Duration>, AnswerError> {
    Ok(span.map(|span| convert::from_wire(field, span)).transpose()?)
}
