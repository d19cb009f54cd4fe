//! A pod and what it asks for in, a patch out.
//!
//! ```text
//!  pod ─┬─ marked, all in place ──────────────────────────────▶ empty patch
//!       ├─ marked, otherwise (a copy, a change) ─strip─▶ pod' ─┐
//!       └─ not marked ─────────────────────────────────────────┴─inject─▶ patch
//!
//!  inject:  bindings ─derive─▶ shares ─select─▶ recipients ─┬─ env, mounts, exec   what each container gets
//!                                                           ├─ identity, volumes   who writes, who reads
//!                                                           ├─ position, init      the init container
//!                                                           └─ mark
//! ```
//!
//! It owns the words of injection in a pod ([`names`]). Invariants: the patch is a function of its arguments; it adds
//! and removes single elements, and touches nothing that is not ours, apart from variables of the container itself
//! whose names are asked for; applied to its own result, `mutate` changes nothing; whatever the JSON is, it ends
//! without a panic, and in time that grows with its size.

mod env;
mod error;
mod exec;
mod identity;
mod init;
mod inject;
mod limits;
mod mark;
mod mesh;
mod mounts;
pub mod names;
mod ours;
mod patch;
mod position;
mod resources;
mod select;
mod servers;
mod share;
mod taken;
mod volumes;
mod warnings;

use json_patch::Patch;

pub use crate::pod::PodError;
pub use error::MutateError;

use crate::ask::Asked;
use crate::config::Configuration;
use crate::json::Json;
use crate::pod::Pod;
use crate::world::World;
use ours::Ours;
use share::Share;

/// What is answered for a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mutation {
    /// The change; empty where there is none.
    pub patch: Patch,
    /// What the pod's author should know though the pod is taken.
    pub warnings: Vec<String>,
}

/// Everything that decides over the patch, but the pod.
struct Context<'a> {
    asked: &'a Asked,
    shares: &'a [Share<'a>],
    world: &'a World,
    configuration: &'a Configuration,
    mark: &'a str,
}

/// The patch by which a pod gets what it asks for.
///
/// # Errors
/// If it cannot have it, here or at all; see [`MutateError`].
pub fn mutate(
    pod: &Json<'_>,
    asked: &Asked,
    world: &World,
    configuration: &Configuration,
) -> Result<Mutation, MutateError> {
    let view = Pod::read(pod.root())?;
    if view.is_mirror() || asked.bindings.is_empty() {
        return Ok(Mutation::default());
    }
    if view.windows {
        return Err(MutateError::Windows);
    }
    limits::check(&view, asked)?;
    let shares = share::derive(asked, world, configuration)?;
    let mark = mark::of(asked, &shares, world, configuration);
    let context = Context {
        asked,
        shares: &shares,
        world,
        configuration,
        mark: &mark,
    };
    let mut mutation = match view.annotation(names::INJECTED_ANNOTATION) {
        None => inject::inject(&view, &context)?,
        Some(found) => again(pod, &view, found, &context)?,
    };
    mutation.warnings.splice(0..0, asked.warnings.iter().cloned());
    Ok(mutation)
}

/// The patch for a pod that is marked.
fn again(
    pod: &Json<'_>,
    view: &Pod<'_>,
    found: &str,
    context: &Context<'_>,
) -> Result<Mutation, MutateError> {
    let ours = Ours::find(view, context.shares);
    if found == context.mark {
        let recipients = select::select(view, context.shares)?;
        if ours.are_in_place(&recipients) && ours.suit(recipients, context.configuration) {
            // A mesh may have come since that swallows the traffic.
            if context.shares.iter().any(Share::by_init) && context.asked.options.position.is_none() {
                position::decide(view, None, &[])?;
            }
            return Ok(Mutation::default());
        }
    }
    let strip = ours.strip();
    if strip.is_empty() {
        return inject::inject(view, context);
    }
    limits::check_removed(strip.0.len())?;
    let mut stripped = pod.to_tree();
    json_patch::patch(&mut stripped, &strip).map_err(|_broken| MutateError::Strip)?;
    let mut mutation = inject::inject(&Pod::read(Json::of(&stripped).root())?, context)?;
    mutation.patch.0.splice(0..0, strip.0);
    Ok(mutation)
}

#[cfg(test)]
mod tests;
