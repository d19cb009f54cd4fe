//! A refused call, from the step that refuses it to the one place that counts, logs and answers it.

use esi_api::status::from_error;
use esi_core::names::GeneratorRef;
use esi_core::{Classify, Workload};
use tonic::Status;

use crate::refusals::Refusals;

/// Why a call is refused, and of what and for whom where that is known.
#[derive(Debug)]
pub(super) struct Refusal {
    error: Box<dyn Classify + Send + Sync>,
    /// What the caller sees.
    pub(super) status: Status,
    issue: Option<Box<(GeneratorRef, Workload)>>,
}

impl<E: Classify + Send + Sync + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self {
            status: from_error(&error),
            error: Box::new(error),
            issue: None,
        }
    }
}

impl Refusal {
    pub(super) fn of_issue(mut self, generator: &GeneratorRef, workload: &Workload) -> Self {
        self.issue = Some(Box::new((generator.clone(), workload.clone())));
        self
    }

    pub(super) fn log(&self, refusals: &Refusals) {
        let issue = self.issue.as_deref();
        refusals.tell(
            self.error.as_ref(),
            issue.map(|(generator, workload)| (generator, workload)),
        );
    }
}
