//! A credential into a volume and its env file.

use std::os::fd::OwnedFd;

use esi_core::{Credential, Generation, Plan};
use esi_delivery::{File, Volume, act_as, write_env_file};

use super::env::EnvDirectory;
use super::error::NodeFillError;
use crate::request::Owner;

/// Renders, writes one generation into the volume at `root` (`O_PATH` will do), and then the env file, where the plan
/// has variables for one and `env` says where. Blocks: templates may use all their fuel. Closes `root`.
///
/// # Errors
/// If a value does not fit its form, or there is no room or place for it. What readers see is then as it was.
pub fn deliver(
    plan: &Plan,
    owner: Owner,
    (generation, credential): (Generation, &Credential),
    root: OwnedFd,
    env: Option<&EnvDirectory>,
) -> Result<(), NodeFillError> {
    let rendered = esi_render::render(plan, credential).map_err(NodeFillError::Render)?;
    // In its form before anything is written, since it may not fit.
    let variables = match env.filter(|_env| plan.has_variables()) {
        Some(env) => {
            let content = esi_render::env_file(&rendered.variables).map_err(NodeFillError::Render)?;
            Some((env, content))
        }
        None => None,
    };
    let files: Vec<File<'_>> = rendered
        .files
        .iter()
        .map(|file| File {
            path: &file.path,
            mode: file.mode,
            content: &file.content,
        })
        .collect();
    // Also without any file: the generation itself says that the volume is filled.
    let volume = Volume::from_fd(root);
    act_as(owner.user, owner.group, || volume.write(generation, &files)).map_err(NodeFillError::Deliver)?;
    drop(volume);
    if let Some((env, content)) = variables {
        let directory = env.open()?.ok_or(NodeFillError::NoEnvDirectory)?;
        let name = format!("{}.env", plan.binding);
        write_env_file(&Volume::from_fd(directory), &name, &content).map_err(NodeFillError::Deliver)?;
    }
    Ok(())
}
