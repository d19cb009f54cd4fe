//! The calls of a node's daemon for the pods of its node, with its own identity.

use esi_api::v1;
use esi_core::Generation;
use esi_core::names::{BindingName, Uid};

use crate::answer::{Report, report};
use crate::call::{Budget, call};
use crate::client::Client;
use crate::error::{AnswerError, AttemptError, CallError};

/// A generation that a volume of a pod shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Whose volume.
    pub pod: Uid,
    /// Of which binding.
    pub binding: BindingName,
    /// What it shows.
    pub generation: Generation,
}

/// A volume that is gone.
#[derive(Debug, Clone)]
pub struct Gone {
    /// Whose it was.
    pub pod: Uid,
    /// Of which binding.
    pub binding: BindingName,
    /// The last generation that it showed: later ones go on. `None`: all end, also those still being issued.
    pub generation: Option<Generation>,
}

impl Client {
    /// Says what the volumes of this node show, at most
    /// [`MAX_REPORTED_BINDINGS`](esi_api::MAX_REPORTED_BINDINGS), and learns what to do with each, in the same order.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn report_shown(&self, shown: &[Shown], budget: Budget) -> Result<Report, CallError> {
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let bindings = shown.iter().map(|shown| v1::BindingReport {
                binding: shown.binding.to_string(),
                generation: shown.generation.number(),
                pod_uid: shown.pod.to_string(),
            });
            let request = caller.request(v1::ReportRequest {
                client_instance: String::new(),
                bindings: bindings.collect(),
            });
            let answer = caller.grpc.report(request).await?.into_inner();
            let report = report(answer).map_err(AttemptError::Answer)?;
            // Bindings of several pods have the same names, so only the order tells whose a verdict is.
            if report.verdicts.len() == shown.len() {
                Ok(report)
            } else {
                Err(AttemptError::Answer(AnswerError::Verdicts {
                    reported: shown.len(),
                    answered: report.verdicts.len(),
                }))
            }
        })
        .await
    }

    /// Says that volumes of this node are gone, at most
    /// [`MAX_RELEASED_VOLUMES`](esi_api::MAX_RELEASED_VOLUMES). May be repeated.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn release(&self, gone: &[Gone], budget: Budget) -> Result<(), CallError> {
        call(budget, async |span| {
            let mut caller = self.caller(span)?;
            let volumes = gone.iter().map(|gone| v1::Volume {
                pod_uid: gone.pod.to_string(),
                binding: gone.binding.to_string(),
                generation: gone.generation.map(Generation::number),
            });
            let volumes = v1::Volumes {
                volumes: volumes.collect(),
            };
            let request = caller.request(v1::RevokeRequest {
                target: Some(v1::revoke_request::Target::Volumes(volumes)),
                client_instance: String::new(),
            });
            caller.grpc.revoke(request).await?;
            Ok(())
        })
        .await
    }
}
