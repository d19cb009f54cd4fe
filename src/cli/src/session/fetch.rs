//! A credential from the server to the bytes that its plan asks for.

use std::time::Duration;

use esi_api::v1::Reason;
use esi_client::{Budget, Issued};
use esi_core::Generation;
use esi_render::{Rendered, render};
use tokio::time::Instant;

use super::Binding;
use crate::exit::Failure;

/// Rendered, and not yet delivered.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) rendered: Rendered,
    pub(crate) generation: Generation,
    /// When the lease ends by itself, as far as is known.
    pub(crate) expires_at: Option<Instant>,
}

/// Issues and renders. The credential itself is dropped, and zeroised, before this returns.
///
/// # Errors
/// If the server has no credential, or the credential does not hold what the plan asks for.
pub(crate) async fn fetch(binding: &Binding, reason: Reason, budget: Budget) -> Result<Fetched, Failure> {
    let Binding { plan, client, live } = binding;
    live.with(|live| live.insert(plan.binding.clone()));
    let Issued {
        credential,
        generation,
        expires_in,
    } = client.issue(plan, reason, budget).await.map_err(|source| {
        // A refusal of the very first issue leaves nothing behind.
        if reason == Reason::Start && source.did_nothing() {
            live.with(|live| live.remove(&plan.binding));
        }
        Failure::Issue {
            binding: plan.binding.clone(),
            server: client.server().clone(),
            source,
        }
    })?;
    let rendered = render(plan, &credential).map_err(|error| Failure::Deliver {
        binding: plan.binding.clone(),
        source: error.into(),
    })?;
    Ok(Fetched {
        rendered,
        generation,
        expires_at: expires_at(expires_in),
    })
}

/// The instant that is `left` away.
pub(crate) fn expires_at(left: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(left?)
}
