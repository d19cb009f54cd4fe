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

pub use crate::pod::PodError;
pub use error::MutateError;
pub use patch::Patch;

use crate::ask::Asked;
use crate::config::Configuration;
use crate::json::Json;
use crate::pod::Pod;
use crate::world::World;
use ours::Ours;
use patch::Writer;
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
        None => inject::inject(&view, &context, Writer::default())?,
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
    if strip.count() == 0 {
        return inject::inject(view, context, strip);
    }
    limits::check_removed(strip.count())?;
    let mut stripped = pod.to_tree();
    let removals = strip
        .so_far()?
        .operations()
        .map_err(|_broken| MutateError::Unwritten)?;
    json_patch::patch(&mut stripped, &removals).map_err(|_broken| MutateError::Strip)?;
    inject::inject(&Pod::read(Json::of(&stripped).root())?, context, strip)
}

#[cfg(test)]
mod tests;
