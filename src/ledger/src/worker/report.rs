//! What the log says about attempts: the first failures of a generator loudly, the rest quietly, then its recovery.

use std::collections::HashMap;

use esi_core::names::GeneratorRef;
use esi_core::{Classify as _, chain};

use super::attempt::Outcome;
use crate::error::StoreError;
use crate::port::Work;

/// Failures in a row that are warnings: enough to see a pattern, few enough for an outage with thousands of leases.
const LOUD: u32 = 3;

/// Failures in a row of each generator that fails now. One entry per generator, gone when it succeeds.
#[derive(Debug, Default)]
pub(super) struct Report {
    failing: HashMap<GeneratorRef, u32>,
}

impl Report {
    pub(super) fn tell(&mut self, outcome: &Outcome) {
        let Outcome {
            generator,
            lease,
            work,
            failed_before,
            failure,
            dead,
            unsettled,
        } = outcome;
        let ends = *work != Work::Renew;
        let work = work.as_str();
        match failure {
            Some(failure) => {
                let row = self.failing.entry(generator.clone()).or_default();
                *row = row.saturating_add(1);
                let (kind, error) = (failure.kind, chain(failure.source.as_ref()));
                if *dead {
                    tracing::error!(%generator, %lease, work, kind, error, "given up: it needs a person");
                } else if *row <= LOUD {
                    tracing::warn!(%generator, %lease, work, kind, error, failed_before, "an attempt failed");
                } else {
                    tracing::debug!(%generator, %lease, work, kind, error, failed_before, "an attempt failed");
                }
            }
            None => {
                if let Some(failures) = self.failing.remove(generator) {
                    tracing::info!(%generator, work, failures, "recovered");
                }
                // The end of a lease is told as its beginning is; a renewal is routine.
                if ends {
                    tracing::info!(event = "ended", %generator, %lease, work, failed_before);
                } else {
                    tracing::debug!(%generator, %lease, work, failed_before, "done");
                }
            }
        }
        match unsettled {
            None => {}
            // Ended or taken over meanwhile: whoever has it now goes on.
            Some(StoreError::ClaimLost) => {
                tracing::debug!(%generator, %lease, work, "the claim was lost meanwhile");
            }
            Some(error) => {
                tracing::warn!(%generator, %lease, work, kind = error.kind(), error = chain(error),
                    "the result could not be recorded: it is tried again when its claim is over");
            }
        }
    }
}
