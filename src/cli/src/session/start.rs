//! The start: everything that a plan asks for, or nothing that anybody would use.
//!
//! What can be known beforehand is checked before any server is asked: a mistake in a plan or a mount then costs no
//! lease, and is told at once.

use esi_api::v1::Reason;
use esi_client::Budget;
use esi_core::Generation;
use esi_render::Variable;
use tokio::time::Instant;

use super::{Binding, Fetched, Session, fetch, together};
use crate::deliver::{DeliverError, Delivery};
use crate::exit::Failure;

/// A delivered and acknowledged credential.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) binding: Binding,
    pub(crate) generation: Generation,
    pub(crate) expires_at: Option<Instant>,
    /// For the environment of a process.
    pub(crate) variables: Vec<Variable>,
}

impl Session {
    /// Checks all, fetches all, then writes all, then acknowledges all: what is acknowledged outlives the next attempt by
    /// the overlap, so nothing is until everything is in place.
    ///
    /// # Errors
    /// The first failure; others may then have been fetched, and even written.
    pub(crate) async fn start(&self, delivery: &Delivery) -> Result<Vec<Held>, Failure> {
        for binding in &self.bindings {
            check(binding, delivery)?;
        }
        let budget = Budget::of(self.deadline);
        let fetched = together(self.bindings.iter().cloned().map(|binding| async move {
            fetch(&binding, Reason::Start, budget)
                .await
                .map(|fetched| (binding, fetched))
        }))
        .await?;
        let mut prepared = Vec::with_capacity(fetched.len());
        for (binding, fetched) in fetched {
            let Fetched {
                rendered,
                generation,
                expires_at,
            } = fetched;
            let outputs = delivery
                .prepare(&binding.plan, rendered)
                .map_err(|source| undelivered(&binding, source))?;
            prepared.push((binding, outputs, generation, expires_at));
        }
        let mut held = Vec::with_capacity(prepared.len());
        for (binding, outputs, generation, expires_at) in prepared {
            delivery
                .write(&binding.plan.binding, generation, &outputs)
                .map_err(|source| undelivered(&binding, source))?;
            held.push(Held {
                binding,
                generation,
                expires_at,
                variables: outputs.variables,
            });
        }
        together(held.iter().map(|held| {
            let (binding, generation) = (held.binding.clone(), held.generation);
            async move { acknowledge(&binding, generation, budget).await }
        }))
        .await?;
        Ok(held)
    }
}

/// Refuses a plan that would fail whatever its server answers, and a token that could not be shown to it.
fn check(Binding { plan, client, .. }: &Binding, delivery: &Delivery) -> Result<(), Failure> {
    esi_render::check(plan)
        .map_err(DeliverError::from)
        .and_then(|()| delivery.check_places(plan))
        .map_err(|source| Failure::Plan {
            binding: plan.binding.clone(),
            source,
        })?;
    client.check_token().map_err(|source| Failure::Token {
        server: client.server().clone(),
        source,
    })
}

/// Tells the server that a generation is visible.
///
/// # Errors
/// If the server refuses or does not answer.
pub(crate) async fn acknowledge(
    binding: &Binding,
    generation: Generation,
    budget: Budget,
) -> Result<(), Failure> {
    let Binding { plan, client, .. } = binding;
    client
        .acknowledge(&plan.binding, generation, budget)
        .await
        .map_err(|source| Failure::Acknowledge {
            binding: plan.binding.clone(),
            server: client.server().clone(),
            source,
        })
}

fn undelivered(binding: &Binding, source: DeliverError) -> Failure {
    Failure::Deliver {
        binding: binding.plan.binding.clone(),
        source,
    }
}
