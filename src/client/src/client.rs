//! The calls of a workload, in the terms of `esi-core`.

use std::time::Duration;

use esi_api::v1::federation_client::FederationClient;
use esi_api::{MAX_MESSAGE_BYTES, convert, v1};
use esi_core::names::{BindingName, ClientInstance};
use esi_core::{Generation, Plan, RequestId};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::answer::{Issued, Report, issued, report};
use crate::call::{Budget, call};
use crate::channel::channel;
use crate::error::{AttemptError, CallError, ConnectError};
use crate::servers::{Server, ServerAt};
use crate::token::{Token, TokenError, TokenSource};

/// One server, called with the tokens of one caller. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    server: ServerAt,
    grpc: FederationClient<Channel>,
    audience: Option<String>,
    token: TokenSource,
    instance: Option<ClientInstance>,
}

/// A way to call, and who calls, for one attempt.
pub(crate) struct Caller {
    pub(crate) grpc: FederationClient<Channel>,
    /// Empty for a pod.
    instance: String,
    header: MetadataValue<Ascii>,
    span: Duration,
}

impl Client {
    /// Shows the token of the server's file, and connects when it is first used. `agent` is what the server is told
    /// that calls: `program/version`.
    ///
    /// # Errors
    /// If its host or its CA is not usable.
    pub fn new(server: &Server, agent: &'static str) -> Result<Self, ConnectError> {
        let grpc = FederationClient::new(channel(server, agent)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            server: server.at.clone(),
            grpc,
            audience: server.audience.clone(),
            token: TokenSource::File(server.token_file.clone()),
            instance: None,
        })
    }

    /// The same, with what the caller calls itself where its token is not a pod's.
    #[must_use]
    pub fn named(self, instance: ClientInstance) -> Self {
        Self {
            instance: Some(instance),
            ..self
        }
    }

    /// The same connection for another caller.
    #[must_use]
    pub fn showing(&self, token: TokenSource) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// Which server it calls.
    #[must_use]
    pub fn server(&self) -> &ServerAt {
        &self.server
    }

    /// Refuses a token that could not be shown to the server.
    ///
    /// # Errors
    /// If there is none, or one for others.
    pub fn check_token(&self) -> Result<(), TokenError> {
        self.token().map(drop)
    }

    /// Asks for the credential of a plan. All attempts carry one request id, so that they mint at most one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn issue(&self, plan: &Plan, reason: v1::Reason, budget: Budget) -> Result<Issued, CallError> {
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
    pub async fn acknowledge(
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
    pub async fn revoke(&self, binding: &BindingName, budget: Budget) -> Result<(), CallError> {
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
    pub async fn report(
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

    fn token(&self) -> Result<Token, TokenError> {
        let token = self.token.token()?;
        if let Some(audience) = &self.audience {
            token.check_audience(audience)?;
        }
        Ok(token)
    }

    pub(crate) fn caller(&self, span: Duration) -> Result<Caller, AttemptError> {
        let token = self.token()?;
        let instance = match &self.instance {
            Some(instance) if !token.is_of_a_pod() => instance.to_string(),
            _ => String::new(),
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
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        // The server learns how long the answer is waited for, and does not work for nobody.
        request.set_timeout(self.span);
        request
            .metadata_mut()
            .insert("authorization", self.header.clone());
        request
    }
}
